#include "node/key_client.hpp"

#include <algorithm>
#include <utility>

#include "base/random.hpp"
#include "node/admin_client.hpp"

namespace cluster::node {
namespace {

using registry::KeyAnswer;

// Masters take no larger question; what one entry of the log may hold is theirs to say.
constexpr std::size_t command_size_max = (4u << 20) - 1024;
// Beyond the time for which a command may be sent again: the session is there for all of it.
constexpr Duration session_slack = std::chrono::seconds(60);
constexpr Duration close_timeout = std::chrono::seconds(2);
constexpr std::size_t page_keys = 1000;

// Of what had to come before the change itself.
Error not_applied(Error error) {
  error.outcome = Outcome::not_applied;
  return error;
}

}  // namespace

Result<KeyAnswer> KeyClient::send(const registry::KeyCommand& command, Duration timeout) {
  Bytes bytes = registry::encode(command);
  if (bytes.size() > command_size_max) {
    return Error{Errc::too_large, "a command of " + std::to_string(bytes.size()) +
                                      " bytes; masters take none over " +
                                      std::to_string(command_size_max)};
  }
  auto answer = expect<wire::KeysAnswer>(ask_(wire::AskKeys{std::move(bytes)}, timeout));
  if (!answer) return std::move(answer).error();
  auto decoded = registry::decode_answer(answer->answer.view());
  return decoded ? *std::move(decoded) : Result<KeyAnswer>(std::move(decoded).error());
}

Result<KeyAnswer> KeyClient::read(Transaction transaction) {
  return send({.space = space_, .body = std::move(transaction)}, timeout_);
}

Result<RangeResult> KeyClient::range(const KeyRange& range, RangeOptions options) {
  const std::size_t limit = options.limit;
  RangeResult all;
  KeyRange rest = range;
  for (;;) {
    options.limit = limit == 0 ? page_keys : std::min(page_keys, limit - all.keys.size());
    auto answer = read({.then = {ReadKeys{.range = rest, .options = options}}});
    if (!answer) return std::move(answer).error();
    if (answer->results.size() != 1 || !std::holds_alternative<RangeResult>(answer->results[0])) {
      return Error{Errc::protocol, "the answer is of another kind than the question"};
    }
    auto& page = std::get<RangeResult>(answer->results[0]);
    const bool is_first = all.keys.empty();
    if (is_first) all.count = page.count;
    all.revision = page.revision;
    all.has_more = page.has_more;
    if (page.keys.empty()) return all;
    rest = rest.after(page.keys.back().key);
    all.keys.insert(all.keys.end(), std::make_move_iterator(page.keys.begin()),
                    std::make_move_iterator(page.keys.end()));
    if (!page.has_more || (limit != 0 && all.keys.size() >= limit)) return all;
    options.at = page.revision;
  }
}

Result<KeyAnswer> KeyClient::change(registry::KeyCommandBody body) {
  if (!session_) {
    const LeaseId lease = draw_lease();
    if (auto granted = grant(lease, timeout_ + session_slack); !granted) {
      return not_applied(std::move(granted).error());
    }
    use_session(lease);
    is_session_own_ = true;
  }
  ++sequence_;
  auto answer =
      send({.stamp = {session_, sequence_, sequence_}, .space = space_, .body = std::move(body)},
           timeout_);
  if (!answer && answer.error().outcome == Outcome::maybe) {
    Error error = std::move(answer).error();
    error.context += "; the change may have been made all the same";
    return error;
  }
  if (answer && answer->is_trimmed) {
    return Error{Errc::too_large,
                 "it was done; its answer was lost on the way, and is too large to be given again",
                 Outcome::maybe};
  }
  return answer;
}

void KeyClient::use_session(LeaseId lease) {
  close();
  session_ = lease;
  sequence_ = 0;
}

void KeyClient::close() {
  if (std::exchange(is_session_own_, false)) {
    static_cast<void>(revoke(session_, std::min(close_timeout, timeout_)));
  }
  session_ = {};
}

LeaseId KeyClient::draw_lease() { return LeaseId(system_random() | 1); }

Result<void> KeyClient::grant(LeaseId lease, Duration ttl) {
  auto answer = send({.body = registry::GrantLease{.lease = lease, .ttl = ttl}}, timeout_);
  return answer ? Result<void>() : std::move(answer).error();
}

Result<bool> KeyClient::keep_alive(LeaseId lease, Duration timeout) {
  auto answer = send({.body = registry::KeepAlive{{lease}}}, timeout);
  if (!answer) return std::move(answer).error();
  return std::find(answer->ended.begin(), answer->ended.end(), lease) == answer->ended.end();
}

Result<void> KeyClient::revoke(LeaseId lease, Duration timeout) {
  auto answer = send({.body = registry::RevokeLease{lease}}, timeout);
  // Gone is gone, by whichever of the times it was sent.
  if (!answer && answer.error().code != Errc::not_found) return std::move(answer).error();
  return {};
}

Result<WatchBatch> KeyClient::changes(const registry::KeyWatchQuestion& question, Duration wait) {
  auto answer = expect<wire::KeyEvents>(
      ask_(wire::WatchKeys{.what = registry::encode(question), .wait = wait}, timeout_ + wait));
  if (!answer) return std::move(answer).error();
  auto batch = registry::decode_watch_batch(answer->batch.view());
  if (batch && batch->upto.value() + 1 < question.from.value()) {
    return Error{Errc::protocol, "a watch was told less than it knew"};
  }
  return batch;
}

}  // namespace cluster::node
