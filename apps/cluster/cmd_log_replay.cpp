// `cluster log replay DIR`: the cluster's state and users' keys as they were, and what changed
// between two positions.
#include <cstdio>

#include "key_text.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "replay.hpp"
#include "state_json.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

std::string number(Position position) { return std::to_string(position.value()); }

void warn(const Replay& replay, Position position, const Replay::At& at) {
  if (position >= replay.decided_end()) {
    complain("entries from " + number(replay.decided_end()) +
             " on were heard of here, and may not have been decided");
  }
  if (at.skipped > 0) {
    complain(count_of(at.skipped, "entry") +
             " could not be decoded and changed nothing: a newer version may know what they mean");
  }
}

void print_rows(const char* title, Listing list, std::size_t count) {
  if (count == 0) return;
  std::printf("\n%s\n", title);
  list.print(false);
}

template <class Tasks>
Listing list_of_tasks(const Tasks& tasks) {
  Listing list({{"", "FRAMEWORK"}, {"", "TASK"}, {"", "STATE"}, {"", "AGENT"}, {"", "LAUNCHED"}});
  for (const TaskRecord* task : tasks) {
    list.add({task->key.framework.value(), task->key.task.value(),
              std::string(to_string(task->status.state)), task->agent.value(),
              iso_text(task->launched_at)});
  }
  return list;
}

void print_keys(const registry::KeysState& keys) {
  if (!keys.applied()) return;
  Listing spaces({{"", "NAMESPACE"}, {"", "KEYS"}, {"", "BYTES"}, {"", "QUOTA"}});
  for (const NamespaceInfo& space : keys.namespaces()) {
    auto limit = [](std::uint64_t n) { return n == 0 ? std::string("-") : std::to_string(n); };
    spaces.add({word_of(space.name), Cell::number(static_cast<std::int64_t>(space.used.keys)),
                Cell::number(static_cast<std::int64_t>(space.used.bytes)),
                limit(space.quota.keys) + " keys, " + limit(space.quota.bytes) + " bytes"});
  }
  const std::string title = "keys, revision " + std::to_string(keys.revision().value()) +
                            ", kept from revision " + std::to_string(keys.compacted().value()) +
                            ", " + count_of(keys.leases().size(), "lease");
  print_rows(title.c_str(), std::move(spaces), 1);
}

void print_state(const registry::SharedState& both) {
  const RegistryState& state = both.cluster;
  Listing agents({{"", "AGENT"}, {"", "HOST"}, {"", "STATE"}, {"", "RESOURCES"}, {"", "SINCE"}});
  for (const auto& [id, agent] : state.agents()) {
    agents.add({id.value(), agent.hostname, json_of(agent)["state"].get<std::string>(),
                agent.total.to_string(), iso_text(agent.since)});
  }
  print_rows("agents", std::move(agents), state.agents().size());
  Listing frameworks({{"", "FRAMEWORK"}, {"", "NAME"}, {"", "ROLE"}, {"", "STATE"}});
  for (const auto& [id, framework] : state.frameworks()) {
    frameworks.add({id.value(), framework.name, framework.role,
                    json_of(framework)["state"].get<std::string>()});
  }
  print_rows("frameworks", std::move(frameworks), state.frameworks().size());
  std::vector<const TaskRecord*> tasks;
  for (const auto& [key, task] : state.tasks()) tasks.push_back(&task);
  print_rows("tasks", list_of_tasks(tasks), tasks.size());
  std::vector<const TaskRecord*> history;
  for (const TaskRecord& task : state.history()) history.push_back(&task);
  print_rows("history, the oldest first", list_of_tasks(history), history.size());
  Listing jobs({{"", "JOB"}, {"", "NAME"}, {"", "STATE"}, {"", "SUBMITTED"}, {"", "MESSAGE"}});
  for (const auto& [id, job] : state.jobs()) {
    jobs.add({id.value(), job.spec.name, std::string(to_string(job.state)),
              iso_text(job.submitted_at), job.message});
  }
  print_rows("jobs", std::move(jobs), state.jobs().size());
  print_keys(both.keys);
}

int print_at(const LogCommand& command, const Replay& replay) {
  const Position position(command.to != 0 ? command.to : replay.end().value() - 1);
  auto at = replay.at(position);
  if (!at) return fail(at.error());
  warn(replay, position, *at);
  Json json = {{"position", position.value()},
               {"first", replay.first().value()},
               {"end", replay.end().value()},
               {"decided_end", replay.decided_end().value()},
               {"snapshot_end", at->snapshot_end.value()},
               {"entries", at->entries},
               {"refused", at->refused},
               {"skipped", at->skipped}};
  Json state = json_of(at->state);
  if (command.json) {
    json["state"] = std::move(state);
    std::printf("%s\n", json.dump(2).c_str());
    return 0;
  }
  std::printf("%s after position %s\n", command.directory.c_str(), number(position).c_str());
  std::printf("  can be told   %s to %s\n", number(replay.first()).c_str(),
              number(Position(replay.end().value() - 1)).c_str());
  std::printf(
      "  made from     %s%s (%llu refused)\n",
      at->snapshot_end ? ("the snapshot to " + number(at->snapshot_end) + " and ").c_str() : "",
      count_of(at->entries, "entry").c_str(), static_cast<unsigned long long>(at->refused));
  std::printf("  digest        %s\n", state["digest"].get<std::string>().c_str());
  print_state(at->state);
  return 0;
}

int print_difference(const LogCommand& command, const Replay& replay) {
  const Position from(command.difference.at(0));
  const Position to(command.difference.at(1));
  auto before = replay.at(from);
  if (!before) return fail(before.error());
  auto after = replay.at(to);
  if (!after) return fail(after.error());
  warn(replay, std::max(from, to), *after);
  const auto changes = difference(before->state, after->state);
  if (command.json) {
    Json list = Json::array();
    for (const RowChange& change : changes) list.push_back(json_of(change));
    Json json = {{"from", from.value()}, {"to", to.value()}, {"changes", std::move(list)}};
    std::printf("%s\n", json.dump(2).c_str());
    return 0;
  }
  for (const RowChange& change : changes) std::printf("%s\n", text_of(change).c_str());
  if (changes.empty()) std::printf("nothing changed\n");
  return 0;
}

}  // namespace

int cmd_log_replay(const LogCommand& command) {
  auto replay = Replay::open(command.directory);
  if (!replay) return fail(replay.error());
  return command.difference.empty() ? print_at(command, *replay)
                                    : print_difference(command, *replay);
}

}  // namespace cluster::app
