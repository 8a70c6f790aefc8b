// Backups: of any log, whole or refused, and a new cluster from them.
#include <mutex>

#include "base/crc32c.hpp"
#include "replog/backup.hpp"
#include "replog/backup_restore.hpp"
#include "replog/directory.hpp"
#include "tests/snapshot_text.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog;
using namespace cluster::replog::test;
using Catch::Contains;
using cluster::test::SnapshotText;

namespace {

// What every entry said, with its position.
class Words final : public StateMachine {
 public:
  void apply(const std::vector<Entry>& batch) override {
    std::lock_guard lock(mutex_);
    for (const Entry& entry : batch) {
      text_ += std::to_string(entry.position.value()) + ' ' + std::string(entry.data.view()) + '\n';
    }
  }
  Result<SnapshotJob> begin_snapshot() override {
    return SnapshotJob([text = text()](SnapshotWriter& out) { return out.write(text); });
  }
  Result<void> restore(SnapshotReader& in) override {
    std::string all;
    for (;;) {
      auto part = in.read(1000);
      if (!part) return std::move(part).error();
      if (part->empty()) break;
      all += part->view();
    }
    std::lock_guard lock(mutex_);
    text_ = std::move(all);
    return {};
  }
  std::string text() const { return std::lock_guard(mutex_), text_; }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

NewClusterOptions new_cluster(const std::string& directory, ClusterUid cluster = ClusterUid(8)) {
  return {.directory = directory,
          .cluster = cluster,
          .member = NodeId(3),
          .endpoint = {"127.0.0.1", cluster::test::free_port()},
          .seed = 5,
          .store_bytes_max = std::size_t{1} << 30};
}

BackupHead small_head() {
  return {.cluster = ClusterUid(7),
          .member = NodeId(2),
          .first = Position(4),
          .end = Position(9),
          .decided_end = Position(8),
          .term = 3 << 16 | 2,
          .taken_at = WallTime(std::chrono::milliseconds(12345)),
          .snapshot = BackupHead::Snapshot{.size = 5, .checksum = crc32c("state")}};
}

std::string small_backup() {
  SnapshotText out;
  BackupWriter writer(out);
  REQUIRE(writer.begin(small_head()));
  REQUIRE(writer.put_snapshot("state"));
  REQUIRE(writer.put_entries({{Position(4), Bytes("a")}, {Position(7), Bytes("b")}}));
  REQUIRE(writer.finish());
  return out.bytes;
}

Error refusal_of(std::string bytes) {
  SnapshotText in(std::move(bytes));
  auto checked = check_backup(in);
  REQUIRE_FALSE(checked.has_value());
  return checked.error();
}

}  // namespace

TEST_CASE("what a backup holds is read back as it was written", "[replog][backup]") {
  SnapshotText in(small_backup());
  BackupReader reader(in);
  auto head = reader.begin();
  REQUIRE(head);
  CHECK(*head == small_head());
  auto snapshot = reader.next();
  REQUIRE(snapshot);
  CHECK(std::get<Bytes>(*snapshot) == Bytes("state"));
  auto entries = reader.next();
  REQUIRE(entries);
  CHECK(std::get<std::vector<Entry>>(*entries) ==
        std::vector<Entry>{{Position(4), Bytes("a")}, {Position(7), Bytes("b")}});
  auto end = reader.next();
  REQUIRE(end);
  CHECK(std::get<BackupEnd>(*end).entries == 2);
}

TEST_CASE("a backup of which any byte is wrong, missing or too many is refused",
          "[replog][backup]") {
  const std::string sound = small_backup();
  SnapshotText in(sound);
  REQUIRE(check_backup(in));

  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string harmed = sound;
    harmed[i] = static_cast<char>(harmed[i] ^ 4);
    INFO("byte " << i);
    CHECK(refusal_of(harmed).code == Errc::corrupt);
  }
  for (std::size_t size = 0; size < sound.size(); ++size) {
    CHECK(refusal_of(sound.substr(0, size)).code == Errc::corrupt);
  }
  CHECK_THAT(refusal_of(sound + "x").context, Contains("bytes follow its end"));
  CHECK_THAT(refusal_of(sound.substr(0, sound.size() - 3)).context, Contains("cut off"));
  CHECK_THAT(refusal_of("something else").context, Contains("no backup"));
}

TEST_CASE("a backup without one of its frames is refused", "[replog][backup]") {
  SnapshotText whole;
  SnapshotText less;
  BackupHead head = small_head();
  head.snapshot.reset();
  for (SnapshotText* out : {&whole, &less}) {
    BackupWriter writer(*out);
    REQUIRE(writer.begin(head));
    REQUIRE(writer.put_entries({{Position(4), Bytes("a")}}));
    if (out == &whole) REQUIRE(writer.put_entries({{Position(5), Bytes("b")}}));
    REQUIRE(writer.finish());
  }
  // Frames: the head, the first entry, the second, the end. The second entry goes.
  const std::string& bytes = whole.bytes;
  std::vector<std::size_t> starts;
  for (std::size_t at = 8; at < bytes.size();) {
    starts.push_back(at);
    at += 8 + static_cast<unsigned char>(bytes[at]) +
          std::size_t{256} * static_cast<unsigned char>(bytes[at + 1]);
  }
  REQUIRE(starts.size() == 4);
  CHECK_THAT(refusal_of(bytes.substr(0, starts[2]) + bytes.substr(starts[3])).context,
             Contains("a part of it is missing"));
}

