#include "tests/script/dialogue.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <stdexcept>

#include "sim/disk.hpp"
#include "tests/script/describe.hpp"

namespace cluster::replog::test {
namespace {

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc()) throw std::runtime_error("not a number: " + std::string(text));
  return number;
}

Ballot ballot_of(std::string_view text) {
  auto dot = text.find('.');
  if (dot == std::string_view::npos) throw std::runtime_error("a ballot is ROUND.MEMBER");
  return {number_of(text.substr(0, dot)), NodeId(number_of(text.substr(dot + 1)))};
}

}  // namespace

// A command's words: "name=value" by name, the others in order.
struct Dialogue::Words {
  std::vector<std::string> plain;
  std::map<std::string, std::string> named;

  explicit Words(const std::string& line) {
    std::istringstream in(line);
    for (std::string word; in >> word;) {
      auto equals = word.find('=');
      if (equals == std::string::npos) {
        plain.push_back(word);
      } else {
        named[word.substr(0, equals)] = word.substr(equals + 1);
      }
    }
  }
  bool has(const std::string& name) const {
    if (named.contains(name)) return true;
    return std::find(plain.begin(), plain.end(), name) != plain.end();
  }
  const std::string& at(const std::string& name) const {
    auto found = named.find(name);
    if (found == named.end()) throw std::runtime_error("the command lacks " + name + "=");
    return found->second;
  }
  std::uint64_t number(const std::string& name) const { return number_of(at(name)); }
  Position position(const std::string& name) const { return Position(number(name)); }
  NodeId node() const { return NodeId(number("node")); }
  Ballot ballot(const std::string& name = "ballot") const { return ballot_of(at(name)); }
  // "1->2"
  std::pair<NodeId, NodeId> way() const {
    const std::string& word = plain.at(1);
    auto arrow = word.find("->");
    if (arrow == std::string::npos) throw std::runtime_error("a way is FROM->TO");
    return {NodeId(number_of(std::string_view(word).substr(0, arrow))),
            NodeId(number_of(std::string_view(word).substr(arrow + 2)))};
  }

  // "inject 1->2 Prepare ballot=5.1 from=1", "inject 1->2 Accept ballot=5.1 first=1 chosen_end=1 x"
  Message message() const {
    const std::string& name = plain.at(2);
    if (name == "PreVote") return PreVote{ballot()};
    if (name == "Learn") return Learn{position("from"), {}};
    if (name == "Prepare") return Prepare{ballot(), position("from")};
    if (name == "Accepted") {
      return Accepted{ballot(), true, ballot(), position("first"), position("end")};
    }
    if (name == "Heartbeat") {
      return Heartbeat{.ballot = ballot(),
                       .chosen_end = position("chosen_end"),
                       .lead_at = has("lead_at") ? position("lead_at") : Position{}};
    }
    if (name == "Forward") {
      return Forward{ballot(), {{number("tag"), Bytes(at("data"))}}};
    }
    if (name == "Accept") {
      Accept accept{ballot(), position("first"), {}, position("chosen_end")};
      for (std::size_t i = 3; i < plain.size(); ++i) {
        Ballot origin = has("term_of") ? ballot("term_of") : ballot();
        accept.values.push_back(Value{Kind::data, Bytes(plain[i]), term_of(origin)});
      }
      return accept;
    }
    throw std::runtime_error("cannot inject a " + name);
  }
};

// Log lines are part of what happened.
class Dialogue::Lines final : public LogSink {
 public:
  Lines(Dialogue& dialogue, NodeId node) : dialogue_(dialogue), node_(node) {}
  void write(const LogLine& line) override { dialogue_.say(node_, "# " + to_text(line)); }

 private:
  Dialogue& dialogue_;
  NodeId node_;
};

struct Dialogue::Node {
  Node(Dialogue& dialogue, NodeId node) : id(node), lines(dialogue, node) {}

