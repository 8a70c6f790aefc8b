#include "replog/applier.hpp"

#include <algorithm>
#include <utility>

namespace cluster::replog {
namespace {

constexpr std::size_t mark_bytes = 256u << 10;
constexpr std::size_t write_bytes_max = 256u << 10;  // At once, before others have their turn.

// Ends early when nobody wants the snapshot any more, and lets those in who fetch another.
class PoliteWriter final : public SnapshotWriter {
 public:
  PoliteWriter(SnapshotWriter& writer, SnapshotShelf& shelf, const std::atomic<bool>& is_cancelled)
      : writer_(writer), shelf_(shelf), is_cancelled_(is_cancelled) {}
  Result<void> write(ByteView bytes) override {
    do {
      if (is_cancelled_) return Error{Errc::closed, "the log was closed"};
      shelf_.do_short_work();
      ByteView part = bytes.substr(0, write_bytes_max);
      if (auto written = writer_.write(part); !written) return written;
      bytes.remove_prefix(part.size());
    } while (!bytes.empty());
    return {};
  }

 private:
  SnapshotWriter& writer_;
  SnapshotShelf& shelf_;
  const std::atomic<bool>& is_cancelled_;
};

Result<SnapshotOffered> write_to(SnapshotShelf& shelf, Time now, const SnapshotOffered& about,
                                 SnapshotJob job, const std::atomic<bool>& is_cancelled) {
  auto sink = shelf.files().create(about);
  if (!sink) return std::move(sink).error();
  PoliteWriter writer(**sink, shelf, is_cancelled);
  auto written = job(writer);
  job = nullptr;  // What it holds ends here.
  if (!written) return std::move(written).error();
  auto done = (*sink)->finish();
  if (done) shelf.clear_up(now);
  return done;
}

}  // namespace

Applier::Applier(runtime::Host& host, StateMachine& machine, SnapshotPolicy policy,
                 std::shared_ptr<SnapshotShelf> shelf, Configuration founders, Log log)
    : host_(host),
      machine_(machine),
      policy_(policy),
      shelf_(std::move(shelf)),
      log_(std::move(log)),
      logger_(host.logger().with_part("log")) {
  at_.configuration = std::move(founders);
}

Applier::~Applier() {
  *is_cancelled_ = true;
  gate_->close();
}

template <class F, class G>
void Applier::deliver(F f, G done) {
  is_busy_ = true;
  using Answer = decltype(f());
  auto go_on = lifeline_.guard([this, done = std::move(done)](Answer answer) mutable {
    is_busy_ = false;
    if (stopped_) return;
    done(std::move(answer));
    answer_waiters();  // Those that came meanwhile.
    run();
  });
  host_.delivery()->execute([&host = host_, gate = gate_, f = std::move(f),
                             go_on = std::move(go_on)]() mutable {
    gate->enter([&] {
      host.post([answer = f(), go_on = std::move(go_on)]() mutable { go_on(std::move(answer)); });
    });
  });
}

void Applier::advance(Position end) {
  readable_end_ = std::max(readable_end_, end);
  run();
}

void Applier::restore(const SnapshotOffered& snapshot) {
  restore_ = snapshot;
  run();
}

void Applier::run() {
  if (is_busy_ || stopped_) return;
  if (restore_) return begin_restore();
  if (!is_writing_ && (wants_snapshot() || !asked_.empty())) return begin_snapshot();
  while (at_.end < readable_end_ && !is_busy_ && !stopped_ && apply_next()) {
  }
}

bool Applier::apply_next() {
  auto fail = [this](const Error& why) {
    log_.fail(why);
    return false;
  };
  auto found = log_.read(at_.end, readable_end_);
  if (!found) return fail(found.error());
  if (found->empty()) return false;
  for (const LogEntry& entry : *found) pass(entry);
  auto shown = log_.show(*std::move(found));
  if (!shown) return fail(shown.error());
  if (shown->empty()) {
    answer_waiters();
    return true;
  }
  deliver(
      [&machine = machine_, batch = *std::move(shown)] {
        machine.apply(batch);
        return true;
      },
      [this](bool) { answer_waiters(); });
  return true;
}

void Applier::pass(const LogEntry& entry) {
  at_.end = entry.position.next();
  if (entry.value.term != 0) at_.term = entry.value.term;
  bytes_ += entry.value.cost();
  if (entry.value.kind == Kind::config) {
    auto members = decode_configuration(entry.value.data.view(), entry.position);
    if (members) at_.configuration = *std::move(members);
  }
  bool is_far = marks_.empty() || bytes_ - marks_.back().bytes >=
                                      std::min<std::size_t>(mark_bytes, policy_.keep_bytes / 8);
  if (is_far) marks_.push_back(Mark{at_.end, at_.term, bytes_});
}

void Applier::answer_waiters() {
  // Not while the state machine is at work on what `at_` already counts.
  if (is_busy_ || restore_) return;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    if (at->end > at_.end) {
      ++at;
      continue;
    }
    Promise<Position> promise = std::move(at->promise);
    Position end = at->end;
    at = waiters_.erase(at);
    promise.complete(end);
  }
}

