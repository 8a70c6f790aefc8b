#include "state_json.hpp"

#include <cstdio>
#include <map>
#include <utility>

#include "key_text.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

const char* name_of(AgentRecord::State state) {
  return state == AgentRecord::State::registered ? "registered" : "lost";
}
const char* name_of(FrameworkRecord::State state) {
  return state == FrameworkRecord::State::active ? "active" : "removed";
}
const char* name_of(JobTask::State state) {
  switch (state) {
    case JobTask::State::waiting: return "waiting";
    case JobTask::State::launched: return "launched";
    case JobTask::State::succeeded: return "succeeded";
    case JobTask::State::failed: return "failed";
  }
  return "unknown";
}

std::string key_text(const TaskRecord& task) {
  return task.key.framework.value() + "/" + task.key.task.value();
}

void add_exit(Json& json, const std::optional<TaskExit>& exit) {
  if (!exit) return;
  if (exit->signal != 0) {
    json["signal"] = exit->signal;
  } else {
    json["exit"] = exit->code;
  }
}

std::string hex_of(const std::array<std::uint64_t, 2>& digest) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(digest[0]),
                static_cast<unsigned long long>(digest[1]));
  return text;
}

template <class Rows>
Json rows_of(const Rows& rows) {
  Json list = Json::array();
  for (const auto& [key, row] : rows) list.push_back(json_of(row));
  return list;
}

class Differences {
 public:
  explicit Differences(std::vector<RowChange>& out) : out_(out) {}

  // Both in the order of their keys.
  template <class Rows, class Name>
  void compare(const char* table, const Rows& before, const Rows& after, Name name) {
    auto old = before.begin();
    auto now = after.begin();
    while (old != before.end() || now != after.end()) {
      const bool has_old = old != before.end();
      const bool has_now = now != after.end();
      if (has_old && (!has_now || old->first < now->first)) {
        out_.push_back({table, name(old->second), json_of(old->second), {}});
        ++old;
      } else if (has_now && (!has_old || now->first < old->first)) {
        out_.push_back({table, name(now->second), {}, json_of(now->second)});
        ++now;
      } else {
        if (!(old->second == now->second)) {
          out_.push_back({table, name(now->second), json_of(old->second), json_of(now->second)});
        }
        ++old;
        ++now;
      }
    }
  }

 private:
  std::vector<RowChange>& out_;
};

// An id may come again in the history: a task is known by when it was launched, too.
auto by_launch(const TaskHistory& history) {
  std::map<std::pair<TaskKey, WallTime>, TaskRecord> rows;
  for (const TaskRecord& task : history) rows[{task.key, task.launched_at}] = task;
  return rows;
}

// A row of the keys' state, whose name is not in its record. `state` is what a line about it says.
struct Row {
  std::string name;
  Json json;
  friend bool operator==(const Row&, const Row&) = default;
};
Json json_of(const Row& row) { return row.json; }

using KeyRows = std::map<std::pair<std::string, std::string>, Row>;

// By namespace and key.
KeyRows key_rows(const registry::KeysState& keys) {
  KeyRows rows;
  keys.each_space([&](const registry::KeySpace& space) {
    if (space.is_removed) return;
    for (auto at = space.live.begin(); !at.at_end(); at.next()) {
      const KeyValue one = (*at)->to_key_value();
      Json json = app::json_of(one);
      if (!space.name.empty()) set_bytes(json, "namespace", space.name);
      rows[{space.name, one.key}] = {
          .name = (space.name.empty() ? "" : word_of(space.name) + " ") + word_of(one.key),
          .json = std::move(json)};
    }
  });
  return rows;
}

KeyRows lease_rows(const registry::KeysState& keys) {
  KeyRows rows;
  for (const auto& [id, lease] : keys.leases()) {
    const std::string name = lease_text(id);
    rows[{"", name}] = {.name = name,
                        .json = {{"id", name},
                                 {"ttl", to_text(lease.ttl)},
                                 {"renewals", lease.renewals},
                                 {"keys", lease.keys.size()}}};
  }
  return rows;
}

Json json_of(const registry::KeysState& keys) {
  Json spaces = Json::array();
  for (const NamespaceInfo& space : keys.namespaces()) {
    Json json;
    set_bytes(json, "name", space.name);
    json["keys"] = space.used.keys;
    json["bytes"] = space.used.bytes;
    json["keys_max"] = space.quota.keys;
    json["bytes_max"] = space.quota.bytes;
    spaces.push_back(std::move(json));
  }
  return {{"revision", keys.revision().value()},
          {"compacted", keys.compacted().value()},
          {"namespaces", std::move(spaces)},
          {"keys", rows_of(key_rows(keys))},
          {"leases", rows_of(lease_rows(keys))}};
}

std::string short_text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

Json json_of(const AgentRecord& agent) {
  return {{"id", agent.id.value()},
          {"state", name_of(agent.state)},
          {"hostname", agent.hostname},
          {"endpoint", to_string(agent.endpoint)},
          {"resources", agent.total.to_string()},
          {"isolation", agent.isolation},
          {"since", iso_text(agent.since)}};
}

