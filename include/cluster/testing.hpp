// A cluster in one process for tests of what you build on this library.
//
// `Cluster` is simulated: one virtual clock, a network and disks that fail as the seed says, and
// every node on this one thread. The nodes' runtimes run what real ones run, so your code is used
// as it is; the same seed gives the same run, event for event.
//
//   testing::Cluster sim({.seed = seed, .faults = testing::Faults::all()});
//   sim.start_all([](testing::Node& node) { return std::make_unique<Server>(node.runtime(), ...);
//   }); sim.run_for(20s); sim.end_faults(); if (!sim.run_until([&] { return all_agree(sim); }))
//   sim.fail("they never came to agree"); if (sim.failure()) puts(sim.report().c_str());   // what,
//   the seed, and what had happened
//
// `LocalCluster` is real: threads, sockets on loopback, directories that are removed in the end.
//
// Threads: a `Cluster`, and all that was opened on its runtimes, belongs to one thread, on which
// time passes in `run_for`, `run_until` and `wait` only. So `Op::get()` of what has not ended yet
// gives `Errc::would_deadlock`: use `sim.wait(op)`, or `then`. Your own threads, clocks, sockets
// and files are not simulated: take time from `Node`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "cluster/history.hpp"
#include "cluster/log.hpp"
#include "cluster/logger.hpp"
#include "cluster/op.hpp"
#include "cluster/runtime.hpp"
#include "cluster/state_machine.hpp"
#include "cluster/types.hpp"

namespace cluster::testing {

// What goes wrong by itself. `every`: the mean time from one to the next; 0: never.
struct Faults {
  Duration crash_every{};           // A node with a program dies; it is back within two seconds.
  Duration partition_every{};       // Some do not reach others: both ways, or one. Or all do again.
  Duration pause_every{};           // A process stands still, for up to three seconds.
  Duration disk_stall_every{};      // A disk finishes nothing, for up to four seconds.
  Duration disk_failure_every{};    // A sync fails; the node is started again within a second.
  std::uint32_t loss_permille = 0;  // Of messages between members of a log. Other sessions
  std::uint32_t duplicate_permille = 0;  // are like TCP: whole and in order, or broken.
  std::uint32_t slow_permille = 0;       // Messages that take up to 400 ms.
  Duration delay_max = std::chrono::microseconds(500);  // Of all others.
  std::uint32_t clock_drift_permille = 0;               // Clocks run up to so much fast or slow.
  // Each seed has some of these kinds only, at rates of its own up to those here: what one kind
  // hides, a seed without it shows.
  bool is_mixed = false;

  static Faults none() { return {}; }
  static Faults all();
};

struct Options {
  std::uint64_t seed = 1;
  std::size_t nodes = 3;
  std::size_t founders = 0;  // The first so many found the logs; 0: all. Others join by tokens.
  Faults faults;
  LogSink* log_sink = nullptr;  // The library's lines also go there, as they come.
  LogLevel log_level = LogLevel::info;
};

class Cluster;

// One node's place in the simulation: as long as the cluster, whatever dies on it.
class Node {
 public:
  std::size_t index() const { return index_; }
  NodeId id() const { return NodeId(index_ + 1); }
  Cluster& cluster() const { return *cluster_; }
  bool is_up() const;
  // The present process'; of one that is down, the last one's, on which nothing happens any more.
  Runtime& runtime();
  // Of a log that all founders have under this name. Snapshots come often, as the seed says.
  LogOptions log_options(const std::string& name = "log");
  Endpoint endpoint(const std::string& name = "log") const;

  Time now() const;  // By its own clock.
  // Runs once, where the runtime delivers, unless the process dies before.
  void after(Duration, std::function<void()>);

  // The same state machine, with an eye on it: that all nodes apply the same entries, and come to
  // the same state by entries and by snapshots. States are compared by their snapshots, so equal
  // ones must be written equally. Must outlive its log, as `machine`; both go with the program.
  StateMachine& checked(StateMachine& machine, const std::string& name = "log");

