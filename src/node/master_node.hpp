// One master, composed: a listener that its parts share, the log, the registry that is its state
// machine with users' keys beside it, the master on both, and the scheduler of jobs while this
// master leads.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "cluster/log.hpp"
#include "cluster/node.hpp"
#include "master/driver.hpp"
#include "node/digest_watch.hpp"
#include "node/key_service.hpp"
#include "node/log_reader.hpp"
#include "registry/driver.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "scheduler/job_driver.hpp"

namespace cluster::node {

class MasterNode {
 public:
  // Any thread but the node thread, as for `stop` and destruction.
  // `limits` decide what entries do: all masters of a cluster have the same.
  static Result<std::unique_ptr<MasterNode>> start(runtime::Host&, const NodeOptions::Master&,
                                                   const std::string& version,
                                                   RegistryLimits limits = {});
  // The log is of this registry.
  MasterNode(runtime::Host&, std::unique_ptr<registry::RegistryDriver>, Log);
  MasterNode(const MasterNode&) = delete;
  MasterNode& operator=(const MasterNode&) = delete;
  ~MasterNode();

  // Called at most once, on the node thread, when the log has stopped for good: its disk failed, or
  // this member was removed.
  void on_failed(std::function<void(const Error&)> observer);

  // Node thread.
  NodeStatus::Master status() const;
  Metrics metrics() const;

 private:
  void begin(master::MasterOptions, DigestWatchOptions);  // Node thread.
  void lead(bool leading);
  void look_at_log();
  std::optional<Error> settled_removal();
  void fail(const Error&);

  runtime::Host& host_;
  runtime::ListenerId listener_;
  Endpoint endpoint_;
  std::unique_ptr<registry::RegistryDriver> registry_;
  std::optional<Log> log_;
  std::unique_ptr<DigestWatch> digest_watch_;
  std::unique_ptr<LogReader> log_reader_;
  std::unique_ptr<KeyService> key_service_;
  std::unique_ptr<master::MasterDriver> master_;
  std::unique_ptr<scheduler::JobScheduler> jobs_;
  std::function<void(const Error&)> on_failed_;
  std::optional<Error> failure_;
  bool was_removed_ = false;  // At the last look.
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::node
