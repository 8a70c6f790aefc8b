// The master's driver over real logs, threads and sockets: one member alone, and three of which one
// leads. Agents are played, the scheduler is the client that users link.
#include "master/driver.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <mutex>

#include "cluster/runtime.hpp"
#include "cluster/scheduler.hpp"
#include "node/master_node.hpp"
#include "registry/driver.hpp"
#include "replog/open.hpp"
#include "tests/catch.hpp"
#include "wire/agent_messages.hpp"

using namespace cluster;
using runtime::Lane;
using runtime::SessionId;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const ClusterUid driver_cluster{77};
constexpr std::size_t log_queue_max = 10u << 20;

// What has happened, in words, in order, and the way to wait for it.
class Diary {
 public:
  void write(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  bool has(const std::string& line, std::ptrdiff_t times = 1) {
    return wait([&] { return std::count(lines_.begin(), lines_.end(), line) >= times; });
  }
  bool has_now(const std::string& line, std::ptrdiff_t times) {
    const std::lock_guard lock(mutex_);
    return std::count(lines_.begin(), lines_.end(), line) >= times;
  }
  // The member that was the last to say that it leads, and leads still.
  int leader(int but = 0) {
    int found = 0;
    REQUIRE(wait([&] {
      for (const auto& [member, leads] : leading_) {
        if (leads && member != but) return (found = member) != 0;
      }
      return false;
    }));
    return found;
  }
  void leads(int member, bool now) {
    const std::lock_guard lock(mutex_);
    leading_[member] = now;
    changed_.notify_all();
  }
  bool follows(int member) {
    return wait([&] { return !leading_[member]; });
  }

 private:
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, seconds(60), condition);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
  std::map<int, bool> leading_;
};

class Directory {
 public:
  Directory() {
    std::string path = std::filesystem::temp_directory_path() / "cluster-driver-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string of(int member) const { return path_ + "/" + std::to_string(member); }

 private:
  std::string path_;
};

// Longer than a loaded machine keeps a thread waiting: who leads changes where a test says so.
constexpr Duration election_timeout = std::chrono::seconds(3);

// A process' part of a master, but for the jobs.
class Member {
 public:
  Member(Diary& diary, int number, std::vector<Peer> members, const std::string& directory)
      : host_(runtime_.host()) {
    const NodeId self(static_cast<std::uint64_t>(number));
    const Endpoint listen = members.at(static_cast<std::size_t>(number) - 1).endpoint;
    runtime::run_on_node(host_, [&] {
      auto opened = host_.transport().listen(listen);
      REQUIRE(opened);
      listener_ = *opened;
      endpoint = host_.transport().endpoint(listener_);
    });
    registry_ = std::make_unique<registry::RegistryDriver>(host_);
    auto opened = replog::open_on(host_, listener_,
                                  {.directory = directory,
                                   .cluster = driver_cluster,
                                   .self = self,
                                   .members = members,
                                   .listen = listen,
                                   .queue_bytes_max = log_queue_max,
                                   .election_timeout = election_timeout,
                                   .heartbeat_interval = milliseconds(50),
                                   .state_machine = registry_.get()});
    REQUIRE(opened);
    log.emplace(*std::move(opened));
    runtime::run_on_node(host_, [&] {
      master_ = std::make_unique<master::MasterDriver>(
          host_, listener_, *log, *registry_,
          master::MasterOptions{.self = self,
                                .cluster = driver_cluster,
                                .members = std::move(members),
                                .ping_interval = milliseconds(200),
                                .version = "test"});
      master_->on_leading([&diary, number](bool leading) { diary.leads(number, leading); });
    });
  }
  ~Member() {
    runtime::run_on_node(host_, [&] { master_.reset(); });
    log.reset();
    registry_.reset();
    runtime::run_on_node(host_, [&] { host_.transport().stop_listening(listener_); });
  }

  double metric(const std::string& name) {
    Metrics all;
    runtime::run_on_node(host_, [&] {
      all = master_->metrics();
      Metrics more = registry_->metrics();
      all.insert(all.end(), more.begin(), more.end());
    });
    for (const Metric& one : all) {
      if (one.name == name) return one.value;
    }
    FAIL("no metric " << name);
    return 0;
  }

 private:
  Runtime runtime_ =
      Runtime::threads({.security = cluster::Insecure{}, .deliver_on_node_thread = true});
  runtime::Host& host_;
  runtime::ListenerId listener_;
  std::unique_ptr<registry::RegistryDriver> registry_;
  std::unique_ptr<master::MasterDriver> master_;

