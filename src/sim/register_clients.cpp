#include "sim/register_clients.hpp"

#include <charconv>
#include <sstream>

namespace cluster::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = RegisterModel::Call::Kind;

// A command is "c<operation> put <key>" or "c<operation> cas <key> <expected or ->"; the value is
// the number of the operation, so that every value is put once.
std::string command_of(std::size_t operation, const RegisterModel::Call& call) {
  std::string text = "c" + std::to_string(operation);
  if (call.kind == Kind::put) return text + " put " + call.key;
  return text + " cas " + call.key + " " + call.expected.value_or("-");
}

struct Applied {
  std::size_t operation;
  bool swapped;
};

// None for what is no command of ours.
std::optional<Applied> run_command(const std::string& command,
                                   std::map<std::string, std::string>& registers) {
  if (!command.starts_with('c')) return std::nullopt;
  std::istringstream words(command.substr(1));
  std::size_t operation = 0;
  std::string what, key, expected;
  words >> operation >> what >> key >> expected;
  auto held = registers.find(key);
  bool is_as_expected = held == registers.end() ? expected == "-" : held->second == expected;
  bool swapped = what == "put" || is_as_expected;
  if (swapped) registers[key] = std::to_string(operation);
  return Applied{operation, swapped};
}

}  // namespace

RegisterClients::RegisterClients(LogCluster& cluster, const RegisterPlan& plan)
    : cluster_(cluster),
      plan_(plan),
      random_(cluster.random().next()),
      writers_(plan.writers),
      readers_(plan.readers),
      machines_(cluster.members().size()) {
  for (std::size_t i = 0; i < writers_.size(); ++i) write_soon(i);
  for (std::size_t i = 0; i < readers_.size(); ++i) read_soon(i);
}

std::string RegisterClients::any_key() { return "k" + std::to_string(random_.below(plan_.keys)); }

std::uint64_t RegisterClients::ask(Client& client, Duration patience, std::function<void()> then) {
  std::uint64_t question = ++question_;
  client.waits_for = question;
  // A crash takes the answer along, and a member that is cut off has none.
  cluster_.world().after(patience, [&client, question, then = std::move(then)] {
    if (client.waits_for != question) return;
    client.waits_for = 0;
    then();
  });
  return question;
}

void RegisterClients::write_soon(std::size_t client) {
  cluster_.world().after(between(random_, Duration(100), plan_.think_max),
                         [this, client] { write(client); });
}

void RegisterClients::write(std::size_t client) {
  if (is_stopped_) return;
  LogMember& member = cluster_.member(random_.below(cluster_.members().size()));
  if (member.is_down) return write_soon(client);
  RegisterModel::Call call{random_.chance(1, 2) ? Kind::put : Kind::cas, any_key(), {}, {}};
  std::size_t index = history_.size();
  call.value = std::to_string(index);
  auto known = last_read_.find(call.key);
  if (call.kind == Kind::cas && known != last_read_.end()) call.expected = known->second;
  history_.push_back({.call = call, .answer = {}, .called_at = ++point_});
  std::uint64_t question =
      ask(writers_[client], seconds(2), [this, client] { write_soon(client); });
  cluster_.append(member, command_of(index, call), 0,
                  [this, client, question, index](const Result<Position>& at) {
                    if (writers_[client].waits_for != question) return;
                    writers_[client].waits_for = 0;
                    write_soon(client);
                    // Whether a swap swapped, the log itself says in the end.
                    if (!at) return;
                    history_[index].answer = RegisterModel::Answer{};
                    history_[index].answered_at = ++point_;
                  });
}

void RegisterClients::read_soon(std::size_t client) {
  cluster_.world().after(between(random_, Duration(100), plan_.think_max),
                         [this, client] { read(client); });
}

