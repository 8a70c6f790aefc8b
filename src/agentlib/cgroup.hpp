// Limits on what tasks use, by Linux control groups: version 1 (one hierarchy per controller) or
// version 2 (one for all), whichever the machine has and lets us write.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/resources.hpp"
#include "cluster/result.hpp"

namespace cluster::agentlib {

// One task's groups.
struct TaskCgroup {
  std::vector<std::string> directories;  // One per hierarchy.
  std::string oom_file;                  // Holds a line "oom_kill N"; empty: none.
};

class Cgroups {
 public:
  virtual ~Cgroups() = default;
  // Makes the groups `name` with limits for `cpus` and `mem`, where these are not 0.
  virtual Result<TaskCgroup> make(const std::string& name, const Resources& limits) = 0;
  virtual TaskCgroup at(const std::string& name) const = 0;
  // Where the tasks' groups are: one directory per hierarchy.
  virtual const std::vector<std::string>& roots() const = 0;
  virtual std::string describe() const = 0;  // "cgroup v1 (cpu, memory)"
};

struct CgroupOptions {
  std::string root;   // Below each mount: "cluster".
  std::string agent;  // Below that.
  bool cpu_quota = true;
};

// A hierarchy as this process sees it.
struct CgroupMount {
  std::string directory;
  bool is_v2 = false;
  std::string controllers;  // v1: the mount's options, "rw,cpu,cpuacct".
};
std::vector<CgroupMount> parse_mounts(std::string_view mountinfo);

// Why not, as a clause, when this machine does not let us.
Result<std::unique_ptr<Cgroups>> open_cgroups(const CgroupOptions& options);
Result<std::unique_ptr<Cgroups>> open_cgroups_v1(const std::vector<CgroupMount>& mounts,
                                                 const CgroupOptions& options);
Result<std::unique_ptr<Cgroups>> open_cgroups_v2(const CgroupMount& mount,
                                                 const CgroupOptions& options);

// True when they are gone; false while something is still in them: try again.
bool remove_cgroup(const TaskCgroup& cgroup);
// The names below the roots.
std::vector<std::string> list_cgroups(const Cgroups& cgroups);

// The kernel's numbers for `cpus`.
inline constexpr std::int64_t cpu_period_us = 100'000;
std::int64_t cpu_quota_us(Scalar cpus);
std::int64_t cpu_shares(Scalar cpus);  // v1: 1024 per cpu.
std::int64_t cpu_weight(Scalar cpus);  // v2: 100 per cpu, 1 to 10000.

// 0 or an errno.
int write_control(const std::string& directory, const std::string& file, const std::string& value);
Result<void> make_group_directory(const std::string& directory);

}  // namespace cluster::agentlib