  NodeId id;
  std::uint64_t incarnation = 0;
  Lines lines;
  std::unique_ptr<Core> core;
  sim::Disk disk;
  std::vector<Change> changes;  // Not yet durable.
  std::vector<Action> then;     // Waits for them.
  std::deque<Message> to_self;
};

Dialogue::Dialogue() = default;
Dialogue::~Dialogue() = default;

std::string Dialogue::run(const std::string& command) {
  said_.clear();
  Words words(command);
  const std::string& name = words.plain.at(0);
  if (name == "members" || name == "founders") {
    make(words);
  } else if (name == "newcomer") {
    make_newcomer(words);
  } else if (name == "wipe") {
    std::uint64_t incarnation = nodes_.at(words.node())->incarnation + 100;
    nodes_[words.node()] = node(words.node(), incarnation, {}, Founding{.founders = founders_});
  } else if (name == "change") {
    step(words.node(), [&](Core& core, Effects& e) {
      core.on_command(now_, words.number("tag"), change(words), e);
    });
  } else if (name == "transfer") {
    step(words.node(), [&](Core& core, Effects& e) {
      core.on_command(now_, words.number("tag"), TransferLeadership{NodeId(words.number("to"))}, e);
    });
  } else if (name == "campaign") {
    step(words.node(), [&](Core& core, Effects& e) { core.on_campaign(now_, e); });
  } else if (name == "leader") {
    is_silent_ = true;
    step(words.node(), [&](Core& core, Effects& e) { core.on_campaign(now_, e); });
    settle();
    said_.clear();
  } else if (name == "tick") {
    const std::string& after = words.at("after");
    now_ += std::chrono::milliseconds(number_of(after));
    step(words.node(), [&](Core& core, Effects& e) { core.on_time(now_, e); });
  } else if (name == "deliver") {
    auto [from, to] = words.way();
    deliver(from, to, words);
  } else if (name == "drop") {
    flying_[words.way()].clear();
  } else if (name == "inject") {
    auto [from, to] = words.way();
    hand_over(from, to, words.message());
  } else if (name == "sync") {
    sync(*nodes_.at(words.node()));
  } else if (name == "append") {
    Proposal proposal{words.number("tag"), Bytes(words.at("data")),
                      words.has("term_of") ? term_of(words.ballot("term_of")) : 0};
    step(words.node(), [&](Core& core, Effects& e) { core.on_append({proposal}, e); });
  } else if (name == "catch_up") {
    step(words.node(),
         [&](Core& core, Effects& e) { core.on_catch_up(now_, words.number("tag"), e); });
  } else if (name == "command") {
    CommandBody body = TransferLeadership{};
    if (words.has("truncate")) body = TruncateLog{words.position("truncate")};
    if (words.has("transfer")) body = TransferLeadership{NodeId(words.number("transfer"))};
    step(words.node(),
         [&](Core& core, Effects& e) { core.on_command(now_, words.number("tag"), body, e); });
  } else if (name == "damage") {
    nodes_.at(words.node())->disk.damaged.insert(words.position("at"));
  } else if (name == "found_damage") {
    step(words.node(),
         [&](Core& core, Effects& e) { core.on_damage(now_, words.position("at"), e); });
  } else if (name == "stall") {
    bool is_stalled = !words.has("over");
    step(words.node(), [&](Core& core, Effects& e) { core.on_disk_stall(now_, is_stalled, e); });
  } else if (name == "forget") {
    nodes_.at(words.node())->core->forget_appends({words.number("tag")});
  } else if (name == "restart") {
    restart(words.node());
  } else if (name == "settle") {
    settle();
  } else if (name == "show") {
    show();
  } else {
    throw std::runtime_error("no such command: " + command);
  }
  return said_;
}