 public:
  Endpoint endpoint;
  std::optional<Log> log;
};

// Finds the leader, and runs each task to its end at once.
class PlayedAgent final : public runtime::SessionHandler {
 public:
  PlayedAgent(runtime::Host& host, std::vector<Endpoint> masters, Diary& diary)
      : host_(host), masters_(std::move(masters)), diary_(diary) {
    runtime::run_on_node(host_, [this] {
      alarm_ = host_.make_alarm([this] { dial(); });
      dial();
    });
  }
  ~PlayedAgent() override {
    runtime::run_on_node(host_, [this] {
      alarm_.reset();
      if (session_) host_.transport().close(session_);
    });
  }

 private:
  void dial() {
    const Endpoint to = leader_ ? *leader_ : masters_[turn_++ % masters_.size()];
    leader_.reset();
    session_ = host_.transport().dial(to, Lane::agent, *this);
  }
  void dial_soon() {
    session_ = SessionId();
    alarm_->set(host_.now() + milliseconds(20));
  }
  void send(const wire::AgentMessage& message) {
    host_.transport().send(session_, wire::encode(message));
  }

  void on_open(SessionId, const Endpoint&) override {
    wire::RegisterAgentRequest request{.agent = AgentId("a"),
                                       .hostname = "host",
                                       .endpoint = {"127.0.0.1", 6000},
                                       .total = *Resources::parse("cpus:4;mem:1000"),
                                       .isolation = "none"};
    for (const auto& [key, status] : ended_) request.tasks.push_back({key.framework, status});
    send(request);
  }
  void on_close(SessionId session, const Error&) override {
    if (session == session_) dial_soon();
  }
  void on_message(SessionId session, Bytes bytes) override {
    if (session != session_) return;
    auto message = wire::decode_agent_message(bytes.view());
    if (!message) return diary_.write("garbage");
    if (const auto* redirect = std::get_if<wire::AgentRedirect>(&*message)) {
      leader_ = redirect->leader;
      host_.transport().close(session_);
      dial_soon();
    } else if (const auto* run = std::get_if<wire::RunTask>(&*message)) {
      diary_.write("run " + run->task.value());
      TaskStatus status{.task = run->task, .state = TaskState::running, .sequence = 1};
      send(wire::AgentUpdate{run->framework, status});
      status.state = TaskState::finished;
      status.sequence = 2;
      status.exit = TaskExit{};
      ended_[TaskKey{run->framework, run->task}] = status;
      send(wire::AgentUpdate{run->framework, status});
    } else if (const auto* ack = std::get_if<wire::AgentUpdateAck>(&*message)) {
      if (ack->sequence < 2) return;
      ended_.erase(TaskKey{ack->framework, ack->task});
      diary_.write("forget " + ack->task.value());
    } else if (std::holds_alternative<wire::AgentRegistered>(*message)) {
      diary_.write("registered");
    } else if (std::holds_alternative<wire::AgentPing>(*message)) {
      send(wire::AgentPong{});
    }
  }

  runtime::Host& host_;
  const std::vector<Endpoint> masters_;
  Diary& diary_;
  std::size_t turn_ = 0;
  std::optional<Endpoint> leader_;
  SessionId session_;
  std::map<TaskKey, TaskStatus> ended_;  // Not acknowledged yet.
  std::unique_ptr<runtime::Alarm> alarm_;
};

// A framework that launches what it is told to on the next offers.
class SmallFramework {
 public:
  SmallFramework(Runtime& runtime, std::vector<Endpoint> masters, Diary& diary) {
    auto started = Scheduler::start(
        runtime, {.masters = std::move(masters), .name = "small", .failover_timeout = seconds(60)},
        {.on_subscribed =
             [&diary](Scheduler&, const FrameworkId& id, bool resumed) {
               diary.write((resumed ? "resumed " : "subscribed ") + id.value());
             },
         .on_offers =
             [this](Scheduler& scheduler, const auto& offers) {
               const std::lock_guard lock(mutex_);
               std::vector<OfferId> ids;
               for (const SchedulerOffer& offer : offers) ids.push_back(offer.id);
               if (wanted_.empty()) return scheduler.decline(ids, milliseconds(20));
               scheduler.accept(ids, std::exchange(wanted_, {}), milliseconds(20));
             },
         .on_update =
             [&diary](Scheduler&, const TaskStatus& status) {
               diary.write(status.task.value() + " " + std::string(to_string(status.state)));
             },
         .on_error = [&diary](Scheduler&, const Error& error,
                              bool) { diary.write(error.message()); }});
    REQUIRE(started);
    scheduler_ = *std::move(started);
  }

  void launch(std::string id) { launch(std::vector<std::string>{std::move(id)}); }
  void launch(const std::vector<std::string>& ids, std::size_t ballast = 0) {
    const std::lock_guard lock(mutex_);
    for (const std::string& id : ids) {
      TaskSpec task;
      task.id = TaskId(id);
      task.command.shell = "true";
      task.command.environment["BALLAST"] = std::string(ballast, 'b');
      task.resources = *Resources::parse("cpus:0.01;mem:1");
      wanted_.push_back(std::move(task));
    }
  }

