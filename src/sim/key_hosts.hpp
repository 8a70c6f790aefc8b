// Registries of users' keys on the members of a simulated log: the code that applications link, on
// made-up processes.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cluster/key_registry.hpp"
#include "registry/key_registry_core.hpp"
#include "sim/key_truth.hpp"
#include "sim/log_cluster.hpp"

namespace cluster::sim {

class KeyHosts final : public LogTenant {
 public:
  KeyHosts();
  ~KeyHosts() override;

  // Before the first member starts.
  void attach(LogCluster& cluster) { cluster_ = &cluster; }

  StateMachine* arrive(LogMember&) override;
  void started(LogMember&) override;
  void leave(LogMember&) override;

  // None while the member is down.
  Registry* registry(const LogMember&);
  KeyTruth& truth() { return truth_; }
  // Those that run and have everything have the same; what differs, else nothing.
  std::string compare();

 private:
  class Machine;
  class OnDriver;
  struct Hosted;

  LogCluster* cluster_ = nullptr;
  KeyTruth truth_;
  std::uint64_t entries_ = 0;
  std::map<const LogMember*, std::unique_ptr<Hosted>> hosted_;
};

}  // namespace cluster::sim