void Dialogue::make(const Words& words) {
  nodes_.clear();
  flying_.clear();
  options_ = CoreOptions{};
  std::vector<NodeId> members;
  for (std::uint64_t i = 1; i <= number_of(words.plain.at(1)); ++i) {
    members.push_back(NodeId(i));
  }
  if (words.has("answer_bytes")) options_.answer_bytes_max = words.number("answer_bytes");
  options_.lease_reads = words.has("leases");
  if (words.has("flight")) options_.pipeline.flight_entries_max = words.number("flight");
  founders_.clear();
  for (NodeId id : members) {
    founders_.push_back({id, Endpoint{"m", static_cast<std::uint16_t>(id.value())}});
  }
  for (NodeId id : members) {
    Recovered founder;
    if (words.plain.at(0) == "members") founder.configuration = Configuration::of_voters(members);
    nodes_[id] = node(id, id.value(), founder, Founding{.founders = founders_});
    nodes_[id]->disk.configuration = founder.configuration;
  }
}

void Dialogue::make_newcomer(const Words& words) {
  NodeId id(words.number("id"));
  NodeId asked(words.number("ask"));
  const Member* invited = nodes_.at(asked)->core->configuration().find(id);
  std::uint64_t secret = invited == nullptr ? 0 : invited->join_secret;
  if (words.has("secret")) secret = words.number("secret");
  Endpoint endpoint{"m", static_cast<std::uint16_t>(id.value())};
  std::uint64_t incarnation = nodes_.contains(id) ? nodes_.at(id)->incarnation + 100 : id.value();
  nodes_[id] = node(id, incarnation, {},
                    Founding{.join_secret = secret, .ask = {asked}, .endpoint = endpoint});
}

CommandBody Dialogue::change(const Words& words) {
  ChangeMembers change;
  for (const auto& [name, value] : words.named) {
    if (name == "node" || name == "tag") continue;
    if (name == "add") {
      auto role = value == "witness" ? MemberRole::witness : MemberRole::learner;
      change.edits.push_back(AddMember{{"added", 1}, role});
    } else if (name == "remove") {
      change.edits.push_back(RemoveMember{NodeId(number_of(value))});
    } else {
      auto role = name == "voter"     ? MemberRole::voter
                  : name == "witness" ? MemberRole::witness
                                      : MemberRole::learner;
      change.edits.push_back(SetMemberRole{NodeId(number_of(value)), role});
    }
  }
  return change;
}

std::unique_ptr<Dialogue::Node> Dialogue::node(NodeId id, std::uint64_t incarnation,
                                               Recovered recovered, Founding founding) {
  auto made = std::make_unique<Node>(*this, id);
  made->incarnation = incarnation;
  CoreOptions options = options_;
  options.self = id;
  options.incarnation = incarnation;
  options.founding = std::move(founding);
  made->core = std::make_unique<Core>(options, std::move(recovered), id.value(),
                                      Logger(made->lines, "log"), now_);
  return made;
}

template <class F>
void Dialogue::step(NodeId id, F input) {
  Node& node = *nodes_.at(id);
  Effects effects;
  input(*node.core, effects);
  perform(node, std::move(effects));
  while (!node.to_self.empty()) {
    Message message = std::move(node.to_self.front());
    node.to_self.pop_front();
    Effects more;
    node.core->on(now_, Sender{id, node.incarnation}, message, more);
    perform(node, std::move(more));
  }
}

void Dialogue::perform(Node& node, Effects effects) {
  print(node, effects);
  for (const Action& action : effects.now) act(node, action);
  for (Change& change : effects.changes) node.changes.push_back(std::move(change));
  for (Action& action : effects.then) {
    if (node.changes.empty()) {
      act(node, action);
    } else {
      node.then.push_back(std::move(action));
    }
  }
}

void Dialogue::act(Node& node, const Action& action) {
  if (auto* send = std::get_if<Send>(&action)) {
    if (send->to == node.id) {
      node.to_self.push_back(send->message);
    } else {
      flying_[{node.id, send->to}].push_back(send->message);
    }
  } else if (auto* release = std::get_if<Release>(&action)) {
    node.core->release(release->end);
  } else if (auto* forget = std::get_if<ForgetBefore>(&action)) {
    std::uint64_t term = node.core->kept_term();
    for (const auto& [at, entry] : node.disk.entries) {
      if (at < forget->first && entry.value.term != 0) term = entry.value.term;
    }
    step(node.id, [&](Core& core, Effects& e) { core.on_base(forget->first, term, e); });
  } else if (auto* repaired = std::get_if<Repaired>(&action)) {
    Effects effects;
    node.core->on_repaired(now_, repaired->range, effects);
    perform(node, std::move(effects));
  }
}

