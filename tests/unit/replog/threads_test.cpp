// Whose threads do the work.
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog::test;

namespace {

// A host's own thread, lent.
class Lent final : public Executor {
 public:
  Lent() : thread_([this] { run(); }) {}
  ~Lent() override {
    {
      std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }
  void execute(Callback callback) override {
    {
      std::lock_guard lock(mutex_);
      queue_.push_back(std::move(callback));
      count_ += 1;
    }
    wake_.notify_all();
  }
  bool is_current() const override { return std::this_thread::get_id() == thread_.get_id(); }
  std::size_t count() {
    std::lock_guard lock(mutex_);
    return count_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return is_over_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Callback callback = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      callback();
      callback = {};
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Callback> queue_;
  std::size_t count_ = 0;
  bool is_over_ = false;
  std::thread thread_;
};

class Sum final : public StateMachine {
 public:
  void apply(const std::vector<Entry>&) override {}
  Result<SnapshotJob> begin_snapshot() override {
    return SnapshotJob([](SnapshotWriter& writer) { return writer.write("sum"); });
  }
  Result<void> restore(SnapshotReader&) override { return {}; }
};

std::multiset<std::string> threads() {
  std::multiset<std::string> names;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name;
    std::getline(std::ifstream(task.path() / "comm"), name);
    names.insert(name);
  }
  return names;
}

}  // namespace

TEST_CASE("a host that lends its executors gets a node thread, a disk thread, and no other",
          "[replog][log][threads]") {
  auto deliver = std::make_shared<Lent>();
  auto background = std::make_shared<Lent>();
  const auto before = threads();
  {
    Runtime runtime = Runtime::threads(
        {.security = Insecure{}, .deliver_on = deliver, .background_on = background});
    TemporaryFolder folder;
    Sum sum;
    auto expected = before;
    expected.insert({"cluster-node", "cluster-disk"});
    CHECK(comes_true([&] { return threads() == expected; }));  // They name themselves.
    std::vector<std::optional<Log>> logs;
    for (auto store : {StoreKind::journal, StoreKind::lmdb}) {
      LogOptions options;
      options.directory = folder / (store == StoreKind::journal ? "journal" : "lmdb");
      options.self = NodeId(1);
      options.cluster = ClusterUid(7);
      options.members = {{NodeId(1), {"127.0.0.1", cluster::test::free_port()}}};
      options.state_machine = &sum;
      options.store = store;
      auto log = Log::open(runtime, options);
      REQUIRE(log.has_value());
      logs.emplace_back(*std::move(log));
      // Enough for several segments.
      for (int i = 0; i < 40; ++i) get(logs.back()->append(Bytes(std::string(1 << 20, 'x'))));
      get(logs.back()->take_snapshot());
      get(logs.back()->append(bytes("y")));
      CHECK(threads() == expected);
    }
    CHECK(background->count() > 0);  // Snapshots, and segments that were prepared.
  }
  CHECK(comes_true([&] { return threads() == before; }));
}

TEST_CASE("a log may be closed on the thread that would do its background work",
          "[replog][log][threads]") {
  auto background = std::make_shared<Lent>();
  Runtime runtime = Runtime::threads({.security = Insecure{}, .background_on = background});
  TemporaryFolder folder;
  Sum sum;
  LogOptions options;
  options.directory = folder / "1";
  options.self = NodeId(1);
  options.cluster = ClusterUid(7);
  options.members = {{NodeId(1), {"127.0.0.1", cluster::test::free_port()}}};
  options.state_machine = &sum;
  auto log = Log::open(runtime, options);
  REQUIRE(log.has_value());
  get(log->append(bytes("x")));
  auto snapshot = log->take_snapshot();
  std::promise<void> closed;
  background->execute([&] {
    { Log gone = *std::move(log); }
    closed.set_value();
  });
  closed.get_future().wait();
  auto result = snapshot.get();  // Done, or given up.
  CHECK((result || result.error().code == Errc::closed));
}
