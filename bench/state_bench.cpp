// The cluster's state with many tasks: what it takes of memory, how long a snapshot holds up the
// others, and how long a restart takes from one.
//
//   state_bench [--tasks N] [--entries N] [--dir DIR]
//
// Every task is open, of its own piece of a job, with ids as long as the daemons make them and a
// spec of 250 bytes. A restart is the snapshot's file and then so many entries after it. One JSON
// line for each figure; `limit` is the rate of the same run at which the same file is read and its
// checksum made, or an allocation made and freed, which bounds the figure from above. `cpu_seconds`
// is the processor's time of the same: what would be left where nobody else used the machine.
#include <malloc.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "cluster/registry.hpp"
#include "cluster/state_machine.hpp"

using namespace cluster;

namespace {

struct StateSettings {
  std::uint32_t tasks = 1'000'000;
  std::uint32_t entries = 100'000;
  std::string directory = "/tmp";
};

constexpr std::uint32_t state_agents = 10'000;
constexpr std::uint32_t pieces_of_job = 10'000;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  double cpu_seconds() const { return cpu() - cpu_start_; }

 private:
  static double cpu() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double cpu_start_ = cpu();
};

class FileWriter final : public SnapshotWriter {
 public:
  explicit FileWriter(const std::string& path) : file_(path, std::ios::binary | std::ios::trunc) {}
  Result<void> write(ByteView bytes) override {
    file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    size += bytes.size();
    return {};
  }
  bool finish() { return static_cast<bool>(file_.flush()); }
  std::uint64_t size = 0;

 private:
  std::ofstream file_;
};

class FileReader final : public SnapshotReader {
 public:
  explicit FileReader(const std::string& path) : file_(path, std::ios::binary) {}
  Result<Bytes> read(std::size_t bytes_max) override {
    std::string bytes(bytes_max, '\0');
    file_.read(bytes.data(), static_cast<std::streamsize>(bytes_max));
    bytes.resize(static_cast<std::size_t>(file_.gcount()));
    return Bytes(std::move(bytes));
  }

 private:
  std::ifstream file_;
};

AgentId agent_of(std::uint32_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "agent-%08x-%04x-4000", i * 2654435761u, i & 0xffff);
  return AgentId(text);
}

TaskKey task_of(std::uint32_t i) {
  char text[40];
  std::snprintf(text, sizeof text, "job-%05u.0.%u.1", i / pieces_of_job, i % pieces_of_job);
  return {.framework = FrameworkId("jobs"), .task = TaskId(text)};
}

JobId job_of(std::uint32_t i) { return JobId("job-" + std::to_string(i / pieces_of_job)); }

class State {
 public:
  explicit State(std::uint32_t tasks) {
    for (std::uint32_t i = 0; i < state_agents; ++i) {
      apply(RegisterAgent{{.id = agent_of(i), .hostname = "host"}});
    }
    apply(RegisterFramework{{.id = FrameworkId("jobs"), .name = "jobs"}});
    StageSpec stage{.name = "map", .instances = pieces_of_job};
    stage.command.argv = {"true"};
    stage.resources = *Resources::parse("cpus:0.1;mem:32");
    for (std::uint32_t i = 0; i < tasks; i += pieces_of_job) {
      apply(SubmitJob{.job = {.id = job_of(i), .name = "bench", .stages = {stage}}});
    }
  }
  void launch(std::uint32_t i) {
    static const Resources resources = *Resources::parse("cpus:0.1;mem:32");
    apply(LaunchTask{{.key = task_of(i),
                      .agent = agent_of(i % state_agents),
                      .name = "map",
                      .resources = resources,
                      .job = JobRef{.job = job_of(i), .index = i % pieces_of_job, .attempt = 1},
                      .spec = Bytes(std::string(250, 's'))}});
  }
  void apply(const RegistryCommand& command) {
    for (const auto& event : state.apply(state.applied().next(), command)) {
      if (event.kind != RegistryEvent::Kind::refused) continue;
      std::printf("refused: %s\n", event.message.c_str());
      std::exit(1);
    }
  }
  RegistryState state;
};

void report(const char* name, const StateSettings& settings, const std::string& figures) {
  std::printf("{\"bench\":\"%s\",\"tasks\":%u,%s}\n", name, settings.tasks, figures.c_str());
  std::fflush(stdout);
}

