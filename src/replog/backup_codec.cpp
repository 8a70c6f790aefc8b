// The parts of a backup as the bodies of its frames.
#include "replog/backup.hpp"
#include "schema/backup.capnp.h"
#include "wire/capnp_io.hpp"

namespace cluster::replog {
namespace {

namespace backup = schema::backup;
using wire::Decoding;

constexpr std::uint32_t version = 1;

void write_part(backup::Part::Builder out, const BackupHead& head) {
  auto to = out.initHead();
  to.setVersion(version);
  to.setCluster(head.cluster.value());
  to.setMember(head.member.value());
  to.setFirst(head.first.value());
  to.setEnd(head.end.value());
  to.setDecidedEnd(head.decided_end.value());
  to.setTerm(head.term);
  to.setTakenAt(wire::to_wire(head.taken_at));
  to.setHasSnapshot(head.snapshot.has_value());
  if (!head.snapshot) return;
  to.setSnapshotSize(head.snapshot->size);
  to.setSnapshotChecksum(head.snapshot->checksum);
}

void write_part(backup::Part::Builder out, const Bytes& snapshot) {
  out.setSnapshot(wire::to_data(snapshot.view()));
}

void write_part(backup::Part::Builder out, const std::vector<Entry>& entries) {
  auto to = out.initEntries(wire::list_size(entries));
  for (unsigned i = 0; i < to.size(); ++i) {
    to[i].setPosition(entries[i].position.value());
    to[i].setData(wire::to_data(entries[i].data.view()));
  }
}

void write_part(backup::Part::Builder out, const BackupEnd& end) {
  auto to = out.initEnd();
  to.setEntries(end.entries);
  to.setChecksum(end.checksum);
}

BackupHead read_head(Decoding& decoding, backup::Head::Reader in) {
  BackupHead head{.cluster = ClusterUid(in.getCluster()),
                  .member = NodeId(in.getMember()),
                  .first = Position(in.getFirst()),
                  .end = Position(in.getEnd()),
                  .decided_end = Position(in.getDecidedEnd()),
                  .term = in.getTerm(),
                  .taken_at = wire::read_wall_time(decoding, in.getTakenAt())};
  if (in.getVersion() != version) {
    decoding.fail("its version " + std::to_string(in.getVersion()) + " is not known here");
  }
  if (in.getHasSnapshot()) {
    head.snapshot = {.size = in.getSnapshotSize(), .checksum = in.getSnapshotChecksum()};
  }
  const bool is_ordered = head.first && head.first <= head.end && Position(1) <= head.decided_end &&
                          head.decided_end <= head.end &&
                          head.end.value() < (std::uint64_t{1} << 62);
  if (!head.cluster || !head.member || !is_ordered) decoding.fail("its head makes no sense");
  if (head.snapshot && head.first == Position(1)) decoding.fail("its snapshot is of nothing");
  return head;
}

std::vector<Entry> read_entries(Decoding& decoding, capnp::List<backup::Entry>::Reader in) {
  std::vector<Entry> entries;
  entries.reserve(in.size());
  for (const auto& entry : in) {
    entries.push_back({Position(entry.getPosition()), wire::from_data(entry.getData())});
    const bool is_next =
        entries.size() < 2 || entries[entries.size() - 2].position < entries.back().position;
    if (!entries.back().position || !is_next) decoding.fail("its entries are not in order");
  }
  return entries;
}

BackupPart read_part(backup::Part::Reader in, Decoding& decoding) {
  switch (in.which()) {
    case backup::Part::NONE: break;
    case backup::Part::HEAD: return read_head(decoding, in.getHead());
    case backup::Part::SNAPSHOT: return wire::from_data(in.getSnapshot());
    case backup::Part::ENTRIES: return read_entries(decoding, in.getEntries());
    case backup::Part::END:
      return BackupEnd{.entries = in.getEnd().getEntries(), .checksum = in.getEnd().getChecksum()};
  }
  decoding.fail("its kind is not known here");
  return {};
}

}  // namespace

Bytes encode(const BackupPart& part) {
  return wire::encode_as<backup::Part>([&](backup::Part::Builder root) {
    std::visit([&](const auto& body) { write_part(root, body); }, part);
  });
}

Result<BackupPart> decode_backup_part(ByteView bytes) {
  return wire::decode_as<backup::Part>(bytes, Errc::corrupt, "part of a backup", read_part);
}

}  // namespace cluster::replog
