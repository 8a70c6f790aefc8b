// What each command was told on its command line. Filled by command_line*.cpp, used by cmd_*.cpp.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/agent.hpp"
#include "cluster/log.hpp"
#include "cluster/logger.hpp"
#include "cluster/types.hpp"

namespace cluster::app {

// How connections are secured: one of a directory, three files, and plain text.
struct SecurityOptions {
  std::string directory;  // --certs: of cert.pem, key.pem and ca.pem.
  std::string chain;      // --cert, --key, --ca
  std::string key;
  std::string authorities;
  bool insecure = false;
};

// Where the cluster is, for every command that asks one.
struct ClientOptions {
  SecurityOptions security;
  std::string masters;    // HOST:PORT,... ; else CLUSTER_MASTERS
  std::string directory;  // Of `up`; else CLUSTER_DIR, else the default.
  Duration timeout = std::chrono::seconds(15);
};

struct ListOptions {
  ClientOptions client;
  bool json = false;
};

struct TasksOptions {
  ClientOptions client;
  bool json = false;
  bool open_only = false;
  std::string job;
  std::uint32_t limit = 1000;
};

struct StatusOptions {
  ClientOptions client;
  bool json = false;
  Duration wait{};  // For a leader.
};

struct DaemonOptions {
  LogLevel log_level = LogLevel::info;
  SecurityOptions security;
};

struct MasterCommand {
  DaemonOptions daemon;
  // A founder's; none of them for a directory that is a member already.
  std::uint64_t id = 0;
  std::string members;  // 1=HOST:PORT,...
  std::string cluster_id;
  std::string join;  // A newcomer's token.
  std::string directory;
  std::string listen;
  Duration agent_timeout = std::chrono::seconds(15);
  Duration ping_interval{};
  Duration election_timeout = std::chrono::milliseconds(600);
  std::uint64_t snapshot_entries = SnapshotPolicy{}.after_entries;
  Duration digest_interval = std::chrono::seconds(60);
};

struct AgentCommand {
  DaemonOptions daemon;
  std::string masters;
  std::string directory;
  std::string listen = "127.0.0.1:0";
  std::string hostname;
  std::string resources;
  std::string supervisor;
  std::uint64_t output_bytes_max = AgentOptions{}.output_bytes_max;
  bool no_cgroups = false;
  bool no_cpu_quota = false;
};

struct UpOptions {
  std::string directory;
  std::uint32_t masters = 3;
  std::uint32_t agents = 3;
  bool keep = false;
  bool insecure = false;
  double agent_cpus = 0;  // 0: an equal share of the machine.
  double agent_mem = 0;
  Duration agent_timeout = std::chrono::seconds(15);
  Duration timeout = std::chrono::seconds(60);
  LogLevel log_level = LogLevel::info;
  std::vector<std::string> given;  // Names of those options that were not left at their defaults.
};

struct DownOptions {
  std::string directory;
  bool keep = false;
  Duration timeout = std::chrono::seconds(20);
};

struct RunOptions {
  ClientOptions client;
  std::vector<std::string> command;
  std::string name;
  std::string resources;
  double cpus = 0.1;
  double mem = 32;
  std::map<std::string, std::string> environment;
  std::uint32_t instances = 1;
  std::uint32_t attempts = 1;
  Duration kill_grace = std::chrono::seconds(5);
};

struct SubmitOptions {
  ClientOptions client;
  std::string file;
  bool wait = false;
  bool check = false;  // Only whether the file is right.
};

struct LogsOptions {
  ClientOptions client;
  std::string task;
  bool follow = false;
  bool standard_error = false;
};

struct KillOptions {
  ClientOptions client;
  std::string target;
  bool wait = false;
};

struct CertsOptions {
  enum class Action { init, member, agent, client, show } action = Action::show;
  std::string path;
  std::uint64_t id = 0;
  std::string name;
  std::vector<std::string> hosts;
  std::uint32_t days = 0;
};

struct MetricsOptions {
  ClientOptions client;
};

struct InitOptions {
  std::vector<std::string> masters;  // HOST:PORT of each.
  std::string directory = "/var/lib/cluster/master";
  std::string certificates = "/etc/cluster/certs";
  bool insecure = false;
  bool json = false;
};

struct AddMemberOptions {
  ClientOptions client;
  std::string endpoint;
  bool witness = false;
  bool json = false;
};

// What `members promote`, `remove`, `replace` and `move` come to: one change.
struct ChangeMembersOptions {
  ClientOptions client;
  std::vector<std::uint64_t> promote;
  std::vector<std::uint64_t> remove;
  std::uint64_t move = 0;  // To `endpoint`.
  std::string endpoint;
  Duration wait{};  // For those that have not caught up.
};

struct TransferOptions {
  ClientOptions client;
  std::uint64_t to = 0;
};

struct RecoverOptions {
  std::string survivor;   // The directory of a master that is left.
  std::string directory;  // Where the new cluster's first master shall keep the log.
  std::string listen;     // HOST:PORT of that master.
  bool force_new_cluster = false;
  bool adopt_copy = false;
};

struct SimOptions {
  std::string seeds = "1..200";
  unsigned jobs = 1;  // Processes.
  std::string workload = "log";
  bool verbose = false;
};

struct CheckHistoryOptions {
  std::string file;  // "-": standard input.
};

struct LogCommand {
  enum class Action { inspect, verify, dump, replay };
  Action action = Action::inspect;
  std::string directory;
  std::uint64_t from = 1;
  std::uint64_t to = 0;                   // 0: to the end.
  std::vector<std::uint64_t> difference;  // Between these two.
  bool json = false;
};

struct BackupOptions {
  ClientOptions client;
  std::string file;
  std::string stopped;  // The directory of a master that is stopped, instead of a running cluster.
  bool json = false;
};

struct RestoreOptions {
  std::string file;
  std::string directory;  // Empty: the file is only checked.
  std::string listen;     // HOST:PORT of the new cluster's first master.
  std::uint64_t id = 1;
  bool json = false;
};

// What all commands about users' keys are told.
struct KeyOptions {
  ClientOptions client;
  std::string space;  // The namespace.
  bool json = false;
};

struct PutKeyOptions {
  KeyOptions keys;
  std::string key;
  std::string value;  // "-": standard input.
  Duration lease{};   // The key's time to live; 0: until it is deleted.
  std::optional<std::uint64_t> if_version;
};

struct GetKeyOptions {
  KeyOptions keys;
  std::string key;
  std::uint64_t revision = 0;
  bool raw = false;  // The value and nothing else.
};

struct RangeKeysOptions {
  KeyOptions keys;
  std::optional<std::string> prefix;
  std::optional<std::string> from;
  std::optional<std::string> to;
  std::uint64_t revision = 0;
  std::size_t limit = 0;
  bool keys_only = false;
};

struct DeleteKeysOptions {
  KeyOptions keys;
  std::string key;
  bool is_prefix = false;
};

struct TransactOptions {
  KeyOptions keys;
  std::string file = "-";
};

struct WatchKeysOptions {
  KeyOptions keys;
  std::string key;
  bool is_prefix = false;
  std::uint64_t from = 0;  // 0: from now on.
};

struct CompactKeysOptions {
  KeyOptions keys;
  std::uint64_t revision = 0;
};

struct KeySpaceOptions {
  KeyOptions keys;
  std::string name;
  std::uint64_t keys_max = 0;
  std::uint64_t bytes_max = 0;
  bool remove = false;
};

// `lock` and `elect`: a command that runs while something is held.
struct HoldOptions {
  KeyOptions keys;
  bool is_election = false;
  std::string name;
  std::vector<std::string> command;
  Duration ttl = std::chrono::seconds(10);
  Duration wait{};  // For one's turn; 0: as long as it takes.
  bool shared = false;
  std::string value;  // A candidate's; empty: host and process.
};

// The commands: each returns the program's exit code.
int cmd_master(const MasterCommand&);
int cmd_agent(const AgentCommand&);
int cmd_up(const UpOptions&);
int cmd_down(const DownOptions&);
int cmd_run(const RunOptions&);
int cmd_submit(const SubmitOptions&);
int cmd_tasks(const TasksOptions&);
int cmd_agents(const ListOptions&);
int cmd_masters(const ListOptions&);
int cmd_frameworks(const ListOptions&);
int cmd_jobs(const ListOptions&);
int cmd_logs(const LogsOptions&);
int cmd_kill(const KillOptions&);
int cmd_status(const StatusOptions&);
int cmd_certs(const CertsOptions&);
int cmd_log(const LogCommand&);
int cmd_log_replay(const LogCommand&);
int cmd_backup(const BackupOptions&);
int cmd_restore(const RestoreOptions&);
int cmd_metrics(const MetricsOptions&);
int cmd_init(const InitOptions&);
int cmd_members(const ListOptions&);
int cmd_add_member(const AddMemberOptions&);
int cmd_change_members(const ChangeMembersOptions&);
int cmd_transfer(const TransferOptions&);
int cmd_recover(const RecoverOptions&);
int cmd_sim(const SimOptions&);
int cmd_check_history(const CheckHistoryOptions&);
int cmd_kv_put(const PutKeyOptions&);
int cmd_kv_get(const GetKeyOptions&);
int cmd_kv_range(const RangeKeysOptions&);
int cmd_kv_del(const DeleteKeysOptions&);
int cmd_kv_txn(const TransactOptions&);
int cmd_kv_watch(const WatchKeysOptions&);
int cmd_kv_compact(const CompactKeysOptions&);
int cmd_kv_namespace(const KeySpaceOptions&);
int cmd_hold(const HoldOptions&);

}  // namespace cluster::app
