#include "history_file.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

namespace cluster::app {
namespace {

using sim::LogModel;
using sim::RegisterModel;
using Json = nlohmann::json;

struct Line {
  std::size_t number;
  double time;
  Json object;
};

const std::map<std::string, RegisterModel::Call::Kind> register_calls{
    {"get", RegisterModel::Call::Kind::get},
    {"put", RegisterModel::Call::Kind::put},
    {"cas", RegisterModel::Call::Kind::cas}};
const std::map<std::string, LogModel::Call::Kind> log_calls{
    {"append", LogModel::Call::Kind::append},
    {"read", LogModel::Call::Kind::read},
    {"catch_up", LogModel::Call::Kind::catch_up}};

Error wrong(std::size_t line, const std::string& what) {
  return Error{Errc::invalid_argument, "line " + std::to_string(line) + ": " + what};
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Takes lines in the order of time and makes operations of them.
class HistoryReader {
 public:
  Result<void> take(const Line& line, std::uint64_t point) {
    const Json& object = line.object;
    if (!object.contains("client")) return wrong(line.number, "there is no \"client\"");
    std::string client = text_of(object["client"]);
    std::string type = object.contains("type") ? text_of(object["type"]) : "";
    if (type == "invoke") return invoke(line, client, point);
    if (type != "return" && type != "unknown" && type != "failed") {
      return wrong(line.number,
                   "\"type\" is \"" + type + "\"; it can be invoke, return, unknown or failed");
    }
    auto open = open_.find(client);
    if (open == open_.end()) {
      return wrong(line.number, "client " + client + " has asked for nothing");
    }
    Open asked = open->second;
    open_.erase(open);
    if (type == "unknown") return {};
    if (type == "failed") {
      (asked.is_log ? failed_logs_ : failed_registers_).push_back(asked.index);
      return {};
    }
    return asked.is_log ? answer_log(line, asked.index, point)
                        : answer_register(line, asked.index, point);
  }

  HistoryFile finish() && {
    remove(file_.registers, file_.register_lines, failed_registers_);
    remove(file_.logs, file_.log_lines, failed_logs_);
    return std::move(file_);
  }

 private:
  struct Open {
    bool is_log;
    std::size_t index;
  };

  Result<void> invoke(const Line& line, const std::string& client, std::uint64_t point) {
    const Json& object = line.object;
    if (open_.contains(client)) {
      return wrong(line.number, "client " + client + " asks again before it has an answer");
    }
    std::string call = object.contains("call") ? text_of(object["call"]) : "";
    std::string key = object.contains("key") ? text_of(object["key"]) : "";
    std::string value = object.contains("value") ? text_of(object["value"]) : "";
    auto of_register = register_calls.find(call);
    auto of_log = log_calls.find(call);
    bool needs_value = call == "put" || call == "cas" || call == "append";
    if (needs_value && !object.contains("value")) {
      return wrong(line.number, "\"" + call + "\" needs a \"value\"");
    }
    if (of_register != register_calls.end()) {
      std::optional<std::string> expected;
      if (call == "cas" && !object.contains("expected")) {
        return wrong(line.number, "\"cas\" needs \"expected\", a text or null");
      }
      if (call == "cas" && !object["expected"].is_null()) expected = text_of(object["expected"]);
      open_[client] = {false, file_.registers.size()};
      file_.registers.push_back({{of_register->second, key, value, expected}, {}, point});
      file_.register_lines.push_back(line.number);
    } else if (of_log != log_calls.end()) {
      open_[client] = {true, file_.logs.size()};
      file_.logs.push_back({{of_log->second, key, value}, {}, point});
      file_.log_lines.push_back(line.number);
    } else {
      return wrong(line.number, "\"call\" is \"" + call +
                                    "\"; it can be put, get, cas, append, read or catch_up");
    }
    return {};
  }

  Result<void> answer_register(const Line& line, std::size_t index, std::uint64_t point) {
    auto& operation = file_.registers[index];
    RegisterModel::Answer answer;
    if (operation.call.kind == RegisterModel::Call::Kind::get) {
      if (!line.object.contains("value")) {
        return wrong(line.number, "a get's return needs \"value\", a text or null");
      }
      if (!line.object["value"].is_null()) answer.value = text_of(line.object["value"]);
    }
    if (operation.call.kind == RegisterModel::Call::Kind::cas) {
      if (!line.object.contains("swapped") || !line.object["swapped"].is_boolean()) {
        return wrong(line.number, "a cas' return needs \"swapped\", true or false");
      }
      answer.swapped = line.object["swapped"].get<bool>();
    }
    operation.answer = std::move(answer);
    operation.answered_at = point;
    return {};
  }

  Result<void> answer_log(const Line& line, std::size_t index, std::uint64_t point) {
    auto& operation = file_.logs[index];
    LogModel::Answer answer;
    if (operation.call.kind == LogModel::Call::Kind::read) {
      if (!line.object.contains("entries") || !line.object["entries"].is_array()) {
        return wrong(line.number, "a read's return needs \"entries\", a list");
      }
      for (const Json& entry : line.object["entries"]) answer.entries.push_back(text_of(entry));
    } else {
      const char* name = operation.call.kind == LogModel::Call::Kind::append ? "position" : "end";
      if (!line.object.contains(name) || !line.object[name].is_number_unsigned()) {
        return wrong(line.number, std::string("the return needs \"") + name + "\", a number");
      }
      answer.position = line.object[name].get<std::uint64_t>();
    }
    operation.answer = std::move(answer);
    operation.answered_at = point;
    return {};
  }

  template <class Operations>
  static void remove(Operations& operations, std::vector<std::size_t>& lines,
                     std::vector<std::size_t>& failed) {
    std::sort(failed.rbegin(), failed.rend());
    for (std::size_t index : failed) {
      operations.erase(operations.begin() + static_cast<std::ptrdiff_t>(index));
      lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }

  HistoryFile file_;
  std::map<std::string, Open> open_;
  std::vector<std::size_t> failed_registers_, failed_logs_;
};

std::string shown(const std::optional<std::string>& value) {
  return value ? "\"" + *value + "\"" : "nothing";
}

std::string describe(const sim::Operation<RegisterModel>& operation, bool is_answered) {
  const auto& call = operation.call;
  std::string answer = is_answered ? "" : ", outcome unknown by then";
  switch (call.kind) {
    case RegisterModel::Call::Kind::get:
      if (is_answered) answer = " = " + shown(operation.answer->value);
      return "get " + call.key + answer;
    case RegisterModel::Call::Kind::put:
      return "put " + call.key + " \"" + call.value + "\"" + answer;
    case RegisterModel::Call::Kind::cas:
      if (is_answered) answer = operation.answer->swapped ? ": swapped" : ": not swapped";
      return "cas " + call.key + " " + shown(call.expected) + " \"" + call.value + "\"" + answer;
  }
  return "";
}

std::string describe(const sim::Operation<LogModel>& operation, bool is_answered) {
  const auto& call = operation.call;
  std::string unknown = ", outcome unknown by then";
  switch (call.kind) {
    case LogModel::Call::Kind::append:
      return "append \"" + call.value + "\"" +
             (is_answered ? " at " + std::to_string(operation.answer->position) : unknown);
    case LogModel::Call::Kind::read:
      return "read" + (is_answered
                           ? " of " + std::to_string(operation.answer->entries.size()) + " entries"
                           : unknown);
    case LogModel::Call::Kind::catch_up:
      return "catch_up" +
             (is_answered ? " to " + std::to_string(operation.answer->position) : unknown);
  }
  return "";
}

template <class Model>
void check(const std::vector<sim::Operation<Model>>& operations,
           const std::vector<std::size_t>& lines, HistoryReport& report) {
  using Kind = sim::HistoryVerdict::Kind;
  sim::HistoryVerdict verdict = sim::check_linearizable(operations);
  if (verdict.kind == Kind::linearizable || report.verdict == Kind::not_linearizable) return;
  report.verdict = verdict.kind;
  for (std::size_t index : verdict.operations) {
    bool is_answered =
        operations[index].answer.has_value() && operations[index].answered_at <= verdict.end;
    report.lines.push_back("line " + std::to_string(lines[index]) + ": " +
                           describe(operations[index], is_answered) +
                           (operations[index].answered_at == verdict.end ? "   <- cannot be" : ""));
  }
}

}  // namespace

Result<HistoryFile> parse_history(std::string_view text) {
  std::vector<Line> lines;
  std::size_t number = 0;
  std::size_t timed = 0;
  while (!text.empty()) {
    auto end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    number += 1;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) return wrong(number, "this is no JSON object");
    double time = static_cast<double>(number);
    if (object.contains("time")) {
      if (!object["time"].is_number()) return wrong(number, "\"time\" is no number");
      time = object["time"].get<double>();
      timed += 1;
    }
    lines.push_back({number, time, std::move(object)});
  }
  if (timed != 0 && timed != lines.size()) {
    return Error{Errc::invalid_argument, "some lines have a \"time\" and others have none"};
  }
  std::stable_sort(lines.begin(), lines.end(),
                   [](const Line& a, const Line& b) { return a.time < b.time; });
  HistoryReader reader;
  std::uint64_t point = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i == 0 || lines[i].time != lines[i - 1].time) point += 1;
    if (auto taken = reader.take(lines[i], point); !taken) return std::move(taken).error();
  }
  return std::move(reader).finish();
}

HistoryReport check_history(const HistoryFile& file) {
  HistoryReport report;
  check(file.registers, file.register_lines, report);
  check(file.logs, file.log_lines, report);
  return report;
}

}  // namespace cluster::app
