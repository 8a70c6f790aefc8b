#include <string>

#include "tests/catch.hpp"
#include "wire/spec_codec.hpp"

using namespace cluster;
using Catch::Contains;

namespace {

TaskSpec good_task() {
  TaskSpec task{.id = TaskId("t-1"), .name = "a task"};
  task.command.argv = {"true"};
  task.resources = Resources::parse("cpus:0.5;mem:64").value();
  return task;
}

StageSpec good_stage(std::string name, std::vector<std::string> after = {}) {
  StageSpec stage{.name = std::move(name), .after = std::move(after)};
  stage.command.shell = "true";
  stage.resources = Resources::parse("cpus:0.5;mem:64").value();
  return stage;
}

JobSpec good_job() {
  return {.id = JobId("count"),
          .name = "word count",
          .stages = {good_stage("map"), good_stage("reduce", {"map"})}};
}

std::string problem_of_changed_task(void (*change)(TaskSpec&)) {
  TaskSpec task = good_task();
  change(task);
  return wire::problem_of(task);
}

std::string problem_of_changed_job(void (*change)(JobSpec&)) {
  JobSpec job = good_job();
  change(job);
  return problem_of(job);
}

}  // namespace

TEST_CASE("a task that can be run has no problem", "[spec]") {
  CHECK(wire::problem_of(good_task()) == "");
}

TEST_CASE("a task that cannot be run is told what would be right", "[spec]") {
  auto problem = problem_of_changed_task;
  CHECK_THAT(problem([](TaskSpec& t) { t.id = TaskId(); }), Contains("id is empty"));
  CHECK_THAT(problem([](TaskSpec& t) { t.id = TaskId("../x"); }), Contains("only A-Z a-z 0-9"));
  CHECK_THAT(problem([](TaskSpec& t) { t.id = TaskId(".."); }), Contains("names a directory"));
  CHECK_THAT(problem([](TaskSpec& t) { t.id = TaskId(std::string(256, 'a')); }),
             Contains("the most is 255"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.argv.clear(); }), Contains("nothing to run"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.shell = "true"; }), Contains("give one of them"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.argv = {""}; }), Contains("empty argument"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.argv = {std::string("a\0b", 3)}; }),
             Contains("NUL byte"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.environment["A=B"] = ""; }),
             Contains("must not have a = in it"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.environment[""] = "x"; }),
             Contains("must not be empty"));
  CHECK_THAT(problem([](TaskSpec& t) { t.command.environment["A"] = std::string(1, '\0'); }),
             Contains("NUL byte"));
  CHECK_THAT(problem([](TaskSpec& t) { t.resources = Resources(); }),
             Contains("ask for something, as in cpus:0.1;mem:32"));
  CHECK_THAT(problem([](TaskSpec& t) { t.resources.set("cpus", Items{"a"}); }),
             Contains("it is a number"));
  CHECK_THAT(problem([](TaskSpec& t) { t.resources.set("mem", Scalar::whole(1'000'000'000'000)); }),
             Contains("the most is 100000000000"));
  CHECK_THAT(problem([](TaskSpec& t) { t.resources.set("a b", Scalar::whole(1)); }),
             Contains("have the name \"a b\""));
  CHECK_THAT(problem([](TaskSpec& t) { t.kill_grace = std::chrono::hours(2); }),
             Contains("from 0 to 3600 s"));
  CHECK_THAT(problem([](TaskSpec& t) { t.kill_grace = Duration(-1); }), Contains("from 0 to 3600"));
  CHECK_THAT(problem([](TaskSpec& t) { t.labels[""] = "x"; }), Contains("label without a name"));
  CHECK_THAT(problem([](TaskSpec& t) { t.name = std::string(2000, 'n'); }),
             Contains("2000 bytes; the most is 1024"));
  CHECK_THAT(problem([](TaskSpec& t) { t.labels["l"] = std::string(1 << 20, 'x'); }),
             Contains("put what is large into files"));
}

