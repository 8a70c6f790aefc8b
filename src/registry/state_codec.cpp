#include <algorithm>
#include <optional>

#include "registry/difference.hpp"
#include "registry/format.hpp"
#include "registry/state_part.hpp"
#include "schema/registry.capnp.h"
#include "wire/common_codec.hpp"

namespace cluster::registry {
namespace {

namespace schema = cluster::schema::registry;
using wire::Decoding;

template <class Fill>
Bytes encode_part(Fill fill) {
  return wire::encode_as<schema::StatePart>(fill);
}

// Room for so many rows of a KiB each.
template <class Row, class Fill>
Bytes encode_part_of(const RowRefs<Row>& rows, Fill fill) {
  return wire::encode_as<schema::StatePart>(fill, static_cast<unsigned>(128 * rows.size() + 128));
}

template <class Row, class List>
void write_rows(const RowRefs<Row>& rows, List to) {
  for (unsigned i = 0; i < to.size(); ++i) wire::write(to[i], *rows[i]);
}

template <class Row, class List>
std::vector<Row> read_rows(Decoding& decoding, List in) {
  std::vector<Row> rows;
  rows.reserve(in.size());
  for (const auto& row : in) rows.push_back(wire::read(decoding, row));
  return rows;
}

StateHead read_head(schema::StateHead::Reader in) {
  return {.applied = Position(in.getApplied()),
          .cluster = ClusterUid(in.getCluster()),
          .frameworks_made = in.getFrameworksMade(),
          .digest_version = in.getDigestVersion(),
          .digest = {in.getDigestLow(), in.getDigestHigh()},
          .format = std::max<std::uint32_t>(in.getVersion(), 1),
          .format_by = wire::from_text(in.getFormatBy())};
}

// What a newer version may have added, which is no damage.
struct ReadPart {
  StatePart part;
  std::optional<Error> newer;
};

ReadPart read_part(schema::StatePart::Reader in, Decoding& decoding) {
  using Part = schema::StatePart;
  switch (in.which()) {
    case Part::NONE: decoding.fail("it is empty"); return {};
    case Part::HEAD:
      if (in.getHead().getVersion() > format_newest()) {
        return {
            {},
            newer_format(in.getHead().getVersion(), wire::from_text(in.getHead().getFormatBy()))};
      }
      return {read_head(in.getHead()), {}};
    case Part::AGENTS: return {read_rows<AgentRecord>(decoding, in.getAgents()), {}};
    case Part::FRAMEWORKS: return {read_rows<FrameworkRecord>(decoding, in.getFrameworks()), {}};
    case Part::TASKS: return {read_rows<TaskRecord>(decoding, in.getTasks()), {}};
    case Part::HISTORY: return {HistoryRows{read_rows<TaskRecord>(decoding, in.getHistory())}, {}};
    case Part::JOBS: return {read_rows<JobRecord>(decoding, in.getJobs()), {}};
    case Part::END: return {StateEnd{}, {}};
  }
  return {{},
          Error{Errc::unsupported,
                "a newer version wrote the cluster's state: a part of it is of an unknown "
                "kind; start that one"}};
}

// As Cap'n Proto writes it for people: every field that is not 0, by its name.
template <class Wire, class Row>
std::string text_of(const Row* row) {
  if (row == nullptr) return "(none)";
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Wire>();
  wire::write(root, *row);
  return kj::str(root.asReader()).cStr();
}

}  // namespace

std::string row_text(const AgentRecord* row) { return text_of<schema::AgentRecord>(row); }
std::string row_text(const FrameworkRecord* row) { return text_of<schema::FrameworkRecord>(row); }
std::string row_text(const TaskRecord* row) { return text_of<schema::TaskRecord>(row); }
std::string row_text(const JobRecord* row) { return text_of<schema::JobRecord>(row); }

Bytes encode(const StateHead& head) {
  return encode_part([&](schema::StatePart::Builder root) {
    auto to = root.initHead();
    to.setVersion(head.format);
    if (!head.format_by.empty()) to.setFormatBy(wire::to_text(head.format_by));
    to.setApplied(head.applied.value());
    to.setCluster(head.cluster.value());
    to.setFrameworksMade(head.frameworks_made);
    to.setDigestVersion(head.digest_version);
    to.setDigestLow(head.digest[0]);
    to.setDigestHigh(head.digest[1]);
  });
}
Bytes encode(const RowRefs<AgentRecord>& rows) {
  return encode_part([&](schema::StatePart::Builder root) {
    write_rows(rows, root.initAgents(wire::list_size(rows)));
  });
}
Bytes encode(const RowRefs<FrameworkRecord>& rows) {
  return encode_part([&](schema::StatePart::Builder root) {
    write_rows(rows, root.initFrameworks(wire::list_size(rows)));
  });
}
Bytes encode(const RowRefs<TaskRecord>& rows) {
  return encode_part_of(rows, [&](schema::StatePart::Builder root) {
    write_rows(rows, root.initTasks(wire::list_size(rows)));
  });
}
Bytes encode(const HistoryRefs& rows) {
  return encode_part_of(rows.tasks, [&](schema::StatePart::Builder root) {
    write_rows(rows.tasks, root.initHistory(wire::list_size(rows.tasks)));
  });
}
Bytes encode(const RowRefs<JobRecord>& rows) {
  return encode_part([&](schema::StatePart::Builder root) {
    write_rows(rows, root.initJobs(wire::list_size(rows)));
  });
}
Bytes encode(const StateEnd&) {
  return encode_part([](schema::StatePart::Builder root) { root.setEnd(); });
}

Result<StatePart> decode_state_part(ByteView bytes) {
  auto read = wire::decode_as<schema::StatePart>(bytes, Errc::corrupt,
                                                 "part of the cluster's state", read_part);
  if (!read) return std::move(read).error();
  if (read->newer) return *std::move(read->newer);
  return std::move(read->part);
}

}  // namespace cluster::registry
