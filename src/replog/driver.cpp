#include "replog/driver.hpp"

#include <algorithm>

#include "base/metrics.hpp"
#include "replog/only_data.hpp"
#include "replog/own_ports.hpp"
#include "replog/shared_logs.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t tail_bytes_max = 1u << 20;

// The disk thread may forget entries while this thread reads them: what lies beyond such a gap
// belongs to another answer.
void cut_at_gap(std::vector<LogEntry>& entries) {
  auto is_gap = [](const LogEntry& a, const LogEntry& b) {
    return b.position != a.position.next();
  };
  auto gap = std::adjacent_find(entries.begin(), entries.end(), is_gap);
  if (gap != entries.end()) entries.erase(gap + 1, entries.end());
}

CoreOptions core_options(const LogOptions& options, const Identity& identity,
                         const DriverLimits& limits, bool may_rest) {
  CoreOptions core;
  core.self = identity.member;
  core.incarnation = identity.incarnation;
  core.founding = founding_of(options);
  core.election_timeout = options.election_timeout;
  core.heartbeat_interval = options.heartbeat_interval;
  core.window_bytes = limits.window_bytes;
  core.answer_bytes_max = limits.answer_bytes_max;
  core.pipeline = limits.pipeline;
  core.lease_reads = options.lease_reads;
  core.clock_drift_permille_max = options.clock_drift_permille_max;
  core.has_state_machine = options.state_machine != nullptr;
  core.snapshot_chunk_bytes = limits.snapshot_chunk_bytes;
  core.may_rest = may_rest;
  core.rest_probe = limits.rest_probe;
  core.catch_up_bytes_per_second = options.catch_up_bytes_per_second;
  return core;
}

}  // namespace

// One observer of entries. Its next batch is read when it has returned from the last.
struct Driver::Tail {
  Position next;
  std::function<void(const std::vector<Entry>&)> observer;
  bool is_busy = false;
};

Driver::Driver(runtime::Host& host, runtime::ListenerId listener, std::shared_ptr<Store> store,
               Recovered recovered, LogOptions options,
               std::function<void(const Snapshot&)> publish, DriverLimits limits,
               DriverSnapshots snapshots, SharedPlace place)
    : host_(host),
      options_(std::move(options)),
      limits_(limits),
      log_(host.logger().with_part(place.log ? "log " + to_field(place.log) : "log")),
      store_(std::move(store)),
      publish_(std::move(publish)),
      core_(core_options(options_, store_->identity(), limits_, place.logs != nullptr),
            std::move(recovered), options_.seed != 0 ? options_.seed : host.random_seed(), log_,
            host.now()),
      alarm_(host.make_alarm([this] { on_wake(); })),
      calls_(host),
      first_tag_((host.random_seed() << 32) + 1),
      next_catch_up_((host.random_seed() << 32) + 1),
      next_command_(next_catch_up_),
      log_id_(place.log) {
  options_.self = store_->identity().member;
  snapshot_.range = LogRange{core_.kept_from(), core_.chosen_end()};
  this->publish();
  const Configuration& configuration = core_.configuration();
  std::vector<Peer> members =
      configuration.is_empty() ? peers_before_forming(options_) : peers_of(configuration);
  PortUser& user = *this;
  if (place.logs != nullptr) {
    ports_ = place.logs->open(place.log, std::move(members), user);
  } else {
    ports_ = std::make_unique<OwnPorts>(
        host, store_, OwnPortsOptions{listener, std::move(members), limits_.group_bytes_max}, user,
        log_);
  }
  start_scrubber();
  if (options_.state_machine != nullptr) start_applier(std::move(snapshots));
  arm();
}

Driver::~Driver() = default;

void Driver::perform(Effects&& effects) {
  for (Action& action : effects.now) act(std::move(action));
  ports_->submit(std::move(effects.changes), std::move(effects.then));
}

