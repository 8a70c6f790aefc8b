// What the limit on output does to files, and what readers of them see.
#include <atomic>
#include <cerrno>

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

TEST_CASE("who reads what is released at that moment never reads zeros in its place",
          "[agentlib][output]") {
  constexpr int rounds = 200;
  OutputWorld world;
  if (!can_release(world.directory.path())) return;
  world.limiter.begin(key_of("t"));
  std::atomic<bool> is_done{false};
  std::thread writer([&] {
    for (int round = 0; round < rounds; ++round) {
      std::ofstream(world.sandbox + "/stdout", std::ios::app) << std::string(limit / 2, 'x');
      world.look();
    }
    is_done = true;
  });
  std::uint64_t offset = 0;
  int wrong = 0;
  REQUIRE(eventually([&] {
    auto part = read_log(world.sandbox, "stdout", 0, limit);
    wrong += !part || part->offset < offset || part->data.view().find('\0') != ByteView::npos;
    if (part && !part->data.empty()) offset = part->offset;
    return is_done.load();
  }));
  writer.join();
  CHECK(wrong == 0);
  auto left = read_log(world.sandbox, "stdout", 0, limit);
  REQUIRE(left);
  CHECK(left->offset >= rounds * (limit / 2) - limit);
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