void RegisterClients::read(std::size_t client) {
  if (is_stopped_) return;
  Client& reader = readers_[client];
  if (reader.stays == 0) {
    LogMember* leader = random_.chance(1, 2) ? cluster_.leader() : nullptr;
    LogMember& chosen = leader != nullptr ? *leader : cluster_.any_member();
    reader.member = chosen.process.id.value() - 1;
    reader.stays = random_.between(5, 60);
  }
  reader.stays -= 1;
  LogMember& member = cluster_.member(reader.member);
  if (member.is_down) return read_soon(client);
  for (const LogMember& other : cluster_.members()) {
    if (cluster_.network().is_cut(other.process.id, member.process.id)) {
      cluster_.coverage().count("a read was asked of a member that is cut off");
      break;
    }
  }
  std::string key = any_key();
  std::uint64_t called_at = ++point_;
  Duration patience = random_.chance(1, 3) ? Duration(seconds(3)) : Duration(milliseconds(60));
  std::uint64_t question = ask(reader, patience, [this, client] { read_soon(client); });
  cluster_.catch_up(
      member, [this, client, question, key, called_at, &member](const Result<LogRange>& range) {
        // What nobody waits for any more says something all the same.
        // A reader whose entry is being repaired has no answer yet.
        if (range && apply_until(member, range->end)) {
          const Registers& registers = machines_[member.process.id.value() - 1].registers;
          RegisterModel::Answer answer;
          auto held = registers.find(key);
          if (held != registers.end()) answer.value = last_read_[key] = held->second;
          history_.push_back({.call = {Kind::get, key, {}, {}},
                              .answer = std::move(answer),
                              .called_at = called_at,
                              .answered_at = ++point_});
        }
        if (readers_[client].waits_for != question) return;
        readers_[client].waits_for = 0;
        read_soon(client);
      });
}

bool RegisterClients::apply_until(LogMember& member, Position end) {
  Machine& machine = machines_[member.process.id.value() - 1];
  if (machine.incarnation != member.incarnation) {
    machine = Machine{.incarnation = member.incarnation, .next = Position(1), .registers = {}};
  }
  // What is forgotten before it was applied here would come with a snapshot.
  Position kept_from = std::min(member.driver->snapshot().range.first, end);
  for (; machine.next < kept_from; machine.next = machine.next.next()) {
    const replog::Value* value = cluster_.checker().chosen(machine.next);
    if (value->kind != replog::Kind::data) continue;
    run_command(std::string(value->data.view()), machine.registers);
  }
  while (machine.next < end) {
    auto entries = member.driver->read(machine.next, end, 1u << 20);
    if (!entries) return false;
    if (entries->empty()) break;
    for (const Entry& entry : *entries) {
      run_command(std::string(entry.data.view()), machine.registers);
      machine.next = entry.position.next();
    }
  }
  machine.next = std::max(machine.next, end);
  return true;
}

std::string RegisterClients::check() {
  Registers registers;
  std::vector<bool> has_happened(history_.size());
  for (Position at(1); at < cluster_.checker().chosen_end(); at = at.next()) {
    const replog::Value* value = cluster_.checker().chosen(at);
    if (value->kind != replog::Kind::data) continue;
    auto applied = run_command(std::string(value->data.view()), registers);
    if (!applied) continue;
    has_happened[applied->operation] = true;
    if (history_[applied->operation].call.kind != Kind::cas) continue;
    cluster_.coverage().count(applied->swapped ? "a swap swapped" : "a swap did not swap");
    auto& answer = history_[applied->operation].answer;
    if (answer) answer->swapped = applied->swapped;
  }
  // What nobody answered is in the log, or it has not happened: fewer guesses for the search.
  std::vector<Operation<RegisterModel>> history;
  std::vector<std::size_t> numbers;
  for (std::size_t i = 0; i < history_.size(); ++i) {
    if (!history_[i].answer && !has_happened[i]) continue;
    history.push_back(history_[i]);
    numbers.push_back(i);
  }
  HistoryVerdict verdict = check_linearizable(history, 1'000'000);
  if (verdict) return "";
  if (verdict.kind == HistoryVerdict::Kind::too_hard) {
    cluster_.coverage().count("a history too hard to check");
    return "";
  }
  std::string text = "what clients saw is not linearizable:";
  std::size_t first = verdict.operations.size() > 12 ? verdict.operations.size() - 12 : 0;
  for (std::size_t i = first; i < verdict.operations.size(); ++i) {
    const auto& operation = history[verdict.operations[i]];
    bool is_answered = operation.answer && operation.answered_at <= verdict.end;
    text += "\n    " + std::to_string(operation.called_at) + ".." +
            (is_answered ? std::to_string(operation.answered_at) : "?") + " ";
    if (operation.call.kind == Kind::get) {
      text += "get " + operation.call.key + " = " + operation.answer->value.value_or("nothing");
    } else {
      text += command_of(numbers[verdict.operations[i]], operation.call);
      if (is_answered && operation.call.kind == Kind::cas) {
        text += operation.answer->swapped ? ": swapped" : ": not swapped";
      }
    }
  }
  return text;
}

}  // namespace cluster::sim
