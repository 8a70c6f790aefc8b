// A log with a state machine, as an embedder uses it: real sockets, disks and threads.
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>

#include "cluster/log.hpp"
#include "replog/force_new_cluster.hpp"
#include "replog/snapshot_files.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog::test;
using cluster::test::free_port;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

// Everything that was appended, in order. Large enough snapshots to come in pieces.
class Lines final : public StateMachine {
 public:
  void apply(const std::vector<Entry>& batch) override {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : batch) {
      if (entry.position <= last_) ++errors_;
      last_ = entry.position;
      text_ += std::string(entry.data.view()) + '\n';
    }
  }
  Result<SnapshotJob> begin_snapshot() override {
    std::lock_guard lock(mutex_);
    if (fails_)
      return SnapshotJob([](SnapshotWriter&) -> Result<void> {
        return Error{Errc::failed, "the job broke"};
      });
    return SnapshotJob([text = text_, last = last_](SnapshotWriter& writer) -> Result<void> {
      if (auto head = writer.write(std::to_string(last.value()) + '\n'); !head) return head;
      return writer.write(text);
    });
  }
  Result<void> restore(SnapshotReader& reader) override {
    std::string all;
    for (;;) {
      auto part = reader.read(100'000);
      if (!part) return std::move(part).error();
      if (part->empty()) break;
      all += part->view();
    }
    std::lock_guard lock(mutex_);
    auto end = all.find('\n');
    last_ = Position(std::stoull(all.substr(0, end)));
    text_ = all.substr(end + 1);
    restores_ += 1;
    return {};
  }

  std::string text() const { return std::lock_guard(mutex_), text_; }
  int restores() const { return std::lock_guard(mutex_), restores_; }
  int errors() const { return std::lock_guard(mutex_), errors_; }
  void break_snapshots(bool broken) {
    std::lock_guard lock(mutex_);
    fails_ = broken;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
  Position last_;
  int restores_ = 0;
  int errors_ = 0;
  bool fails_ = false;
};

struct Machines {
  explicit Machines(std::size_t count = 3) : machines(count), logs(count) {
    for (std::size_t i = 1; i <= count; ++i) {
      peers.push_back({NodeId(i), {"127.0.0.1", free_port()}});
    }
    policy.after_bytes = 0;
    policy.after_entries = 0;
    policy.keep_bytes = 0;
  }
  Result<Log> open(std::size_t i) {
    LogOptions options;
    options.directory = folder / std::to_string(i + 1);
    options.self = peers[i].id;
    options.members = peers;
    options.cluster = ClusterUid(7);
    options.election_timeout = election_timeout;
    options.heartbeat_interval = 50ms;
    options.request_timeout = 60s;
    options.snapshots = policy;
    options.catch_up_bytes_per_second = rate;
    machines[i] = std::make_unique<Lines>();
    options.state_machine = machines[i].get();
    return Log::open(runtime, std::move(options));
  }
  void start(std::size_t i) {
    auto log = open(i);
    if (!log) FAIL(log.error().message());
    logs[i].emplace(*std::move(log));
  }
  void start_all() {
    for (std::size_t i = 0; i < logs.size(); ++i) start(i);
    while (!logs[0]->start_writer().get()) {
    }
  }
  void stop(std::size_t i) { logs[i].reset(); }
  Log& operator[](std::size_t i) { return *logs[i]; }
  std::string files_of(std::size_t i) { return folder / std::to_string(i + 1) + "/snapshots"; }
  std::vector<std::filesystem::path> snapshots_of(std::size_t i) {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(files_of(i))) {
      found.push_back(entry.path());
    }
    return found;
  }
  std::string expected;
  void append(std::size_t to, int count, std::size_t size = 10) {
    for (int i = 0; i < count; ++i) {
      std::string line = std::to_string(next++) + std::string(size, 'x');
      expected += line + '\n';
      get(logs[to]->append(Bytes(ByteView(line))));
    }
  }
  // Reads of this member's state machine are linearizable then.
  std::string text(std::size_t i) {
    get(logs[i]->read_barrier());
    return machines[i]->text();
  }

  TemporaryFolder folder;
  SnapshotPolicy policy;
  std::size_t rate = 0;
  Runtime runtime = Runtime::threads({.security = Insecure{}});
  std::vector<Peer> peers;
  std::vector<std::unique_ptr<Lines>> machines;
  std::vector<std::optional<Log>> logs;
  int next = 0;
};

}  // namespace

TEST_CASE("a snapshot that is asked for shortens the log, and the restart begins from it",
          "[replog][snapshot]") {
  Machines members(1);
  members.start_all();
  members.append(0, 20);
  Position end = get(members[0].take_snapshot());
  members.append(0, 5);

  CHECK(members.text(0) == members.expected);
  CHECK(members[0].range().first == end);
  members.stop(0);
  members.start(0);

  CHECK(members.text(0) == members.expected);
  CHECK(members.machines[0]->restores() == 1);
  CHECK(members.machines[0]->errors() == 0);
  CHECK(members[0].range().first == end);
}

TEST_CASE("snapshots come by themselves after so many entries, or bytes, on every member",
          "[replog][snapshot]") {
  bool is_by_entries = GENERATE(true, false);
  Machines members(3);
  members.policy.after_entries = is_by_entries ? 10 : 0;
  members.policy.after_bytes = is_by_entries ? 0 : 2000;
  members.start_all();
  members.append(0, 60, 50);

  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(members.text(i) == members.expected);
    CHECK(comes_true([&] { return members[i].range().first > Position(1); }));
    CHECK(members.snapshots_of(i).size() <= 3);  // Two, and one that is being written.
  }
}

