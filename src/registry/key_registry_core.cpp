#include "registry/key_registry_core.hpp"

#include <algorithm>

namespace cluster {

using registry::KeyAnswer;
using registry::KeyCommand;
using registry::KeyCommandBody;

namespace {

constexpr Duration retry_pause = std::chrono::milliseconds(20);
// Calls that only a look ends may end so much late.
constexpr Duration look_interval = std::chrono::milliseconds(200);

// On a log that has nothing else.
class OnLog final : public registry::KeyLog {
 public:
  explicit OnLog(Log& log) : log_(log) {}
  Op<Position> append(Bytes entry, const CallOptions& options) override {
    return log_.append(std::move(entry), options);
  }
  Op<Position> read_barrier(const CallOptions& options) override {
    return log_.read_barrier(options);
  }

 private:
  Log& log_;
};

Error closed() { return {Errc::closed, "the registry was closed", Outcome::maybe}; }

// Whether a session may send the command again.
bool is_passing(const Error& error) {
  return error.code == Errc::timed_out || error.code == Errc::no_leader ||
         error.code == Errc::fenced || error.code == Errc::overloaded ||
         error.code == Errc::unreachable || error.outcome == Outcome::maybe;
}

}  // namespace

Registry::Core::Core(runtime::Host& its_host, RegistryOptions its_options)
    : host(its_host),
      logger(its_host.logger().with_part("registry")),
      options(std::move(its_options)),
      process_(its_host.random_seed() | 1),
      random_(its_host.random_seed()) {}

void Registry::Core::start(Log its_log) {
  own_log.emplace(std::move(its_log));
  own_key_log = std::make_unique<OnLog>(*own_log);
  start_on(*own_key_log);
  own_log->watch_leadership([weak = weak_from_this()](const Leadership& leadership) {
    if (auto core = weak.lock()) core->on_leadership(leadership);
  });
  own_log->watch_health([weak = weak_from_this()](const Health& health) {
    if (auto core = weak.lock()) core->on_health(health);
  });
}

void Registry::Core::start_on(registry::KeyLog& its_log) {
  {
    std::unique_lock held(log_mutex_);
    log_ = &its_log;
  }
  runtime::run_on_node(host, [this] {
    alarm_ = host.make_alarm([weak = weak_from_this()] {
      if (auto core = weak.lock()) core->wake();
    });
  });
  {
    // What was applied while the log opened found no alarm to set.
    std::lock_guard lock(mutex);
    armed_ = time_never;
    arm();
  }
}

void Registry::Core::stop() {
  {
    std::lock_guard lock(mutex);
    stopped = closed();
  }
  runtime::run_on_node(host, [this] { alarm_.reset(); });
  {
    std::unique_lock held(log_mutex_);
    log_ = nullptr;
  }
  own_log.reset();
  News news;
  {
    std::lock_guard lock(mutex);
    end_all(closed(), news);
  }
  news.tell();
  // What the log had on its way to `apply` comes before this, and finds us alive.
  host.delivery()->execute([self = shared_from_this()] {});
}

void Registry::Core::News::tell() {
  for (auto& [waiter, answer] : answers) waiter->answer(std::move(answer));
  for (auto& [waiter, answer] : decided) waiter->decide(std::move(answer));
  for (auto& [promise, batch] : batches) promise.complete(std::move(batch));
  for (auto& reader : read) reader->answer();
  for (auto& [reader, error] : unread) reader->fail(std::move(error));
  for (auto& [promise, loss] : losses) promise.complete(std::move(loss));
}

void Registry::Core::end_all(const Error& why, News& news) {
  stopped = why;
  for (auto& [number, pending] : std::exchange(pending_, {})) {
    if (pending.session) pending.session->open.erase(pending.sequence);
    news.answers.emplace_back(std::move(pending.waiter), why);
  }
  for (auto* list : {&reads_, &barrier_reads_}) {
    for (OpenRead& open : *list) news.unread.emplace_back(std::move(open.reader), why);
    list->clear();
  }
  for (auto& [id, taker] : std::exchange(takers_, {})) {
    *taker.end = WatchEnd{.error = why, .resume_from = hub_.told(id).next()};
    news.batches.emplace_back(std::move(taker.promise), why);
  }
  for (auto& [lease, kept] : std::exchange(kept_, {})) {
    for (Promise<LeaseLoss>& asked : kept.asked) news.losses.emplace_back(std::move(asked), why);
  }
}

// Applying.

void Registry::Core::apply_entry(const Entry& entry, Time now, News& news) {
  auto command = registry::decode_key_command(entry.data);
  if (!command && command.error().code == Errc::unsupported) {
    logger.error("stopped at an entry of a newer version", "position", entry.position, "why",
                 command.error().context);
    return end_all(command.error(), news);
  }
  if (!command) {
    // Every replica of every version skips the same ones.
    logger.error("skipped an entry", "position", entry.position, "why", command.error().context);
    return;
  }
  auto applied = state.apply(entry.position, *command);
  hub_.on_applied(state, applied);
  timer_.on_applied(now, *command, applied, state);
  lose_ended_leases(command->body, news);
  if (command->request.process != process_) return;
  if (auto waiter = settle(command->request.number)) {
    news.decided.emplace_back(std::move(waiter), std::move(applied.answer));
  }
}

void Registry::Core::apply(const std::vector<Entry>& entries) {
  News news;
  {
    std::lock_guard lock(mutex);
    const Time now = host.now();
    for (const Entry& entry : entries) {
      if (stopped) break;
      apply_entry(entry, now, news);
    }
    pump_watches(news);
    arm();
  }
  news.tell();
}

Result<SnapshotJob> Registry::Core::begin_snapshot() {
  std::lock_guard lock(mutex);
  if (stopped) return *stopped;
  return state.begin_snapshot();
}

Result<void> Registry::Core::restore(SnapshotReader& from) {
  auto restored = registry::KeysState::restore(from);
  if (!restored) return std::move(restored).error();
  become(*std::move(restored));
  return {};
}

void Registry::Core::become(registry::KeysState restored) {
  std::vector<std::pair<std::uint64_t, Position>> passed_by;
  News news;
  {
    std::lock_guard lock(mutex);
    state = std::move(restored);
    for (const auto& [number, pending] : pending_) {
      if (pending.at && pending.at <= state.applied()) passed_by.emplace_back(number, pending.at);
    }
    hub_.on_restored(state);
    for (auto& [lease, kept] : kept_) {
      if (!state.find_lease(lease)) lose(lease, kept, true, news);
    }
    std::erase_if(kept_, [this](const auto& one) { return !state.find_lease(one.first); });
    if (is_leading_) timer_.begin(host.now(), state);
    pump_watches(news);
    if (hub_.is_reading()) read_history_soon();
    arm();
  }
  for (const auto& [number, at] : passed_by) on_appended(number, at);
  news.tell();
}

// Commands.

std::unique_ptr<registry::Waiter> Registry::Core::settle(std::uint64_t number) {
  auto found = pending_.find(number);
  if (found == pending_.end()) return nullptr;
  auto waiter = std::move(found->second.waiter);
  if (found->second.session) found->second.session->open.erase(found->second.sequence);
  pending_.erase(found);
  return waiter;
}

void Registry::Core::submit(KeyCommand command, const CallOptions& call,
                            std::unique_ptr<registry::Waiter> waiter,
                            const std::shared_ptr<registry::SessionBook>& session) {
  std::optional<Error> refused;
  std::uint64_t number = 0;
  Bytes entry;
  {
    std::lock_guard lock(mutex);
    if (stopped) {
      refused = *stopped;
      refused->outcome = Outcome::not_applied;
    } else if (session && session->open.size() >= state.limits().session_answers_max) {
      refused = Error{Errc::overloaded, "the session has " + std::to_string(session->open.size()) +
                                            " open commands, the most"};
    } else {
      number = ++requests_;
      command.request = {process_, number};
      Pending pending{.waiter = std::move(waiter), .session = session, .call = call};
      if (session) {
        pending.sequence = session->next_sequence++;
        session->open.insert(pending.sequence);
        command.stamp = {session->lease, pending.sequence, *session->open.begin()};
      }
      const Time now = host.now();
      pending.deadline = now + patience_of(call);
      look_at(std::min(pending.deadline, now + look_interval));
      entry = registry::encode(command);
      if (session) pending.entry = entry;
      pending_.emplace(number, std::move(pending));
      arm();
    }
  }
  if (refused) return waiter->answer(*std::move(refused));
  append(number, std::move(entry), call);
}

void Registry::Core::append(std::uint64_t number, Bytes entry, const CallOptions& call) {
  std::shared_lock held(log_mutex_);
  if (!log_) return;  // Whoever stops ends all that is open.
  log_->append(std::move(entry), call).then([weak = weak_from_this(), number](Result<Position> at) {
    if (auto core = weak.lock()) core->on_appended(number, std::move(at));
  });
}

void Registry::Core::on_appended(std::uint64_t number, Result<Position> at) {
  std::unique_ptr<registry::Waiter> waiter;
  Error error;
  {
    std::lock_guard lock(mutex);
    auto found = pending_.find(number);
    if (found == pending_.end()) return;  // It was applied, and answered.
    Pending& pending = found->second;
    if (at && *at > state.applied()) {
      pending.at = *at;
      return;  // Applying it answers.
    }
    if (at) {
      error = {Errc::timed_out,
               "the command is at position " + std::to_string(at->value()) +
                   " of the log, and its answer went by in a snapshot from another member",
               Outcome::maybe};
    } else {
      error = std::move(at).error();
    }
    const Time now = host.now();
    const bool can_retry = pending.session && !pending.call.cancel.stop_requested() &&
                           is_passing(error) && now + retry_pause < pending.deadline;
    if (can_retry) {
      pending.at = {};
      pending.retry_at = now + retry_pause;
      look_at(pending.retry_at);
      return arm();
    }
    // Its number is acknowledged by the session's next command: it comes before that or never.
    waiter = settle(number);
  }
  if (waiter) waiter->answer(std::move(error));
}

// Reads.

void Registry::Core::submit(std::unique_ptr<registry::Reader> reader, const CallOptions& call) {
  std::optional<Error> refused;
  bool is_first = false;
  {
    std::lock_guard lock(mutex);
    if (stopped) {
      refused = *stopped;
    } else {
      const Time now = host.now();
      const Time deadline = now + patience_of(call);
      reads_.push_back({std::move(reader), deadline, call.cancel});
      look_at(std::min(deadline, now + look_interval));
      arm();
      is_first = !std::exchange(has_barrier_, true);
    }
  }
  if (refused) return reader->fail(*std::move(refused));
  if (is_first) begin_barrier();
}

// One for all that wait now: what comes later must not share it.
void Registry::Core::begin_barrier() {
  CallOptions call;
  {
    std::lock_guard lock(mutex);
    barrier_reads_ = std::exchange(reads_, {});
    Time last{};
    for (const OpenRead& open : barrier_reads_) last = std::max(last, open.deadline);
    call.timeout = std::max<Duration>(last - host.now(), std::chrono::milliseconds(1));
  }
  std::shared_lock held(log_mutex_);
  if (!log_) return;  // Whoever stops ends all that is open.
  log_->read_barrier(call).then([weak = weak_from_this()](const Result<Position>& at) {
    if (auto core = weak.lock()) core->on_barrier(at);
  });
}

void Registry::Core::on_barrier(const Result<Position>& at) {
  News news;
  bool has_more = false;
  {
    std::lock_guard lock(mutex);
    for (OpenRead& open : std::exchange(barrier_reads_, {})) {
      if (!at) {
        news.unread.emplace_back(std::move(open.reader), at.error());
      } else {
        open.reader->look(state);
        news.read.push_back(std::move(open.reader));
      }
    }
    has_more = !reads_.empty();
    has_barrier_ = has_more;
  }
  if (has_more) begin_barrier();
  news.tell();
}

Duration Registry::Core::patience_of(const CallOptions& call) const {
  return call.timeout > Duration::zero() ? call.timeout : options.log.request_timeout;
}

std::vector<Registry::Core::Retry> Registry::Core::look_after_calls(Time now, News& news) {
  if (now < next_look_) return {};
  next_look_ = time_never;
  std::vector<Retry> retries;
  std::vector<std::uint64_t> over;
  auto given_up = [](bool is_cancelled, Outcome outcome, const char* why) {
    if (is_cancelled) return Error{Errc::cancelled, "the caller cancelled it", outcome};
    return Error{Errc::timed_out, why, outcome};
  };
  for (auto& [number, pending] : pending_) {
    if (pending.retry_at <= now) {
      // The same session and number: it is applied once.
      pending.retry_at = time_never;
      CallOptions call = pending.call;
      call.timeout = std::max<Duration>(pending.deadline - now, std::chrono::milliseconds(1));
      retries.push_back({number, pending.entry, call});
    }
    // One that is in the log's hands is ended by it.
    const bool is_over = pending.deadline <= now || pending.call.cancel.stop_requested();
    if (pending.at && is_over) over.push_back(number);
    look_at(pending.retry_at);
    if (pending.deadline > now) look_at(pending.deadline);
  }
  for (std::uint64_t number : over) {
    const bool is_cancelled = pending_.at(number).call.cancel.stop_requested();
    auto error = given_up(is_cancelled, Outcome::maybe,
                          "the command was chosen, and was not applied here in time");
    news.answers.emplace_back(settle(number), std::move(error));
  }
  for (auto* list : {&reads_, &barrier_reads_}) {
    std::erase_if(*list, [&](OpenRead& open) {
      const bool is_cancelled = open.cancel.stop_requested();
      if (!is_cancelled && open.deadline > now) {
        look_at(std::max(open.deadline, now));
        return false;
      }
      news.unread.emplace_back(std::move(open.reader),
                               given_up(is_cancelled, Outcome::not_applied,
                                        "no majority answered in time, or this member did not "
                                        "apply in time what they had chosen"));
      return true;
    });
  }
  const bool has_calls = !pending_.empty() || !reads_.empty() || !barrier_reads_.empty();
  if (has_calls) look_at(now + look_interval);
  return retries;
}

void Registry::Core::propose(std::vector<KeyCommandBody> bodies) {
  std::shared_lock held(log_mutex_);
  if (!log_) return;
  for (KeyCommandBody& body : bodies) {
    log_->append(registry::encode({.request = {process_, 0}, .body = std::move(body)}), {})
        .then([](const Result<Position>&) {});
  }
}

}  // namespace cluster
