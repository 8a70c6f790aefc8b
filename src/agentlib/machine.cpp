#include "agentlib/machine.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <vector>

#include "agentlib/run_files.hpp"
#include "cluster/agent.hpp"

namespace cluster {

namespace {

std::int64_t machine_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  return std::max<std::int64_t>(::sysconf(_SC_NPROCESSORS_ONLN), 1);
}

std::int64_t machine_mem_mib() {
  std::string text = agentlib::read_file("/proc/meminfo").value_or(std::string());
  std::size_t at = text.find("MemTotal:");
  if (at == std::string::npos) return 0;
  at = text.find_first_of("0123456789", at);
  if (at == std::string::npos) return 0;
  std::int64_t kib = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), kib);
  return kib / 1024;
}

}  // namespace

Resources detect_resources() {
  Resources resources;
  resources.set("cpus", Scalar::whole(machine_cpus()));
  resources.set("mem", Scalar::whole(agentlib::usable_mem_mib(machine_mem_mib())));
  resources.set("ports", Ranges{Interval{.first = 31000, .end = 32001}});
  return resources;
}

namespace agentlib {

std::string system_hostname() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

Result<std::string> find_supervisor(const std::string& wanted) {
  std::vector<std::filesystem::path> places;
  std::error_code error;
  if (!wanted.empty()) {
    places.push_back(std::filesystem::absolute(wanted, error));
  } else {
    auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (!error) {
      auto folder = program.parent_path();
      places.push_back(folder / "cluster-supervisor");
      places.push_back(folder.parent_path() / "libexec/cluster/cluster-supervisor");
    }
    places.push_back(CLUSTER_LIBEXEC_DIRECTORY "/cluster-supervisor");
  }
  std::string tried;
  for (const auto& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place.string();
    tried += (tried.empty() ? "" : ", ") + place.string();
  }
  return Error{Errc::not_found, "there is no program cluster-supervisor to run tasks with at " +
                                    tried + "; name it in AgentOptions::supervisor"};
}

}  // namespace agentlib
}  // namespace cluster