TEST_CASE("a member that is too far behind gets a snapshot in pieces", "[replog][snapshot]") {
  Machines members(3);
  members.start_all();
  members.append(0, 1);
  members.stop(2);
  members.append(0, 40, 100'000);
  get(members[0].take_snapshot());
  get(members[1].take_snapshot());
  members.append(0, 3);
  members.start(2);

  CHECK(members.text(2) == members.expected);
  CHECK(members.machines[2]->restores() == 1);
  CHECK(members.machines[2]->errors() == 0);
  members.append(2, 1);
  CHECK(members.text(2) == members.expected);
}

TEST_CASE("a member whose snapshot is cut off on its way goes on where it was",
          "[replog][snapshot]") {
  Machines members(3);
  members.rate = 2 << 20;
  members.start_all();
  members.append(0, 1);
  members.stop(2);
  members.append(0, 40, 100'000);
  get(members[0].take_snapshot());
  get(members[1].take_snapshot());
  members.start(2);
  // The tellers are restarted while they tell: their sessions break, their files remain.
  for (std::size_t i : {0, 1}) {
    members.stop(i);
    members.start(i);
  }

  CHECK(members.text(2) == members.expected);
  CHECK(members.machines[2]->restores() == 1);
}

TEST_CASE("a job that fails leaves no snapshot, and the log as it was", "[replog][snapshot]") {
  Machines members(1);
  members.start_all();
  members.append(0, 5);
  members.machines[0]->break_snapshots(true);

  auto failed = members[0].take_snapshot().get();

  REQUIRE_FALSE(failed.has_value());
  CHECK_THAT(failed.error().context, Contains("the job broke"));
  CHECK(members[0].range().first == Position(1));
  CHECK(members.snapshots_of(0).empty());
  members.machines[0]->break_snapshots(false);
  members.append(0, 1);
  CHECK(get(members[0].take_snapshot()) > Position(5));
}

TEST_CASE("a damaged snapshot is not used: an older one, or the member does not start",
          "[replog][snapshot]") {
  Machines members(1);
  members.policy.keep_bytes = 1 << 20;  // The log still reaches back to the older one.
  members.start_all();
  members.append(0, 5);
  get(members[0].take_snapshot());
  auto older = members.snapshots_of(0);
  members.append(0, 5);
  get(members[0].take_snapshot());
  members.stop(0);
  auto damage = [](const std::filesystem::path& path) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(3);
    file.put('!');
  };
  for (const auto& path : members.snapshots_of(0)) {
    if (path != older.front()) damage(path);
  }
  members.start(0);

  CHECK(members.text(0) == members.expected);
  CHECK(members.machines[0]->restores() == 1);
}

TEST_CASE("a log that begins after its newest sound snapshot is not opened", "[replog][snapshot]") {
  Machines members(1);
  members.start_all();
  members.append(0, 5);
  get(members[0].take_snapshot());
  members.append(0, 1);
  get(members[0].take_snapshot());
  members.stop(0);
  for (const auto& path : members.snapshots_of(0)) std::filesystem::remove(path);

  auto opened = members.open(0);

  REQUIRE_FALSE(opened.has_value());
  CHECK(opened.error().code == Errc::corrupt);
  CHECK_THAT(opened.error().context, Contains("snapshot"));
}

TEST_CASE("appends go on while a snapshot is written", "[replog][snapshot]") {
  Machines members(3);
  members.policy.after_entries = 7;
  members.start_all();
  std::vector<Op<Position>> open;
  for (int i = 0; i < 500; ++i) open.push_back(members[0].append(Bytes(std::to_string(i))));
  std::vector<Op<Position>> taken;
  for (int i = 0; i < 5; ++i) taken.push_back(members[1].take_snapshot());
  for (auto& op : open) get(std::move(op));
  for (auto& op : taken) get(std::move(op));

  std::string first = members.text(0);
  CHECK(members.text(1) == first);
  CHECK(members.text(2) == first);
  CHECK(std::count(first.begin(), first.end(), '\n') == 500);
}

TEST_CASE("without a state machine there are no snapshots, and with one no truncation",
          "[replog][snapshot]") {
  Machines members(1);
  members.start_all();

  CHECK(members[0].truncate(Position(1)).get().error().code == Errc::unsupported);
}

TEST_CASE("a new cluster of one survivor goes on from its snapshot", "[replog][snapshot]") {
  Machines members(3);
  members.start_all();
  members.append(0, 20);
  for (std::size_t i = 0; i < 3; ++i) members.text(i);
  get(members[0].take_snapshot());
  members.append(0, 5);
  members.text(0);
  for (std::size_t i = 0; i < 3; ++i) members.stop(i);

  std::string made = members.folder / "made";
  auto forced = replog::force_new_cluster(members.folder / "1", made, ClusterUid(8),
                                          {"127.0.0.1", free_port()}, 5, std::size_t{1} << 30);
  if (!forced) FAIL(forced.error().message());
  Lines lines;
  LogOptions options;
  options.directory = made;
  options.state_machine = &lines;
  auto log = Log::open(members.runtime, std::move(options));
  if (!log) FAIL(log.error().message());

  get(log->read_barrier());
  CHECK(lines.text() == members.expected);
  CHECK(lines.restores() == 1);
}
