#include "job_file.hpp"

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <optional>
#include <vector>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
// Its parser asserts that a key begins after a '[', and where it does not ("[?]") says so a line
// later.
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>

#include "text.hpp"

namespace cluster::app {
namespace {

const std::vector<std::string> job_keys{"name", "kind", "stage"};
const std::vector<std::string> stage_keys{
    "name", "after", "command",   "shell",    "env",        "instances", "cpus",
    "mem",  "disk",  "resources", "attempts", "kill_grace", "task"};
const std::vector<std::string> task_keys{"command", "shell", "env"};

constexpr std::uint32_t instances_max = 10'000;

// Walks the file's tables. The first error stays; what is read after it is ignored.
class JobReader {
 public:
  explicit JobReader(std::string_view file_name) : file_name_(file_name) {}

  Result<JobSpec> read(const toml::table& root) {
    JobSpec job;
    job.name = text(root, "name");
    std::string kind = text(root, "kind", "batch");
    if (kind == "service") {
      job.kind = JobKind::service;
    } else if (kind != "batch") {
      refuse(*root.get("kind"), "kind is '" + kind + "'; it is \"batch\" or \"service\"");
    }
    if (const auto* stages = tables(root, "stage")) {
      allow(root, job_keys, "a job with [[stage]] has them in its stages");
      for (const auto& entry : *stages) job.stages.push_back(stage(*entry.as_table()));
    } else {
      auto keys = stage_keys;
      keys.insert(keys.end(), job_keys.begin(), job_keys.end());
      allow(root, keys, "");
      job.stages.push_back(stage(root, "main"));
    }
    if (error_) return *std::move(error_);
    job.id = new_job_id(job.name);
    if (auto problem = problem_of(job); !problem.empty()) {
      return error_at(place_of(problem, root), problem);
    }
    return job;
  }

  Error error_at(const toml::source_position& at, std::string_view what) const {
    return Error{Errc::invalid_argument, file_name_ + ":" + std::to_string(at.line) + ":" +
                                             std::to_string(at.column) + ": " + std::string(what)};
  }

 private:
  struct StagePlace {
    std::string name;
    toml::source_position begin, after;
  };

  // Where what is wrong with the job as a whole stands: at the stage that is named first, at the
  // later one of two with that name.
  toml::source_position place_of(std::string_view problem, const toml::table& root) const {
    bool is_order = problem.find("after") != std::string_view::npos;
    std::size_t first = std::string_view::npos;
    toml::source_position place = root.source().begin;
    if (const auto* name = root.get("name")) place = name->source().begin;
    if (const auto* kind = root.get("kind")) place = kind->source().begin;
    for (const StagePlace& stage : stages_) {
      auto at = problem.find('"' + stage.name + '"');
      if (at == std::string_view::npos || (first != std::string_view::npos && at > first)) continue;
      first = at;
      place = is_order && stage.after.line != 0 ? stage.after : stage.begin;
    }
    return place;
  }

  StageSpec stage(const toml::table& table, std::string name = {}) {
    StageSpec stage;
    if (name.empty()) {
      allow(table, stage_keys, "");
      name = text(table, "name");
      if (name.empty()) refuse(table, "the stage has no name; write name = \"...\"");
    }
    stage.name = std::move(name);
    stage.after = texts(table, "after");
    const auto* after = table.get("after");
    stages_.push_back(
        {.name = stage.name,
         .begin = table.source().begin,
         .after = after == nullptr ? toml::source_position{} : after->source().begin});
    stage.command = command(table);
    stage.resources = resources(table);
    stage.attempts_max = static_cast<std::uint32_t>(number(table, "attempts", 1, 1, 1000));
    stage.kill_grace = duration(table, "kill_grace", stage.kill_grace);
    bool has_command = !stage.command.argv.empty() || !stage.command.shell.empty();
    if (const auto* tasks = tables(table, "task")) {
      if (has_command)
        refuse(table, "the stage has a command of its own and [[stage.task]]; choose one");
      if (table.contains("instances")) {
        refuse(*table.get("instances"), "the number of instances is that of [[stage.task]]");
      }
      for (const auto& entry : *tasks) {
        const auto& task = *entry.as_table();
        allow(task, task_keys, "");
        stage.commands.push_back(command(task));
        if (stage.commands.back().argv.empty() && stage.commands.back().shell.empty()) {
          refuse(task, "the task has no command; write command = [\"...\"] or shell = \"...\"");
        }
      }
      stage.instances = static_cast<std::uint32_t>(stage.commands.size());
    } else {
      if (!has_command) {
        refuse(table,
               "nothing to run; write command = [\"PROGRAM\", \"ARGUMENT\"] or shell = \"...\"");
      }
      stage.instances = static_cast<std::uint32_t>(number(table, "instances", 1, 1, instances_max));
    }
    return stage;
  }

  Command command(const toml::table& table) {
    Command command;
    command.argv = texts(table, "command");
    command.shell = text(table, "shell");
    if (table.contains("command") && table.contains("shell")) {
      refuse(*table.get("shell"), "both command and shell are set; choose one");
    }
    const toml::node* env = table.get("env");
    if (env == nullptr) return command;
    if (!env->is_table()) {
      refuse(*env, "env is a table: env = { NAME = \"value\" }");
      return command;
    }
    for (const auto& [key, value] : *env->as_table()) {
      std::string name(key.str());
      if (auto string = value.value_exact<std::string>()) {
        command.environment[name] = *string;
      } else if (auto integer = value.value_exact<std::int64_t>()) {
        command.environment[name] = std::to_string(*integer);
      } else {
        refuse(value, "env." + name + " is no string");
      }
    }
    return command;
  }

