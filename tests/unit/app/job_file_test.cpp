// Job files: what is understood, and what each mistake is answered with.
#include "job_file.hpp"

#include "tests/catch.hpp"

using namespace cluster;
using cluster::app::parse_job;

namespace {

std::string refusal_of(std::string_view text) {
  auto job = parse_job(text, "job.toml");
  REQUIRE_FALSE(job);
  CHECK(job.error().code == Errc::invalid_argument);
  return job.error().context;
}

}  // namespace

TEST_CASE("a file without stages is a job of one stage", "[app][job_file]") {
  auto job = parse_job(R"(
name = "web"
kind = "service"
instances = 3
command = ["python3", "-m", "http.server"]
env = { COLOUR = "blue", N = 4 }
cpus = 0.25
mem = 64
kill_grace = "1500ms"
)",
                       "job.toml");

  REQUIRE(job);
  CHECK(job->name == "web");
  CHECK(job->id.value().starts_with("web-"));
  CHECK(job->kind == JobKind::service);
  REQUIRE(job->stages.size() == 1);
  const StageSpec& stage = job->stages.front();
  CHECK(stage.command.argv == std::vector<std::string>{"python3", "-m", "http.server"});
  CHECK(stage.command.environment ==
        std::map<std::string, std::string>{{"COLOUR", "blue"}, {"N", "4"}});
  CHECK(stage.instances == 3);
  CHECK(stage.resources == *Resources::parse("cpus:0.25;mem:64"));
  CHECK(stage.kill_grace == std::chrono::milliseconds(1500));
  CHECK(stage.attempts_max == 1);
}

TEST_CASE("stages keep their order, their commands and what they wait for", "[app][job_file]") {
  auto job = parse_job(R"(
name = "sums"
[[stage]]
name = "map"
attempts = 3
resources = "cpus:1;ports:[31000-31001]"
env = { SHARED = "1" }
[[stage.task]]
shell = "echo one"
[[stage.task]]
command = ["echo", "two"]
env = { OWN = "2" }
[[stage]]
name = "reduce"
after = ["map"]
shell = "cat"
)",
                       "job.toml");

  REQUIRE(job);
  CHECK(job->kind == JobKind::batch);
  REQUIRE(job->stages.size() == 2);
  const StageSpec& map = job->stages[0];
  CHECK(map.attempts_max == 3);
  CHECK(map.resources == *Resources::parse("cpus:1;mem:32;ports:[31000-31001]"));
  CHECK(map.command.environment.at("SHARED") == "1");
  CHECK(map.instances == 2);
  REQUIRE(map.commands.size() == 2);
  CHECK(map.commands[0].shell == "echo one");
  CHECK(map.commands[1].argv == std::vector<std::string>{"echo", "two"});
  CHECK(map.commands[1].environment.at("OWN") == "2");
  CHECK(job->stages[1].after == std::vector<std::string>{"map"});
}

TEST_CASE("two readings of one file are two jobs", "[app][job_file]") {
  auto one = parse_job("shell = 'true'", "job.toml");
  auto other = parse_job("shell = 'true'", "job.toml");

  REQUIRE(one);
  REQUIRE(other);
  CHECK(one->id != other->id);
}

TEST_CASE("what is no TOML is refused with its place", "[app][job_file]") {
  CHECK(refusal_of("name = \"a\nshell = 1").starts_with("job.toml:1:"));
  CHECK(refusal_of("shell = 'true'\n= 4").starts_with("job.toml:2:"));
  CHECK(refusal_of("shell = 'a'\nshell = 'b'").starts_with("job.toml:2:"));
}

TEST_CASE("a heading that is no key is refused, wherever it goes wrong", "[app][job_file]") {
  for (const char* heading : {"[?]", "[=x]", "[[ . ]]", "[a.]", "[a.?]", "[", "[[", "[a"}) {
    INFO(heading);
    CHECK(refusal_of("name = \"a\"\n" + std::string(heading) + "\n").starts_with("job.toml:"));
  }
}

