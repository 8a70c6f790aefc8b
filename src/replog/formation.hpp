// How an empty directory becomes a member: founders find each other, a newcomer shows its token.
//
//   founder                        the lowest founder                 newcomer          the leader
//   Introduce ------------------>                                     Join  ----------->
//             <------------------  Introduce                                (an entry lets it in)
//   Introduce (to its incarnation)
//             <------------------  Form (durable with it)                   <-----------  Form
//
// Until it has stored a configuration that names its incarnation it says nothing else, so nobody
// votes whose incarnation is not recorded by all it votes with. docs/PROTOCOL.md argues it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/logger.hpp"
#include "replog/effects.hpp"

namespace cluster::replog {

struct Founding {
  std::vector<Peer> founders;  // Ourselves too; none: a newcomer.
  std::uint64_t join_secret = 0;
  std::vector<NodeId> ask;  // Whom to show it to.
  Endpoint endpoint;        // A newcomer's own; without a host: as the members have it.
};

class Formation {
 public:
  Formation(Sender self, Founding, Duration interval, Logger, Time now);

  // Each yields the members once it is settled that this directory is one of them.
  std::optional<Configuration> on(Time, Sender from, const Message&, Effects&);
  std::optional<Configuration> on_time(Time, Effects&);
  Time deadline() const { return ask_at_; }

 private:
  std::optional<Configuration> on_introduce(Time, Sender from, const Introduce&, Effects&);
  std::optional<Configuration> on_form(const Configuration&, Effects&);
  std::optional<Configuration> form(Time);
  void introduce_to(NodeId, Effects&);
  void tell_waiting(Time);
  bool is_news(const std::string& trouble);

  Sender self_;
  Founding founding_;
  std::uint64_t list_;  // The founders' checksum.
  Duration interval_;
  Logger log_;
  Time ask_at_;
  Time tell_at_;
  Time alone_at_;             // A single founder forms by itself then,
  bool is_too_late_ = false;  // unless it hears that the log is there already.
  struct Founder {
    std::uint64_t incarnation = 0;  // As it said last.
    bool knows_us = false;          // It said so to our incarnation.
  };
  std::map<NodeId, Founder> heard_;
  std::string told_;  // The last trouble: said once.
};

}  // namespace cluster::replog