std::string figure(const char* name, double value) {
  char text[80];
  std::snprintf(text, sizeof text, "\"%s\":%.3f", name, value);
  return text;
}

double rate_of_allocations() {
  Stopwatch watch;
  constexpr int times = 2'000'000;
  for (int i = 0; i < times; ++i) {
    auto memory = std::make_unique<char[]>(400);
    asm volatile("" : : "r"(memory.get()) : "memory");
  }
  return times / watch.seconds();
}

double seconds_to_read(const std::string& path) {
  Stopwatch watch;
  FileReader reader(path);
  std::uint32_t sum = 0;
  for (;;) {
    auto part = reader.read(256 << 10);
    if (!part || part->empty()) break;
    sum = crc32c(part->view(), sum);
  }
  asm volatile("" : : "r"(sum) : "memory");
  return watch.seconds();
}

StateSettings settings_of(int argc, char** argv) {
  StateSettings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    if (name == "--tasks") settings.tasks = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--entries") settings.entries = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (name == "--dir") settings.directory = argv[i + 1];
  }
  return settings;
}

// KillTasks, which change one row each.
double kills_per_second(State& one, std::uint32_t first, std::uint32_t count) {
  Stopwatch watch;
  for (std::uint32_t i = first; i < first + count; ++i) one.apply(KillTask{task_of(i)});
  return count / watch.seconds();
}

}  // namespace

int main(int argc, char** argv) {
  const StateSettings settings = settings_of(argc, argv);
  const std::string path = settings.directory + "/state_bench.snapshot";

  State one(settings.tasks);
  const auto before = mallinfo2();
  Stopwatch launching;
  for (std::uint32_t i = 0; i < settings.tasks; ++i) one.launch(i);
  const double launched = launching.seconds();
  const double launched_cpu = launching.cpu_seconds();
  const auto after = mallinfo2();
  const double bytes =
      static_cast<double>(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd);
  report("state_memory", settings, figure("bytes_per_task", bytes / settings.tasks));
  report("state_launch", settings,
         figure("launches_per_s", settings.tasks / launched) + "," +
             figure("launches_per_cpu_s", settings.tasks / launched_cpu) + ",\"limit\":{" +
             figure("allocations_per_s", rate_of_allocations()) + "}");

  const std::uint32_t some = settings.tasks / 10;
  const double rate_before = kills_per_second(one, 0, some);
  Stopwatch beginning;
  SnapshotJob job = one.state.begin_snapshot();
  const double begun = beginning.seconds();
  const double rate_with_view = kills_per_second(one, some, some);
  report("state_snapshot_begin", settings,
         figure("stops_for_ms", begun * 1e3) + "," + figure("changes_per_s_without", rate_before) +
             "," + figure("changes_per_s_with", rate_with_view));
  FileWriter writer(path);
  Stopwatch writing;
  auto written = job(writer);
  job = nullptr;
  if (!written || !writer.finish()) return 1;
  report("state_snapshot_write", settings,
         figure("seconds", writing.seconds()) + "," + figure("cpu_seconds", writing.cpu_seconds()) +
             "," + figure("bytes_per_task", static_cast<double>(writer.size) / settings.tasks));

  std::vector<Bytes> tail;
  for (std::uint32_t i = 0; i < settings.entries; ++i) {
    tail.push_back(encode(KillTask{task_of(2 * some + i % some)}));
  }
  Stopwatch restarting;
  FileReader reader(path);
  auto again = RegistryState::restore(reader);
  if (!again) {
    std::printf("%s\n", again.error().message().c_str());
    return 1;
  }
  const double restored = restarting.cpu_seconds();
  for (const Bytes& entry : tail) {
    auto command = decode_registry_command(entry.view());
    if (command) again->apply(again->applied().next(), *command);
  }
  report("state_restart", settings,
         figure("seconds", restarting.seconds()) + "," +
             figure("cpu_seconds", restarting.cpu_seconds()) + "," +
             figure("of_snapshot_cpu_seconds", restored) +
             ",\"entries\":" + std::to_string(settings.entries) + ",\"limit\":{" +
             figure("seconds_to_read_the_file", seconds_to_read(path)) + "}");
  std::remove(path.c_str());
  return 0;
}