void Dialogue::print(const Node& node, const Effects& effects) {
  for (const Action& action : effects.now) say(node.id, "now " + text(action));
  if (!effects.changes.empty()) {
    std::string changes;
    for (const Change& change : effects.changes) changes += ' ' + text(change);
    say(node.id, "changes" + changes);
  }
  for (const Action& action : effects.then) say(node.id, "then " + text(action));
}

void Dialogue::say(NodeId node, const std::string& what) {
  if (!is_silent_) said_ += "node " + std::to_string(node.value()) + ": " + what + '\n';
}

void Dialogue::hand_over(NodeId from, NodeId to, const Message& message) {
  if (!nodes_.contains(to)) return;  // Not started yet.
  auto known = nodes_.find(from);
  Sender sender{from, known == nodes_.end() ? from.value() : known->second->incarnation};
  step(to, [&](Core& core, Effects& effects) { core.on(now_, sender, message, effects); });
}

void Dialogue::deliver(NodeId from, NodeId to, const Words& words) {
  std::deque<Message> all = std::exchange(flying_[{from, to}], {});
  if (words.has("first") || words.has("last")) {
    std::deque<Message> one;
    one.push_back(words.has("first") ? all.front() : all.back());
    if (words.has("first")) all.pop_front();
    if (words.has("last")) all.pop_back();
    flying_[{from, to}] = std::exchange(all, one);
  }
  for (const Message& message : all) {
    hand_over(from, to, message);
    if (words.has("twice")) hand_over(from, to, message);
  }
}

void Dialogue::sync(Node& node) {
  if (auto written = sim::SimStore(node.disk, {}).commit(node.changes); !written) {
    throw std::runtime_error(written.error().message());
  }
  node.changes.clear();
  std::vector<Action> then = std::exchange(node.then, {});
  for (const Action& action : then) act(node, action);
  step(node.id, [](Core&, Effects&) {});
}

void Dialogue::settle() {
  is_silent_ = true;
  for (bool is_quiet = false; !is_quiet;) {
    is_quiet = true;
    for (auto& [id, node] : nodes_) {
      if (node->changes.empty() && node->then.empty()) continue;
      sync(*node);
      is_quiet = false;
    }
    auto flying = std::exchange(flying_, {});
    for (auto& [way, messages] : flying) {
      for (const Message& message : messages) {
        hand_over(way.first, way.second, message);
        is_quiet = false;
      }
    }
  }
  is_silent_ = false;
  show();
}

void Dialogue::restart(NodeId id) {
  sim::Disk disk = nodes_.at(id)->disk;
  auto recovered = sim::SimStore(disk, {}).recover(1 << 20);
  nodes_[id] = node(id, nodes_.at(id)->incarnation, *std::move(recovered));
  nodes_[id]->disk = disk;
  for (auto& [way, messages] : flying_) {
    if (way.second == id) messages.clear();
  }
}

void Dialogue::show() {
  static constexpr const char* roles[] = {"follower", "pre-candidate", "candidate", "leader"};
  for (auto& [id, node] : nodes_) {
    const Core& core = *node->core;
    std::string line = roles[static_cast<int>(core.role())];
    line += " promised=" + to_field(core.acceptor().promised());
    line += " chosen_end=" + to_field(core.chosen_end());
    if (core.kept_from() > Position(1)) line += " kept_from=" + to_field(core.kept_from());
    line += " log:";
    const Window& window = core.acceptor().window();
    for (Position at = window.first(); at < window.end(); at = at.next()) {
      const LogEntry* entry = window.find(at);
      line += entry == nullptr ? " -" : ' ' + text(*entry);
    }
    say(id, line);
  }
}

}  // namespace cluster::replog::test