  void note(const std::string& line);  // Into the trace.
  void exit();                         // The program ends by itself: as a crash.

 private:
  friend class Cluster;
  Node(Cluster& cluster, std::size_t index) : cluster_(&cluster), index_(index) {}
  Cluster* cluster_;
  std::size_t index_;
};

class Disk {
 public:
  // Every sync fails from now on, or no longer. A log whose sync failed stops for good: its node
  // must be started again.
  void fail_syncs(bool fail = true);
  // Every crash takes what is on its way to the disk; otherwise chance decides.
  void lose_unsynced(bool lose = true);
  void stall(Duration);
  // A new, empty disk. Of a node that is down.
  void wipe();

 private:
  friend class Cluster;
  Disk(Cluster& cluster, std::size_t index) : cluster_(&cluster), index_(index) {}
  Cluster* cluster_;
  std::size_t index_;
};

class Network {
 public:
  void delay(Duration least, Duration most);
  void loss(std::uint32_t permille);
  void duplicate(std::uint32_t permille);
  void slow(std::uint32_t permille, Duration most = std::chrono::milliseconds(400));
  std::uint64_t messages() const;  // That were sent until now.

 private:
  friend class Cluster;
  explicit Network(Cluster& cluster) : cluster_(&cluster) {}
  Cluster* cluster_;
};

class Cluster {
 public:
  struct Impl;  // Inside the library only.

  explicit Cluster(Options = {});
  ~Cluster();  // As if all crashed. What else was opened on its runtimes must be gone before.
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  std::uint64_t seed() const;
  std::size_t size() const;
  Node& node(std::size_t i);
  Disk disk(std::size_t i) { return Disk(*this, i); }
  Network network() { return Network(*this); }
  Runtime& runtime(std::size_t i) { return node(i).runtime(); }
  LogOptions log_options(std::size_t i, const std::string& name = "log") {
    return node(i).log_options(name);
  }

  // Runs `program(Node&)`, now and after each crash. What it returns, a unique_ptr or a shared_ptr,
  // is the running program: destroyed by a crash, without effect on anything outside of it. A null
  // pointer: it could not start, and is tried again half a second later.
  template <class Program>
  void start(std::size_t i, Program program);
  template <class Program>
  void start_all(Program program) {
    for (std::size_t i = 0; i < size(); ++i) start(i, program);
  }
  // What the program returned; none while the node is down, or where it returned no T.
  template <class T>
  T* running(std::size_t i) const;

  // Time passes. All stop early, and say false, once something has failed.
  bool run_for(Duration);
  // Until `is_done`, which is asked after each event; false when it is not by then.
  bool run_until(const std::function<bool()>& is_done, Duration limit = std::chrono::seconds(60));
  // Until it has ended: its result, or `timed_out`. Not from inside of the simulation: there it is
  // `would_deadlock`.
  template <class T>
  Result<T> wait(Op<T> op, Duration limit = std::chrono::seconds(60));
  Time now() const;  // By the world's clock.

  // By hand, beside or instead of `Options::faults`. A crash keeps the disk. Whoever calls this in
  // the middle of the victim's own code sees that code go to its end, without effect.
  void crash(std::size_t i);
  void restart(std::size_t i);  // Where it is up: after a crash.
  void pause(std::size_t i, Duration);
  // Nothing comes through between the two groups; `heal` mends this and all other cuts.
  void partition(const std::vector<std::size_t>& some, const std::vector<std::size_t>& others);
  void isolate(std::size_t i);                 // From all.
  void cut(std::size_t from, std::size_t to);  // One way.
  void heal();
  // No faults from now on; everybody reaches everybody, disks are sound, and whoever was down or
  // had met a failing disk is started. What should come right in the end must come right now.
  void end_faults();

