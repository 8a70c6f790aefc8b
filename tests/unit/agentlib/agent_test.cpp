// A whole agent against a master played by the test, over real sessions.
#include "cluster/agent.hpp"

#include <map>
#include <mutex>

#include "agentlib/lmdb_checkpoint.hpp"
#include "agentlib/task_directory.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "tests/unit/agentlib/support.hpp"
#include "wire/admin_messages.hpp"

using namespace agent_test;

namespace {

// A master that registers everyone, records updates and acknowledges them when told to.
class PlayedMaster final : public runtime::SessionHandler {
 public:
  explicit PlayedMaster(Runtime& runtime, ClusterUid cluster = ClusterUid(7))
      : host_(runtime.host()), cluster_(cluster) {
    runtime::run_on_node(host_, [&] {
      listener_ = host_.transport().listen({"127.0.0.1", 0}).value();
      endpoint_ = host_.transport().endpoint(listener_);
      host_.transport().serve(listener_, runtime::Lane::agent, this);
    });
  }
  ~PlayedMaster() override {
    runtime::run_on_node(host_, [&] { host_.transport().stop_listening(listener_); });
  }

  void on_open(runtime::SessionId, const Endpoint&) override {}
  void on_close(runtime::SessionId, const Error&) override {}
  void on_message(runtime::SessionId session, Bytes bytes) override {
    auto message = wire::decode_agent_message(bytes.view());
    if (!message) return;
    std::lock_guard lock(mutex_);
    if (auto* request = std::get_if<wire::RegisterAgentRequest>(&*message)) {
      requests_.push_back(*request);
      session_ = session;
      send(wire::AgentRegistered{.cluster = cluster_, .term = 1, .ping_interval = 1s});
    }
    if (auto* update = std::get_if<wire::AgentUpdate>(&*message)) {
      latest_[update->status.task] = update->status;
      if (acknowledges) {
        send(wire::AgentUpdateAck{update->framework, update->status.task, update->status.sequence});
      }
    }
  }

  void tell(wire::AgentMessage message) {
    runtime::run_on_node(host_, [&] {
      std::lock_guard lock(mutex_);
      send(std::move(message));
    });
  }
  std::optional<TaskStatus> latest(const std::string& task) {
    std::lock_guard lock(mutex_);
    auto found = latest_.find(TaskId(task));
    return found == latest_.end() ? std::nullopt : std::optional(found->second);
  }
  bool await(const std::string& task, TaskState state) {
    return eventually([&] {
      auto status = latest(task);
      return status && status->state == state;
    });
  }
  std::vector<wire::RegisterAgentRequest> requests() {
    std::lock_guard lock(mutex_);
    return requests_;
  }
  const Endpoint& endpoint() const { return endpoint_; }

  std::atomic<bool> acknowledges{true};

 private:
  void send(wire::AgentMessage message) { host_.transport().send(session_, wire::encode(message)); }

  runtime::Host& host_;
  ClusterUid cluster_;
  runtime::ListenerId listener_;
  Endpoint endpoint_;
  std::mutex mutex_;
  runtime::SessionId session_;
  std::vector<wire::RegisterAgentRequest> requests_;
  std::map<TaskId, TaskStatus> latest_;
};

// Asks an agent's admin lane, one question per session.
class Question final : public runtime::SessionHandler {
 public:
  static wire::AdminBody ask(Runtime& runtime, const Endpoint& endpoint, wire::AdminBody body) {
    auto question = std::make_unique<Question>(runtime.host(), std::move(body));
    runtime::SessionId session;
    runtime::run_on_node(runtime.host(), [&] {
      session = runtime.host().transport().dial(endpoint, runtime::Lane::admin, *question);
    });
    auto answer = question->answer_.get_future();
    REQUIRE(answer.wait_for(20s) == std::future_status::ready);
    runtime::run_on_node(runtime.host(), [&] { runtime.host().transport().close(session); });
    return answer.get();
  }

  Question(runtime::Host& host, wire::AdminBody body) : host_(host), body_(std::move(body)) {}
  void on_open(runtime::SessionId session, const Endpoint&) override {
    host_.transport().send(session, wire::encode(wire::AdminMessage{5, body_}));
  }
  void on_message(runtime::SessionId, Bytes bytes) override {
    auto message = wire::decode_admin_message(bytes.view());
    if (message && message->id == 5) answer_.set_value(std::move(message->body));
  }
  void on_close(runtime::SessionId, const Error& why) override {
    answer_.set_value(wire::Failure{why});
  }

 private:
  runtime::Host& host_;
  wire::AdminBody body_;
  std::promise<wire::AdminBody> answer_;
};

AgentOptions agent_options(const TestDirectory& directory, const Endpoint& master) {
  AgentOptions options;
  options.directory = directory.path();
  options.masters = {master};
  options.resources = Resources::parse("cpus:2;mem:512").value();
  options.supervisor = CLUSTER_TEST_SUPERVISOR;
  options.cgroups = false;
  options.hostname = "test";
  return options;
}

}  // namespace

