// link: cluster::replog
// runs: 30000
// A backup may be anything: it is refused, or means something that can be written again.
//
// The first byte of an input chooses: the bytes of a file; or one part, in a frame whose checksum
// is right, after a sound head.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "base/crc32c.hpp"
#include "replog/backup.hpp"
#include "tests/snapshot_text.hpp"

namespace {

using namespace cluster;
using namespace cluster::replog;

BackupHead backup_fuzz_head() {
  return {.cluster = ClusterUid(7),
          .member = NodeId(2),
          .first = Position(4),
          .end = Position(9),
          .decided_end = Position(8),
          .term = 3 << 16 | 2,
          .snapshot = BackupHead::Snapshot{.size = 5, .checksum = crc32c("state")}};
}

std::string backup_fuzz_start(const BackupHead& head) {
  test::SnapshotText out;
  BackupWriter writer(out);
  CLUSTER_CHECK(writer.begin(head).has_value(), "a head can be written");
  return out.bytes;
}

std::string backup_fuzz_whole() {
  test::SnapshotText out;
  BackupWriter writer(out);
  bool is_written = writer.begin(backup_fuzz_head()) && writer.put_snapshot("state") &&
                    writer.put_entries({{Position(4), Bytes("a")}, {Position(7), Bytes("b")}}) &&
                    writer.finish();
  CLUSTER_CHECK(is_written, "a backup can be written");
  return out.bytes;
}

// Where it is sound, what it means makes the same again.
void read_backup(std::string bytes) {
  test::SnapshotText in(std::move(bytes));
  BackupReader reader(in);
  test::SnapshotText out;
  BackupWriter writer(out);
  auto head = reader.begin();
  if (!head) return;
  CLUSTER_CHECK(writer.begin(*head).has_value(), "it can be written again");
  std::uint64_t snapshot = 0;
  Position last;
  for (;;) {
    auto part = reader.next();
    if (!part) return;
    if (const auto* piece = std::get_if<Bytes>(&*part)) {
      snapshot += piece->size();
      CLUSTER_CHECK(writer.put_snapshot(piece->view()).has_value(), "it can be written again");
    } else if (const auto* entries = std::get_if<std::vector<Entry>>(&*part)) {
      for (const Entry& entry : *entries) {
        CLUSTER_CHECK(
            entry.position > last && entry.position >= head->first && entry.position < head->end,
            "entries are in order, and inside");
        last = entry.position;
      }
      CLUSTER_CHECK(writer.put_entries(*entries).has_value(), "it can be written again");
    } else {
      break;
    }
  }
  CLUSTER_CHECK(!head->snapshot || snapshot == head->snapshot->size, "the snapshot is whole");
  CLUSTER_CHECK(writer.finish().has_value(), "it can be written again");
  test::SnapshotText again(out.bytes);
  auto checked = check_backup(again);
  CLUSTER_CHECK(checked && checked->head == *head, "what was sound is sound again");
}

void read_part(ByteView body) {
  auto part = decode_backup_part(body);
  if (part) {
    auto again = decode_backup_part(encode(*part).view());
    CLUSTER_CHECK(again && *again == *part, "a part can be said again");
  }
  std::string file = backup_fuzz_start(backup_fuzz_head());
  for (std::uint32_t number : {static_cast<std::uint32_t>(body.size()), crc32c(body)}) {
    for (int i = 0; i < 4; ++i) file += static_cast<char>(number >> (8 * i));
  }
  read_backup(file + std::string(body));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    read_backup(std::string(bytes));
  } else {
    read_part(bytes);
  }
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  auto part = [](const BackupPart& one) { return '\1' + std::string(encode(one).view()); };
  return {'\0' + backup_fuzz_whole(), part(backup_fuzz_head()), part(Bytes("state")),
          part(std::vector<Entry>{{Position(4), Bytes("a")}}), part(BackupEnd{1, 2})};
}
