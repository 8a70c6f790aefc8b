#include "cluster/logger.hpp"

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

}  // namespace cluster