TEST_CASE("a spec that passes fits into an entry of the log", "[spec]") {
  TaskSpec task = good_task();
  task.command.argv.clear();
  while (task.command.argv.size() < 200'000) {
    task.command.argv.push_back(std::string(task.command.argv.size() % 12 + 1, 'x'));
    if (task.command.argv.size() % 1000 == 0 && !wire::problem_of(task).empty()) break;
  }
  task.command.argv.resize(task.command.argv.size() - 1000);

  REQUIRE(wire::problem_of(task) == "");
  CHECK(wire::encode(task).size() > 800'000);
  CHECK(wire::encode(task).size() < (1 << 20) - 60'000);
}

TEST_CASE("a job that can be run has no problem", "[spec]") {
  CHECK(problem_of(good_job()) == "");

  JobSpec listed = good_job();
  listed.stages[0].command = Command{.environment = {{"SHARED", "1"}}};
  listed.stages[0].commands = {Command{.argv = {"a"}}, Command{.shell = "b"}};
  listed.stages[0].instances = 2;
  CHECK(problem_of(listed) == "");

  JobSpec service = good_job();
  service.kind = JobKind::service;
  service.stages.pop_back();
  CHECK(problem_of(service) == "");
}

TEST_CASE("a job that cannot be run is told what would be right", "[spec]") {
  auto problem = problem_of_changed_job;
  CHECK_THAT(problem([](JobSpec& j) { j.id = JobId("a/b"); }), Contains("the job's id"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages.clear(); }), Contains("at least one"));
  CHECK_THAT(problem([](JobSpec& j) { j.kind = JobKind::service; }),
             Contains("exactly one stage; this one has 2"));
  CHECK_THAT(problem([](JobSpec& j) {
               j.kind = JobKind::service;
               j.stages.erase(j.stages.begin());
             }),
             Contains("waits for nothing"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[1].name = "map"; }), Contains("names must differ"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[1].name = "re duce"; }),
             Contains("the name of stage 2"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[1].after = {"mop"}; }),
             Contains("after \"mop\", which is not a stage"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].after = {"reduce"}; }),
             Contains("waits for itself"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[1].after = {"reduce"}; }),
             Contains("\"reduce\" waits for itself"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].instances = 0; }), Contains("1 to 10000"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].instances = 10'001; }), Contains("1 to 10000"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].attempts_max = 0; }), Contains("1 to 1000"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].attempts_max = 1001; }), Contains("1 to 1000"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].kill_grace = Duration(-1); }),
             Contains("kill grace"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].command = Command{}; }),
             Contains("nothing to run"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].commands = {Command{.shell = "x"}}; }),
             Contains("may only give the environment"));
  CHECK_THAT(problem([](JobSpec& j) {
               j.stages[0].command = Command{};
               j.stages[0].commands = {Command{.shell = "x"}, Command{.shell = "y"}};
             }),
             Contains("2 commands and 1 instances; the two numbers must be equal"));
  CHECK_THAT(problem([](JobSpec& j) {
               j.stages[0].command = Command{};
               j.stages[0].commands = {Command{}};
             }),
             Contains("command 0 has nothing to run"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].name = std::string(199, 'm'); }),
             Contains("200 characters together"));
  CHECK_THAT(problem([](JobSpec& j) {
               for (int i = 0; i < 11; ++i) {
                 StageSpec stage = good_stage("s" + std::to_string(i));
                 stage.instances = 10'000;
                 j.stages.push_back(stage);
               }
             }),
             Contains("110002 tasks in all; the most is 100000"));
  CHECK_THAT(problem([](JobSpec& j) { j.stages[0].command.shell = std::string(1 << 20, 'x'); }),
             Contains("put what is large into files"));
}

TEST_CASE("a circle among many stages is found, a long chain is none", "[spec]") {
  JobSpec job{.id = JobId("chain"), .stages = {good_stage("s0")}};
  for (int i = 1; i < 500; ++i) {
    job.stages.push_back(good_stage("s" + std::to_string(i), {"s" + std::to_string(i - 1), "s0"}));
  }
  CHECK(problem_of(job) == "");

  job.stages[100].after.push_back("s400");
  CHECK_THAT(problem_of(job), Contains("no circle"));
}

TEST_CASE("states have words, and terminal ones are known", "[spec]") {
  CHECK(to_string(TaskState::running) == "running");
  CHECK(to_string(JobState::stopping) == "stopping");
  for (auto state : {TaskState::finished, TaskState::failed, TaskState::killed, TaskState::lost,
                     TaskState::error, TaskState::dropped}) {
    CHECK(is_terminal(state));
  }
  for (auto state :
       {TaskState::starting, TaskState::running, TaskState::staging, TaskState::killing}) {
    CHECK_FALSE(is_terminal(state));
  }
  CHECK_FALSE(is_terminal(JobState::active));
  CHECK_FALSE(is_terminal(JobState::stopping));
  CHECK(is_terminal(JobState::succeeded));
  CHECK(is_terminal(JobState::failed));
  CHECK(is_terminal(JobState::stopped));
}
