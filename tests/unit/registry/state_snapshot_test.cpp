// Snapshots of the cluster's state: whole and the same, or refused.
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/random.hpp"
#include "registry/digest.hpp"
#include "registry/state_part.hpp"
#include "tests/catch.hpp"
#include "tests/snapshot_text.hpp"
#include "tests/unit/registry/commands.hpp"

using namespace cluster;
using namespace cluster::test;
using Catch::Contains;

namespace {

std::string snapshot_of(RegistryState& state) {
  SnapshotText text;
  REQUIRE(state.begin_snapshot()(text));
  return text.bytes;
}

RegistryState restored(std::string bytes, RegistryLimits limits = {}) {
  SnapshotText text(std::move(bytes));
  auto state = RegistryState::restore(text, limits);
  if (!state) FAIL(state.error().message());
  return *std::move(state);
}

Error refusal_of(std::string bytes) {
  SnapshotText text(std::move(bytes));
  auto state = RegistryState::restore(text);
  REQUIRE_FALSE(state.has_value());
  return state.error();
}

void run(RegistryState& state, std::uint64_t seed, int steps) {
  Random random(seed);
  for (int i = 0; i < steps; ++i) {
    auto command = make_command(state, [&](std::uint64_t end) { return random.below(end); });
    state.apply(state.applied().next(), command);
  }
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::string stored = CLUSTER_TEST_FOLDER "/stored/";

// What the files of version 1 were made from: every command of that version, every field set.
std::vector<RegistryCommand> commands_of_version_1() {
  AgentRecord agent = agent_record("agent-1", wall(1000));
  agent.hostname = "host-1.example";
  agent.endpoint = {"10.0.0.9", 7002};
  agent.total = *Resources::parse("cpus:4;mem:2048;ports:[31000-31005];racks:{a,b}");
  agent.isolation = "cgroup v1 (cpu, memory)";
  FrameworkRecord framework = framework_record("jobs");
  framework.role = "batch";
  framework.failover_timeout = std::chrono::seconds(90);
  StageSpec map = stage("map", 2, 2);
  map.command = {.argv = {"echo", "x"}, .environment = {{"A", "b"}}};
  StageSpec reduce = stage("reduce", 1);
  reduce.after = {"map"};
  reduce.command = {.shell = "cat *"};
  reduce.kill_grace = std::chrono::seconds(7);
  LaunchTask piece = launch(key("jobs", "t1"), "agent-1",
                            JobRef{.job = JobId("job-1"), .stage = 0, .index = 0, .attempt = 1});
  piece.task.name = "map";
  piece.task.resources = *Resources::parse("cpus:0.5;mem:64");
  EndTask failed = end_of(key("jobs", "t2"), TaskState::failed);
  failed.status.reason = "exited";
  failed.status.message = "with code 7";
  return {
      BeginTerm{.term = 65537, .leader = NodeId(1), .cluster = ClusterUid(0xc0ffee)},
      RegisterAgent{agent},
      RegisterAgent{agent_record("agent-2")},
      RegisterFramework{framework},
      RegisterFramework{framework_record("other")},
      SubmitJob{.job = job_spec("job-1", {map, reduce}), .at = wall(2000)},
      SubmitJob{.job = job_spec("web", {stage("s", 1)}, JobKind::service), .at = wall(2001)},
      piece,
      launch(key("jobs", "t2"), "agent-1", JobRef{.job = JobId("job-1"), .index = 1, .attempt = 1}),
      launch(key("other", "t1"), "agent-2"),
      launch(key("jobs", "t3"), "agent-2"),
      KillTask{key("jobs", "t1")},
      failed,
      end_of(key("jobs", "t3"), TaskState::finished),
      AcknowledgeTask{key("jobs", "t3")},
      RemoveFramework{FrameworkId("other"), wall(3000)},
      LoseAgent{.agent = AgentId("agent-2"), .reason = "silent", .at = wall(4000)},
      StopJob{.job = JobId("web"), .reason = "told to", .at = wall(5000)}};
}

RegistryState state_of(const std::vector<RegistryCommand>& commands) {
  RegistryState state;
  for (const RegistryCommand& command : commands) {
    for (const RegistryEvent& event : state.apply(state.applied().next(), command)) {
      INFO(event.message);
      CHECK(event.kind != RegistryEvent::Kind::refused);
    }
  }
  return state;
}

// The bytes of a stored file. With CLUSTER_REWRITE_STORED=1 one that is missing is made from
// `made`: for a new version, never for an old one.
std::string stored_file(const std::string& name, const std::string& made) {
  std::string bytes = read_file(stored + name);
  if (bytes.empty() && std::getenv("CLUSTER_REWRITE_STORED") != nullptr) {
    std::ofstream(stored + name, std::ios::binary) << made;
    return made;
  }
  REQUIRE_FALSE(bytes.empty());
  return bytes;
}

}  // namespace

TEST_CASE("a state that was restored is the same, and goes on the same", "[registry][snapshot]") {
  const RegistryLimits limits{.ended_tasks_kept = 20,
                              .ended_jobs_kept = 3,
                              .lost_agents_kept = 2,
                              .removed_frameworks_kept = 2};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RegistryState state(limits);
    run(state, seed, 300);
    RegistryState again = restored(snapshot_of(state), limits);
    CHECK(same_tables(state, again));
    CHECK(again.applied() == state.applied());
    CHECK(again.cluster() == state.cluster());
    check_invariants(again, limits);

    Random random(seed + 100);
    for (int i = 0; i < 300; ++i) {
      auto command = make_command(state, [&](std::uint64_t end) { return random.below(end); });
      const Position at = state.applied().next();
      CHECK(state.apply(at, command) == again.apply(at, command));
    }
    CHECK(same_tables(state, again));
    check_invariants(again, limits);
  }
}