Json json_of(const FrameworkRecord& framework) {
  return {{"id", framework.id.value()},
          {"state", name_of(framework.state)},
          {"name", framework.name},
          {"role", framework.role},
          {"failover_timeout", to_text(framework.failover_timeout)},
          {"since", iso_text(framework.since)}};
}

Json json_of(const TaskRecord& task) {
  Json json = {{"framework", task.key.framework.value()},
               {"id", task.key.task.value()},
               {"state", std::string(to_string(task.status.state))},
               {"agent", task.agent.value()},
               {"name", task.name},
               {"resources", task.resources->to_string()},
               {"launched_at", iso_text(task.launched_at)},
               {"kill_requested", task.kill_requested},
               {"acknowledged", task.acknowledged}};
  if (task.job) {
    json["job"] = task.job->job.value();
    json["stage"] = task.job->stage;
    json["index"] = task.job->index;
    json["attempt"] = task.job->attempt;
  }
  add_exit(json, task.status.exit);
  if (!task.status.reason.empty()) json["reason"] = task.status.reason;
  if (!task.status.message.empty()) json["message"] = task.status.message;
  if (is_terminal(task.status.state)) json["ended_at"] = iso_text(task.status.at);
  return json;
}

Json json_of(const JobRecord& job) {
  Json stages = Json::array();
  for (std::size_t stage = 0; stage < job.tasks.size(); ++stage) {
    Json pieces = Json::array();
    for (const JobTask& piece : job.tasks[stage]) {
      Json one = {{"state", name_of(piece.state)},
                  {"attempt", piece.attempt},
                  {"failures", piece.failures},
                  {"losses", piece.losses},
                  {"task", piece.task.value()}};
      add_exit(one, piece.exit);
      pieces.push_back(std::move(one));
    }
    stages.push_back({{"name", job.spec.stages[stage].name}, {"pieces", std::move(pieces)}});
  }
  return {{"id", job.spec.id.value()},
          {"state", std::string(to_string(job.state))},
          {"name", job.spec.name},
          {"kind", job.spec.kind == JobKind::service ? "service" : "batch"},
          {"message", job.message},
          {"submitted_at", iso_text(job.submitted_at)},
          {"ended_at", is_terminal(job.state) ? iso_text(job.ended_at) : std::string()},
          {"revision", job.revision},
          {"stages", std::move(stages)}};
}

Json json_of(const registry::SharedState& both) {
  const RegistryState& state = both.cluster;
  Json history = Json::array();
  for (const TaskRecord& task : state.history()) history.push_back(json_of(task));
  Json json = {{"applied", both.applied().value()},  {"digest", hex_of(both.digest())},
               {"cluster", to_hex(state.cluster())}, {"frameworks_made", state.frameworks_made()},
               {"agents", rows_of(state.agents())},  {"frameworks", rows_of(state.frameworks())},
               {"tasks", rows_of(state.tasks())},    {"history", std::move(history)},
               {"jobs", rows_of(state.jobs())}};
  if (both.keys.applied()) json["keys"] = json_of(both.keys);
  return json;
}

std::vector<RowChange> difference(const registry::SharedState& both_before,
                                  const registry::SharedState& both_after) {
  const RegistryState& before = both_before.cluster;
  const RegistryState& after = both_after.cluster;
  std::vector<RowChange> changes;
  Differences all(changes);
  all.compare("agents", before.agents(), after.agents(),
              [](const AgentRecord& agent) { return agent.id.value(); });
  all.compare("frameworks", before.frameworks(), after.frameworks(),
              [](const FrameworkRecord& framework) { return framework.id.value(); });
  all.compare("tasks", before.tasks(), after.tasks(), key_text);
  all.compare("history", by_launch(before.history()), by_launch(after.history()), key_text);
  all.compare("jobs", before.jobs(), after.jobs(),
              [](const JobRecord& job) { return job.spec.id.value(); });
  const auto name = [](const Row& row) { return row.name; };
  all.compare("keys", key_rows(both_before.keys), key_rows(both_after.keys), name);
  all.compare("leases", lease_rows(both_before.keys), lease_rows(both_after.keys), name);
  return changes;
}

Json json_of(const RowChange& change) {
  Json json = {{"table", change.table}, {"row", change.row}};
  if (!change.before.is_null()) json["before"] = change.before;
  if (!change.after.is_null()) json["after"] = change.after;
  return json;
}

std::string text_of(const RowChange& change) {
  const bool is_new = change.before.is_null();
  const bool is_gone = change.after.is_null();
  std::string text = is_new ? "+ " : is_gone ? "- " : "~ ";
  text += change.table + " " + change.row;
  if (is_new || is_gone) {
    // What has no state says all that it has.
    const Json& row = is_new ? change.after : change.before;
    return text + ": " + (row.contains("state") ? short_text(row["state"]) : row.dump());
  }
  std::string parts;
  for (const auto& [name, now] : change.after.items()) {
    const Json old = change.before.contains(name) ? change.before[name] : Json();
    if (old == now) continue;
    parts += (parts.empty() ? ": " : ", ") + name;
    // Pieces of jobs are many; the JSON has them all.
    if (!now.is_structured()) parts += " " + short_text(old) + " -> " + short_text(now);
  }
  return text + parts;
}

}  // namespace cluster::app
