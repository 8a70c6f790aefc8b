// What a program that embeds us does to us, with real threads and sockets: it opens and closes
// again and again, lends an executor and takes it back, and forks.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "base/random.hpp"
#include "cluster/recipes.hpp"
#include "cluster/testing.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using namespace std::chrono_literals;
using testing::LocalCluster;

namespace {

std::size_t entries_of(const char* directory) {
  std::filesystem::directory_iterator begin(directory);
  return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

// A program's event loop: things run on the thread that turns it.
class EventLoop final : public Executor {
 public:
  void execute(Callback callback) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(callback));
    }
    changed_.notify_one();
  }
  bool is_current() const override { return owner_.load() == std::this_thread::get_id(); }

  // On this thread, until `is_done`; false when it is not for a minute.
  bool turn(const std::function<bool()>& is_done) {
    owner_ = std::this_thread::get_id();
    auto limit = std::chrono::steady_clock::now() + 60s;
    while (!is_done()) {
      Callback next;
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_until(lock, limit, [&] { return !queue_.empty(); })) return false;
        next = std::move(queue_.front());
        queue_.pop_front();
      }
      next();
    }
    return true;
  }
  std::size_t waiting() {
    std::lock_guard lock(mutex_);
    return queue_.size();
  }
  bool wait_for_work() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 60s, [this] { return !queue_.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Callback> queue_;
  std::atomic<std::thread::id> owner_;
};

}  // namespace

TEST_CASE("two hundred openings of a log or a registry leave no descriptor and no thread",
          "[testing][host]") {
  LocalCluster place(1);
  Random random(7);
  // They end at any moment of what is going on there.
  auto linger = [&random](const auto& op) {
    for (auto turns = random.below(50'000); turns > 0 && !op.is_done(); --turns) {
    }
  };
  auto cycle = [&](int i) {
    Runtime runtime = Runtime::threads({.security = Insecure{}});
    if (i % 2 == 0) {
      auto log = Log::open(runtime, place.log_options(0));
      REQUIRE(log);
      log->follow(Position(1), [](const auto&) {});
      log->watch_leadership([](const auto&) {});
      if (i % 8 == 0) CHECK(log->append(Bytes("x")).get());
      linger(log->append(Bytes("y")));
    } else {
      auto registry = Registry::open(runtime, {.log = place.log_options(0, "keys")});
      REQUIRE(registry);
      if (i % 8 == 1) CHECK(registry->put("a", Bytes("b")).get());
      Lock::acquire(*registry, "l").then([](const Result<Lock>&) {});
      linger(registry->put("c", Bytes("d")));
    }
  };
  for (int i = 0; i < 6; ++i) cycle(i);
  std::size_t descriptors = entries_of("/proc/self/fd");
  std::size_t threads = entries_of("/proc/self/task");
  for (int i = 0; i < 200; ++i) cycle(i);
  CHECK(entries_of("/proc/self/fd") == descriptors);
  CHECK(entries_of("/proc/self/task") <= threads);
}

TEST_CASE("an executor that was lent has run everything when the runtime gives it back",
          "[testing][host]") {
  LocalCluster place(1);
  auto loop = std::make_shared<EventLoop>();
  for (int round = 0; round < 20; ++round) {
    int started = 0;
    int ended = 0;
    std::optional<Runtime> runtime;
    runtime.emplace(Runtime::threads({.security = Insecure{}, .deliver_on = loop}));
    {
      auto registry = Registry::open(*runtime, {.log = place.log_options(0, "keys")});
      REQUIRE(registry);
      registry->log().watch_leadership([](const auto&) {});
      RecipeOptions patient;
      patient.patience = 30s;
      Lock::acquire(*registry, "l", Lock::Kind::exclusive, patient).then([&](const Result<Lock>&) {
        ended += 1;
      });
      for (started = 1; started < 20; ++started) {
        registry->put("a", Bytes("b")).then([&](const Result<Revision>&) { ended += 1; });
      }
      CHECK(loop->turn([&] { return round % 2 == 1 || ended > round; }));
      CHECK(loop->wait_for_work());
    }
    runtime.reset();
    CHECK(ended == started);
    // What is left on the loop is nothing of the runtime's.
    CHECK(loop->turn([&] { return loop->waiting() == 0; }));
    CHECK(ended == started);
  }
  CHECK(loop.use_count() == 1);
}

TEST_CASE("a child of fork is refused every call, may destroy everything, and disturbs nobody",
          "[testing][host]") {
  LocalCluster place(1);
  std::optional<Registry> registry;
  registry.emplace(Registry::open(place.runtime(0), {.log = place.log_options(0, "keys")}).value());
  std::optional<Log> log;
  log.emplace(Log::open(place.runtime(0), place.log_options(0)).value());
  REQUIRE(log->append(Bytes("x"), {.timeout = 60s}).get());
  std::optional<Lock> lock;
  lock.emplace(Lock::acquire(*registry, "l").get().value());

  pid_t child = ::fork();
  if (child == 0) {
    int wrong = 0;
    auto is_refused = [&wrong](const auto& result) {
      if (result || result.error().code != Errc::unsupported) wrong += 1;
    };
    is_refused(log->append(Bytes("y")).get());
    is_refused(log->catch_up().get());
    is_refused(log->start_writer().get());
    is_refused(registry->put("a", Bytes("b")).get());
    is_refused(registry->get("a").get());
    is_refused(Lock::acquire(*registry, "m").get());
    is_refused(lock->release().get());
    is_refused(Log::open(place.runtime(0), place.log_options(0)));
    lock.reset();
    registry.reset();
    log.reset();
    {
      LocalCluster own(1);
      auto its_log = Log::open(own.runtime(0), own.log_options(0));
      if (!its_log || !its_log->append(Bytes("of the child"), {.timeout = 60s}).get()) wrong += 100;
    }
    ::_exit(wrong);
  }
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);

  CHECK(log->append(Bytes("z"), {.timeout = 60s}).get());
  KeyCallOptions patient;
  patient.call.timeout = 60s;
  CHECK(registry->put("a", Bytes("c"), patient).get());
  CHECK(registry->lease(lock->lease()));
}
