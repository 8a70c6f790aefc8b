// The public client over real sockets, against a master of a few lines.
#include "cluster/scheduler.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>

#include "runtime/host.hpp"
#include "runtime/transport.hpp"
#include "scheduler/job_driver.hpp"
#include "tests/catch.hpp"
#include "wire/scheduler_messages.hpp"
#include "wire/spec_codec.hpp"

namespace cluster {
namespace {

using std::chrono::seconds;

// What has happened so far, in words, and the way to wait for it.
class Journal {
 public:
  void write(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  bool has(const std::string& line, std::ptrdiff_t times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, seconds(20), [&] { return std::count(lines_.begin(), lines_.end(), line) >= times; });
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> lines_;
};

// Subscribes whoever comes, offers one agent, runs every task to its end at once.
class SmallMaster final : public runtime::SessionHandler {
 public:
  SmallMaster(Runtime& runtime, Journal& journal) : host_(runtime.host()), journal_(journal) {
    runtime::run_on_node(host_, [this] {
      auto listener = host_.transport().listen({"127.0.0.1", 0});
      REQUIRE(listener);
      listener_ = *listener;
      endpoint_ = host_.transport().endpoint(listener_);
      host_.transport().serve(listener_, runtime::Lane::scheduler, this);
    });
  }
  ~SmallMaster() override {
    runtime::run_on_node(host_, [this] {
      host_.transport().serve(listener_, runtime::Lane::scheduler, nullptr);
      host_.transport().stop_listening(listener_);
    });
  }

  const Endpoint& endpoint() const { return endpoint_; }

  // Hangs up on everyone, as a master that dies does.
  void drop_sessions() {
    runtime::run_on_node(host_, [this] {
      for (runtime::SessionId session : sessions_) host_.transport().close(session);
      sessions_.clear();
    });
  }

 private:
  void on_open(runtime::SessionId session, const Endpoint&) override { sessions_.insert(session); }
  void on_close(runtime::SessionId session, const Error&) override { sessions_.erase(session); }

  void on_message(runtime::SessionId session, Bytes bytes) override {
    const auto message = wire::decode_scheduler_message(bytes.view());
    if (!message) return journal_.write("garbage");
    if (const auto* subscribe = std::get_if<wire::Subscribe>(&*message)) {
      if (removed_) {
        return send(session, wire::SchedulerError{Error{Errc::closed, "removed"}, true});
      }
      journal_.write("subscribe " + subscribe->framework.value());
      FrameworkId id = subscribe->framework.empty() ? FrameworkId("f1") : subscribe->framework;
      send(session, wire::Subscribed{std::move(id), 1, seconds(1)});
      send(session, wire::Offers{{wire::Offer{OfferId(1), AgentId("a1"), "host",
                                              *Resources::parse("cpus:4")}}});
    } else if (const auto* accept = std::get_if<wire::Accept>(&*message)) {
      for (const Bytes& spec : accept->tasks) {
        const auto task = wire::decode_task_spec(spec.view());
        if (!task) return journal_.write("garbage");
        journal_.write("launch " + task->id.value());
        send(session,
             wire::Update{{.task = task->id, .state = TaskState::finished, .sequence = 1}});
      }
    } else if (const auto* heard = std::get_if<wire::Acknowledge>(&*message)) {
      journal_.write("acknowledged " + heard->task.value());
    } else if (std::holds_alternative<wire::Suppress>(*message)) {
      journal_.write("suppress");
    } else if (std::holds_alternative<wire::Teardown>(*message)) {
      removed_ = true;
      journal_.write("teardown");
      send(session, wire::SchedulerError{Error{Errc::closed, "removed"}, true});
    }
  }

  void send(runtime::SessionId session, const wire::SchedulerMessage& message) {
    host_.transport().send(session, wire::encode(message));
  }

