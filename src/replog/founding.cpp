#include "replog/founding.hpp"

#include <algorithm>

#include "runtime/peer_links.hpp"

namespace cluster::replog {
namespace {

Error wrong(std::string what) { return Error{Errc::invalid_argument, std::move(what)}; }

NodeId id_before_forming(std::size_t index) {
  return NodeId(runtime::unknown_peers.value() + index);
}

Result<void> check_founders(const LogOptions& options) {
  if (!options.cluster) return wrong("LogOptions::cluster is 0; every cluster has an id");
  bool has_self = false;
  for (const Peer& member : options.members) {
    if (!member.id || member.id.value() > member_id_max) {
      return wrong("member id " + to_field(member.id) + " is not in 1.." +
                   std::to_string(member_id_max));
    }
    for (const Peer& other : options.members) {
      if (&other != &member && other.id == member.id) {
        return wrong("member " + to_field(member.id) + " is named twice");
      }
    }
    has_self = has_self || member.id == options.self;
  }
  if (has_self) return {};
  return wrong("member " + to_field(options.self) + " is not among the " +
               std::to_string(options.members.size()) + " members");
}

bool is_wildcard(const std::string& host) { return host == "0.0.0.0" || host == "::"; }

}  // namespace

Result<void> complete_founding(LogOptions& options) {
  if (options.join.empty()) {
    return options.members.empty() ? Result<void>{} : check_founders(options);
  }
  if (!options.members.empty()) {
    return wrong("LogOptions::join is for a newcomer, LogOptions::members for founders; give one");
  }
  auto token = parse_join_token(options.join);
  if (!token) return std::move(token).error();
  bool is_other = (options.cluster && options.cluster != token->cluster) ||
                  (options.self && options.self != token->id);
  if (is_other) return wrong("the join token is another member's than LogOptions says");
  options.cluster = token->cluster;
  options.self = token->id;
  return {};
}

Founding founding_of(const LogOptions& options) {
  Founding founding;
  founding.founders = options.members;
  if (options.join.empty()) return founding;
  auto token = parse_join_token(options.join);
  if (!token) return founding;
  founding.join_secret = token->secret;
  for (std::size_t i = 0; i < token->members.size(); ++i) {
    founding.ask.push_back(id_before_forming(i));
  }
  if (!is_wildcard(options.listen.host)) founding.endpoint = options.listen;
  return founding;
}

std::vector<Peer> peers_before_forming(const LogOptions& options) {
  if (options.join.empty()) return options.members;
  std::vector<Peer> peers;
  auto token = parse_join_token(options.join);
  if (!token) return peers;
  for (std::size_t i = 0; i < token->members.size(); ++i) {
    peers.push_back({id_before_forming(i), token->members[i]});
  }
  return peers;
}

std::vector<Peer> peers_of(const Configuration& configuration) {
  std::vector<Peer> peers;
  for (const Member& member : configuration.all()) peers.push_back({member.id, member.endpoint});
  return peers;
}

Result<Endpoint> listening_endpoint(const LogOptions& options, const Identity& identity,
                                    const Configuration& configuration) {
  if (!options.listen.host.empty()) return options.listen;
  if (const Member* self = configuration.find(identity.member)) return self->endpoint;
  for (const Peer& member : options.members) {
    if (member.id == identity.member) return member.endpoint;
  }
  return wrong("LogOptions::listen is needed: a newcomer's endpoint is known to the members only");
}

Result<void> check_membership(const LogOptions& options, const Identity& identity,
                              const Configuration& configuration) {
  bool is_unformed = configuration.is_empty();
  if (is_unformed && options.members.empty() && options.join.empty()) {
    return wrong(options.directory +
                 " is no member yet: give LogOptions::cluster, self and members to found a log, or "
                 "LogOptions::join to join one");
  }
  const Member* self = configuration.find(identity.member);
  if (self != nullptr && self->incarnation != identity.incarnation) {
    return Error{Errc::wrong_cluster, options.directory + " is not the directory that member " +
                                          to_field(identity.member) +
                                          " was formed with; add it as a new member"};
  }
  // Later members are the log's affair; the list that founded it stays what it was.
  if (is_unformed || configuration.since() || options.members.empty()) return {};
  for (const Peer& peer : options.members) {
    if (configuration.has(peer.id)) continue;
    return Error{Errc::wrong_cluster, options.directory + " was formed without member " +
                                          to_field(peer.id) +
                                          "; change the members by add_member, not by the list"};
  }
  return {};
}

}  // namespace cluster::replog