// Messages to ourselves are inputs like any other, taken after the effects that brought them.
void Driver::drain_self() {
  if (is_draining_) return;
  is_draining_ = true;
  while (!self_messages_.empty() && !has_failed()) {
    Message message = std::move(self_messages_.front());
    self_messages_.pop_front();
    Effects effects;
    core_.on(host_.now(), self(), message, effects);
    perform(std::move(effects));
  }
  is_draining_ = false;
  arm();
}

void Driver::act(Action&& action) {
  std::visit([&](auto&& one) { act_one(std::move(one)); }, std::move(action));
}

void Driver::act_one(Send&& send) {
  if (send.to == options_.self) {
    self_messages_.push_back(std::move(send.message));
    return;
  }
  NodeId to = send.to;
  // What it asks for may be part of what is on its way to it, overtaken by the news that it is
  // chosen. It asks again.
  bool may_be_sent = std::holds_alternative<Learned>(send.message) &&
                     ports_->queued_bytes(to) >= runtime::large_message_min;
  if (may_be_sent) return;
  ports_->send(to, encoded(std::move(send.message)));
}

// The same Accept goes to one peer after another: it is encoded for the first. A ballot has one
// value at a position, so a few numbers name an Accept.
Bytes Driver::encoded(Message&& message) {
  auto encode_it = [&] {
    return encode(Envelope{.cluster = store_->identity().cluster,
                           .from = options_.self,
                           .incarnation = store_->identity().incarnation,
                           .message = std::move(message),
                           .log = log_id_});
  };
  const auto* accept = std::get_if<Accept>(&message);
  if (accept == nullptr) return encode_it();
  EncodedAccept wanted{.ballot = accept->ballot,
                       .first = accept->first,
                       .count = accept->values.size(),
                       .chosen_end = accept->chosen_end};
  for (const Value& value : accept->values) {
    wanted.bytes += value.data.size();
    wanted.withheld += value.is_bare ? 1 : 0;
  }
  if (last_accept_ != wanted) {
    last_accept_ = wanted;
    last_accept_bytes_ = encode_it();
  }
  return last_accept_bytes_;
}

void Driver::act_one(SendStored&& send) {
  if (auto* offered = std::get_if<SnapshotOffered>(&send.message)) {
    auto term = term_before(send.end);
    if (!term) return fail(term.error());
    if (!*term) return;  // Asked again, and offered when it is repaired.
    offered->term = **term;
    return act_one(Send{send.to, std::move(*offered)});
  }
  auto stored = store_->read(send.first, send.end, limits_.answer_bytes_max);
  if (!stored) return fail(stored.error());
  cut_at_gap(stored->entries);
  if (stored->damaged) note_damage(stored->damaged);
  // What was forgotten meanwhile is no answer: a promise that omits it would tell of a hole.
  if (stored->entries.empty() || stored->entries.front().position != send.first) return;
  Position next = stored->entries.back().position.next();
  Message message;
  if (auto* promised = std::get_if<Promised>(&send.message)) {
    promised->entries = std::move(stored->entries);
    promised->next = next;
    message = std::move(*promised);
  } else {
    auto& learned = std::get<Learned>(send.message);
    learned.entries = std::move(stored->entries);
    message = std::move(learned);
  }
  act_one(Send{send.to, std::move(message)});
}

void Driver::act_one(Chosen&& chosen) {
  snapshot_.range.end = chosen.end;
  publish();
  if (!changes_.empty()) end_changes();
  feed_all();
  if (applier_) applier_->advance(chosen.end);
  if (applier_ && refusal_to_read()) forget_as_witness();
}

void Driver::act_one(LogBegins&& begins) {
  snapshot_.range.first = begins.first;
  snapshot_.range.end = std::max(snapshot_.range.end, begins.first);
  publish();
  // A damaged entry that is not kept any more is not waited for.
  host_.post(lifeline_.guard([this] { go_on_after_repair(); }));
}

void Driver::act_one(ForgetBefore&& forget) {
  auto term = term_before(forget.first);
  if (!term) return fail(term.error());
  forget_before_ = *term ? Position{} : std::max(forget_before_, forget.first);
  if (!*term) return;
  Effects effects;
  core_.on_base(forget.first, **term, effects);
  perform(std::move(effects));
}