  // Of a sequence of its own that the seed begins: draws here do not change what fails when.
  std::uint64_t random();
  std::size_t below(std::size_t end);  // Uniform in [0, end).
  bool chance(std::uint32_t permille);

  void note(const std::string& line);  // Into the trace.
  // The run has failed; the first one counts.
  void fail(const std::string& what);
  void check(bool holds, const std::string& what) {
    if (!holds) fail(what);
  }
  const std::optional<std::string>& failure() const;
  std::vector<std::string> trace() const;  // The last of what happened, a line for each.
  std::string report() const;              // The failure, the seed, and the trace.
  std::uint64_t digest() const;            // Of the whole run: equal for equal runs.

 private:
  friend class Node;
  friend class Disk;
  friend class Network;
  struct Running {
    std::shared_ptr<void> object;
    const std::type_info* type = nullptr;
    bool has_started = false;
  };
  void start_program(std::size_t i, std::function<Running(Node&)>);
  const Running& running_program(std::size_t i) const;
  Error why_not_done() const;

  std::unique_ptr<Impl> impl_;
};

// That a resource behind a lock is used by one holder after another, told apart by their fencing
// tokens: `Lock::token()`, `Election::token()`, `Log::Writer::term()`. A holder that was paused may
// go on believing; what it then does must be refused by the resource.
class Fencing {
 public:
  Fencing(Cluster& cluster, std::string name) : cluster_(&cluster), name_(std::move(name)) {}

  // It was told that it holds. It may hear of it late, after a newer one; but nobody else ever had
  // its token.
  void began(std::size_t node, std::uint64_t token);
  // The resource has taken an action by this token: none that is older than it has seen.
  void accepted(std::size_t node, std::uint64_t token);
  std::uint64_t newest() const { return newest_; }  // That was accepted.

 private:
  Cluster* cluster_;
  std::string name_;
  std::map<std::uint64_t, std::size_t> holders_;  // By token.
  std::uint64_t newest_ = 0;
};

struct Failure {
  std::uint64_t seed = 0;
  std::string what;
  std::string report;
};

// Runs `body` on a fresh cluster for each of `count` seeds from `options.seed` on; the first that
// fails. An exception that leaves `body` is a failure too.
std::optional<Failure> find_failure(Options options, std::uint64_t count,
                                    const std::function<void(Cluster&)>& body);

// Real runtimes, for tests of what the simulation leaves out. Ports are free ones of loopback.
class LocalCluster {
 public:
  explicit LocalCluster(std::size_t nodes = 3);
  ~LocalCluster();  // Removes the directories. All that was opened here must be gone before.
  LocalCluster(const LocalCluster&) = delete;
  LocalCluster& operator=(const LocalCluster&) = delete;

  std::size_t size() const;
  Runtime& runtime(std::size_t i);
  std::string directory(std::size_t i) const;
  LogOptions log_options(std::size_t i, const std::string& name = "log");

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Only templates from here on.

template <class Program>
void Cluster::start(std::size_t i, Program program) {
  start_program(i, [program = std::move(program)](Node& node) mutable -> Running {
    if constexpr (std::is_void_v<decltype(program(node))>) {
      program(node);
      return {.object = nullptr, .type = nullptr, .has_started = true};
    } else {
      auto made = program(node);
      using T = std::remove_cv_t<typename decltype(made)::element_type>;
      bool has_started = made != nullptr;
      std::shared_ptr<T> object(std::move(made));
      return {.object = std::move(object), .type = &typeid(T), .has_started = has_started};
    }
  });
}

template <class T>
T* Cluster::running(std::size_t i) const {
  const Running& found = running_program(i);
  bool is_it = found.type != nullptr && *found.type == typeid(T);
  return is_it ? static_cast<T*>(found.object.get()) : nullptr;
}

template <class T>
Result<T> Cluster::wait(Op<T> op, Duration limit) {
  if (!op.is_done() && !run_until([&op] { return op.is_done(); }, limit)) return why_not_done();
  return op.get();
}

}  // namespace cluster::testing
