#include "agentlib/run_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

namespace cluster::agentlib {

const int terminate_signal = SIGTERM;
const int destroy_signal = SIGUSR1;

namespace {

// Records are "name NUL value NUL".
void put_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).push_back('\0');
  out.append(value).push_back('\0');
}

class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  // False at the end, and when the text is cut off.
  bool next(std::string_view& name, std::string_view& value) {
    if (rest_.empty()) return false;
    is_whole_ = take(name) && take(value);
    return is_whole_;
  }
  bool is_whole() const { return is_whole_; }

 private:
  bool take(std::string_view& field) {
    std::size_t end = rest_.find('\0');
    if (end == std::string_view::npos) return false;
    field = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }

  std::string_view rest_;
  bool is_whole_ = true;
};

template <class N>
bool parse_number(std::string_view text, N& number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

int write_all(int file, std::string_view content) {
  while (!content.empty()) {
    ssize_t n = ::write(file, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return 0;
}

int sync_directory(const std::string& directory) {
  int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return errno;
  int error = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  return error;
}

std::string boot_id() {
  std::string id = read_file("/proc/sys/kernel/random/boot_id").value_or("unknown");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace

std::string encode(const LaunchOrder& order) {
  std::string out;
  put_field(out, "sandbox", order.sandbox);
  for (const std::string& argument : order.arguments) put_field(out, "argument", argument);
  for (const std::string& variable : order.environment) put_field(out, "variable", variable);
  for (const std::string& cgroup : order.cgroups) put_field(out, "cgroup", cgroup);
  put_field(out, "oom_file", order.oom_file);
  return out;
}

std::optional<LaunchOrder> decode_order(std::string_view text) {
  LaunchOrder order;
  FieldReader reader(text);
  std::string_view name, value;
  while (reader.next(name, value)) {
    if (name == "sandbox") order.sandbox = value;
    if (name == "argument") order.arguments.emplace_back(value);
    if (name == "variable") order.environment.emplace_back(value);
    if (name == "cgroup") order.cgroups.emplace_back(value);
    if (name == "oom_file") order.oom_file = value;
  }
  if (!reader.is_whole() || order.sandbox.empty() || order.arguments.empty()) return std::nullopt;
  return order;
}

std::string encode(const ProcessMark& mark) {
  std::string out;
  put_field(out, "pid", std::to_string(mark.pid));
  put_field(out, "start_time", std::to_string(mark.start_time));
  put_field(out, "boot", mark.boot);
  return out;
}

std::optional<ProcessMark> decode_mark(std::string_view text) {
  ProcessMark mark;
  FieldReader reader(text);
  std::string_view name, value;
  while (reader.next(name, value)) {
    if (name == "pid" && !parse_number(value, mark.pid)) return std::nullopt;
    if (name == "start_time" && !parse_number(value, mark.start_time)) return std::nullopt;
    if (name == "boot") mark.boot = value;
  }
  if (!reader.is_whole() || mark.pid <= 0) return std::nullopt;
  return mark;
}

std::string encode(const ExitRecord& record) {
  std::string out;
  put_field(out, "kind", std::to_string(static_cast<int>(record.kind)));
  put_field(out, "number", std::to_string(record.number));
  put_field(out, "out_of_memory", record.out_of_memory ? "1" : "0");
  put_field(out, "message", record.message);
  return out;
}

std::optional<ExitRecord> decode_exit(std::string_view text) {
  ExitRecord record;
  int kind = -1;
  FieldReader reader(text);
  std::string_view name, value;
  while (reader.next(name, value)) {
    if (name == "kind" && !parse_number(value, kind)) return std::nullopt;
    if (name == "number" && !parse_number(value, record.number)) return std::nullopt;
    if (name == "out_of_memory") record.out_of_memory = value == "1";
    if (name == "message") record.message = value;
  }
  if (!reader.is_whole() || kind < 0 || kind > 2) return std::nullopt;
  record.kind = static_cast<ExitRecord::Kind>(kind);
  return record;
}

std::optional<std::string> read_file(const std::string& path) {
  int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string content;
  char buffer[16384];
  ssize_t n = 0;
  while ((n = ::read(file, buffer, sizeof buffer)) != 0) {
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;
    content.append(buffer, static_cast<std::size_t>(n));
  }
  ::close(file);
  if (n < 0) return std::nullopt;
  return content;
}

int write_file(const std::string& directory, const std::string& name, std::string_view content,
               WriteMode mode) {
  std::string path = directory + "/" + name;
  // Named by the writer: a supervisor and an agent may try to make the same file.
  std::string draft = path + "." + std::to_string(::getpid()) + ".draft";
  int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return errno;
  int error = write_all(file, content);
  if (error == 0 && mode.durable && ::fsync(file) != 0) error = errno;
  if (::close(file) != 0 && error == 0) error = errno;
  if (error == 0) {
    int done = mode.exclusive ? ::link(draft.c_str(), path.c_str())
                              : ::rename(draft.c_str(), path.c_str());
    if (done != 0) error = errno;
  }
  if (error != 0 || mode.exclusive) ::unlink(draft.c_str());
  if (error == 0 && mode.durable) error = sync_directory(directory);
  return error;
}

std::optional<ProcessStat> stat_of(pid_t pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // "pid (name) state parent group session ...": the name may hold anything, also ") ".
  std::size_t at = text->rfind(')');
  if (at == std::string::npos) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(at + 1);
  std::vector<std::string_view> fields;  // From `state`, the third, on.
  while (fields.size() < 20) {
    std::size_t first = rest.find_first_not_of(' ');
    if (first == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(first);
    std::size_t end = std::min(rest.find(' '), rest.size());
    fields.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  ProcessStat stat{.pid = pid, .state = fields[0][0]};
  if (!parse_number(fields[1], stat.parent) || !parse_number(fields[3], stat.session) ||
      !parse_number(fields[19], stat.start_time)) {
    return std::nullopt;
  }
  return stat;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> all;
  DIR* directory = ::opendir("/proc");
  if (directory == nullptr) return all;
  while (const dirent* entry = ::readdir(directory)) {
    pid_t pid = 0;
    if (parse_number(std::string_view(entry->d_name), pid)) all.push_back(pid);
  }
  ::closedir(directory);
  return all;
}

ProcessMark mark_of(pid_t pid) {
  auto stat = stat_of(pid);
  return {.pid = pid, .start_time = stat ? stat->start_time : 0, .boot = boot_id()};
}

bool is_alive(const ProcessMark& mark) { return mark.start_time != 0 && mark == mark_of(mark.pid); }

bool kill_cgroups(const std::vector<std::string>& directories) {
  bool was_empty = true;
  for (const std::string& directory : directories) {
    auto text = read_file(directory + "/cgroup.procs");
    if (!text) continue;
    std::string_view rest = *text;
    while (!rest.empty()) {
      std::size_t end = std::min(rest.find('\n'), rest.size());
      pid_t pid = 0;
      if (parse_number(rest.substr(0, end), pid) && pid > 0) {
        was_empty = false;
        ::kill(pid, SIGKILL);
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return was_empty;
}

}  // namespace cluster::agentlib
