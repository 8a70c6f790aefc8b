// Structured log lines, handed to a sink of the host. Silence is the default: the library writes
// nothing anywhere by itself.
//
//   error    a person must act         warning  odd, and handled
//   info     a role or state changed   debug    every message
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/types.hpp"

namespace cluster {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

std::string_view to_string(LogLevel);

struct LogField {
  std::string_view name;
  std::string value;
};

struct LogLine {
  LogLevel level;
  std::string_view part;   // "replog", "master" ...
  std::string_view event;  // A few words, the same each time: "became leader".
  const std::vector<LogField>& fields;
};

// "event name=value name=value", values quoted where they hold a space.
std::string to_text(const LogLine&);

class LogSink {
 public:
  virtual ~LogSink() = default;
  // Any thread; must not block for long nor call the library.
  virtual void write(const LogLine&) = 0;
};

// How a value is shown in a log line.
inline std::string to_field(std::string_view value) { return std::string(value); }
inline std::string to_field(const char* value) { return value; }
inline std::string to_field(const std::string& value) { return value; }
inline std::string to_field(bool value) { return value ? "true" : "false"; }
template <class N>
requires(std::integral<N> || std::floating_point<N>) std::string to_field(N value) {
  return std::to_string(value);
}
template <class Tag>
std::string to_field(Id<Tag> id) {
  return std::to_string(id.value());
}
template <class Tag>
std::string to_field(const Name<Tag>& name) {
  return name.value();
}
inline std::string to_field(Position at) { return std::to_string(at.value()); }
inline std::string to_field(const Endpoint& endpoint) { return to_string(endpoint); }

// A part's own pen: a sink, a part's name, and the lowest level that is written. Cheap to copy.
class Logger {
 public:
  Logger() = default;  // Silent.
  Logger(LogSink& sink, std::string part, LogLevel lowest = LogLevel::info)
      : sink_(&sink), part_(std::move(part)), lowest_(lowest) {}

  Logger with_part(std::string part) const {
    Logger copy = *this;
    copy.part_ = std::move(part);
    return copy;
  }

  bool is_on(LogLevel level) const { return sink_ != nullptr && level >= lowest_; }

  // An event and its fields, as name, value, name, value ...
  template <class... Fields>
  void debug(std::string_view event, const Fields&... fields) const {
    write(LogLevel::debug, event, fields...);
  }
  template <class... Fields>
  void info(std::string_view event, const Fields&... fields) const {
    write(LogLevel::info, event, fields...);
  }
  template <class... Fields>
  void warning(std::string_view event, const Fields&... fields) const {
    write(LogLevel::warning, event, fields...);
  }
  template <class... Fields>
  void error(std::string_view event, const Fields&... fields) const {
    write(LogLevel::error, event, fields...);
  }

 private:
  template <class... Fields>
  void write(LogLevel level, std::string_view event, const Fields&... fields) const {
    static_assert(sizeof...(Fields) % 2 == 0, "fields come as name, value");
    if (!is_on(level)) return;
    std::vector<LogField> list;
    list.reserve(sizeof...(Fields) / 2);
    add(list, fields...);
    sink_->write(LogLine{level, part_, event, list});
  }

  static void add(std::vector<LogField>&) {}
  template <class Value, class... Rest>
  static void add(std::vector<LogField>& list, std::string_view name, const Value& value,
                  const Rest&... rest) {
    list.push_back({name, to_field(value)});
    add(list, rest...);
  }

  LogSink* sink_ = nullptr;
  std::string part_;
  LogLevel lowest_ = LogLevel::info;
};

}  // namespace cluster
