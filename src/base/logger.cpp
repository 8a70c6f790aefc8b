#include "cluster/logger.hpp"

#include "cluster/metrics.hpp"

namespace cluster {

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warning: return "warning";
    case LogLevel::error: return "error";
  }
  return "?";
}

std::string to_text(const LogLine& line) {
  std::string text(line.event);
  for (const LogField& field : line.fields) {
    text += ' ';
    text += field.name;
    text += '=';
    if (field.value.empty() || field.value.find_first_of(" \t\n\"=") != std::string::npos) {
      text += '"';
      for (char c : field.value) {
        if (c == '"' || c == '\\') text += '\\';
        text += c == '\n' ? ' ' : c;
      }
      text += '"';
    } else {
      text += field.value;
    }
  }
  return text;
}

std::string to_prometheus(const Metrics& metrics) {
  std::string text;
  for (const Metric& metric : metrics) {
    text += "# HELP " + metric.name + " " + metric.help + "\n";
    text += "# TYPE " + metric.name +
            (metric.kind == Metric::Kind::counter ? " counter\n" : " gauge\n");
    std::string value = std::to_string(metric.value);
    while (value.ends_with('0')) value.pop_back();
    if (value.ends_with('.')) value.pop_back();
    text += metric.name + " " + value + "\n";
  }
  return text;
}

}  // namespace cluster
