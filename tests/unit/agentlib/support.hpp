// What the tests of the agent share: values, directories that go away, waiting with a deadline.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
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
#include "agentlib/output_limiter.hpp"
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

// Three MiB of lines that say where they are: "0000000", "0000001" ... of eight bytes each.
inline const std::string counting_command = "seq -f %07.0f 0 393215";
constexpr std::uint64_t counting_size = 3 << 20;

// What is at [offset, offset + size) of such lines.
inline std::string counted(std::uint64_t offset, std::size_t size) {
  std::string text;
  for (std::uint64_t line = offset / 8; text.size() < size + 8; ++line) {
    std::string number = std::to_string(line);
    text += std::string(7 - number.size(), '0') + number + "\n";
  }
  return text.substr(offset % 8, size);
}

inline std::uint64_t occupied(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0;
}

// Whether the file system of a directory gives back parts of a file; says so where it does not.
inline bool can_release(const std::string& directory) {
  std::string path = directory + "/probe";
  std::ofstream(path) << std::string(8192, 'x');
  int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  int code = release_blocks(file, 0, 4096);
  ::close(file);
  if (code != 0) WARN("skipped: the file system here does not release parts of files");
  return code == 0;
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
