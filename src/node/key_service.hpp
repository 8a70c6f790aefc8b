// Users' keys for those who are no members: starts the registry of keys on the masters' log, and
// answers what is asked of it on the admin lane (registry/remote_keys.hpp). Any master answers: the
// log carries commands to its leader, and reads wait until this member has everything.
//
// A question for changes is held until there are some. Where its time passes without any, this
// member first makes sure that it is not cut off: "nothing" is said only by one that a majority
// follows.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "cluster/log.hpp"
#include "registry/driver.hpp"
#include "registry/key_entries.hpp"
#include "registry/remote_keys.hpp"
#include "runtime/host.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::node {

// Lives on the node thread, where the log delivers; log and registry outlive it.
class KeyService {
 public:
  using Done = std::function<void(Result<wire::AdminBody>)>;

  KeyService(runtime::Host&, Log&, registry::RegistryDriver&);
  KeyService(const KeyService&) = delete;
  KeyService& operator=(const KeyService&) = delete;
  ~KeyService();  // The keys are stopped; what is open ends as `closed`.

  // AskKeys and WatchKeys. `done` is called at once or later.
  void answer(const wire::AdminBody& question, Done done);

  Metrics metrics() const;

 private:
  using Core = registry::RegistryDriver::KeysCore;
  struct Poll {
    Time deadline;
    Done done;
  };

  void ask(const wire::AskKeys&, Done);
  void watch(const wire::WatchKeys&, Done);
  void on_batch(registry::WatchId, const Result<WatchBatch>&);
  void confirm(WatchBatch, const Done&);
  // Its end; nothing where its time was over.
  std::optional<Poll> take_poll(registry::WatchId);
  void end_late_polls();
  void set_alarm();
  bool has_room(const Done&);
  // Counts the question as open until it is answered.
  Done counted(Done);

  runtime::Host& host_;
  const std::shared_ptr<Core> keys_;
  registry::MarkedLog log_;
  std::map<registry::WatchId, Poll> polls_;
  std::set<std::pair<Time, registry::WatchId>> deadlines_;  // Of the polls.
  std::uint64_t open_ = 0;
  std::uint64_t asked_ = 0;
  std::uint64_t refused_ = 0;
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::node
