// Version 2: one hierarchy, as Documentation/admin-guide/cgroup-v2 has it. A group hands
// controllers to its children by `cgroup.subtree_control`, from the mount's root down.
#include <cstring>
#include <sstream>

#include "agentlib/cgroup.hpp"
#include "agentlib/run_files.hpp"

namespace cluster::agentlib {

namespace {

class CgroupsV2 final : public Cgroups {
 public:
  CgroupsV2(std::string root, bool cpu_quota) : roots_{std::move(root)}, cpu_quota_(cpu_quota) {}

  Result<TaskCgroup> make(const std::string& name, const Resources& limits) override {
    TaskCgroup group = at(name);
    if (auto made = make_group_directory(group.directories[0]); !made) {
      return std::move(made).error();
    }
    if (auto limited = limit(group.directories[0], limits); !limited) {
      remove_cgroup(group);
      return std::move(limited).error();
    }
    return group;
  }

  TaskCgroup at(const std::string& name) const override {
    std::string directory = roots_[0] + "/" + name;
    return {.directories = {directory}, .oom_file = directory + "/memory.events"};
  }

  const std::vector<std::string>& roots() const override { return roots_; }
  std::string describe() const override { return "cgroup v2 (cpu, memory)"; }

 private:
  Result<void> limit(const std::string& directory, const Resources& limits) const {
    if (Scalar cpus = limits.cpus(); cpus > Scalar()) {
      auto set = put(directory, "cpu.weight", std::to_string(cpu_weight(cpus)));
      if (!set) return set;
      if (cpu_quota_) {
        set = put(directory, "cpu.max",
                  std::to_string(cpu_quota_us(cpus)) + " " + std::to_string(cpu_period_us));
        if (!set) return set;
      }
    }
    if (Scalar mem = limits.mem(); mem > Scalar()) {
      std::int64_t bytes = mem.in_thousandths() * (1 << 20) / 1000;
      if (auto set = put(directory, "memory.max", std::to_string(bytes)); !set) return set;
      // A kernel without swap has no such file. A task over its limit dies as a whole.
      write_control(directory, "memory.swap.max", "0");
      write_control(directory, "memory.oom.group", "1");
    }
    return {};
  }

  static Result<void> put(const std::string& directory, const char* file,
                          const std::string& value) {
    int error = write_control(directory, file, value);
    if (error == 0) return {};
    return Error{Errc::failed, "cannot set " + directory + "/" + file + " to " + value + ": " +
                                   std::strerror(error)};
  }

  std::vector<std::string> roots_;
  bool cpu_quota_;
};

bool has_v2_controller(const std::string& directory, const std::string& name) {
  std::istringstream list(read_file(directory + "/cgroup.controllers").value_or(std::string()));
  for (std::string item; list >> item;) {
    if (item == name) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<Cgroups>> open_cgroups_v2(const CgroupMount& mount,
                                                 const CgroupOptions& options) {
  std::string directory = mount.directory;
  for (const char* controller : {"cpu", "memory"}) {
    if (has_v2_controller(directory, controller)) continue;
    return Error{Errc::unsupported, std::string("the cgroup v2 hierarchy at ") + directory +
                                        " has no " + controller + " controller"};
  }
  for (const std::string& part : {options.root, options.agent, std::string()}) {
    if (int error = write_control(directory, "cgroup.subtree_control", "+cpu +memory")) {
      return Error{Errc::permission, "cannot enable cpu and memory in " + directory +
                                         "/cgroup.subtree_control: " + std::strerror(error)};
    }
    if (part.empty()) break;
    directory += "/" + part;
    if (auto made = make_group_directory(directory); !made) return std::move(made).error();
  }
  return std::unique_ptr<Cgroups>(std::make_unique<CgroupsV2>(directory, options.cpu_quota));
}

}  // namespace cluster::agentlib
