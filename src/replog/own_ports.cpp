#include "replog/own_ports.hpp"

#include <utility>

namespace cluster::replog {
namespace {

runtime::PeerLinksOptions links_of(const Identity& identity, std::vector<Peer> members,
                                   PortUser& user) {
  runtime::PeerLinksOptions links;
  links.self = identity.member;
  links.members = std::move(members);
  links.on_lost = [&user](NodeId member) { user.on_lost(member); };
  return links;
}

}  // namespace

std::optional<Envelope> Doorkeeper::admit(const runtime::PeerIdentity& sender, const Bytes& bytes) {
  auto envelope = decode_envelope(bytes);
  if (!envelope) {
    refused_ += 1;
    log_.warning("dropped garbage", "why", envelope.error().message());
    return std::nullopt;
  }
  // What we tell ourselves never travels: another process that claims to be us must not vote for
  // us.
  if (envelope->cluster != identity_.cluster || envelope->from == identity_.member) {
    refused_ += 1;
    log_.warning("refused a stranger", "from", envelope->from, "cluster", envelope->cluster);
    return std::nullopt;
  }
  if (!sender.may_be(envelope->from)) {
    refused_ += 1;
    log_.warning("refused an impostor", "claims", envelope->from, "certificate",
                 sender.names.empty() ? std::string("no name") : sender.names.front());
    return std::nullopt;
  }
  return *std::move(envelope);
}

OwnPorts::OwnPorts(runtime::Host& host, std::shared_ptr<Store> store, OwnPortsOptions options,
                   PortUser& user, const Logger& log)
    : user_(user),
      door_(store->identity(), log),
      committer_(
          host, [store](const std::vector<Change>& changes) { return store->commit(changes); },
          [this](Action action) { user_.perform(std::move(action)); },
          [this](const Error& why) { user_.on_disk_failed(why); },
          {bytes_of, options.group_bytes_max}),
      links_(host, options.listener, runtime::Lane::log,
             links_of(store->identity(), std::move(options.members), user),
             [this](runtime::SessionId session, const runtime::PeerIdentity& sender, Bytes bytes) {
               return on_message(session, sender, bytes);
             }) {}

bool OwnPorts::on_message(runtime::SessionId session, const runtime::PeerIdentity& sender,
                          const Bytes& bytes) {
  auto envelope = door_.admit(sender, bytes);
  if (!envelope) return false;
  if (envelope->log) {  // Hosts of several logs speak on a lane of their own.
    strays_ += 1;
    return false;
  }
  user_.on_envelope(session, *std::move(envelope));
  return true;
}

Metrics OwnPorts::metrics() const {
  Metrics metrics = links_.metrics();
  list_commits(committer_, metrics);
  return metrics;
}

}  // namespace cluster::replog
