#include "agentlib/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "agentlib/run_files.hpp"

namespace cluster::agentlib {

namespace {

std::vector<std::string> split_words(std::string_view text, char separator) {
  std::vector<std::string> words;
  while (!text.empty()) {
    std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

std::vector<CgroupMount> parse_mounts(std::string_view mountinfo) {
  // "36 35 98:0 /root /mount/point rw,noatime shared:1 - cgroup cgroup rw,cpu,cpuacct"
  std::vector<CgroupMount> mounts;
  for (const std::string& line : split_words(mountinfo, '\n')) {
    std::vector<std::string> words = split_words(line, ' ');
    auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) continue;
    const std::string& type = dash[1];
    if (type != "cgroup" && type != "cgroup2") continue;
    mounts.push_back({.directory = words[4], .is_v2 = type == "cgroup2", .controllers = dash[3]});
  }
  return mounts;
}

Result<std::unique_ptr<Cgroups>> open_cgroups(const CgroupOptions& options) {
  std::vector<CgroupMount> mounts =
      parse_mounts(read_file("/proc/self/mountinfo").value_or(std::string()));
  if (mounts.empty()) return Error{Errc::unsupported, "no cgroup hierarchy is mounted"};
  auto first = open_cgroups_v1(mounts, options);
  if (first || first.error().code == Errc::permission) return first;
  for (const CgroupMount& mount : mounts) {
    if (mount.is_v2) return open_cgroups_v2(mount, options);
  }
  return first;
}

int write_control(const std::string& directory, const std::string& file, const std::string& value) {
  int control = ::open((directory + "/" + file).c_str(), O_WRONLY | O_CLOEXEC);
  if (control < 0) return errno;
  ssize_t n = ::write(control, value.data(), value.size());
  int error = n == static_cast<ssize_t>(value.size()) ? 0 : errno;
  ::close(control);
  return error;
}

Result<void> make_group_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0755) == 0 || errno == EEXIST) return {};
  int error = errno;
  Errc code = error == EACCES || error == EPERM || error == EROFS ? Errc::permission : Errc::failed;
  return Error{code, "cannot make " + directory + ": " + std::strerror(error)};
}

bool remove_cgroup(const TaskCgroup& cgroup) {
  bool is_gone = true;
  for (const std::string& directory : cgroup.directories) {
    if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) is_gone = false;
  }
  return is_gone;
}

std::vector<std::string> list_cgroups(const Cgroups& cgroups) {
  std::set<std::string> names;
  for (const std::string& root : cgroups.roots()) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(root, error), end; !error && at != end;
         at.increment(error)) {
      if (at->is_directory(error)) names.insert(at->path().filename().string());
    }
  }
  return {names.begin(), names.end()};
}

std::int64_t cpu_quota_us(Scalar cpus) {
  // The kernel takes no less than 1 ms.
  return std::max<std::int64_t>(cpus.in_thousandths() * (cpu_period_us / 1000), 1000);
}

std::int64_t cpu_shares(Scalar cpus) {
  return std::clamp<std::int64_t>(cpus.in_thousandths() * 1024 / 1000, 2, 262144);
}

std::int64_t cpu_weight(Scalar cpus) {
  return std::clamp<std::int64_t>(cpus.in_thousandths() / 10, 1, 10000);
}

}  // namespace cluster::agentlib