void Driver::act_one(Appended&& appended) {
  for (std::uint64_t i = 0; i < appended.count; ++i) {
    finish_append(appended.tag + i, appended.position.plus(i));
  }
}

void Driver::act_one(AppendFailed&& failed) { finish_append(failed.tag, std::move(failed.error)); }

void Driver::act_one(CaughtUp&& reached) {
  auto at = std::find_if(catch_ups_.begin(), catch_ups_.end(),
                         [&](const OpenCatchUp& open) { return open.tag == reached.tag; });
  if (at == catch_ups_.end()) return;
  at->promise.complete(snapshot_.range);
  catch_ups_.erase(at);
}

void Driver::act_one(CommandEnded&& ended) {
  auto at = std::find_if(commands_.begin(), commands_.end(),
                         [&](const OpenCommand& open) { return open.tag == ended.answer.tag; });
  if (at == commands_.end()) return;
  Promise<Commanded> promise = std::move(at->promise);
  commands_.erase(at);
  Commanded& answer = ended.answer;
  if (answer.errc == Errc::ok) return promise.complete(std::move(answer));
  promise.complete(Error{answer.errc, std::move(answer.context), answer.outcome});
}

void Driver::act_one(LeadershipChanged&& changed) {
  snapshot_.leadership = changed.leadership;
  last_term_ = std::max(last_term_, changed.leadership.term);
  publish();
  for (const auto& watcher : leadership_watchers_) tell(watcher);
  serve_writers(changed.leadership);
  end_transfers();
}

void Driver::act_one(Release&& release) { core_.release(release.end); }

void Driver::act_one(Repaired&& repaired) {
  step([&](Effects& effects) { core_.on_repaired(host_.now(), repaired.range, effects); });
  if (!has_failed() && forget_before_) act_one(ForgetBefore{forget_before_});
  go_on_after_repair();
}

void Driver::go_on_after_repair() {
  if (has_failed()) return;
  retry_reads();
  feed_all();
  if (applier_) applier_->advance(core_.chosen_end());
}

// Not inside the effects that may have brought us here.
void Driver::note_damage(Position at) {
  host_.post(lifeline_.guard(
      [this, at] { step([&](Effects& effects) { core_.on_damage(host_.now(), at, effects); }); }));
}

void Driver::start_scrubber() {
  ScrubberOptions options = limits_.scrubber;
  // Not all logs of a host at once.
  if (log_id_) {
    auto spread = static_cast<std::uint64_t>(std::max(options.rest.count(), Duration::rep(1)));
    options.first_after += Duration(host_.random_seed() % spread);
  }
  options.bytes_per_second = options_.scrub_bytes_per_second;
  Scrubber::Log log;
  log.choose = [this](Position from) {
    step([&](Effects& effects) { core_.on_scrub(from, effects); });
  };
  log.kept_from = [this] { return core_.kept_from(); };
  log.on_damage = [this](Position at) { note_damage(at); };
  log.on_odd_copy = [this](Position at, std::uint32_t checksum) {
    step([&](Effects& effects) { core_.on_odd_copy(host_.now(), at, checksum, effects); });
  };
  log.peers = [this] {
    const Configuration& members = core_.configuration();
    std::vector<NodeId> peers;
    // A witness has no values to compare, and one that was removed may have been a witness.
    if (members.is_witness(options_.self) || !members.has(options_.self)) return peers;
    for (NodeId member : members.ids()) {
      if (member != options_.self && !members.is_witness(member)) peers.push_back(member);
    }
    return peers;
  };
  log.send = [this](NodeId to, Message message) { act_one(Send{to, std::move(message)}); };
  scrubber_ = std::make_unique<Scrubber>(host_, store_, options, std::move(log));
}

void Driver::act_one(ScrubRange&& chosen) { scrubber_->check(chosen.range); }
void Driver::act_one(SumRange&& asked) { scrubber_->answer(asked.to, asked.range); }
void Driver::act_one(RangeCompared&& told) { scrubber_->on(told.from, told.told); }

