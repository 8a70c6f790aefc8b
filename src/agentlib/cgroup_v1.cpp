// Version 1: the cpu and memory hierarchies, as Documentation/admin-guide/cgroup-v1 has them.
#include <cstring>
#include <set>
#include <sstream>

#include "agentlib/cgroup.hpp"

namespace cluster::agentlib {

namespace {

class CgroupsV1 final : public Cgroups {
 public:
  CgroupsV1(std::string cpu, std::string memory, bool cpu_quota)
      : cpu_(std::move(cpu)), memory_(std::move(memory)), cpu_quota_(cpu_quota) {
    roots_ = {cpu_, memory_};
  }

  Result<TaskCgroup> make(const std::string& name, const Resources& limits) override {
    TaskCgroup group = at(name);
    for (const std::string& directory : group.directories) {
      if (auto made = make_group_directory(directory); !made) return std::move(made).error();
    }
    if (auto limited = limit(group, limits); !limited) {
      remove_cgroup(group);
      return std::move(limited).error();
    }
    return group;
  }

  TaskCgroup at(const std::string& name) const override {
    return {.directories = {cpu_ + "/" + name, memory_ + "/" + name},
            .oom_file = memory_ + "/" + name + "/memory.oom_control"};
  }

  const std::vector<std::string>& roots() const override { return roots_; }
  std::string describe() const override { return "cgroup v1 (cpu, memory)"; }

 private:
  Result<void> limit(const TaskCgroup& group, const Resources& limits) const {
    const std::string& cpu = group.directories[0];
    const std::string& memory = group.directories[1];
    if (Scalar cpus = limits.cpus(); cpus > Scalar()) {
      if (auto set = put(cpu, "cpu.shares", cpu_shares(cpus)); !set) return set;
      if (cpu_quota_) {
        if (auto set = put(cpu, "cpu.cfs_period_us", cpu_period_us); !set) return set;
        if (auto set = put(cpu, "cpu.cfs_quota_us", cpu_quota_us(cpus)); !set) return set;
      }
    }
    if (Scalar mem = limits.mem(); mem > Scalar()) {
      std::int64_t bytes = mem.in_thousandths() * (1 << 20) / 1000;
      if (auto set = put(memory, "memory.limit_in_bytes", bytes); !set) return set;
      // Where swap is accounted, it is part of the limit; elsewhere the file is missing.
      write_control(memory, "memory.memsw.limit_in_bytes", std::to_string(bytes));
    }
    return {};
  }

  static Result<void> put(const std::string& directory, const char* file, std::int64_t value) {
    int error = write_control(directory, file, std::to_string(value));
    if (error == 0) return {};
    return Error{Errc::failed, "cannot set " + directory + "/" + file + " to " +
                                   std::to_string(value) + ": " + std::strerror(error)};
  }

  std::string cpu_;
  std::string memory_;
  bool cpu_quota_;
  std::vector<std::string> roots_;
};

std::string find_v1_controller(const std::vector<CgroupMount>& mounts, const std::string& name) {
  for (const CgroupMount& mount : mounts) {
    if (mount.is_v2) continue;
    std::istringstream options(mount.controllers);
    for (std::string option; std::getline(options, option, ',');) {
      if (option == name) return mount.directory;
    }
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Cgroups>> open_cgroups_v1(const std::vector<CgroupMount>& mounts,
                                                 const CgroupOptions& options) {
  std::string cpu = find_v1_controller(mounts, "cpu");
  std::string memory = find_v1_controller(mounts, "memory");
  if (cpu.empty() || memory.empty()) {
    return Error{Errc::unsupported, "there are no cpu and memory hierarchies of cgroup v1"};
  }
  for (std::string* directory : {&cpu, &memory}) {
    for (const std::string& part : {options.root, options.agent}) {
      *directory += "/" + part;
      if (auto made = make_group_directory(*directory); !made) return std::move(made).error();
    }
  }
  return std::unique_ptr<Cgroups>(
      std::make_unique<CgroupsV1>(std::move(cpu), std::move(memory), options.cpu_quota));
}

}  // namespace cluster::agentlib