TEST_CASE("an unknown key is refused, with the one that was probably meant", "[app][job_file]") {
  CHECK(refusal_of("shell = 'true'\ninstnces = 3") ==
        "job.toml:2:1: unknown key 'instnces'; did you mean 'instances'?");
  CHECK(refusal_of("shell = 'true'\nzzzzzzzz = 3") == "job.toml:2:1: unknown key 'zzzzzzzz'");
  CHECK(refusal_of("cpus = 1\n[[stage]]\nname = 'a'\nshell = 'true'") ==
        "job.toml:1:1: 'cpus' stands here: a job with [[stage]] has them in its stages");
}

TEST_CASE("a value of the wrong kind is refused where it stands", "[app][job_file]") {
  CHECK(refusal_of("shell = 4").starts_with("job.toml:1:9: shell is a string"));
  CHECK(refusal_of("command = 'ls'").starts_with("job.toml:1:11: command is a list of strings"));
  CHECK(refusal_of("shell = 'x'\ncpus = 'two'").starts_with("job.toml:2:8: cpus is a number"));
  CHECK(refusal_of("shell = 'x'\ncpus = -1").starts_with("job.toml:2:8: cpus is a number"));
  CHECK(refusal_of("shell = 'x'\ninstances = 0").starts_with("job.toml:2:13: instances"));
  CHECK(refusal_of("shell = 'x'\ninstances = 1.5").starts_with("job.toml:2:13: instances"));
  CHECK(refusal_of("shell = 'x'\nkill_grace = 5").starts_with("job.toml:2:14: kill_grace"));
  CHECK(refusal_of("shell = 'x'\nresources = 'cpus:x'").starts_with("job.toml:2:13: "));
  CHECK(refusal_of("shell = 'x'\nenv = { A = [1] }").starts_with("job.toml:2:"));
  CHECK(refusal_of("kind = 'cron'\nshell = 'x'").starts_with("job.toml:1:8: kind is 'cron'"));
  CHECK(refusal_of("stage = 4").starts_with("job.toml:1:9: stage is a list of tables"));
}

TEST_CASE("what is wrong with a job as a whole has a place too", "[app][job_file]") {
  CHECK(refusal_of("").starts_with("job.toml:1:1: nothing to run"));
  CHECK(refusal_of("kind = 'service'\n[[stage]]\nname = 'a'\nshell = 'x'\n"
                   "[[stage]]\nname = 'b'\nshell = 'x'")
            .starts_with("job.toml:1:8: a service has exactly one stage"));
  CHECK(refusal_of("[[stage]]\nname = 'a'\nshell = 'x'\n[[stage]]\nname = 'a'\nshell = 'x'")
            .starts_with("job.toml:4:1: two stages are named"));
  CHECK(refusal_of("[[stage]]\nname = 'a'\nshell = 'x'\nafter = ['b']\n"
                   "[[stage]]\nname = 'b'\nshell = 'x'\nafter = ['a']")
            .starts_with("job.toml:4:9: stage \"a\" waits for itself"));
  CHECK(refusal_of("[[stage]]\nname = 'a'\nshell = 'x'\nafter = ['b']")
            .starts_with("job.toml:4:9: stage \"a\" comes after \"b\""));
}

TEST_CASE("a file that cannot be read is refused with the reason", "[app][job_file]") {
  auto directory = cluster::app::read_job_file("/");
  REQUIRE_FALSE(directory);
  CHECK(directory.error().context == "/: cannot be read: Is a directory");
  auto absent = cluster::app::read_job_file("/no/such/job.toml");
  REQUIRE_FALSE(absent);
  CHECK(absent.error().context == "/no/such/job.toml: cannot be read: No such file or directory");
}

TEST_CASE("a job that makes no sense is refused", "[app][job_file]") {
  CHECK(refusal_of("name = 'x'").find("nothing to run") != std::string::npos);
  CHECK(refusal_of("shell = 'a'\ncommand = ['b']").find("both") != std::string::npos);
  CHECK(refusal_of("[[stage]]\nshell = 'a'").find("no name") != std::string::npos);
  CHECK(refusal_of("[[stage]]\nname = 'a'\nshell = 'a'\nafter = ['b']").find("\"b\"") !=
        std::string::npos);
  CHECK(refusal_of("cpus = 1\nresources = 'cpus:2'\nshell = 'a'").find("twice") !=
        std::string::npos);
}
