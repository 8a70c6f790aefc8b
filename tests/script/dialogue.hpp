// A dialogue between members of a log, one command at a time: nothing is delivered, written or
// timed but by a command, so that a script can put any order of events together.
//
//   members 3 [answer_bytes=N] [flight=N]   new members 1..3, all of them at time 0
//             [leases]                       that may read by the leader's lease
//   damage node=1 at=3                       its disk can't read that entry any more
//   found_damage node=1 at=3                 ... and it finds out, not by a restart
//   stall node=1 [over]                      its disk finishes no sync; or has finished one
//   campaign node=1                          a new writer starts there
//   leader node=1                            the same, and it comes to lead; not shown
//   tick node=1 after=700ms                  the clock goes on; that member looks at it
//   deliver 1->2 [first|last] [twice]        what is on its way, all of it or one message
//   drop 1->2                                is lost
//   inject 1->2 Prepare ballot=5.1 from=1    a message that nobody sent
//   sync node=2                              its changes become durable; what waits for that is
//   done append node=1 tag=1 data=x [term_of=5.1]   catch_up node=1 tag=1   forget node=1 tag=1
//   command node=1 tag=1 truncate=5|transfer=2   asks the leader for it
//   restart node=2                           it knows only what was synced
//   founders 3                               members that have not formed yet
//   wipe node=2                              the same founder with a new directory
//   newcomer id=4 ask=1 [secret=5]           starts with the token that node 1 knows of
//   change node=1 tag=1 [add=learner] [voter=4] [learner=4] [witness=4] [remove=2]
//   transfer node=1 tag=1 to=2
//   settle                                   everything is delivered and synced until all is quiet
//   show                                     every member's state
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "replog/core.hpp"

namespace cluster::replog::test {

class Dialogue {
 public:
  Dialogue();
  ~Dialogue();

  // What happened, a line each. Throws where the command makes no sense.
  std::string run(const std::string& command);

 private:
  struct Node;
  class Lines;
  struct Words;

  void make(const Words&);
  void make_newcomer(const Words&);
  static CommandBody change(const Words&);
  std::unique_ptr<Node> node(NodeId, std::uint64_t incarnation, Recovered, Founding = {});
  template <class F>
  void step(NodeId, F input);
  void perform(Node&, Effects);
  void act(Node&, const Action&);
  void print(const Node&, const Effects&);
  void say(NodeId, const std::string& what);
  void deliver(NodeId from, NodeId to, const Words&);
  void hand_over(NodeId from, NodeId to, const Message&);
  void sync(Node&);
  void settle();
  void restart(NodeId);
  void show();

  std::string said_;
  bool is_silent_ = false;
  Time now_{std::chrono::seconds(1)};
  CoreOptions options_;
  std::vector<Peer> founders_;
  std::map<NodeId, std::unique_ptr<Node>> nodes_;
  std::map<std::pair<NodeId, NodeId>, std::deque<Message>> flying_;
};

}  // namespace cluster::replog::test