TEST_CASE("an agent registers, runs a task to its end, and serves what it wrote",
          "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  PlayedMaster master(runtime);
  auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
  REQUIRE(agent);
  REQUIRE(eventually([&] { return agent->is_registered(); }));
  CHECK(agent->problem().empty());
  auto request = master.requests().at(0);
  CHECK(request.agent == agent->id());
  CHECK_FALSE(request.cluster);
  CHECK(request.endpoint == agent->endpoint());
  CHECK(request.isolation.find("none: ") == 0);

  master.tell(run_task(shell_task("t", "echo hello; exit 7")));

  REQUIRE(master.await("t", TaskState::failed));
  CHECK(master.latest("t")->exit == TaskExit{.code = 7});
  wire::ReadTaskLog read{.framework = framework, .task = TaskId("t"), .offset = 1};
  auto answer = Question::ask(runtime, agent->endpoint(), read);
  CHECK(answer == wire::AdminBody(wire::LogChunk{
                      .data = Bytes(ByteView("ello\n")), .offset = 1, .ended = true}));
  for (const char* bad : {"..", "../t", "a/b", ""}) {
    read.task = TaskId(bad);
    auto refused = Question::ask(runtime, agent->endpoint(), read);
    CHECK(std::holds_alternative<wire::Failure>(refused));  // Or the codec hangs up already.
  }
  auto other = Question::ask(runtime, agent->endpoint(), wire::GetStatus{});
  REQUIRE(std::holds_alternative<wire::Failure>(other));
  CHECK(std::get<wire::Failure>(other).error.code == Errc::invalid_argument);
}

TEST_CASE("who waits for a log hears as soon as the task writes", "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  PlayedMaster master(runtime);
  auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
  REQUIRE(agent);
  REQUIRE(eventually([&] { return agent->is_registered(); }));
  master.tell(run_task(shell_task("t", "sleep 0.3; echo late; sleep 1000", 100ms)));
  REQUIRE(master.await("t", TaskState::running));

  auto answer =
      Question::ask(runtime, agent->endpoint(),
                    wire::ReadTaskLog{.framework = framework, .task = TaskId("t"), .wait = 20s});

  CHECK(answer == wire::AdminBody(wire::LogChunk{.data = Bytes(ByteView("late\n"))}));
  CHECK(agent->stop(true).get());
  CHECK(master.latest("t")->state == TaskState::killed);
}

TEST_CASE("an agent tells from where on it still has what a task wrote", "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  PlayedMaster master(runtime);
  if (!can_release(directory.path())) return;
  AgentOptions options = agent_options(directory, master.endpoint());
  options.output_bytes_max = 1 << 20;
  auto agent = Agent::start(runtime, options);
  REQUIRE(agent);
  REQUIRE(eventually([&] { return agent->is_registered(); }));
  master.tell(run_task(shell_task("t", counting_command)));
  REQUIRE(master.await("t", TaskState::finished));

  auto answer = Question::ask(runtime, agent->endpoint(),
                              wire::ReadTaskLog{.framework = framework, .task = TaskId("t")});

  REQUIRE(std::holds_alternative<wire::LogChunk>(answer));
  const auto& chunk = std::get<wire::LogChunk>(answer);
  CHECK(chunk.offset >= counting_size - (1 << 20));
  CHECK(chunk.offset <= counting_size - (1 << 19));
  CHECK(chunk.data == Bytes(ByteView(counted(chunk.offset, chunk.data.size()))));
}

TEST_CASE("a restarted agent keeps its id, its cluster and its tasks", "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  PlayedMaster master(runtime);
  std::string go = sandbox_directory(directory.path(), key_of("t")) + "/go";
  AgentId id;
  {
    auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
    REQUIRE(agent);
    id = agent->id();
    REQUIRE(eventually([&] { return agent->is_registered(); }));
    master.tell(run_task(shell_task("t", "while [ ! -e go ]; do sleep 0.02; done; exit 4")));
    REQUIRE(master.await("t", TaskState::running));
  }

  auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
  REQUIRE(agent);
  CHECK(agent->id() == id);
  REQUIRE(eventually([&] { return master.requests().size() >= 2; }));
  auto request = master.requests().back();
  CHECK(request.cluster == ClusterUid(7));
  REQUIRE(request.tasks.size() == 1);
  CHECK(request.tasks[0].status.state == TaskState::running);
  std::ofstream(go).put('\n');
  REQUIRE(master.await("t", TaskState::failed));
  CHECK(master.latest("t")->exit == TaskExit{.code = 4});
  CHECK(master.latest("t")->sequence == 3);
}

