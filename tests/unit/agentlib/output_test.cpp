// What the limit on output does to files, and what readers of them see.
#include <atomic>
#include <cerrno>
#include <mutex>

#include "agentlib/log_reader.hpp"
#include "agentlib/task_directory.hpp"
#include "tests/unit/agentlib/support.hpp"

using namespace agent_test;

namespace {

constexpr std::uint64_t limit = 1 << 20;

class CountedWarnings final : public LogSink {
 public:
  void write(const LogLine& line) override { count += line.level == LogLevel::warning; }
  std::atomic<int> count{0};
};

// The sandbox of a task "t", and a limiter with a clock of its own.
class OutputWorld {
 public:
  explicit OutputWorld(OutputLimiter::Release release = release_blocks)
      : limiter(directory.path(), limit, Logger(warnings, "agent"), std::move(release)) {
    std::filesystem::create_directories(sandbox);
  }
  void look() { limiter.look(now_ += 2s); }
  void write(std::uint64_t offset, std::size_t size, const char* file = "stdout") const {
    std::ofstream(sandbox + "/" + file, std::ios::binary | std::ios::app) << counted(offset, size);
  }

  TestDirectory directory;
  std::string sandbox = sandbox_directory(directory.path(), key_of("t"));
  CountedWarnings warnings;
  OutputLimiter limiter;

 private:
  OutputLimiter::Clock::time_point now_ = OutputLimiter::Clock::now();
};

}  // namespace

TEST_CASE("who reads along while output is released reads only what was written",
          "[agentlib][output]") {
  constexpr std::uint64_t total = 24 << 20;
  OutputWorld world;
  if (!can_release(world.directory.path())) return;
  world.limiter.begin(key_of("t"));
  world.write(0, 0);
  std::thread writer([&] {
    for (std::uint64_t at = 0; at < total; at += limit / 2) {
      world.write(at, limit / 2);
      world.look();
    }
  });
  std::uint64_t offset = 0;
  std::uint64_t wrong = 0;
  bool is_done = eventually([&] {
    auto part = read_log(world.sandbox, "stdout", offset, 64 << 10);
    if (!part || part->data.empty()) return false;
    wrong += part->offset < offset;
    wrong += part->data != Bytes(ByteView(counted(part->offset, part->data.size())));
    offset = part->offset + part->data.size();
    return offset == total;
  });
  writer.join();
  CHECK(is_done);
  CHECK(wrong == 0);
  CHECK(occupied(world.sandbox + "/stdout") <= limit);
}

TEST_CASE("what is far over the limit is released in pieces, at once", "[agentlib][output]") {
  int releases = 0;
  OutputWorld world([&](int file, off_t from, off_t end) {
    releases += 1;
    return release_blocks(file, from, end);
  });
  if (!can_release(world.directory.path())) return;
  for (std::uint64_t at = 0; at < 40 << 20; at += 4 << 20) world.write(at, 4 << 20);

  world.limiter.end(key_of("t"));

  CHECK(releases == 1);
  while (world.limiter.look_at() != OutputLimiter::Clock::time_point::max()) world.look();
  CHECK(releases == 3);
  CHECK(occupied(world.sandbox + "/stdout") <= limit);
  CHECK(world.warnings.count == 1);
}

TEST_CASE("where nothing can be released the output is left whole, and that is said once",
          "[agentlib][output]") {
  int releases = 0;
  OutputWorld world([&](int, off_t, off_t) {
    releases += 1;
    return EOPNOTSUPP;
  });
  for (const char* file : {"stdout", "stderr"}) world.write(0, 2 * limit, file);
  world.limiter.begin(key_of("t"));
  world.look();
  world.look();
  CHECK(releases == 1);
  CHECK(world.warnings.count == 1);
  CHECK(contents_of(world.sandbox + "/stdout") == counted(0, 2 * limit));
  CHECK(world.limiter.look_at() == OutputLimiter::Clock::time_point::max());
}

TEST_CASE("a release that fails is tried again, also when the task has ended",
          "[agentlib][output]") {
  bool is_full = true;
  OutputWorld world([&](int file, off_t from, off_t end) {
    return is_full ? ENOSPC : release_blocks(file, from, end);
  });
  if (!can_release(world.directory.path())) return;
  world.write(0, 2 * limit);
  world.limiter.end(key_of("t"));
  world.look();
  CHECK(occupied(world.sandbox + "/stdout") >= 2 * limit);
  is_full = false;
  world.look();
  CHECK(occupied(world.sandbox + "/stdout") <= limit);
}

TEST_CASE("a link in place of an output is not followed", "[agentlib][output]") {
  int releases = 0;
  OutputWorld world([&](int, off_t, off_t) { return ++releases, 0; });
  std::string other = world.directory.path() + "/other";
  std::ofstream(other) << std::string(2 * limit, 'x');
  std::filesystem::create_symlink(other, world.sandbox + "/stdout");
  world.limiter.begin(key_of("t"));
  world.look();
  world.limiter.end(key_of("t"));
  CHECK(releases == 0);
}

TEST_CASE("a hole up to the end of an output is nothing yet", "[agentlib][output]") {
  OutputWorld world;
  world.write(0, 4096);
  std::filesystem::resize_file(world.sandbox + "/stdout", 1 << 20);
  auto part = read_log(world.sandbox, "stdout", 8192, 1000);
  REQUIRE(part);
  CHECK(part->data.empty());
  CHECK(part->reached_end);
}
