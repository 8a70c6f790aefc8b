// `cluster master`: one member of the cluster's Paxos group.
#include <algorithm>
#include <charconv>

#include "base/endpoint.hpp"
#include "cluster/members.hpp"
#include "daemon.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

// "1=127.0.0.1:7001,2=..."
Result<std::vector<Peer>> parse_members(std::string_view text) {
  std::vector<Peer> members;
  for (std::size_t at = 0; at <= text.size();) {
    auto comma = std::min(text.find(',', at), text.size());
    std::string_view entry = text.substr(at, comma - at);
    at = comma + 1;
    auto wrong = [&](const std::string& what) {
      return Error{Errc::invalid_argument,
                   "--members: '" + std::string(entry) + "': " + what + "; write ID=HOST:PORT"};
    };
    auto equals = entry.find('=');
    if (equals == std::string_view::npos) return wrong("the id is missing");
    std::uint64_t id = 0;
    auto [end, failure] = std::from_chars(entry.data(), entry.data() + equals, id);
    if (failure != std::errc{} || end != entry.data() + equals || id == 0) {
      return wrong("an id is a number from 1 on");
    }
    auto endpoint = parse_endpoint(entry.substr(equals + 1));
    if (!endpoint) return Error{Errc::invalid_argument, "--members: " + endpoint.error().context};
    if (endpoint->port == 0) return wrong("a member's port cannot be 0");
    for (const Peer& other : members) {
      if (other.id.value() == id) return wrong("the id is there twice");
      if (other.endpoint == *endpoint) return wrong("the address is there twice");
    }
    members.push_back({.id = NodeId(id), .endpoint = *std::move(endpoint)});
  }
  return members;
}

// Founders are told of each other; all three words, or none.
Result<void> read_founding(const MasterCommand& command, NodeOptions::Master& master) {
  std::string missing;
  auto need = [&](bool is_given, const char* name) {
    if (!is_given) missing += (missing.empty() ? "" : ", ") + std::string(name);
  };
  need(command.id != 0, "--id");
  need(!command.members.empty(), "--members");
  need(!command.cluster_id.empty(), "--cluster-id");
  if (!missing.empty()) {
    return Error{Errc::invalid_argument,
                 missing +
                     " missing: a founder needs --id, --members and --cluster-id (`cluster "
                     "init` prints them), and a directory that is a member needs none of them"};
  }
  auto members = parse_members(command.members);
  if (!members) return std::move(members).error();
  master.self = NodeId(command.id);
  master.members = *std::move(members);
  bool is_member = std::any_of(master.members.begin(), master.members.end(),
                               [&](const Peer& peer) { return peer.id == master.self; });
  if (!is_member) {
    return Error{Errc::invalid_argument, "--id " + std::to_string(command.id) +
                                             " is not among --members " + command.members};
  }
  auto cluster = parse_cluster_uid(command.cluster_id);
  if (!cluster) {
    return Error{Errc::invalid_argument, "--cluster-id: " + cluster.error().context};
  }
  master.cluster = *cluster;
  return {};
}

Result<NodeOptions::Master> master_of(const MasterCommand& command) {
  NodeOptions::Master master{.directory = command.directory,
                             .agent_timeout = command.agent_timeout,
                             .ping_interval = command.ping_interval,
                             .election_timeout = command.election_timeout};
  bool is_founder = command.id != 0 || !command.members.empty() || !command.cluster_id.empty();
  if (!command.join.empty()) {
    if (is_founder) {
      return Error{Errc::invalid_argument,
                   "--join is a newcomer's, and --id, --members and --cluster-id are a founder's: "
                   "the token says all of that; leave them out"};
    }
    auto token = parse_join_token(command.join);
    if (!token) return Error{Errc::invalid_argument, "--join: " + token.error().context};
    if (command.listen.empty()) {
      return Error{
          Errc::invalid_argument,
          "--join needs --listen HOST:PORT: the address that was given to `cluster members "
          "add`"};
    }
    master.join = command.join;
  } else if (is_founder) {
    if (auto read = read_founding(command, master); !read) return std::move(read).error();
  }
  if (!command.listen.empty()) {
    auto listen = parse_endpoint(command.listen);
    if (!listen) return Error{Errc::invalid_argument, "--listen: " + listen.error().context};
    master.listen = *std::move(listen);
  }
  if (command.agent_timeout < std::chrono::milliseconds(200)) {
    return Error{Errc::invalid_argument, "--agent-timeout: at least 200ms"};
  }
  if (command.election_timeout < std::chrono::milliseconds(50)) {
    return Error{Errc::invalid_argument, "--election-timeout: at least 50ms"};
  }
  master.snapshots.after_entries = command.snapshot_entries;
  master.digest_interval = command.digest_interval;
  master.heartbeat_interval = std::min(master.heartbeat_interval, command.election_timeout / 5);
  return master;
}

}  // namespace

int cmd_master(const MasterCommand& command) {
  auto master = master_of(command);
  if (!master) return fail(master.error());
  NodeOptions options;
  options.master = *std::move(master);
  return run_daemon(std::move(options), command.daemon);
}

}  // namespace cluster::app
