// How fast the registry applies: whole lives of a batch job's tasks (launch, end, acknowledgement),
// as a leader does them in turn, with and without decoding the entries.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "cluster/registry.hpp"

using namespace cluster;

namespace {

constexpr std::uint32_t bench_agents = 1'000;

std::vector<RegistryCommand> bench_setup(std::uint32_t tasks) {
  std::vector<RegistryCommand> commands;
  for (std::uint32_t i = 0; i < bench_agents; ++i) {
    commands.push_back(RegisterAgent{{.id = AgentId("agent-" + std::to_string(i))}});
  }
  commands.push_back(RegisterFramework{{.id = FrameworkId("jobs"), .name = "jobs"}});
  StageSpec stage{.name = "map", .instances = 10'000};
  stage.command.argv = {"true"};
  stage.resources.set("cpus", Scalar::whole(1));
  for (std::uint32_t first = 0, n = 0; first < tasks; first += stage.instances, ++n) {
    commands.push_back(SubmitJob{
        .job = {.id = JobId("job-" + std::to_string(n)), .name = "bench", .stages = {stage}}});
  }
  return commands;
}

std::vector<RegistryCommand> bench_lives(std::uint32_t tasks) {
  std::vector<RegistryCommand> commands;
  const Bytes spec(std::string(400, 's'));
  Resources resources;
  resources.set("cpus", Scalar::whole(1));
  resources.set("mem", Scalar::whole(64));
  auto key = [](std::uint32_t i) {
    return TaskKey{.framework = FrameworkId("jobs"), .task = TaskId("task-" + std::to_string(i))};
  };
  constexpr std::uint32_t open_at_once = 5'000;
  for (std::uint32_t i = 0; i < tasks + open_at_once; ++i) {
    if (i < tasks) {
      commands.push_back(
          LaunchTask{{.key = key(i),
                      .agent = AgentId("agent-" + std::to_string(i % bench_agents)),
                      .name = "map",
                      .resources = resources,
                      .job = JobRef{.job = JobId("job-" + std::to_string(i / 10'000)),
                                    .index = i % 10'000,
                                    .attempt = 1},
                      .spec = spec}});
    }
    if (i < open_at_once) continue;
    TaskStatus status{.state = TaskState::finished, .sequence = 3, .exit = TaskExit{}};
    commands.push_back(EndTask{.key = key(i - open_at_once), .status = status});
    commands.push_back(AcknowledgeTask{.key = key(i - open_at_once)});
  }
  return commands;
}

template <class Apply>
void measure(const char* what, std::size_t commands, Apply apply) {
  auto start = std::chrono::steady_clock::now();
  apply();
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%-22s %10.0f applies/s  (%zu commands in %.2f s)\n", what,
              static_cast<double>(commands) / took.count(), commands, took.count());
}

RegistryState prepared(std::uint32_t tasks, Position& at) {
  RegistryState state;
  for (const auto& command : bench_setup(tasks)) state.apply(at = at.next(), command);
  return state;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint32_t tasks = argc > 1 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : 100'000;
  const auto commands = bench_lives(tasks);

  Position at;
  RegistryState state = prepared(tasks, at);
  std::size_t refused = 0;
  measure("apply", commands.size(), [&] {
    for (const auto& command : commands) {
      auto events = state.apply(at = at.next(), command);
      refused += events.front().kind == RegistryEvent::Kind::refused;
    }
  });

  std::vector<Bytes> entries;
  entries.reserve(commands.size());
  for (const auto& command : commands) entries.push_back(encode(command));
  Position replica_at;
  RegistryState replica = prepared(tasks, replica_at);
  measure("decode and apply", entries.size(), [&] {
    for (const auto& entry : entries) {
      auto command = decode_registry_command(entry.view());
      if (command) replica.apply(replica_at = replica_at.next(), *command);
    }
  });
  if (refused != 0 || state.digest() != replica.digest()) {
    std::printf("wrong: %zu commands refused, digests %s\n", refused,
                state.digest() == replica.digest() ? "equal" : "differ");
    return 1;
  }
  return 0;
}