void Driver::on_envelope(runtime::SessionId session, Envelope envelope) {
  if (has_failed()) return;
  Sender from{envelope.from, envelope.incarnation};
  ports_->answer_on(session, from.id);
  watch_disk();
  // A snapshot's pieces are asked for one by one, each when the last is written.
  bool is_to_write = std::holds_alternative<Accept>(envelope.message) ||
                     std::holds_alternative<Learned>(envelope.message);
  if (is_to_write && core_.is_disk_behind()) {
    dropped_ += 1;
    return;
  }
  step([&](Effects& effects) { core_.on(host_.now(), from, envelope.message, effects); });
}

void Driver::on_lost(NodeId member) {
  step([&](Effects& effects) { core_.on_lost(host_.now(), member, effects); });
}

void Driver::on_reached(NodeId member) {
  step([&](Effects& effects) { core_.on_reached(host_.now(), member, effects); });
}

void Driver::perform(Action action) {
  watch_disk();  // A sync has finished.
  act(std::move(action));
  drain_self();
}

void Driver::on_wake() {
  Time now = host_.now();
  expire_appends(now);
  calls_.expire(now);
  watch_disk();
  step([&](Effects& effects) {
    if (core_.deadline() <= now) core_.on_time(now, effects);
  });
}

// When the group that is being written will have taken too long.
Time Driver::stalled_at() const {
  Time since = ports_->writing_since();
  return since == time_never ? time_never : since + options_.disk_stall_timeout;
}

// Before anything else is taken in: where a group is written on this thread, nothing could be
// noticed while the disk stood still.
void Driver::watch_disk() {
  watch_backlog();
  bool is_stalled = stalled_at() <= host_.now();
  if (is_stalled == core_.is_disk_stalled()) return;
  step([&](Effects& effects) { core_.on_disk_stall(host_.now(), is_stalled, effects); });
}

void Driver::watch_backlog() {
  std::size_t open = ports_->open_bytes();
  bool was_behind = core_.is_disk_behind();
  bool is_behind = open > limits_.unsynced_bytes_max / (was_behind ? 2 : 1);
  if (is_behind == was_behind) return;
  log_.info(is_behind ? "waits for its disk" : "goes on, the disk has caught up", "bytes", open,
            "dropped", dropped_);
  step([&](Effects& effects) { core_.on_disk_behind(is_behind, effects); });
}

void Driver::arm() {
  if (has_failed()) return alarm_->set(time_never);
  Time at = std::min(core_.deadline(), core_.is_disk_stalled() ? time_never : stalled_at());
  alarm_->set(std::min({at, appends_deadline(), calls_.deadline()}));
  note_health();
}

// Of the last entry before `end` that has one. Few have none, so a look back is short.
Result<std::optional<std::uint64_t>> Driver::term_before(Position end) {
  for (Position at = end; at > core_.kept_from();) {
    Position first = Position(at.value() > 64 ? at.value() - 64 : 1);
    first = std::max(first, core_.kept_from());
    auto found = entries(first, at, limits_.answer_bytes_max);
    // Large entries, or the edge of memory: as many as there are, and on from there.
    std::uint64_t term = 0;
    for (Position next = first; next < at;) {
      if (!found) return std::move(found).error();
      if (found->empty()) return std::optional<std::uint64_t>();
      for (const LogEntry& entry : *found) {
        if (entry.value.term != 0) term = entry.value.term;
      }
      next = found->back().position.next();
      if (next < at) found = entries(next, at, limits_.answer_bytes_max);
    }
    if (term != 0) return std::optional(term);
    at = first;
  }
  return std::optional(core_.kept_term());
}

