#include "bindings/c/options.hpp"

namespace cluster::c {
namespace {

void set(Duration& to, std::int64_t ms) {
  if (ms > 0) to = std::chrono::milliseconds(ms);
}
template <class Number>
void set(Number& to, std::uint64_t given) {
  if (given > 0) to = static_cast<Number>(given);
}

}  // namespace

Result<LogOptions> taken_log_options(const cluster_log_options* given) {
  if (given == nullptr) return Error{Errc::invalid_argument, "the log's options are NULL"};
  auto known = taken(given, cluster_log_options CLUSTER_LOG_OPTIONS_INIT, "cluster_log_options");
  if (!known) return std::move(known).error();
  if (text(known->directory).empty()) {
    return Error{Errc::invalid_argument,
                 "cluster_log_options.directory is not set; name one for this replica alone"};
  }
  if (known->request_timeout_ms < 0 || known->election_timeout_ms < 0 ||
      known->heartbeat_interval_ms < 0) {
    return Error{Errc::invalid_argument, "a time in cluster_log_options is below 0"};
  }
  if (known->members == nullptr && known->member_count > 0) {
    return Error{Errc::invalid_argument, "cluster_log_options.members is NULL"};
  }
  LogOptions options;
  options.directory = text(known->directory);
  options.cluster = ClusterUid(known->cluster);
  options.self = NodeId(known->self);
  for (std::size_t i = 0; i < known->member_count; ++i) {
    const cluster_member& member = known->members[i];
    options.members.push_back({NodeId(member.id), {text(member.host), member.port}});
  }
  options.join = text(known->join);
  options.listen = {text(known->listen_host), known->listen_port};
  options.lease_reads = known->lease_reads != 0;
  set(options.request_timeout, known->request_timeout_ms);
  set(options.election_timeout, known->election_timeout_ms);
  set(options.heartbeat_interval, known->heartbeat_interval_ms);
  set(options.entry_size_max, known->entry_size_max);
  set(options.queue_bytes_max, known->queue_bytes_max);
  set(options.store_bytes_max, known->store_bytes_max);
  set(options.snapshots.after_bytes, known->snapshot_after_bytes);
  set(options.snapshots.after_entries, known->snapshot_after_entries);
  return options;
}

}  // namespace cluster::c
