// Seeded values of every message and record: what a codec's round trip is tried with. All that is
// made here is well-formed; each optional part is there or not, each list empty or not, by chance.
#pragma once

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cluster/registry.hpp"
#include "wire/admin_messages.hpp"
#include "wire/agent_messages.hpp"
#include "wire/scheduler_messages.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::test {

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  std::uint64_t below(std::uint64_t end) { return random_.below(end); }
  bool coin() { return random_.chance(1, 2); }

  std::string id_text() {
    static constexpr std::string_view letters = "abcXYZ019._-";
    std::string text = "i";
    for (auto n = below(20); n > 0; --n) text += letters[below(letters.size())];
    return text;
  }
  template <class T>
  T id() {
    return T(id_text());
  }
  template <class T>
  T optional_id() {
    return coin() ? id<T>() : T();
  }

  // Any bytes, NUL and what is no UTF-8 among them.
  std::string text() {
    std::string text(coin() ? 0 : below(40), '\0');
    for (char& c : text) c = static_cast<char>(below(256));
    return text;
  }
  Bytes bytes() { return Bytes(text()); }
  std::uint64_t number() { return edge(random_.next(), std::numeric_limits<std::uint64_t>::max()); }
  std::uint32_t small_number() {
    return static_cast<std::uint32_t>(
        edge(random_.next() >> 32, std::numeric_limits<std::uint32_t>::max()));
  }
  std::int32_t signed_number() { return static_cast<std::int32_t>(small_number()); }
  Duration duration() { return Duration(static_cast<std::int64_t>(edge(below(1u << 30), 1))); }
  WallTime wall_time() {
    return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(below(1ull << 42))));
  }
  std::optional<Endpoint> optional_endpoint() {
    if (coin()) return std::nullopt;
    return endpoint();
  }
  Endpoint endpoint() { return {.host = text(), .port = static_cast<std::uint16_t>(below(65536))}; }
  Error error() {
    return {.code = static_cast<Errc>(below(static_cast<std::uint64_t>(errc_last) + 1)),
            .context = text(),
            .outcome = coin() ? Outcome::maybe : Outcome::not_applied};
  }

  template <class Make>
  auto list(Make make) {
    std::vector<decltype(make())> items;
    if (coin()) {
      for (auto n = below(5); n > 0; --n) items.push_back(make());
    }
    return items;
  }

  Resources resources() {
    Resources resources;
    if (coin()) resources.set("cpus", scalar());
    if (coin()) resources.set("mem", scalar());
    if (coin()) resources.set("ports", Ranges{{31000, 31000 + 1 + below(10)}, {32000, 32001}});
    if (coin()) resources.set("racks", Items{id_text(), "zz" + id_text()});
    if (coin()) resources.set(id_text(), scalar());
    return resources;
  }

  Command command() {
    Command command;
    if (coin()) {
      command.argv = list([&] { return text(); });
    } else {
      command.shell = text();
    }
    for (auto& name : list([&] { return text(); })) command.environment[name] = text();
    return command;
  }
  JobRef job_ref() {
    return {.job = id<JobId>(),
            .stage = small_number(),
            .index = small_number(),
            .attempt = small_number()};
  }
  std::optional<JobRef> optional_job_ref() {
    if (coin()) return std::nullopt;
    return job_ref();
  }
  std::optional<TaskExit> optional_exit() {
    if (coin()) return std::nullopt;
    return TaskExit{.code = signed_number(), .signal = signed_number()};
  }
  TaskStatus status() {
    return {.task = id<TaskId>(),
            .state = static_cast<TaskState>(below(10)),
            .sequence = number(),
            .exit = optional_exit(),
            .reason = text(),
            .message = text(),
            .agent = optional_id<AgentId>(),
            .at = wall_time()};
  }
  TaskSpec task_spec() {
    TaskSpec task{.id = optional_id<TaskId>(),
                  .name = text(),
                  .command = command(),
                  .resources = resources(),
                  .kill_grace = duration(),
                  .labels = {},
                  .job = optional_job_ref()};
    for (auto& name : list([&] { return text(); })) task.labels[name] = text();
    return task;
  }
  StageSpec stage() {
    return {.name = text(),
            .after = list([&] { return text(); }),
            .command = command(),
            .commands = list([&] { return command(); }),
            .instances = static_cast<std::uint32_t>(below(4)),
            .resources = resources(),
            .attempts_max = small_number(),
            .kill_grace = duration()};
  }
  JobSpec job_spec() {
    return {.id = optional_id<JobId>(),
            .name = text(),
            .kind = coin() ? JobKind::batch : JobKind::service,
            .stages = list([&] { return stage(); })};
  }

  AgentRecord agent_record() {
    return {.id = id<AgentId>(),
            .hostname = text(),
            .endpoint = endpoint(),
            .total = resources(),
            .isolation = text(),
            .state = coin() ? AgentRecord::State::lost : AgentRecord::State::registered,
            .since = wall_time()};
  }
  FrameworkRecord framework_record() {
    return {.id = id<FrameworkId>(),
            .name = text(),
            .role = text(),
            .failover_timeout = duration(),
            .state = coin() ? FrameworkRecord::State::removed : FrameworkRecord::State::active,
            .since = wall_time()};
  }
  TaskKey key() { return {.framework = id<FrameworkId>(), .task = id<TaskId>()}; }
  TaskRecord task_record() {
    return {.key = key(),
            .agent = optional_id<AgentId>(),
            .name = text(),
            .resources = resources(),
            .job = optional_job_ref(),
            .spec = bytes(),
            .status = status(),
            .acknowledged = coin(),
            .kill_requested = coin(),
            .launched_at = wall_time()};
  }
  JobTask job_task() {
    return {.state = static_cast<JobTask::State>(below(4)),
            .attempt = small_number(),
            .failures = small_number(),
            .losses = small_number(),
            .task = optional_id<TaskId>(),
            .exit = optional_exit(),
            .ended_at = wall_time()};
  }
  JobRecord job_record() {
    JobRecord job{.spec = job_spec(),
                  .state = static_cast<JobState>(below(5)),
                  .message = text(),
                  .tasks = {},
                  .submitted_at = wall_time(),
                  .ended_at = wall_time(),
                  .revision = number()};
    for (const StageSpec& stage : job.spec.stages) {
      auto& tasks = job.tasks.emplace_back();
      for (std::uint32_t i = 0; i < stage.instances; ++i) tasks.push_back(job_task());
    }
    return job;
  }

  // One of each kind, in the order of the variant.
  std::vector<RegistryCommand> commands() {
    return {RegisterAgent{.agent = agent_record()},
            LoseAgent{.agent = id<AgentId>(), .reason = text(), .at = wall_time()},
            RegisterFramework{.framework = framework_record()},
            RemoveFramework{.framework = id<FrameworkId>(), .at = wall_time()},
            LaunchTask{.task = task_record()},
            KillTask{.key = key()},
            EndTask{.key = key(), .status = status()},
            AcknowledgeTask{.key = key()},
            SubmitJob{.job = job_spec(), .at = wall_time()},
            StopJob{.job = id<JobId>(), .reason = text(), .at = wall_time()},
            BeginTerm{.term = 1 + below(1000),
                      .leader = NodeId(1 + below(9)),
                      .cluster = ClusterUid(below(3))},
            RaiseFormat{.format = static_cast<std::uint32_t>(below(3)), .by = text()}};
  }

  std::vector<wire::AgentMessage> agent_messages() {
    auto agent_task = [&] {
      return wire::AgentTask{.framework = id<FrameworkId>(), .status = status()};
    };
    return {wire::RegisterAgentRequest{.agent = id<AgentId>(),
                                       .cluster = ClusterUid(number()),
                                       .hostname = text(),
                                       .endpoint = endpoint(),
                                       .total = resources(),
                                       .isolation = text(),
                                       .tasks = list(agent_task)},
            wire::AgentRegistered{
                .cluster = ClusterUid(number()), .term = number(), .ping_interval = duration()},
            wire::AgentRefused{.error = error()},
            wire::AgentRedirect{.leader = optional_endpoint()},
            wire::RunTask{.framework = id<FrameworkId>(), .task = id<TaskId>(), .spec = bytes()},
            wire::KillAgentTask{.framework = id<FrameworkId>(), .task = id<TaskId>()},
            wire::AgentUpdate{.framework = id<FrameworkId>(), .status = status()},
            wire::AgentUpdateAck{
                .framework = id<FrameworkId>(), .task = id<TaskId>(), .sequence = number()},
            wire::AgentPing{},
            wire::AgentPong{}};
  }

  std::vector<wire::SchedulerMessage> scheduler_messages() {
    auto offer_id = [&] { return OfferId(1 + below(1u << 20)); };
    auto offer = [&] {
      return wire::Offer{
          .id = offer_id(), .agent = id<AgentId>(), .hostname = text(), .resources = resources()};
    };
    return {
        wire::Subscribe{.framework = optional_id<FrameworkId>(),
                        .name = text(),
                        .role = text(),
                        .failover_timeout = duration()},
        wire::Subscribed{
            .framework = id<FrameworkId>(), .term = number(), .ping_interval = duration()},
        wire::SchedulerRedirect{.leader = optional_endpoint()},
        wire::SchedulerError{.error = error(), .fatal = coin()},
        wire::Offers{.offers = list(offer)},
        wire::Rescind{.offer = offer_id()},
        wire::Accept{
            .offers = list(offer_id), .tasks = list([&] { return bytes(); }), .refuse = duration()},
        wire::Decline{.offers = list(offer_id), .refuse = duration()},
        wire::Suppress{},
        wire::Revive{},
        wire::Kill{.task = id<TaskId>()},
        wire::Update{.status = status()},
        wire::Acknowledge{.task = id<TaskId>(), .sequence = number()},
        wire::Reconcile{.tasks = list([&] { return id<TaskId>(); })},
        wire::Teardown{},
        wire::SchedulerPing{},
        wire::SchedulerPong{}};
  }

  std::vector<wire::AdminMessage> admin_messages() {
    std::vector<wire::AdminBody> bodies = admin_questions();
    for (auto& answer : admin_answers()) bodies.push_back(std::move(answer));
    std::vector<wire::AdminMessage> messages;
    for (auto& body : bodies) messages.push_back({.id = number(), .body = std::move(body)});
    return messages;
  }

 private:
  // At times the largest, at times 0: where encodings break.
  std::uint64_t edge(std::uint64_t value, std::uint64_t largest) {
    auto choice = below(8);
    return choice == 0 ? 0 : choice == 1 ? largest : value;
  }
  Scalar scalar() { return Scalar::thousandths(static_cast<std::int64_t>(1 + below(1u << 30))); }

  std::vector<wire::AdminBody> admin_questions() {
    return {wire::GetStatus{},
            wire::GetAgents{},
            wire::GetFrameworks{},
            wire::GetTasks{.job = optional_id<JobId>(), .ended = coin(), .limit = small_number()},
            wire::GetJobs{},
            wire::GetJob{.job = id<JobId>(), .after = number(), .wait = duration()},
            wire::SubmitJobRequest{.job = job_spec()},
            wire::StopJobRequest{.job = id<JobId>()},
            wire::KillTaskRequest{.framework = optional_id<FrameworkId>(), .task = id<TaskId>()},
            wire::ReadTaskLog{.framework = id<FrameworkId>(),
                              .task = id<TaskId>(),
                              .standard_error = coin(),
                              .offset = number(),
                              .size_max = small_number(),
                              .wait = duration()},
            wire::StopAgent{.kill_tasks = coin()},
            wire::GetMembers{},
            wire::ChangeMembersRequest{.edits = list([&] { return member_edit(); })},
            wire::AddMemberRequest{{.endpoint = endpoint(), .role = role()}},
            wire::TransferLeadershipRequest{.to = NodeId(number())},
            wire::GetMetrics{},
            wire::BeginBackup{},
            wire::ReadSnapshot{.id = number(), .offset = number(), .size_max = small_number()},
            wire::ReadEntries{
                .from = Position(number()), .to = Position(number()), .size_max = small_number()},
            wire::AskKeys{bytes()},
            wire::WatchKeys{.what = bytes(), .wait = duration()}};
  }

  MemberRole role() { return static_cast<MemberRole>(below(3)); }
  MemberEdit member_edit() {
    NodeId id(number());
    switch (below(4)) {
      case 0: return AddMember{.endpoint = endpoint(), .role = role()};
      case 1: return SetMemberRole{.id = id, .role = role()};
      case 2: return SetMemberEndpoint{.id = id, .endpoint = endpoint()};
      default: return RemoveMember{.id = id};
    }
  }
  JoinToken join_token() {
    return {.cluster = ClusterUid(1 + below(1u << 30)),
            .id = NodeId(1 + below(65'000)),
            .secret = 1 + below(1u << 30),
            .members = {{"10.0.0.1", 5050}, {"::1", static_cast<std::uint16_t>(below(65'536))}}};
  }

  std::vector<wire::AdminBody> admin_answers() {
    auto member = [&] {
      return wire::MasterRow{.id = NodeId(number()), .endpoint = endpoint(), .reachable = coin()};
    };
    auto agent = [&] {
      return wire::AgentRow{.record = agent_record(),
                            .connected = coin(),
                            .used = resources(),
                            .tasks = small_number()};
    };
    auto framework = [&] {
      return wire::FrameworkRow{.record = framework_record(),
                                .connected = coin(),
                                .tasks = small_number(),
                                .used = resources()};
    };
    auto task = [&] {
      return wire::TaskRow{.key = coin() ? key() : TaskKey{},
                           .name = text(),
                           .agent = optional_id<AgentId>(),
                           .hostname = text(),
                           .agent_endpoint = endpoint(),
                           .resources = resources(),
                           .status = status(),
                           .job = optional_job_ref(),
                           .why = text(),
                           .launched_at = wall_time()};
    };
    auto info = [&] {
      return MemberInfo{.id = NodeId(number()),
                        .endpoint = endpoint(),
                        .role = role(),
                        .has_joined = coin(),
                        .is_heard = coin(),
                        .chosen_end = Position(number())};
    };
    std::optional<wire::BackupBegun::Snapshot> snapshot;
    if (coin()) snapshot = {.id = number(), .size = number(), .checksum = small_number()};
    auto metric = [&] {
      return Metric{.name = text(),
                    .help = text(),
                    .kind = static_cast<Metric::Kind>(below(3)),
                    .value = static_cast<double>(small_number()) / 8};
    };
    return {wire::Done{},
            wire::Failure{.error = error()},
            wire::AdminRedirect{.leader = optional_endpoint()},
            wire::MasterStatus{.self = NodeId(number()),
                               .cluster = ClusterUid(number()),
                               .term = number(),
                               .leader = NodeId(number()),
                               .log_end = number(),
                               .applied = number(),
                               .digest = number(),
                               .agents = small_number(),
                               .frameworks = small_number(),
                               .tasks = small_number(),
                               .jobs = small_number(),
                               .members = list(member),
                               .version = text(),
                               .process = static_cast<std::int64_t>(number())},
            wire::AgentRows{.rows = list(agent)},
            wire::FrameworkRows{.rows = list(framework)},
            wire::TaskRows{.rows = list(task)},
            wire::JobAnswer{.job = job_record()},
            wire::JobRows{.jobs = list([&] { return job_record(); })},
            wire::LogChunk{.data = bytes(), .offset = number(), .ended = coin()},
            wire::MembersAnswer{.members = {.since = Position(number()), .members = list(info)},
                                .leader = NodeId(number())},
            wire::JoinTokenAnswer{.token = join_token()},
            wire::LeaderAnswer{.leader = NodeId(number()), .term = number()},
            wire::MetricsAnswer{.metrics = list(metric)},
            wire::BackupBegun{.cluster = ClusterUid(number()),
                              .member = NodeId(number()),
                              .first = Position(number()),
                              .end = Position(number()),
                              .term = number(),
                              .snapshot = snapshot},
            wire::LogEntries{.entries = list([&] {
                               return Entry{Position(number()), bytes()};
                             })},
            wire::KeysAnswer{bytes()},
            wire::KeyEvents{bytes()}};
  }

  Random random_;
};

}  // namespace cluster::test