Result<std::vector<LogEntry>> Driver::entries(Position from, Position to, std::size_t bytes_max) {
  const Window& window = core_.acceptor().window();
  to = core_.damage().first_in(from, to);
  if (to <= from) return std::vector<LogEntry>{};
  if (from < window.first()) {
    auto stored = store_->read(from, std::min(to, window.first()), bytes_max);
    if (!stored) return std::move(stored).error();
    // Chosen entries have no gaps: what does not begin where it was asked to is no answer.
    cut_at_gap(stored->entries);
    bool is_missing = stored->entries.empty() || stored->entries.front().position != from;
    if (is_missing) stored->entries.clear();
    bool is_known = stored->damaged && !(is_missing && stored->damaged > from);
    if (is_known || is_missing) note_damage(is_known ? stored->damaged : from);
    return std::move(stored->entries);
  }
  Position next;
  return window.range(from, to, bytes_max, next);
}

Result<std::vector<Entry>> Driver::read(Position from, Position to, std::size_t bytes_max) {
  if (auto refusal = refusal_to_read()) return *std::move(refusal);
  if (from < snapshot_.range.first) {
    return Error{Errc::truncated, "the log is kept from position " +
                                      std::to_string(snapshot_.range.first.value()) + " on"};
  }
  if (to > snapshot_.range.end || from > to) {
    return Error{Errc::invalid_argument, "[" + std::to_string(from.value()) + ", " +
                                             std::to_string(to.value()) + ") is not inside [" +
                                             std::to_string(snapshot_.range.first.value()) + ", " +
                                             std::to_string(snapshot_.range.end.value()) + ")"};
  }
  std::vector<Entry> shown;
  // Positions that are not shown must not make a full range look empty.
  while (from < to && shown.empty()) {
    auto found = entries(from, to, bytes_max);
    if (!found) {
      fail(found.error());
      return std::move(found).error();
    }
    if (found->empty()) {
      return Error{Errc::overloaded, "log entry " + std::to_string(from.value()) +
                                         " is damaged on this member's disk, and being asked for "
                                         "from the others; try again"};
    }
    from = found->back().position.next();
    auto data = only_data(*std::move(found));
    if (!data) return std::move(data).error();
    shown = *std::move(data);
  }
  return shown;
}

void Driver::read(Position from, Position to, std::size_t bytes_max,
                  Promise<std::vector<Entry>> promise, const CallOptions& options) {
  auto found = read(from, to, bytes_max);
  bool must_wait = !found && found.error().code == Errc::overloaded;
  if (!must_wait) return promise.complete(std::move(found));
  auto give_up = [this](std::uint64_t call, Errc why) { give_up_read(call, why); };
  reads_.push_back(OpenRead{from, to, bytes_max, std::move(promise),
                            calls_.open(terms_of(options), std::move(give_up))});
  arm();
}

void Driver::retry_reads() {
  for (OpenRead& open : std::exchange(reads_, {})) {
    auto found = read(open.from, open.to, open.bytes_max);
    if (!found && found.error().code == Errc::overloaded) {
      reads_.push_back(std::move(open));
    } else {
      open.promise.complete(std::move(found));
    }
  }
}

void Driver::catch_up(Promise<LogRange> promise, const CallOptions& options) {
  begin_catch_up(std::move(promise), terms_of(options));
}

void Driver::begin_catch_up(Promise<LogRange> promise, const CallTerms& terms) {
  watch_disk();
  if (auto refusal = refusal_of_calls()) return promise.complete(*std::move(refusal));
  if (terms.cancel.stop_requested()) {
    return promise.complete(given_up(Errc::cancelled, Outcome::not_applied));
  }
  std::uint64_t tag = next_catch_up_++;
  auto give_up = [this, tag](std::uint64_t, Errc why) { give_up_catch_up(tag, why); };
  catch_ups_.push_back(
      OpenCatchUp{tag, std::move(promise), calls_.open(terms, std::move(give_up))});
  step([&](Effects& effects) { core_.on_catch_up(host_.now(), tag, effects); });
}

std::uint64_t Driver::command(CommandBody body, Promise<Commanded> promise,
                              const CallTerms& terms) {
  std::uint64_t tag = next_command_++;
  if (has_failed()) {
    promise.complete(*snapshot_.failure);
  } else if (terms.cancel.stop_requested()) {
    promise.complete(given_up(Errc::cancelled, Outcome::not_applied));
  } else {
    auto give_up = [this, tag](std::uint64_t, Errc why) { give_up_command(tag, why); };
    commands_.push_back(
        OpenCommand{tag, std::move(promise), calls_.open(terms, std::move(give_up))});
    step([&](Effects& effects) { core_.on_command(host_.now(), tag, std::move(body), effects); });
  }
  return tag;
}