 private:
  std::mutex mutex_;
  std::vector<TaskSpec> wanted_;
  std::unique_ptr<Scheduler> scheduler_;
};

// One session that says one thing and keeps the answer: "closed" when there is none.
class OneQuestion final : public runtime::SessionHandler {
 public:
  OneQuestion(runtime::Host& host, const Endpoint& to, Lane lane, Bytes words)
      : host_(host), words_(std::move(words)) {
    runtime::run_on_node(host_, [&] { session_ = host_.transport().dial(to, lane, *this); });
  }
  ~OneQuestion() override {
    runtime::run_on_node(host_, [this] { host_.transport().close(session_); });
  }

  Bytes answer() { return answer_.get_future().get(); }
  bool is_closed() { return closed_.has("closed"); }

 private:
  void on_open(SessionId session, const Endpoint&) override {
    host_.transport().send(session, words_);
  }
  void on_message(SessionId, Bytes bytes) override {
    if (!std::exchange(answered_, true)) answer_.set_value(std::move(bytes));
  }
  void on_close(SessionId, const Error&) override {
    if (!std::exchange(answered_, true)) answer_.set_value(Bytes());
    closed_.write("closed");
  }

  runtime::Host& host_;
  const Bytes words_;
  SessionId session_;
  bool answered_ = false;
  std::promise<Bytes> answer_;
  Diary closed_;
};

wire::AdminBody ask(runtime::Host& host, const Endpoint& to, wire::AdminBody body) {
  OneQuestion question(host, to, Lane::admin, wire::encode(wire::AdminMessage{5, std::move(body)}));
  auto message = wire::decode_admin_message(question.answer().view());
  REQUIRE(message);
  CHECK(message->id == 5);
  return std::move(message->body);
}

// Ports that were free a moment ago: members must know each other's before any of them listens.
std::vector<Peer> three_peers(runtime::Host& host) {
  std::vector<Peer> peers;
  runtime::run_on_node(host, [&] {
    std::vector<runtime::ListenerId> listeners;
    for (std::uint64_t i = 1; i <= 3; ++i) {
      listeners.push_back(host.transport().listen({"127.0.0.1", 0}).value());
      peers.push_back({NodeId(i), host.transport().endpoint(listeners.back())});
    }
    for (runtime::ListenerId listener : listeners) host.transport().stop_listening(listener);
  });
  return peers;
}

struct Three {
  Three() {
    for (int i = 1; i <= 3; ++i) {
      members[static_cast<std::size_t>(i)] =
          std::make_unique<Member>(diary, i, peers, directory.of(i));
    }
    for (const Peer& peer : peers) endpoints.push_back(peer.endpoint);
    // So that nobody waits for an election's timeout.
    while (!of(1).log->start_writer().get()) {
    }
  }
  Member& of(int number) { return *members[static_cast<std::size_t>(number)]; }

  Diary diary;
  Directory directory;
  Runtime outside = Runtime::threads({.security = cluster::Insecure{}});
  std::vector<Peer> peers = three_peers(outside.host());
  std::array<std::unique_ptr<Member>, 4> members;
  std::vector<Endpoint> endpoints;
};

}  // namespace

TEST_CASE("one master alone takes a task from its framework to an agent and its end back",
          "[node][master]") {
  Diary diary;
  Directory directory;
  Member member(diary, 1, {{NodeId(1), {"127.0.0.1", 0}}}, directory.of(1));
  Runtime outside = Runtime::threads({.security = cluster::Insecure{}});
  PlayedAgent agent(outside.host(), {member.endpoint}, diary);
  SmallFramework framework(outside, {member.endpoint}, diary);

  framework.launch("t1");

  CHECK(diary.has("registered"));
  CHECK(diary.has("subscribed framework-000001"));
  CHECK(diary.has("run t1"));
  CHECK(diary.has("t1 running"));
  CHECK(diary.has("t1 finished"));
  CHECK(diary.has("forget t1"));
  CHECK(member.metric("cluster_registry_entries_skipped_total") == 0);
  CHECK(member.metric("cluster_registry_commands_refused_total") == 0);
}

