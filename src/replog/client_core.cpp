#include "replog/client_core.hpp"

#include <algorithm>
#include <limits>

#include "base/metrics.hpp"

namespace cluster::replog {
namespace {

constexpr Duration backoff_min = std::chrono::milliseconds(20);
constexpr Duration backoff_max = std::chrono::seconds(1);

bool is_append(const ClientBody& body) { return std::holds_alternative<ClientAppend>(body); }

// Whether `answer` is what such a call is answered with.
bool fits(const ClientBody& call, const ClientBody& answer) {
  if (std::holds_alternative<ClientFailed>(answer)) return true;
  if (is_append(call)) return std::holds_alternative<ClientAppended>(answer);
  if (std::holds_alternative<ClientRead>(call))
    return std::holds_alternative<ClientEntries>(answer);
  return std::holds_alternative<ClientRange>(answer);
}

}  // namespace

ClientCore::ClientCore(LogClientOptions options, std::uint64_t seed, Logger log, Time now)
    : options_(std::move(options)),
      random_(seed),
      log_(std::move(log)),
      dial_at_(now),
      backoff_(backoff_min),
      next_member_(random_.below(options_.members.size())) {}

void ClientCore::on_call(Time now, std::uint64_t tag, ClientBody call, ClientActions& actions,
                         Duration timeout) {
  auto* append = std::get_if<ClientAppend>(&call);
  std::size_t bytes = 128 + (append != nullptr ? append->data.size() : 0);
  if (bytes_ + bytes > options_.queue_bytes_max && bytes_ != 0) {
    actions.push_back(
        ClientDone{tag, Error{Errc::overloaded, "too many calls are under way; try again"}});
    return;
  }
  appends_ += append != nullptr ? 1 : 0;
  bytes_ += bytes;
  auto at = calls_.emplace_hint(calls_.end(), tag, Call{std::move(call), bytes});
  Call& opened = at->second;
  opened.is_in_order = timeout <= Duration::zero();
  if (opened.is_in_order) {
    opened.deadline = now + options_.request_timeout;
    in_order_.emplace_back(opened.deadline, tag);
  } else if (timeout < time_never - now) {
    opened.deadline = now + timeout;
    out_of_order_.emplace(opened.deadline, tag);
  }
  waiting_.push_back(tag);
  send_waiting(now, actions);
}

void ClientCore::dial(ClientActions& actions) {
  state_ = State::dialing;
  dial_at_ = time_never;
  if (!better_.host.empty()) {
    at_ = std::exchange(better_, {});
  } else {
    at_ = options_.members[next_member_++ % options_.members.size()];
  }
  dials_ += 1;
  actions.push_back(ClientDial{at_});
}

void ClientCore::on_open(ClientActions& actions) {
  state_ = State::greeting;
  actions.push_back(ClientSend{encode(ClientMessage{0, ClientHello{options_.cluster}})});
}

void ClientCore::on_message(Time now, ClientMessage message, ClientActions& actions) {
  if (message.tag == 0) {
    if (auto* welcome = std::get_if<ClientWelcome>(&message.body))
      on_welcome(now, *welcome, actions);
    if (auto* failed = std::get_if<ClientFailed>(&message.body)) {
      on_refusal(now, failed->error, actions);
    }
    return;
  }
  auto call = calls_.find(message.tag);
  if (call == calls_.end() || !call->second.is_sent) return;  // Its time was over.
  if (!fits(call->second.body, message.body)) {
    finish(message.tag, Error{Errc::protocol, "the answer fits another question", Outcome::maybe},
           actions);
  } else if (auto* failed = std::get_if<ClientFailed>(&message.body)) {
    finish(message.tag, std::move(failed->error), actions);
  } else {
    finish(message.tag, std::move(message.body), actions);
  }
  move_on(actions);
}

void ClientCore::on_welcome(Time now, const ClientWelcome& welcome, ClientActions& actions) {
  if (state_ == State::greeting) {
    state_ = State::open;
    backoff_ = backoff_min;
    log_.info("serves us", "member", at_, "leads", welcome.leads);
  }
  better_ = welcome.leads || welcome.leader == at_ ? Endpoint{} : welcome.leader;
  move_on(actions);
  send_waiting(now, actions);
}

// The member will not serve us: another may.
void ClientCore::on_refusal(Time now, const Error& why, ClientActions& actions) {
  actions.push_back(ClientHangUp{});
  on_close(now, why, actions);
}

void ClientCore::move_on(ClientActions& actions) {
  if (state_ != State::open || better_.host.empty() || sent_calls_ > 0) return;
  moves_ += 1;
  actions.push_back(ClientHangUp{});
  dial(actions);
}

void ClientCore::on_close(Time now, const Error& why, ClientActions& actions) {
  log_.info("lost member", "member", at_, "why", why.message());
  last_failure_ = why;
  std::vector<std::uint64_t> lost;
  std::deque<std::uint64_t> again;
  for (auto& [tag, call] : calls_) {
    if (!call.is_sent) continue;
    // What only reads can be asked again; whether an append was carried out nobody can tell.
    is_append(call.body) ? lost.push_back(tag) : again.push_back(tag);
    if (!is_append(call.body)) {
      call.is_sent = false;
      sent_calls_ -= 1;
    }
  }
  waiting_.insert(waiting_.begin(), again.begin(), again.end());
  for (std::uint64_t tag : lost) {
    finish(tag, Error{why.code, "the member was lost: " + why.context, Outcome::maybe}, actions);
  }
  better_ = {};
  rest(now);
}

void ClientCore::rest(Time now) {
  state_ = State::resting;
  auto wait = static_cast<std::uint64_t>(backoff_.count());
  dial_at_ = now + Duration(wait / 2 + random_.below(wait / 2 + 1));
  backoff_ = std::min(backoff_ * 2, backoff_max);
}

// Rounded up: the client's own clock gives a call up first. What does not fit waits for ever.
std::uint32_t ClientCore::timeout_of(Time now, const Call& call) {
  constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
  if (call.deadline == time_never) return 0;
  auto left = std::max<std::int64_t>((call.deadline - now).count(), 0) / 1000 + 1;
  return left > most ? 0 : static_cast<std::uint32_t>(left);
}

void ClientCore::send_waiting(Time now, ClientActions& actions) {
  if (state_ != State::open || !better_.host.empty()) return;
  for (; !waiting_.empty(); waiting_.pop_front()) {
    auto call = calls_.find(waiting_.front());
    if (call == calls_.end()) continue;
    call->second.is_sent = true;
    sent_calls_ += 1;
    ClientMessage message{call->first, {}, timeout_of(now, call->second)};
    // An append is not sent twice: its bytes may go.
    message.body = is_append(call->second.body) ? std::exchange(call->second.body, ClientAppend{})
                                                : call->second.body;
    actions.push_back(ClientSend{encode(message)});
  }
}

void ClientCore::on_time(Time now, ClientActions& actions) {
  while (!in_order_.empty() && in_order_.front().first <= now) {
    std::uint64_t tag = in_order_.front().second;
    in_order_.pop_front();
    give_up(tag, Errc::timed_out, actions);
  }
  while (!out_of_order_.empty() && out_of_order_.begin()->first <= now) {
    give_up(out_of_order_.begin()->second, Errc::timed_out, actions);
  }
  move_on(actions);
  if (state_ == State::resting && now >= dial_at_) dial(actions);
}

void ClientCore::on_cancel(std::uint64_t tag, ClientActions& actions) {
  give_up(tag, Errc::cancelled, actions);
  move_on(actions);
}

void ClientCore::give_up(std::uint64_t tag, Errc why, ClientActions& actions) {
  auto at = calls_.find(tag);
  if (at == calls_.end()) return;
  const Call& call = at->second;
  bool is_maybe = call.is_sent && is_append(call.body);
  std::string context = why == Errc::cancelled ? "the caller cancelled it"
                        : call.is_sent         ? "no answer came in time"
                                       : "no member took it in time: " + last_failure_.message();
  finish(tag, Error{why, context, is_maybe ? Outcome::maybe : Outcome::not_applied}, actions);
}

void ClientCore::finish(std::uint64_t tag, Result<ClientBody> answer, ClientActions& actions) {
  auto call = calls_.find(tag);
  bytes_ -= call->second.bytes;
  if (call->second.is_sent) sent_calls_ -= 1;
  if (!call->second.is_in_order) out_of_order_.erase({call->second.deadline, tag});
  calls_.erase(call);
  // Those that are over need no alarm.
  while (!in_order_.empty() &&
         (calls_.empty() || in_order_.front().second < calls_.begin()->first)) {
    in_order_.pop_front();
  }
  actions.push_back(ClientDone{tag, std::move(answer)});
}

Time ClientCore::deadline() const {
  Time at = state_ == State::resting ? dial_at_ : time_never;
  if (!in_order_.empty()) at = std::min(at, in_order_.front().first);
  if (!out_of_order_.empty()) at = std::min(at, out_of_order_.begin()->first);
  return at;
}

Metrics ClientCore::metrics() const {
  return {
      counter("cluster_log_client_appends_total", "Appends asked of this client.", appends_),
      counter("cluster_log_client_dials_total", "Members dialed.", dials_),
      counter("cluster_log_client_moves_total", "Moves after the leader.", moves_),
      gauge("cluster_log_client_open_calls", "Calls without an answer.", calls_.size()),
  };
}

}  // namespace cluster::replog
