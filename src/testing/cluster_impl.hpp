// What a simulated cluster is made of. Everything happens on one thread, in events of one world.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "cluster/testing.hpp"
#include "sim/network.hpp"
#include "sim/process.hpp"
#include "sim/world.hpp"
#include "testing/agreement.hpp"
#include "testing/fault_plan.hpp"
#include "testing/node_disks.hpp"
#include "testing/trace.hpp"

namespace cluster::testing {

// A node: what lasts over its crashes, and the process that it has now.
struct Machine {
  explicit Machine(Node its_node) : node(its_node) {}

  Node node;
  NodeDisks disks;
  std::unique_ptr<LogSink> sink;
  sim::ProcessOptions process_options;
  bool loses_unsynced = false;
  // The present incarnation, or the last.
  sim::Process* process = nullptr;
  Runtime* runtime = nullptr;
  std::vector<std::unique_ptr<CheckedMachine>> checked;
  bool is_up = false;
  std::uint64_t incarnation = 0;
};

struct Cluster::Impl {
  Impl(Cluster& cluster, Options);
  ~Impl();

  // The next event, with what follows from it; false when there is none before `until`.
  bool step(Time until);
  void boot(Machine&);
  void run_program(Machine&);
  void crash(Machine&, const char* why);
  void restart_after(Machine&, Duration);
  void heal();
  void end_faults();
  std::uint16_t port_of(const std::string& name);
  Agreement& agreement(const std::string& name);
  void fail(const std::string& what);

  const Options options;
  sim::World world;
  sim::Network network{world};
  Trace trace{world};
  Random user_random;
  std::map<std::string, std::uint16_t> ports;  // By log.
  std::map<std::string, Agreement> agreements;
  std::deque<Machine> machines;
  std::vector<std::unique_ptr<Runtime>> runtimes;  // Dead ones too: events may still name them.
  std::vector<std::function<Running(Node&)>> programs;
  std::vector<Running> running;
  // Of those that died in the middle of an event: it may be theirs.
  std::vector<Running> dying;
  std::vector<std::unique_ptr<CheckedMachine>> dying_checked;
  std::optional<std::string> failure;
  bool is_stepping = false;
  FaultPlan faults;

 private:
  void end_dying();
};

}  // namespace cluster::testing