TEST_CASE("an end that nobody acknowledged is told by the next agent of the directory",
          "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  {
    PlayedMaster master(runtime);
    master.acknowledges = false;
    auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
    REQUIRE(agent);
    REQUIRE(eventually([&] { return agent->is_registered(); }));
    master.tell(run_task(shell_task("t", "exit 9")));
    REQUIRE(master.await("t", TaskState::failed));
  }
  PlayedMaster master(runtime);
  auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
  REQUIRE(agent);
  REQUIRE(master.await("t", TaskState::failed));
  CHECK(master.latest("t")->exit == TaskExit{.code = 9});
  REQUIRE(agent->stop(false).get());
}

TEST_CASE("a master of another cluster is refused with a reason", "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  {
    PlayedMaster home(runtime);
    auto agent = Agent::start(runtime, agent_options(directory, home.endpoint()));
    REQUIRE(agent);
    REQUIRE(eventually([&] { return agent->is_registered(); }));
  }
  PlayedMaster stranger(runtime, ClusterUid(8));
  auto agent = Agent::start(runtime, agent_options(directory, stranger.endpoint()));
  REQUIRE(agent);
  REQUIRE(eventually(
      [&] { return agent->problem().find("belongs to cluster 7") != std::string::npos; }));
  CHECK_FALSE(agent->is_registered());
}

TEST_CASE("an operator's request to stop reaches the host, which stops the agent",
          "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  PlayedMaster master(runtime);
  auto agent = Agent::start(runtime, agent_options(directory, master.endpoint()));
  REQUIRE(agent);
  std::promise<bool> asked;
  agent->on_stop_requested([&](bool kill_tasks) { asked.set_value(kill_tasks); });
  auto answer = Question::ask(runtime, agent->endpoint(), wire::StopAgent{.kill_tasks = true});
  CHECK(answer == wire::AdminBody(wire::Done{}));
  auto request = asked.get_future();
  REQUIRE(request.wait_for(20s) == std::future_status::ready);
  CHECK(request.get());
  CHECK(agent->stop(true).get());
  CHECK_FALSE(agent->is_registered());
}

TEST_CASE("two agents can't share a directory", "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  auto first = Agent::start(runtime, agent_options(directory, {"127.0.0.1", 1}));
  REQUIRE(first);
  auto second = Agent::start(runtime, agent_options(directory, {"127.0.0.1", 1}));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Errc::already_exists);
  CHECK(second.error().context.find("in use by another agent") != std::string::npos);
}

TEST_CASE("an agent does not start on options that make no sense", "[agentlib][agent]") {
  TestDirectory directory;
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  AgentOptions options = agent_options(directory, {"127.0.0.1", 1});
  auto refused = [&] {
    auto agent = Agent::start(runtime, options);
    REQUIRE_FALSE(agent);
    CHECK_FALSE(agent.error().context.empty());
    return agent.error().code;
  };
  SECTION("no masters") {
    options.masters.clear();
    CHECK(refused() == Errc::invalid_argument);
  }
  SECTION("no supervisor") {
    options.supervisor = "/no/such/program";
    CHECK(refused() == Errc::not_found);
  }
  SECTION("a cgroup root that leads elsewhere") {
    options.cgroup_root = "..";
    CHECK(refused() == Errc::invalid_argument);
  }
}

TEST_CASE("the checkpoint gives back what was committed, and nothing that was removed",
          "[agentlib][checkpoint]") {
  TestDirectory directory;
  TaskRow kept{.key = key_of("kept"),
               .spec = Bytes(ByteView("spec")),
               .status = {.task = TaskId("kept"),
                          .state = TaskState::killed,
                          .sequence = 4,
                          .exit = TaskExit{.signal = 15},
                          .agent = AgentId("agent-a")},
               .kill_requested = true};
  TaskRow removed = kept;
  removed.key = key_of("removed");
  removed.status.task = TaskId("removed");
  {
    auto opened = open_lmdb_checkpoint(directory.path(), AgentId("agent-a"));
    REQUIRE(opened);
    CHECK(opened->saved.identity == Identity{AgentId("agent-a"), ClusterUid(), 0});
    REQUIRE(opened->checkpoint->commit({PutTask{kept}, PutTask{removed}}));
    REQUIRE(opened->checkpoint->commit(
        {RemoveTask{removed.key}, PutIdentity{{AgentId("agent-a"), ClusterUid(3), 12}}}));
  }
  auto opened = open_lmdb_checkpoint(directory.path(), AgentId("agent-b"));
  REQUIRE(opened);
  CHECK(opened->saved.identity == Identity{AgentId("agent-a"), ClusterUid(3), 12});
  CHECK(opened->saved.tasks == std::vector<TaskRow>{kept});
}