TEST_CASE(
    "a new cluster of a stopped member's backup has its snapshot and entries, at their "
    "positions",
    "[replog][backup]") {
  Words words;
  Replicas replicas(1, [&](LogOptions& options) {
    options.state_machine = &words;
    options.snapshots.keep_bytes = 0;
  });
  for (int i = 0; i < 30; ++i) get(replicas[0].append(Bytes("w" + std::to_string(i))));
  get(replicas[0].take_snapshot());
  for (int i = 30; i < 40; ++i) get(replicas[0].append(Bytes("w" + std::to_string(i))));
  get(replicas[0].read_barrier());
  const std::string expected = words.text();
  const std::uint64_t term = replicas[0].leadership().term;
  const std::string from = replicas.options(0).directory;

  SnapshotText in_use;
  auto refused = back_up_directory(from, WallTime{}, in_use);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::address_in_use);

  replicas.stop(0);
  SnapshotText backup;
  auto head = back_up_directory(from, WallTime{}, backup);
  if (!head) FAIL(head.error().message());
  CHECK(head->cluster == ClusterUid(7));
  CHECK(head->snapshot.has_value());
  CHECK(head->first > Position(30));

  TemporaryFolder folder;
  const auto options = new_cluster(folder / "made");
  SnapshotText in(backup.bytes);
  auto restored = restore_backup(in, options);
  if (!restored) FAIL(restored.error().message());
  CHECK(restored->identity.cluster == ClusterUid(8));
  CHECK(restored->entries == 10);

  Words made;
  LogOptions log_options;
  log_options.directory = options.directory;
  log_options.state_machine = &made;
  auto log = Log::open(replicas.runtime, std::move(log_options));
  if (!log) FAIL(log.error().message());
  get(log->read_barrier());
  CHECK(made.text() == expected);
  CHECK(log->leadership().term > term);
  get(log->append(Bytes("more")));
  CHECK(log->members().members.size() == 1);
}

TEST_CASE("a restored log takes new members, which get everything", "[replog][backup]") {
  SnapshotText backup;
  {
    Replicas replicas(1);
    for (int i = 0; i < 20; ++i) get(replicas[0].append(Bytes("w" + std::to_string(i))));
    const std::string from = replicas.options(0).directory;
    replicas.stop(0);
    REQUIRE(back_up_directory(from, WallTime{}, backup));
  }
  TemporaryFolder folder;
  const auto options = new_cluster(folder / "made");
  SnapshotText in(backup.bytes);
  auto restored = restore_backup(in, options);
  if (!restored) FAIL(restored.error().message());
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  LogOptions first;
  first.directory = options.directory;
  auto log = Log::open(runtime, first);
  if (!log) FAIL(log.error().message());

  LogOptions second;
  second.directory = folder / "joined";
  second.listen = {"127.0.0.1", cluster::test::free_port()};
  CallOptions patient{.timeout = 60s};
  second.join = to_string(get(log->add_member({.endpoint = second.listen}, patient)));
  auto joined = Log::open(runtime, second);
  if (!joined) FAIL(joined.error().message());

  CHECK(comes_true([&] { return joined->catch_up().get().has_value(); }));
  auto entries = get(joined->read(Position(1), joined->range().end));
  REQUIRE(entries.size() == 20);
  CHECK(entries.front().data == Bytes("w0"));
  CHECK(entries.back().data == Bytes("w19"));
}

TEST_CASE("a backup is not restored over a member, nor into its own cluster", "[replog][backup]") {
  TemporaryFolder folder;
  BackupHead head = small_head();
  head.snapshot.reset();
  head.first = Position(1);
  SnapshotText backup;
  BackupWriter writer(backup);
  REQUIRE(writer.begin(head));
  REQUIRE(writer.finish());

  SnapshotText once(backup.bytes);
  REQUIRE(restore_backup(once, new_cluster(folder / "a")));
  SnapshotText again(backup.bytes);
  auto over = restore_backup(again, new_cluster(folder / "a"));
  REQUIRE_FALSE(over.has_value());
  CHECK(over.error().code == Errc::already_exists);
  SnapshotText same(backup.bytes);
  auto own = restore_backup(same, new_cluster(folder / "b", head.cluster));
  REQUIRE_FALSE(own.has_value());
  CHECK(own.error().code == Errc::invalid_argument);
}
