// A simulated cluster whose members keep one log: real drivers on made-up processes, disks and a
// network, with the checker looking at all of it. What befalls it is decided by its user.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "replog/driver.hpp"
#include "replog/shared_logs.hpp"
#include "sim/coverage.hpp"
#include "sim/log_checker.hpp"
#include "sim/process.hpp"
#include "sim/snapshot_machine.hpp"

namespace cluster::sim {

struct LogMember;

// Who lives on the members' logs, beside the checker's sum.
class LogTenant {
 public:
  virtual ~LogTenant() = default;
  // The member's process starts: what its log is to apply.
  virtual StateMachine* arrive(LogMember&) = 0;
  virtual void started(LogMember&) = 0;  // Its driver is there now,
  virtual void leave(LogMember&) = 0;    // and until this has returned.
};

struct LogClusterOptions {
  std::uint64_t seed = 1;
  std::size_t size = 3;
  std::size_t spares = 0;       // That may join later.
  LogSink* log_sink = nullptr;  // Lines of every member; none: silent.
  LogLevel log_level = LogLevel::info;
  replog::DriverLimits limits;
  // All members read by the leader's lease, and were told that no clock is faster than another by
  // more than this.
  bool has_leases = false;
  std::uint32_t drift_permille_max = 62;
  // With a state machine, and snapshots instead of truncations.
  bool has_state_machine = false;
  LogTenant* tenant = nullptr;  // Of a log with a state machine.
  // The members' processes are hosts of several logs: they rest, and share transport and disk with
  // a second log, which only the founders keep.
  bool has_hosts = false;
  SnapshotPolicy snapshots;
  std::size_t catch_up_bytes_per_second = 0;
  // What the members' disks do wrong on purpose, to see that the checker sees it.
  bool forget_promises = false;  // Promises are not kept over a restart.
  bool lose_last_group = false;  // A crash takes the last group that was reported durable along.
};

// What a disk held where its last group was written.
struct BeforeLast {
  Position chosen_end{1};
  std::map<Position, std::optional<replog::LogEntry>> entries;
};

struct LogMember {
  Peer peer;
  ProcessOptions process;
  Disk disk;
  BeforeLast before_last;
  Process* host = nullptr;  // The present incarnation.
  SnapshotDisk snapshots;
  std::unique_ptr<SumMachine> machine;
  std::unique_ptr<replog::SharedLogs> shared;  // Of a host of several logs.
  std::unique_ptr<replog::Driver> driver;
  Disk second_disk;
  std::unique_ptr<replog::Driver> second;
  std::uint64_t incarnation = 0;
  std::uint64_t directory = 0;  // Its identity's incarnation.
  bool was_wiped = false;
  std::string join;  // A newcomer's token.
  bool is_down = true;
  bool has_news = false;  // The checker has not looked yet.
};

class LogCluster {
 public:
  explicit LogCluster(const LogClusterOptions&);
  ~LogCluster();
  LogCluster(const LogCluster&) = delete;
  LogCluster& operator=(const LogCluster&) = delete;

  World& world() { return world_; }
  Random& random() { return world_.random(); }
  Network& network() { return network_; }
  LogChecker& checker() { return checker_; }
  Coverage& coverage() { return coverage_; }
  std::deque<LogMember>& members() { return members_; }
  std::size_t founders() const { return options_.size; }
  LogMember& member(std::size_t index) { return members_[index]; }
  LogMember& any_member() { return members_[random().below(members_.size())]; }
  // The one that leads the latest term and is ready, as far as it knows itself; none while none.
  LogMember* leader();

  // Runs to `until`, or to the step at which `is_done` holds. False when something was violated.
  bool step_until(Time until, const std::function<bool()>& is_done = {});

  // A spare that was not let in is not started.
  void start(LogMember&);
  // Its process dies, and comes back with an empty disk.
  void wipe(LogMember&);
  // A spare's, with the token that it got. None: there is no spare any more.
  LogMember* spare();
  void join(LogMember& spare, const JoinToken&);
  // One of the members, as far as is known, whose directory is the member's.
  bool is_member(const LogMember&) const;
  void start_all();
  // The disk keeps what it has.
  void crash(LogMember&);
  void pause(LogMember&, Duration, bool stops_clock);
  // Between these two nothing comes through; or from the first to the second only.
  void cut(const LogMember&, const LogMember&);
  void cut_one_way(const LogMember& from, const LogMember& to);
  // No more faults, and everybody runs.
  void heal();

  // Asked of the member's process, which may be paused; nothing is heard when it dies meanwhile. No
  // two appends have the same text.
  void append(LogMember&, std::string text, std::uint64_t term,
              std::function<void(const Result<Position>&)> done, const CallOptions& options = {});
  void catch_up(LogMember&, std::function<void(const Result<LogRange>&)> done);
  void truncate(LogMember&, Position to);
  void add_member(LogMember&, LogMember& spare, MemberRole = MemberRole::learner);
  void change_members(LogMember&, std::vector<MemberEdit>);
  void transfer_leadership(LogMember&, NodeId to);
  void start_writer(LogMember&, std::function<void(const Result<std::uint64_t>&)> done);

  // The second log, where there is one: an entry for it, and what is wrong with its copies; nothing
  // where nothing is.
  void append_to_second(LogMember&, std::function<void(const Result<Position>&)> done);
  std::string check_second() const;

  std::uint64_t crashes() const { return crashes_; }
  std::size_t terms() const { return terms_.size(); }
  std::uint64_t fingerprint() const { return fingerprint_; }
  // Adds what the members counted until now.
  void count_metrics();

 private:
  class Store;
  class Sink;

  void make_host(LogMember&, runtime::ListenerId, const replog::Identity&,
                 const std::shared_ptr<replog::Store>& store);
  void start_second(LogMember&, const replog::Identity&);
  void ask(LogMember&, std::function<void()> question);
  void observe(ProcessId from, const Bytes& bytes, bool is_doubled);
  void count_message(const LogMember& from, const replog::Message&, bool is_doubled);
  void count_metrics(const LogMember&);
  void note(std::uint64_t what, std::uint64_t number);
  void look_at(LogMember&);

  LogClusterOptions options_;
  World world_;
  Network network_;
  LogChecker checker_;
  Coverage coverage_;
  std::unique_ptr<Sink> sink_;
  std::deque<LogMember> members_;
  std::vector<LogMember*> with_news_;
  std::vector<std::unique_ptr<Process>> processes_;  // Dead ones too: events may still name them.
  std::uint64_t crashes_ = 0;
  std::set<std::uint64_t> terms_;
  // Who forwarded what to the leader of which term, for counting.
  std::set<std::tuple<NodeId, std::uint64_t, std::uint64_t>> forwarded_;
  std::uint64_t fingerprint_ = 0;
  std::uint64_t second_appends_ = 0;
};

std::string name_of(const LogMember&);

}  // namespace cluster::sim
