// What the tests of the agent share: values, directories that go away, waiting with a deadline.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>

#include "agentlib/model.hpp"
#include "cluster/task.hpp"
#include "tests/catch.hpp"
#include "wire/spec_codec.hpp"

namespace agent_test {

using namespace cluster;
using namespace cluster::agentlib;
using namespace std::chrono_literals;

inline const FrameworkId framework{"framework-1"};

inline TaskKey key_of(const std::string& task) { return {framework, TaskId(task)}; }

inline TaskSpec shell_task(const std::string& id, const std::string& shell, Duration grace = 5s) {
  TaskSpec spec;
  spec.id = TaskId(id);
  spec.name = id;
  spec.command.shell = shell;
  spec.resources = Resources::parse("cpus:0.1;mem:64").value();
  spec.kill_grace = grace;
  return spec;
}

inline wire::RunTask run_task(const TaskSpec& spec) {
  return {.framework = framework, .task = spec.id, .spec = wire::encode(spec)};
}

// Made under the system's temporary directory, gone with its end.
class TestDirectory {
 public:
  TestDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "cluster-agent-XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    REQUIRE(made != nullptr);
    path_ = made;
  }
  TestDirectory(const TestDirectory&) = delete;
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Polls `condition` until it holds; false when it does not within twenty seconds.
inline bool eventually(const std::function<bool()>& condition) {
  auto end = std::chrono::steady_clock::now() + 20s;
  while (std::chrono::steady_clock::now() < end) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return condition();
}

}  // namespace agent_test