TEST_CASE("a restored job waits for its launched tasks before it stops", "[registry][snapshot]") {
  RegistryState state;
  const TaskKey task = key("f", "t");
  for (const RegistryCommand& command : std::vector<RegistryCommand>{
           RegisterAgent{agent_record("a")}, RegisterFramework{framework_record("f")},
           SubmitJob{.job = job_spec("web", {stage("s", 1)}, JobKind::service), .at = wall(2)},
           launch(task, "a", JobRef{.job = JobId("web"), .attempt = 1})}) {
    state.apply(state.applied().next(), command);
  }
  RegistryState again = restored(snapshot_of(state));
  again.apply(again.applied().next(), StopJob{.job = JobId("web"), .at = wall(3)});
  CHECK(again.find(JobId("web"))->state == JobState::stopping);
  again.apply(again.applied().next(), end_of(task, TaskState::killed));
  CHECK(again.find(JobId("web"))->state == JobState::stopped);
}

TEST_CASE("a snapshot is of the moment it was begun, however late it is written",
          "[registry][snapshot]") {
  RegistryState state;
  run(state, 3, 200);
  const RegistryState then = state;
  const SnapshotJob early = state.begin_snapshot();
  run(state, 4, 200);
  REQUIRE_FALSE(same_tables(state, then));

  SnapshotText text;
  REQUIRE(early(text));
  RegistryState again = restored(text.bytes);
  CHECK(same_tables(again, then));
  CHECK(again.applied() == then.applied());
}

TEST_CASE("a snapshot of which any byte is wrong, missing or too many is refused",
          "[registry][snapshot]") {
  RegistryState state;
  run(state, 5, 60);
  const std::string sound = snapshot_of(state);
  for (std::size_t i = 0; i < sound.size(); i += 1 + i % 5) {
    std::string harmed = sound;
    harmed[i] = static_cast<char>(harmed[i] ^ 16);
    INFO("byte " << i);
    CHECK(refusal_of(harmed).code == Errc::corrupt);
  }
  for (std::size_t size = 0; size < sound.size(); size += 7) {
    CHECK(refusal_of(sound.substr(0, size)).code == Errc::corrupt);
  }
  CHECK_THAT(refusal_of(sound + "x").context, Contains("goes on after its end"));
  CHECK_THAT(refusal_of("clkeys01").context, Contains("begins with something else"));
}

TEST_CASE("a snapshot whose rows do not add up to its digest is refused", "[registry][snapshot]") {
  RegistryState one, other;
  run(one, 5, 60);
  run(other, 6, 60);
  // The head of one state, before the rows of another.
  auto size_of_head = [](const std::string& bytes) {
    return std::size_t{8 + 8} + static_cast<unsigned char>(bytes[8]) +
           std::size_t{256} * static_cast<unsigned char>(bytes[9]);
  };
  const std::string a = snapshot_of(one);
  const std::string b = snapshot_of(other);
  CHECK_THAT(refusal_of(a.substr(0, size_of_head(a)) + b.substr(size_of_head(b))).context,
             Contains("has another digest"));
}

TEST_CASE("snapshots that earlier versions wrote are read for ever", "[registry][snapshot]") {
  RegistryState expected = state_of(commands_of_version_1());
  RegistryState read = restored(stored_file("state-1.snapshot", snapshot_of(expected)));
  CHECK(same_tables(read, expected));
  CHECK(read.applied() == expected.applied());
  CHECK(read.cluster() == expected.cluster());
}

TEST_CASE("entries that earlier versions wrote are read for ever", "[registry][codec]") {
  const auto commands = commands_of_version_1();
  std::string made;  // Each entry is led by its length: two bytes, the lowest first.
  for (const RegistryCommand& command : commands) {
    const Bytes entry = encode(command);
    made += static_cast<char>(entry.size() % 256);
    made += static_cast<char>(entry.size() / 256);
    made += entry.view();
  }
  const std::string bytes = stored_file("entries-1.log", made);

  std::vector<RegistryCommand> read;
  for (ByteView rest = bytes; rest.size() >= 2;) {
    const std::size_t size = static_cast<unsigned char>(rest[0]) +
                             std::size_t{256} * static_cast<unsigned char>(rest[1]);
    auto command = decode_registry_command(rest.substr(2, size));
    REQUIRE(command);
    read.push_back(*std::move(command));
    rest.remove_prefix(2 + size);
  }
  CHECK(read.size() == commands.size());
  CHECK(same_tables(state_of(read), state_of(commands)));
}
