#include "base/spec_rules.hpp"

#include <algorithm>
#include <chrono>

namespace cluster::rules {
namespace {

bool is_id_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

bool is_resource_name_character(char c) {
  return c > ' ' && c < 0x7f && std::string_view(";:,[]{}()").find(c) == std::string_view::npos;
}

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

// For a sentence: quoted, cut, and without what would break a terminal.
std::string shown(std::string_view text) {
  constexpr std::size_t shown_max = 60;
  std::string result = "\"";
  for (char c : text.substr(0, shown_max)) {
    result += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
  }
  return result + (text.size() > shown_max ? "...\"" : "\"");
}

std::string problem_of_value(std::string_view what, const std::string& name,
                             const ResourceValue& value) {
  std::string start = std::string(what) + " ask for \"" + name + "\" ";
  const auto* scalar = std::get_if<Scalar>(&value);
  if (scalar == nullptr) {
    if (name == "cpus" || name == "mem" || name == "disk" || name == "gpus") {
      return start + "as ranges or a set; it is a number, as in " + name + ":1";
    }
    return {};
  }
  if (scalar->in_thousandths() <= 0) {
    return start + "of " + scalar->to_string() + "; it must be over 0, or not be named";
  }
  if (*scalar > scalar_max) {
    return start + "of " + scalar->to_string() + "; the most is " + scalar_max.to_string();
  }
  return {};
}

}  // namespace

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= name_length_max && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(), is_id_character);
}

std::string problem_of_id(std::string_view what, std::string_view id) {
  if (is_id(id)) return {};
  std::string start(what);
  if (id.empty()) return start + " is empty; give it 1 to 255 of A-Z a-z 0-9 . _ -";
  if (id.size() > name_length_max) {
    return start + " has " + std::to_string(id.size()) + " characters; the most is 255";
  }
  if (id == "." || id == "..") return start + " is " + shown(id) + ", which names a directory";
  return start + " is " + shown(id) + "; only A-Z a-z 0-9 . _ - may be in it";
}

std::string problem_of_text(std::string_view what, std::string_view text) {
  if (has_nul(text)) return std::string(what) + " has a NUL byte in it; leave it out";
  if (text.size() <= text_length_max) return {};
  return std::string(what) + " has " + std::to_string(text.size()) + " bytes; the most is " +
         std::to_string(text_length_max);
}

std::string problem_of_environment(std::string_view what, const Command& command) {
  for (const auto& [name, value] : command.environment) {
    std::string start = std::string(what) + " sets the environment variable " + shown(name);
    if (name.empty()) return start + "; its name must not be empty";
    if (name.find('=') != std::string::npos) return start + "; its name must not have a = in it";
    if (has_nul(name) || has_nul(value)) {
      return start + ", which has a NUL byte in its name or value; leave it out";
    }
  }
  return {};
}

std::string problem_of_command(std::string_view what, const Command& command) {
  std::string start(what);
  if (command.argv.empty() && command.shell.empty()) {
    return start + " has nothing to run; give either a list of arguments or a shell line";
  }
  if (!command.argv.empty() && !command.shell.empty()) {
    return start + " has both a list of arguments and a shell line; give one of them";
  }
  if (!command.argv.empty() && command.argv.front().empty()) {
    return start + " begins with an empty argument; the first one names the program";
  }
  if (has_nul(command.shell) ||
      std::any_of(command.argv.begin(), command.argv.end(),
                  [](const std::string& argument) { return has_nul(argument); })) {
    return start + " has a NUL byte in it; leave it out";
  }
  return problem_of_environment(what, command);
}

std::string problem_of_resources(std::string_view what, const Resources& resources) {
  if (resources.empty()) {
    return std::string(what) + " are empty; ask for something, as in cpus:0.1;mem:32";
  }
  for (const auto& [name, value] : resources.values()) {
    if (name.empty() || name.size() > name_length_max ||
        !std::all_of(name.begin(), name.end(), is_resource_name_character)) {
      return std::string(what) + " have the name " + shown(name) +
             "; 1 to 255 letters, digits or signs other than ; : , [ ] { } ( ) are right";
    }
    if (auto problem = problem_of_value(what, name, value); !problem.empty()) return problem;
  }
  return {};
}

std::string problem_of_grace(std::string_view what, Duration grace) {
  if (grace >= Duration::zero() && grace <= kill_grace_max) return {};
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(grace).count();
  return std::string(what) + " has a kill grace of " + std::to_string(seconds) +
         " s; it must be from 0 to 3600 s";
}

std::string problem_of_size(std::string_view what, std::size_t size) {
  if (size <= spec_size_max) return {};
  return std::string(what) + " takes " + std::to_string(size) + " bytes; the most is " +
         std::to_string(spec_size_max) + ": put what is large into files";
}

std::size_t size_of(std::string_view text) { return 8 + ((text.size() + 8) & ~std::size_t{7}); }

std::size_t size_of(const Command& command) {
  std::size_t size = 48 + size_of(command.shell);
  for (const std::string& argument : command.argv) size += size_of(argument);
  for (const auto& [name, value] : command.environment) size += size_of(name) + size_of(value);
  return size;
}

std::size_t size_of(const Resources& resources) {
  std::size_t size = 16;
  for (const auto& [name, value] : resources.values()) {
    size += 40 + size_of(name);
    if (const auto* ranges = std::get_if<Ranges>(&value)) size += 16 * ranges->size();
    if (const auto* items = std::get_if<Items>(&value)) {
      for (const std::string& item : *items) size += size_of(item);
    }
  }
  return size;
}

}  // namespace cluster::rules
