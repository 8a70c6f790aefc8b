#include "node/key_service.hpp"

#include <algorithm>
#include <utility>

namespace cluster::node {
namespace {

using registry::KeyAnswer;

// A client asks again, elsewhere, when this member cannot answer for so long.
constexpr Duration answer_timeout = std::chrono::seconds(5);
constexpr Duration wait_max = std::chrono::seconds(60);
constexpr std::uint64_t open_max = 20'000;

wire::AdminBody answer_of(const Result<KeyAnswer>& answer) {
  return wire::KeysAnswer{registry::encode_answer(answer)};
}

// Another member may answer what this one cannot, for its disk's sake or its version's.
Error of_this_member(Error error) {
  if (!is_of_disk(error.code) && error.code != Errc::unsupported) return error;
  error.code = Errc::unreachable;
  return error;
}

// The state's answer, whatever it is; or why there is none, which a client may ask for again.
class RemoteWaiter final : public registry::Waiter {
 public:
  explicit RemoteWaiter(KeyService::Done done) : done_(std::move(done)) {}
  void answer(Result<KeyAnswer> answer) override {
    if (answer) return decide(std::move(answer));
    done_(of_this_member(std::move(answer).error()));
  }
  void decide(Result<KeyAnswer> answer) override { done_(answer_of(answer)); }

 private:
  KeyService::Done done_;
};

}  // namespace

KeyService::KeyService(runtime::Host& host, Log& log, registry::RegistryDriver& registry)
    : host_(host), keys_(registry.keys().shared_from_this()), log_(log) {
  alarm_ = host_.make_alarm([this] { end_late_polls(); });
  keys_->start_on(log_);
  log.watch_leadership([weak = std::weak_ptr(keys_)](const Leadership& leadership) {
    if (auto keys = weak.lock()) keys->on_leadership(leadership);
  });
  log.watch_health([weak = std::weak_ptr(keys_)](const Health& health) {
    if (auto keys = weak.lock()) keys->on_health(health);
  });
}

KeyService::~KeyService() { keys_->stop(); }

void KeyService::answer(const wire::AdminBody& question, Done done) {
  ++asked_;
  if (const auto* asked = std::get_if<wire::AskKeys>(&question))
    return ask(*asked, std::move(done));
  if (const auto* watched = std::get_if<wire::WatchKeys>(&question)) {
    return watch(*watched, std::move(done));
  }
  done(Error{Errc::invalid_argument, "this is no question about keys"});
}

bool KeyService::has_room(const Done& done) {
  if (open_ < open_max) return true;
  ++refused_;
  done(
      Error{Errc::overloaded, "too many questions about keys wait for an answer; try again later"});
  return false;
}

KeyService::Done KeyService::counted(Done done) {
  ++open_;
  auto end = lifeline_.guard([this] { --open_; });
  return [end, done = std::move(done)](Result<wire::AdminBody> answer) mutable {
    end();
    done(std::move(answer));
  };
}

void KeyService::ask(const wire::AskKeys& asked, Done done) {
  if (!has_room(done)) return;
  auto command = registry::decode_key_command(asked.command);
  if (!command) {
    const bool is_newer = command.error().code == Errc::unsupported;
    return done(Error{is_newer ? Errc::unsupported : Errc::protocol, command.error().context});
  }
  if (std::holds_alternative<registry::ExpireLease>(command->body)) {
    return done(Error{Errc::invalid_argument, "that a lease has ended is the leader's to say"});
  }
  const CallOptions call{.timeout = answer_timeout};
  const auto* transaction = std::get_if<Transaction>(&command->body);
  if (transaction && registry::KeysState::is_read_only(*transaction)) {
    auto read = [space = command->space, transaction = *transaction](const auto& state) {
      return Result<Bytes>(registry::encode_answer(state.read(space, transaction)));
    };
    keys_->ask_state<Bytes>({.call = call}, std::move(read))
        .then([done = counted(std::move(done))](Result<Bytes> answer) mutable {
          if (!answer) return done(of_this_member(std::move(answer).error()));
          done(wire::AdminBody(wire::KeysAnswer{*std::move(answer)}));
        });
    return;
  }
  auto waiter = std::make_unique<RemoteWaiter>(counted(std::move(done)));
  keys_->submit(*std::move(command), call, std::move(waiter));
}

// Watches.

void KeyService::watch(const wire::WatchKeys& asked, Done done) {
  if (!has_room(done)) return;
  auto question = registry::decode_key_watch_question(asked.what.view());
  if (!question) return done(std::move(question).error());
  WatchOptions options{
      .from = question->from, .puts = question->puts, .deletes = question->deletes};
  options.queue_bytes_max = registry::watch_answer_bytes;
  auto id = keys_->watch(question->space, question->range, options);
  if (!id) return done(of_this_member(std::move(id).error()));
  const Duration wait = std::clamp<Duration>(asked.wait, Duration{}, wait_max);
  const Time deadline = host_.now() + wait;
  polls_.emplace(*id, Poll{.deadline = deadline, .done = counted(std::move(done))});
  deadlines_.emplace(deadline, *id);
  keys_->next(*id, std::make_shared<std::optional<WatchEnd>>())
      .then(lifeline_.guard(
          [this, id = *id](const Result<WatchBatch>& batch) { on_batch(id, batch); }));
  set_alarm();
}

void KeyService::on_batch(registry::WatchId id, const Result<WatchBatch>& batch) {
  auto poll = take_poll(id);
  if (!poll) return;
  keys_->cancel(id);
  if (!batch) return poll->done(of_this_member(batch.error()));
  poll->done(wire::AdminBody(wire::KeyEvents{registry::encode(*batch)}));
}

std::optional<KeyService::Poll> KeyService::take_poll(registry::WatchId id) {
  auto poll = polls_.extract(id);
  if (poll.empty()) return std::nullopt;
  deadlines_.erase({poll.mapped().deadline, id});
  return std::move(poll.mapped());
}

void KeyService::end_late_polls() {
  const Time now = host_.now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const registry::WatchId id = deadlines_.begin()->second;
    auto poll = take_poll(id);
    WatchBatch last = keys_->finish(id);
    if (last.events.empty()) {
      confirm(std::move(last), poll->done);
    } else {
      poll->done(wire::AdminBody(wire::KeyEvents{registry::encode(last)}));
    }
  }
  set_alarm();
}

// That nothing has happened is told by one that would know.
void KeyService::confirm(WatchBatch nothing, const Done& done) {
  keys_
      ->ask_state<Revision>({.call = {.timeout = answer_timeout}},
                            [](const auto& state) { return Result<Revision>(state.revision()); })
      .then([done, bytes = registry::encode(nothing)](Result<Revision> known) mutable {
        if (!known) return done(of_this_member(std::move(known).error()));
        done(wire::AdminBody(wire::KeyEvents{std::move(bytes)}));
      });
}

void KeyService::set_alarm() {
  alarm_->set(deadlines_.empty() ? time_never : deadlines_.begin()->first);
}

Metrics KeyService::metrics() const {
  auto counter = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{"cluster_keys_" + std::move(name), std::move(help), Metric::Kind::counter,
                  static_cast<double>(value)};
  };
  return {counter("asked_total", "Questions about users' keys from outside.", asked_),
          counter("refused_total", "Of these: refused, since too many were open.", refused_),
          Metric{"cluster_keys_open", "Questions about users' keys that wait for an answer.",
                 Metric::Kind::gauge, static_cast<double>(open_)}};
}

}  // namespace cluster::node