TEST_CASE("more launches at once than the log queues are all committed, by the same leader",
          "[node][master]") {
  Diary diary;
  Directory directory;
  Member member(diary, 1, {{NodeId(1), {"127.0.0.1", 0}}}, directory.of(1));
  Runtime outside = Runtime::threads({.security = cluster::Insecure{}});
  PlayedAgent agent(outside.host(), {member.endpoint}, diary);
  SmallFramework framework(outside, {member.endpoint}, diary);
  std::vector<std::string> ids;
  for (int i = 0; i < 64; ++i) ids.push_back("t" + std::to_string(i));
  constexpr std::size_t ballast = 200u << 10;
  static_assert(64 * ballast > log_queue_max);

  framework.launch(ids, ballast);

  for (const std::string& id : ids) REQUIRE(diary.has(id + " finished"));
  CHECK(diary.has("registered"));
  CHECK_FALSE(diary.has_now("registered", 2));
}

TEST_CASE("a master drops who speaks garbage, counts it, and goes on", "[node][master]") {
  Diary diary;
  Directory directory;
  Member member(diary, 1, {{NodeId(1), {"127.0.0.1", 0}}}, directory.of(1));
  Runtime outside = Runtime::threads({.security = cluster::Insecure{}});
  REQUIRE(diary.leader() == 1);
  const Bytes garbage(ByteView("\xff\xff\xff\x7f nobody's language"));

  OneQuestion log(outside.host(), member.endpoint, Lane::log, garbage);
  for (Lane lane : {Lane::agent, Lane::scheduler, Lane::admin}) {
    OneQuestion words(outside.host(), member.endpoint, lane, garbage);
    CHECK(words.is_closed());
  }

  CHECK(member.metric("cluster_master_protocol_errors_total") == 3);
  PlayedAgent agent(outside.host(), {member.endpoint}, diary);
  SmallFramework framework(outside, {member.endpoint}, diary);
  framework.launch("t1");
  CHECK(diary.has("t1 finished"));
}

TEST_CASE("a leader that is fenced sends everyone to the next one, where work goes on",
          "[node][master]") {
  Three three;
  Diary& diary = three.diary;
  PlayedAgent agent(three.outside.host(), three.endpoints, diary);
  SmallFramework framework(three.outside, three.endpoints, diary);
  framework.launch("t1");
  REQUIRE(diary.has("t1 finished"));
  const int old = diary.leader();
  const int next = old % 3 + 1;

  REQUIRE(three.of(next).log->start_writer().get());

  CHECK(diary.follows(old));
  CHECK(diary.leader(old) == next);
  CHECK(diary.has("resumed framework-000001"));
  CHECK(diary.has("registered", 2));
  framework.launch("t2");
  CHECK(diary.has("t2 finished"));
  CHECK(diary.has("forget t2"));
  CHECK(ask(three.outside.host(), three.of(old).endpoint, wire::GetAgents{}) ==
        wire::AdminBody(wire::AdminRedirect{three.of(next).endpoint}));
  CHECK(std::holds_alternative<wire::AgentRows>(
      ask(three.outside.host(), three.of(next).endpoint, wire::GetAgents{})));
}

TEST_CASE("when the leading master dies another one leads, and nothing that was accepted is lost",
          "[node][master]") {
  Three three;
  Diary& diary = three.diary;
  PlayedAgent agent(three.outside.host(), three.endpoints, diary);
  SmallFramework framework(three.outside, three.endpoints, diary);
  framework.launch("t1");
  REQUIRE(diary.has("t1 finished"));
  const int old = diary.leader();

  three.members[static_cast<std::size_t>(old)].reset();

  const int next = diary.leader(old);
  CHECK(diary.has("resumed framework-000001"));
  CHECK(diary.has("registered", 2));
  framework.launch("t2");
  CHECK(diary.has("t2 finished"));
  CHECK(three.of(next).metric("cluster_registry_entries_skipped_total") == 0);
}

TEST_CASE("a master node says which process it is", "[node][master]") {
  Directory directory;
  Runtime runtime =
      Runtime::threads({.security = cluster::Insecure{}, .deliver_on_node_thread = true});
  auto node = node::MasterNode::start(runtime.host(),
                                      {.self = NodeId(1),
                                       .members = {{NodeId(1), {"127.0.0.1", 0}}},
                                       .cluster = driver_cluster,
                                       .directory = directory.of(1),
                                       .election_timeout = election_timeout,
                                       .heartbeat_interval = milliseconds(50)},
                                      "test");
  if (!node) FAIL(node.error().message());
  Endpoint endpoint;
  runtime::run_on_node(runtime.host(), [&] { endpoint = (*node)->status().endpoint; });
  Runtime outside = Runtime::threads({.security = cluster::Insecure{}});

  auto status = ask(outside.host(), endpoint, wire::GetStatus{});

  REQUIRE(std::holds_alternative<wire::MasterStatus>(status));
  CHECK(std::get<wire::MasterStatus>(status).process == ::getpid());
  CHECK(std::get<wire::MasterStatus>(status).cluster == driver_cluster);
}