void Applier::wait(Position end, Promise<Position> promise, OpenCall call) {
  if (stopped_) return promise.complete(*stopped_);
  waiters_.push_back(Waiter{end, std::move(promise), std::move(call)});
  answer_waiters();
}

std::optional<Applier::Withdrawn> Applier::withdraw(std::uint64_t call) {
  for (auto* list : {&asked_, &writing_, &waiters_}) {
    auto at = std::find_if(list->begin(), list->end(),
                           [&](const Waiter& one) { return one.call.id() == call; });
    if (at == list->end()) continue;
    Withdrawn withdrawn{std::move(at->promise), list == &writing_};
    list->erase(at);
    return withdrawn;
  }
  return std::nullopt;
}

void Applier::begin_restore() {
  SnapshotOffered snapshot = *std::exchange(restore_, std::nullopt);
  logger_.info("restores the state", "end", snapshot.end, "bytes", snapshot.size);
  restores_ += 1;
  deliver(
      [&machine = machine_, shelf = shelf_, id = snapshot.id]() -> Result<void> {
        auto reader = shelf->files().open(id);
        if (!reader) return std::move(reader).error();
        return machine.restore(**reader);
      },
      [this, snapshot](Result<void> restored) {
        if (!restored) return log_.fail(restored.error());
        at_ = Place{snapshot.end, snapshot.term, snapshot.configuration};
        snapshot_end_ = snapshot.end;
        snapshot_bytes_ = bytes_;
        readable_end_ = std::max(readable_end_, at_.end);
        marks_.clear();
        answer_waiters();
      });
}

bool Applier::wants_snapshot() const {
  if (at_.end <= snapshot_end_) return false;
  bool is_for_bytes = policy_.after_bytes != 0 && bytes_ - snapshot_bytes_ >= policy_.after_bytes;
  bool is_for_entries = policy_.after_entries != 0 &&
                        at_.end.value() - snapshot_end_.value() >= policy_.after_entries;
  return is_for_bytes || is_for_entries;
}

void Applier::take_snapshot(Promise<Position> promise, OpenCall call) {
  if (stopped_) return promise.complete(*stopped_);
  asked_.push_back(Waiter{Position{}, std::move(promise), std::move(call)});
  run();
}

void Applier::begin_snapshot() {
  is_writing_ = true;
  writing_ = std::exchange(asked_, {});
  // Failed or not, the next one is due after as much again.
  snapshot_end_ = at_.end;
  snapshot_bytes_ = bytes_;
  deliver([&machine = machine_] { return machine.begin_snapshot(); },
          [this](Result<SnapshotJob> job) {
            if (job) return write_snapshot(*std::move(job));
            end_snapshot(at_, bytes_, std::move(job).error());
          });
}

void Applier::write_snapshot(SnapshotJob job) {
  SnapshotOffered about{.end = at_.end,
                        .term = at_.term,
                        .configuration = at_.configuration,
                        .id = host_.random_seed() | 1};
  auto done = lifeline_.guard([this, at = at_, bytes = bytes_](Result<SnapshotOffered> made) {
    if (!stopped_) end_snapshot(at, bytes, made);
  });
  host_.post_background([&host = host_, shelf = shelf_, about = std::move(about),
                         job = std::move(job), is_cancelled = is_cancelled_,
                         done = std::move(done)]() mutable {
    auto made = write_to(*shelf, host.now(), about, std::move(job), *is_cancelled);
    host.post(
        [made = std::move(made), done = std::move(done)]() mutable { done(std::move(made)); });
  });
}

void Applier::end_snapshot(const Place& at, std::uint64_t bytes,
                           const Result<SnapshotOffered>& made) {
  is_writing_ = false;
  std::vector<Waiter> asked = std::exchange(writing_, {});
  if (!made) {
    logger_.warning("no snapshot was made", "why", made.error().message());
    for (Waiter& one : asked) one.promise.complete(made.error());
    return run();
  }
  snapshots_ += 1;
  logger_.info("made a snapshot", "end", at.end, "bytes", made->size);
  // The newest mark that leaves as much as is to be kept.
  Position keep_from;
  std::uint64_t term = 0;
  if (policy_.keep_bytes == 0) {
    keep_from = at.end;
    term = at.term;
  }
  while (!marks_.empty() && marks_.front().bytes + policy_.keep_bytes <= bytes) {
    if (policy_.keep_bytes != 0 && marks_.front().end <= at.end) {
      keep_from = marks_.front().end;
      term = marks_.front().term;
    }
    marks_.pop_front();
  }
  log_.on_snapshot(*made, keep_from, term);
  for (Waiter& one : asked) one.promise.complete(at.end);
  run();
}

void Applier::stop(const Error& why) {
  stopped_ = why;
  *is_cancelled_ = true;
  for (auto* list : {&asked_, &writing_, &waiters_}) {
    for (Waiter& waiter : *list) waiter.promise.complete(why);
    list->clear();
  }
}

}  // namespace cluster::replog