  Resources resources(const toml::table& table) {
    Resources all;
    if (const toml::node* node = table.get("resources")) {
      auto parsed = Resources::parse(text(table, "resources"));
      if (!parsed) {
        refuse(*node, parsed.error().context);
        return all;
      }
      all = *std::move(parsed);
    }
    for (const char* name : {"cpus", "mem", "disk"}) {
      const toml::node* node = table.get(name);
      if (node == nullptr) continue;
      auto amount = node->value<double>();
      if (!node->is_number() || !amount || !std::isfinite(*amount) || *amount < 0 ||
          *amount > 1e9) {
        refuse(*node, std::string(name) + " is a number of at least 0");
        continue;
      }
      if (all.values().contains(name)) {
        refuse(*node, std::string(name) + " is given twice: here and in resources");
      }
      all.set(name, Scalar::from_double(*amount));
    }
    // Small defaults, so that the shortest job file runs.
    if (!table.contains("cpus") && !all.values().contains("cpus")) {
      all.set("cpus", Scalar::thousandths(100));
    }
    if (!table.contains("mem") && !all.values().contains("mem")) all.set("mem", Scalar::whole(32));
    return all;
  }

  std::string text(const toml::table& table, const char* key, std::string otherwise = {}) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return otherwise;
    if (auto value = node->value_exact<std::string>()) return *value;
    refuse(*node, std::string(key) + " is a string");
    return otherwise;
  }

  std::vector<std::string> texts(const toml::table& table, const char* key) {
    std::vector<std::string> list;
    const toml::node* node = table.get(key);
    if (node == nullptr) return list;
    const auto* array = node->as_array();
    if (array == nullptr) {
      refuse(*node,
             std::string(key) + " is a list of strings" +
                 (key == std::string_view("command")
                      ? ": [\"PROGRAM\", \"ARGUMENT\"]; for a line of shell write shell = \"...\""
                      : ""));
      return list;
    }
    for (const auto& element : *array) {
      if (auto value = element.value_exact<std::string>()) {
        list.push_back(*value);
      } else {
        refuse(element, std::string(key) + " is a list of strings");
      }
    }
    if (list.empty()) refuse(*node, std::string(key) + " is empty");
    return list;
  }

  std::int64_t number(const toml::table& table, const char* key, std::int64_t otherwise,
                      std::int64_t least, std::int64_t most) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return otherwise;
    auto value = node->value_exact<std::int64_t>();
    if (value && *value >= least && *value <= most) return *value;
    refuse(*node, std::string(key) + " is a whole number from " + std::to_string(least) + " to " +
                      std::to_string(most));
    return otherwise;
  }

  Duration duration(const toml::table& table, const char* key, Duration otherwise) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return otherwise;
    auto parsed = parse_duration(text(table, key));
    if (parsed) return *parsed;
    refuse(*node, std::string(key) + ": " + parsed.error().context);
    return otherwise;
  }

  const toml::array* tables(const toml::table& table, const char* key) {
    const toml::node* node = table.get(key);
    if (node == nullptr) return nullptr;
    const auto* array = node->as_array();
    if (array == nullptr || array->empty() || !array->is_homogeneous(toml::node_type::table)) {
      refuse(*node, std::string(key) + " is a list of tables: [[" + key + "]]");
      return nullptr;
    }
    return array;
  }

  void allow(const toml::table& table, const std::vector<std::string>& keys,
             std::string_view remark) {
    for (const auto& [key, value] : table) {
      std::string name(key.str());
      if (std::find(keys.begin(), keys.end(), name) != keys.end()) continue;
      std::string what = "unknown key '" + name + "'";
      std::string meant = nearest(name, keys);
      if (!meant.empty()) what += "; did you mean '" + meant + "'?";
      bool is_stage_key = std::find(stage_keys.begin(), stage_keys.end(), name) != stage_keys.end();
      if (is_stage_key && !remark.empty())
        what = "'" + name + "' stands here: " + std::string(remark);
      refuse_at(key.source().begin, what);
    }
  }

  void refuse(const toml::node& node, std::string_view what) {
    refuse_at(node.source().begin, what);
  }
  void refuse_at(const toml::source_position& at, std::string_view what) {
    if (!error_) error_ = error_at(at, what);
  }

  std::string file_name_;
  std::vector<StagePlace> stages_;
  std::optional<Error> error_;
};

}  // namespace

Result<JobSpec> parse_job(std::string_view text, std::string_view file_name) {
  JobReader reader(file_name);
  auto parsed = toml::parse(text, file_name);
  if (!parsed) {
    return reader.error_at(parsed.error().source().begin, parsed.error().description());
  }
  return reader.read(parsed.table());
}

Result<JobSpec> read_job_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 4096> part;
  while (file.read(part.data(), part.size()) || file.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(file.gcount()));
  }
  if (!file.eof()) {
    return Error{Errc::invalid_argument,
                 path + ": cannot be read" +
                     (errno != 0 ? std::string(": ") + std::strerror(errno) : std::string())};
  }
  return parse_job(text, path);
}

}  // namespace cluster::app