  runtime::Host& host_;
  Journal& journal_;
  runtime::ListenerId listener_;
  Endpoint endpoint_;
  std::set<runtime::SessionId> sessions_;
  bool removed_ = false;
};

TaskSpec small_task(std::string id) {
  TaskSpec task;
  task.id = TaskId(std::move(id));
  task.command.shell = "true";
  task.resources = *Resources::parse("cpus:1");
  return task;
}

SchedulerHandlers journaling(Journal& journal) {
  return {.on_subscribed =
              [&](Scheduler&, const FrameworkId& id, bool resumed) {
                journal.write((resumed ? "resumed " : "subscribed ") + id.value());
              },
          .on_disconnected = [&](Scheduler&, const Error&) { journal.write("disconnected"); },
          .on_offers =
              [&](Scheduler& scheduler, const std::vector<SchedulerOffer>& offers) {
                journal.write("offers");
                scheduler.accept({offers[0].id}, {small_task("t1")});
              },
          .on_update =
              [&](Scheduler&, const TaskStatus& status) {
                journal.write("update " + status.task.value() + " " +
                              std::string(to_string(status.state)));
              },
          .on_error = [&](Scheduler&, const Error&,
                          bool fatal) { journal.write(fatal ? "fatal" : "error"); }};
}

}  // namespace

TEST_CASE("a framework subscribes, launches, hears and acknowledges over real sockets",
          "[scheduler][net]") {
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  Journal journal;
  SmallMaster master(runtime, journal);
  auto scheduler = Scheduler::start(runtime, {.masters = {master.endpoint()}, .name = "mine"},
                                    journaling(journal));
  REQUIRE(scheduler);
  CHECK(journal.has("subscribed f1"));
  CHECK(journal.has("launch t1"));
  CHECK(journal.has("update t1 finished"));
  CHECK(journal.has("acknowledged t1"));

  master.drop_sessions();
  CHECK(journal.has("disconnected"));
  CHECK(journal.has("subscribe f1"));
  CHECK(journal.has("resumed f1"));

  CHECK((*scheduler)->teardown().get());
  CHECK(journal.has("teardown"));
  CHECK((*scheduler)->teardown().get().error().code == Errc::closed);
  CHECK((*scheduler)->stop().get());
}

TEST_CASE("explicit acknowledgement leaves it to the framework", "[scheduler][net]") {
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  Journal journal;
  SmallMaster master(runtime, journal);
  SchedulerHandlers handlers = journaling(journal);
  handlers.on_update = [&](Scheduler& scheduler, const TaskStatus& status) {
    journal.write("update");
    scheduler.suppress();  // Sent before the acknowledgement: so nothing came of itself.
    scheduler.acknowledge(status);
  };
  auto scheduler = Scheduler::start(
      runtime, {.masters = {master.endpoint()}, .name = "mine", .acknowledge_automatically = false},
      std::move(handlers));
  REQUIRE(scheduler);
  REQUIRE(journal.has("acknowledged t1"));
  const auto lines = journal.lines();
  const auto at = [&](const char* line) { return std::find(lines.begin(), lines.end(), line); };
  CHECK(at("suppress") < at("acknowledged t1"));
  CHECK(std::count(lines.begin(), lines.end(), "acknowledged t1") == 1);
}

TEST_CASE("no handler runs once the scheduler is destroyed, and none is needed",
          "[scheduler][net]") {
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  Journal journal;
  SmallMaster master(runtime, journal);
  for (int i = 0; i < 20; ++i) {
    bool is_alive = true;
    SchedulerHandlers handlers;
    handlers.on_offers = [&](Scheduler&, const std::vector<SchedulerOffer>&) {
      if (!is_alive) journal.write("too late");
    };
    auto scheduler = Scheduler::start(runtime, {.masters = {master.endpoint()}, .name = "mine"},
                                      std::move(handlers));
    REQUIRE(scheduler);
    if (i % 2 == 0) CHECK(journal.has("subscribe ", i / 2 + 1));
    scheduler->reset();
    is_alive = false;
  }
  const auto lines = journal.lines();
  CHECK(std::count(lines.begin(), lines.end(), "too late") == 0);
}

TEST_CASE("options that make no sense are refused at once", "[scheduler]") {
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  const Endpoint somewhere{"127.0.0.1", 5050};
  const auto code = [&](SchedulerOptions options) {
    const auto scheduler = Scheduler::start(runtime, std::move(options), {});
    return scheduler ? Errc::ok : scheduler.error().code;
  };
  CHECK(code({.masters = {}, .name = "mine"}) == Errc::invalid_argument);
  CHECK(code({.masters = {{"127.0.0.1", 0}}, .name = "mine"}) == Errc::invalid_argument);
  CHECK(code({.masters = {somewhere}, .name = ""}) == Errc::invalid_argument);
  CHECK(code({.masters = {somewhere}, .name = "mine", .role = ""}) == Errc::invalid_argument);
  CHECK(code({.masters = {somewhere}, .name = "mine", .failover_timeout = seconds(-1)}) ==
        Errc::invalid_argument);
}

TEST_CASE("the job scheduler talks to its own master as the framework jobs", "[scheduler][net]") {
  Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
  Journal journal;
  SmallMaster master(runtime, journal);
  RegistryState state;
  JobSpec job{.id = JobId("j"), .name = "", .kind = JobKind::batch, .stages = {}};
  job.stages.push_back({.name = "main", .resources = *Resources::parse("cpus:1")});
  job.stages[0].command.shell = "true";
  state.apply(Position(1),
              RegisterAgent{{.id = AgentId("a1"), .total = *Resources::parse("cpus:4")}});
  std::unique_ptr<scheduler::JobScheduler> jobs;
  runtime::run_on_node(runtime.host(), [&] {
    jobs = std::make_unique<scheduler::JobScheduler>(runtime.host(), state, master.endpoint());
    jobs->on_applied(Position(2), state.apply(Position(2), SubmitJob{job, WallTime{}}));
    CHECK(jobs->pending().total == 1);
  });
  CHECK(journal.has("subscribe jobs"));
  CHECK(journal.has("launch j.main.0.1"));
  CHECK(journal.has("acknowledged j.main.0.1"));
  runtime::run_on_node(runtime.host(), [&] {
    CHECK(jobs->pending().rows.at(0).why == "launching");
    jobs.reset();
  });
}

}  // namespace cluster
