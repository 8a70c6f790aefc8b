// What a log counts, and what docs/log.md says that it counts.
#include <fstream>
#include <regex>
#include <set>

#include "base/metrics.hpp"
#include "cluster/log_client.hpp"
#include "tests/unit/replog/replicas.hpp"

using namespace cluster;
using namespace cluster::replog::test;

namespace {

class Nothing final : public StateMachine {
 public:
  void apply(const std::vector<Entry>&) override {}
  Result<SnapshotJob> begin_snapshot() override {
    return SnapshotJob([](SnapshotWriter& writer) { return writer.write("nothing"); });
  }
  Result<void> restore(SnapshotReader&) override { return {}; }
};

double value_of(const Metrics& metrics, const std::string& name) {
  for (const Metric& metric : metrics) {
    if (metric.name == name) return metric.value;
  }
  FAIL("no metric " << name);
  return 0;
}

// Names at the beginning of the table's rows, without labels.
std::set<std::string> documented() {
  std::set<std::string> names;
  std::ifstream page(CLUSTER_DOCS "/log.md");
  const std::regex name("`(cluster_[a-z_]+)[`{]");
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `cluster_")) continue;
    std::string first = line.substr(0, line.find('|', 1));
    for (std::sregex_iterator at(first.begin(), first.end(), name), end; at != end; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

}  // namespace

TEST_CASE("the page about the log names each metric, and none that there is not",
          "[replog][metrics]") {
  std::array<Nothing, 3> machines;
  Replicas members(3, [&](LogOptions& options) {
    options.state_machine = &machines.at(options.self.value() - 1);
    options.serve_clients = true;
  });
  get(members[0].append(bytes("x")));
  auto client = LogClient::open(
      members.runtime,
      {.cluster = ClusterUid(7), .members = {members.options(0).members[0].endpoint}});
  REQUIRE(client.has_value());
  std::set<std::string> counted;
  for (const Metrics& metrics : {members[0].metrics(), members[1].metrics(), client->metrics()}) {
    for (const Metric& metric : metrics) {
      counted.emplace(family_of(metric));
      CHECK_FALSE(metric.help.empty());
    }
  }

  CHECK(counted == documented());
  for (std::size_t i : {0, 1, 2}) members.stop(i);  // Before their state machines.
}

TEST_CASE("metrics tell who leads, how far the log is, and how far behind each member",
          "[replog][metrics]") {
  Replicas members;
  for (int i = 0; i < 10; ++i) get(members[1].append(bytes("x")));
  get(members[0].catch_up());
  CHECK(comes_true([&] {
    Metrics metrics = members[0].metrics();
    return value_of(metrics, "cluster_log_peer_lag{peer=\"2\"}") == 0 &&
           value_of(metrics, "cluster_log_peer_lag{peer=\"3\"}") == 0;
  }));
  Metrics leader = members[0].metrics();
  CHECK(value_of(leader, "cluster_log_leader") == 1);
  CHECK(value_of(leader, "cluster_log_leading") == 1);
  CHECK(value_of(leader, "cluster_log_ready") == 1);
  CHECK(value_of(leader, "cluster_log_chosen_end") > 10);
  CHECK(comes_true([&] {  // Unless one is on its way.
    Metrics now = members[0].metrics();
    return value_of(now, "cluster_log_sync_seconds_count") ==
           value_of(now, "cluster_log_groups_total");
  }));
  CHECK(value_of(leader, "cluster_log_group_changes_sum") ==
        value_of(leader, "cluster_log_changes_total"));
  CHECK(value_of(members[2].metrics(), "cluster_log_leader") == 1);

  // What is in flight while nobody answers, and what a member lacks that is away.
  members.stop(1);
  get(members[0].append(bytes("y")));
  CHECK(value_of(members[0].metrics(), "cluster_log_peer_lag{peer=\"2\"}") > 0);
  members.stop(2);
  auto open = members[0].append(bytes("z"));
  CHECK(comes_true(
      [&] { return value_of(members[0].metrics(), "cluster_log_flight_entries") == 1; }));
  CHECK(value_of(members[0].metrics(), "cluster_log_open_appends") == 1);
  members.start(2);
  (void)open.get();
}
