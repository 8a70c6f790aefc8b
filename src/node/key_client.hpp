// Users' keys as a client of the masters sees them: any master is asked, and asked again elsewhere
// until the time is over.
//
// What changes something is a command of a session, so that it is applied once however often it had
// to be sent. Commands about leases are harmless when they are applied twice.
//
// Blocking. `change` and `close` are for one thread; the other calls for any.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "cluster/keys.hpp"
#include "cluster/result.hpp"
#include "registry/remote_keys.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::node {

class KeyClient {
 public:
  // As `AdminClient::ask`, waited for. Any thread.
  using Ask = std::function<Result<wire::AdminBody>(wire::AdminBody, Duration timeout)>;

  // `timeout` is that of each call.
  KeyClient(Ask ask, std::string space, Duration timeout)
      : ask_(std::move(ask)), space_(std::move(space)), timeout_(timeout) {}
  KeyClient(const KeyClient&) = delete;
  KeyClient& operator=(const KeyClient&) = delete;
  ~KeyClient() { close(); }

  const std::string& space() const { return space_; }

  // Linearizable: a transaction that only reads, or a range; the latter as a whole, one revision,
  // however many questions that takes. `limit` 0: all.
  Result<registry::KeyAnswer> read(Transaction transaction);
  Result<RangeResult> range(const KeyRange& range, RangeOptions options);

  // Puts, deletions, transactions, and what the keys are kept by. Applied once.
  Result<registry::KeyAnswer> change(registry::KeyCommandBody body);
  // From now on commands are of this lease's session.
  void use_session(LeaseId lease);
  // Ends the session that `change` began, where it did.
  void close();

  static LeaseId draw_lease();
  Result<void> grant(LeaseId lease, Duration ttl);
  // False: it has ended. `timeout` instead of the client's own.
  Result<bool> keep_alive(LeaseId lease, Duration timeout);
  Result<void> revoke(LeaseId lease, Duration timeout);

  // What has changed since; nothing after `wait`. `truncated`: what was asked for is not kept.
  Result<WatchBatch> changes(const registry::KeyWatchQuestion& question, Duration wait);

 private:
  Result<registry::KeyAnswer> send(const registry::KeyCommand& command, Duration timeout);

  const Ask ask_;
  const std::string space_;
  const Duration timeout_;
  LeaseId session_;
  bool is_session_own_ = false;
  std::uint64_t sequence_ = 0;
};

}  // namespace cluster::node