void Driver::truncate(Position to, Promise<Position> promise, const CallOptions& options) {
  if (options_.state_machine != nullptr) {
    return promise.complete(Error{Errc::unsupported,
                                  "a log with a state machine shortens itself after each snapshot; "
                                  "call take_snapshot()"});
  }
  if (!to) return promise.complete(Error{Errc::invalid_argument, "positions start at 1"});
  Promise<Commanded> commanded;
  commanded.op().then([to, promise = std::move(promise)](Result<Commanded> answer) mutable {
    if (!answer) return promise.complete(std::move(answer).error());
    promise.complete(std::min(to, answer->position));
  });
  command(TruncateLog{to}, std::move(commanded), terms_of(options));
}

void Driver::start_writer(Promise<std::uint64_t> promise, const CallOptions& options) {
  if (auto refusal = refusal_to_lead()) return promise.complete(*std::move(refusal));
  if (options.cancel.stop_requested()) {
    return promise.complete(given_up(Errc::cancelled, Outcome::not_applied));
  }
  auto give_up = [this](std::uint64_t call, Errc why) { give_up_writer(call, why); };
  writers_.push_back(
      OpenWriter{std::move(promise), calls_.open(terms_of(options), std::move(give_up))});
  serve_writers(snapshot_.leadership);
  arm();
}

// One writer at a time, each in a term of its own, so that each fences the one before.
void Driver::serve_writers(const Leadership& leadership) {
  if (campaign_ == Campaign::running && !writers_.empty()) {
    if (leadership.is_self && leadership.term > campaign_above_) {
      writers_.front().promise.complete(leadership.term);
    } else if (leadership.leader && leadership.leader != options_.self) {
      writers_.front().promise.complete(
          Error{Errc::fenced, "member " + to_field(leadership.leader) + " took over meanwhile"});
    } else {
      return;
    }
    writers_.pop_front();
    campaign_ = Campaign::none;
  }
  if (writers_.empty() || campaign_ != Campaign::none) return;
  campaign_ = Campaign::asked;
  // Not inside the effects that may have brought us here. News of the old leader that comes before
  // does not concern the campaign, and whoever asked for it may have given up by then.
  host_.post(lifeline_.guard([this] {
    campaign_ = writers_.empty() ? Campaign::none : Campaign::running;
    campaign_above_ = last_term_;
    if (campaign_ == Campaign::none) return;
    step([&](Effects& effects) { core_.on_campaign(host_.now(), effects); });
  }));
}

void Driver::follow(Position from, std::function<void(const std::vector<Entry>&)> observer) {
  if (options_.state_machine != nullptr) {
    return log_.error("a log with a state machine is followed by it alone");
  }
  auto tail = std::make_shared<Tail>();
  tail->next = std::max(from, snapshot_.range.first);
  tail->observer = std::move(observer);
  tails_.push_back(tail);
  feed(tail);
}

void Driver::feed_all() {
  for (const auto& tail : tails_) feed(tail);
}

void Driver::feed(const std::shared_ptr<Tail>& tail) {
  while (!tail->is_busy && tail->next < snapshot_.range.end && !has_failed()) {
    tail->next = std::max(tail->next, snapshot_.range.first);
    auto found = entries(tail->next, snapshot_.range.end, tail_bytes_max);
    if (!found) return fail(found.error());
    if (found->empty()) return;
    tail->next = found->back().position.next();
    auto shown = only_data(*std::move(found));
    if (!shown) return fail(shown.error());
    std::vector<Entry> batch = *std::move(shown);
    if (batch.empty()) continue;
    tail->is_busy = true;
    // The driver alone holds the tail: once it is gone, nobody is told any more.
    auto alive = std::weak_ptr<Tail>(tail);
    auto go_on = lifeline_.guard([this, alive] {
      auto held = alive.lock();
      held->is_busy = false;
      feed(held);
    });
    host_.delivery()->execute([&host = host_, alive = std::move(alive), batch = std::move(batch),
                               go_on = std::move(go_on)]() mutable {
      if (auto held = alive.lock()) held->observer(batch);
      host.post(std::move(go_on));
    });
  }
}

