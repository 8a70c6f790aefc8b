// The parts of a snapshot of the cluster's state, as a row of encoded messages.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "cluster/registry.hpp"

namespace cluster::registry {

struct StateHead {
  Position applied;
  ClusterUid cluster;
  std::uint64_t frameworks_made = 0;
  std::uint32_t digest_version = 0;
  std::array<std::uint64_t, 2> digest{};
  std::uint32_t format = 1;
  std::string format_by;
  friend bool operator==(const StateHead&, const StateHead&) = default;
};
struct HistoryRows {
  std::vector<TaskRecord> tasks;
  friend bool operator==(const HistoryRows&, const HistoryRows&) = default;
};
struct StateEnd {
  friend bool operator==(const StateEnd&, const StateEnd&) = default;
};

using StatePart =
    std::variant<StateHead, std::vector<AgentRecord>, std::vector<FrameworkRecord>,
                 std::vector<TaskRecord>, HistoryRows, std::vector<JobRecord>, StateEnd>;

// The same, of rows that lie elsewhere: what is written is not copied first.
template <class Row>
using RowRefs = std::vector<const Row*>;
struct HistoryRefs {
  RowRefs<TaskRecord> tasks;
};

Bytes encode(const StateHead&);
Bytes encode(const RowRefs<AgentRecord>&);
Bytes encode(const RowRefs<FrameworkRecord>&);
Bytes encode(const RowRefs<TaskRecord>&);
Bytes encode(const HistoryRefs&);
Bytes encode(const RowRefs<JobRecord>&);
Bytes encode(const StateEnd&);

// `unsupported` where a newer version wrote it.
Result<StatePart> decode_state_part(ByteView);

}  // namespace cluster::registry
