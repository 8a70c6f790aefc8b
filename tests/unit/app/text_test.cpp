// Words and numbers between people and the program.
#include "text.hpp"

#include "job_text.hpp"
#include "listing.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using namespace cluster::app;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("durations are read and written with their units", "[app][text]") {
  CHECK(*parse_duration("500ms") == milliseconds(500));
  CHECK(*parse_duration("1.5s") == milliseconds(1500));
  CHECK(*parse_duration("2m") == seconds(120));
  CHECK(*parse_duration("1h") == seconds(3600));
  CHECK(*parse_duration("0s") == Duration{});
  for (Duration value : {Duration{}, Duration(7), Duration(milliseconds(1500)),
                         Duration(seconds(15)), Duration(seconds(7200))}) {
    CHECK(*parse_duration(to_text(value)) == value);
  }
  CHECK(to_text(seconds(15)) == "15s");
  for (const char* wrong : {"", "5", "s", "-1s", "1 s", "1d", "infs", "nans", "1e300h", "0x5s"}) {
    CHECK_FALSE(parse_duration(wrong));
  }
}

TEST_CASE("ages are short", "[app][text]") {
  CHECK(age_text(milliseconds(420)) == "0.4s");
  CHECK(age_text(seconds(12)) == "12s");
  CHECK(age_text(seconds(600)) == "10m");
  CHECK(age_text(seconds(3600 * 5)) == "5h");
  CHECK(age_text(seconds(86400 * 3)) == "3d");
  CHECK(age_text(seconds(-5)) == "0s");
}

TEST_CASE("cluster ids are hexadecimal and never zero", "[app][text]") {
  CHECK(to_hex(ClusterUid(0xc0ffee)) == "0000000000c0ffee");
  CHECK(*parse_cluster_uid("c0ffee") == ClusterUid(0xc0ffee));
  CHECK(*parse_cluster_uid(to_hex(ClusterUid(~0ull))) == ClusterUid(~0ull));
  for (const char* wrong : {"", "0", "xyz", "12 ", "0x1", "11112222333344445"}) {
    CHECK_FALSE(parse_cluster_uid(wrong));
  }
}

TEST_CASE("a word that is nearly right is recognised", "[app][text]") {
  CHECK(nearest("instnces", {"name", "instances"}) == "instances");
  CHECK(nearest("nmae", {"name", "mem"}) == "name");
  CHECK(nearest("elephant", {"name", "mem"}).empty());
}

TEST_CASE("a new job's id keeps what ids allow of its name", "[app][text]") {
  CHECK(new_job_id("web").value().starts_with("web-"));
  CHECK(new_job_id("my web/app!").value().starts_with("my-web-app-"));
  CHECK(new_job_id("").value().starts_with("job-"));
  CHECK(new_job_id("x") != new_job_id("x"));
}

TEST_CASE("tables are aligned, and what tasks say cannot garble them", "[app][listing]") {
  Listing list({{"id", "ID"}, {"hidden", ""}, {"n", "N"}, {"what", "WHAT"}});
  list.add({"long-name", "x", Cell::number(7), "a\n\x1b[31mb"});
  list.add({"b", "y", Cell::none(), "ünï"});

  CHECK(list.table() ==
        "ID         N  WHAT\n"
        "long-name  7  a  [31mb\n"
        "b          -  ünï\n");
}

TEST_CASE("JSON has every column, with its type", "[app][listing]") {
  Listing list({{"id", "ID"}, {"n", "N"}, {"ok", ""}, {"exit", "EXIT"}});
  list.add({"a\"\xff", Cell::number(7, "seven"), Cell::truth(true), Cell::none()});

  CHECK(list.json() ==
        "[\n  {\n    \"id\": \"a\\\"\xef\xbf\xbd\",\n    \"n\": 7,\n    \"ok\": true,\n"
        "    \"exit\": null\n  }\n]\n");
  CHECK(Listing(std::vector<Column>{{"id", "ID"}}).json() == "[]\n");
}

TEST_CASE("the exit code of a job is its first failed task's, else its first that is not 0",
          "[app][job_text]") {
  JobRecord job;
  job.state = JobState::failed;
  job.tasks = {{JobTask{.exit = TaskExit{}}, JobTask{}, JobTask{.exit = TaskExit{.signal = 9}},
                JobTask{.exit = TaskExit{.code = 3}}}};
  CHECK(exit_code_of(job) == 137);

  job.tasks = {{JobTask{}, JobTask{.exit = TaskExit{.code = 3}}}};
  CHECK(exit_code_of(job) == 3);

  job.tasks = {{JobTask{}}};
  CHECK(exit_code_of(job) == 1);

  // The first was killed because the second had failed.
  job.tasks = {{JobTask{.exit = TaskExit{.signal = 15}},
                JobTask{.state = JobTask::State::failed, .exit = TaskExit{.code = 12}}}};
  CHECK(exit_code_of(job) == 12);

  job.state = JobState::succeeded;
  CHECK(exit_code_of(job) == 0);
}

TEST_CASE("progress names what there is and leaves out what there is not", "[app][job_text]") {
  JobRecord job;
  using State = JobTask::State;
  job.tasks = {{JobTask{.state = State::succeeded, .attempt = 2, .losses = 1},
                JobTask{.state = State::launched, .attempt = 1}, JobTask{}}};
  CHECK(progress_text(job) == "1 of 3 tasks succeeded, 1 launched, 1 waiting; 1 loss");

  job.tasks = {{JobTask{.state = State::succeeded, .attempt = 1}}};
  CHECK(progress_text(job) == "1 of 1 task succeeded");
}