void Driver::watch_leadership(std::function<void(const Leadership&)> observer) {
  leadership_watchers_.push_back(std::make_shared<Watcher<Leadership>>(
      Watcher<Leadership>{std::move(observer), &snapshot_.leadership}));
  tell(leadership_watchers_.back());
}

void Driver::watch_health(std::function<void(const Health&)> observer) {
  health_watchers_.push_back(
      std::make_shared<Watcher<Health>>(Watcher<Health>{std::move(observer), &health_}));
  tell(health_watchers_.back());
}

// Nothing of what the core says now promises anything, so it may be said though the disk failed.
void Driver::tell_failure() {
  Effects effects;
  core_.on_disk_failure(host_.now(), effects);
  for (Action& action : effects.now) {
    if (std::holds_alternative<Send>(action)) act(std::move(action));
  }
}

// The disk lied or failed: this replica is out for good, and says so. What others hold is their
// affair.
void Driver::fail(const Error& why) {
  if (has_failed()) return;
  log_.error("replica stopped", "why", why.message());
  tell_failure();
  Error failure = why;
  if (!is_of_disk(failure.code)) failure.code = Errc::storage;
  failure.outcome = Outcome::maybe;
  snapshot_.failure = failure;
  snapshot_.leadership = Leadership{};
  publish();
  for (std::uint64_t tag = first_tag_; tag - first_tag_ < open_appends_.size(); ++tag) {
    finish_append(tag, failure);
  }
  for (OpenCatchUp& open : catch_ups_) open.promise.complete(failure);
  catch_ups_.clear();
  for (OpenCommand& open : commands_) open.promise.complete(failure);
  commands_.clear();
  for (OpenRead& open : reads_) open.promise.complete(failure);
  reads_.clear();
  for (OpenWriter& open : writers_) open.promise.complete(failure);
  writers_.clear();
  if (applier_) applier_->stop(failure);
  scrubber_->stop();
  fail_members(failure);
  for (const auto& watcher : leadership_watchers_) tell(watcher);
  note_health();
  alarm_->set(time_never);
}

void Driver::publish() { publish_(snapshot_); }

Metrics Driver::metrics() const {
  Metrics metrics = core_.metrics();
  for (Metric& metric : ports_->metrics()) metrics.push_back(std::move(metric));
  auto is_open = [](const auto& append) { return append.has_value(); };
  metrics.insert(
      metrics.end(),
      {
          counter("cluster_log_dropped_total",
                  "Messages not taken since too much waited for the disk.", dropped_),
          counter("cluster_log_garbage_total", "Messages that made no sense.", ports_->garbage()),
          gauge("cluster_log_open_appends", "Appends of this member's callers under way.",
                std::count_if(open_appends_.begin(), open_appends_.end(), is_open)),
          gauge("cluster_log_open_bytes", "Bytes of those.", open_bytes_),
          gauge("cluster_log_failed", "1 when this replica has stopped for good.",
                has_failed() ? 1 : 0),
          gauge("cluster_log_ready", "1 while it can be used: see Log::health().",
                health_.is_ready ? 1 : 0),
      });
  for (Metric& metric : scrubber_->metrics()) metrics.push_back(std::move(metric));
  if (!applier_) return metrics;
  metrics.push_back(gauge("cluster_log_applied_end", "The state machine has what is before it.",
                          applier_->applied_end().value()));
  metrics.push_back(
      counter("cluster_log_snapshots_total", "Snapshots taken.", applier_->snapshots()));
  metrics.push_back(
      counter("cluster_log_restores_total", "Times the state was restored.", applier_->restores()));
  return metrics;
}

}  // namespace cluster::replog
