#include <string>

#include "tests/catch.hpp"
#include "tests/fuzz/messages_fuzz.hpp"
#include "tests/unit/wire/generators.hpp"

using namespace cluster;
using cluster::test::Generator;

namespace {

template <class Message>
Error refusal_of(const Message& message, Result<Message> (*decode)(ByteView)) {
  auto back = decode(encode(message).view());
  REQUIRE_FALSE(back);
  return back.error();
}

Error agent_refusal(const wire::AgentMessage& message) {
  return refusal_of<wire::AgentMessage>(message, wire::decode_agent_message);
}
Error scheduler_refusal(const wire::SchedulerMessage& message) {
  return refusal_of<wire::SchedulerMessage>(message, wire::decode_scheduler_message);
}

}  // namespace

TEST_CASE("bytes that are no message are refused with what is wrong about them", "[wire]") {
  std::string whole(encode(wire::AgentMessage(wire::AgentPing{})).view());

  for (std::string bad : {std::string(), std::string("GET / HTTP/1.1\r\n"), std::string(8, '\0'),
                          std::string(64, '\xff'), whole.substr(0, whole.size() - 8),
                          whole + std::string(8, '\0'), whole + "x"}) {
    auto result = wire::decode_agent_message(bad);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Errc::protocol);
    CHECK_THAT(result.error().context, Catch::StartsWith("message on the agent lane: "));
  }
}

TEST_CASE("a message of no known kind is refused", "[wire]") {
  std::string bytes(encode(wire::AgentMessage(wire::AgentPing{})).view());
  // The segment table and the root pointer are a word each; the union's tag is in the first data
  // word of the root, where a ping's is 9.
  REQUIRE(bytes.size() >= 24);
  REQUIRE(bytes[16] == 9);

  bytes[16] = 77;
  auto later = wire::decode_agent_message(bytes);
  bytes[16] = 0;
  auto none = wire::decode_agent_message(bytes);

  REQUIRE_FALSE(later);
  CHECK_THAT(later.error().context, Catch::Contains("kind is not known"));
  CHECK_FALSE(none);
}

TEST_CASE("an id that could name a path is refused", "[wire]") {
  for (const char* id : {"", "a/b", "..", ".", "a b", "a\nb", "\xc3\xa4"}) {
    CAPTURE(id);
    CHECK_THAT(agent_refusal(wire::KillAgentTask{FrameworkId("f"), TaskId(id)}).context,
               Catch::Contains("id of the task"));
  }
  CHECK_THAT(
      agent_refusal(wire::KillAgentTask{FrameworkId("f"), TaskId(std::string(256, 'x'))}).context,
      Catch::Contains("256 characters"));
}

TEST_CASE("numbers out of their range are refused", "[wire]") {
  CHECK_THAT(scheduler_refusal(wire::Rescind{}).context, Catch::Contains("ids begin at 1"));
  CHECK_THAT(scheduler_refusal(wire::Decline{.refuse = Duration(-1)}).context,
             Catch::Contains("refusal is negative"));
  CHECK_THAT(scheduler_refusal(
                 wire::Update{.status = {.task = TaskId("t"), .state = static_cast<TaskState>(10)}})
                 .context,
             Catch::Contains("task state has the unknown value 10"));
  CHECK_THAT(
      scheduler_refusal(wire::SchedulerError{.error = {.code = static_cast<Errc>(999)}}).context,
      Catch::Contains("error code has the unknown value 999"));
  CHECK_THAT(scheduler_refusal(wire::Update{.status = {.task = TaskId("t"), .at = WallTime::max()}})
                 .context,
             Catch::Contains("time of day"));
}

TEST_CASE("a resource that would overflow a sum is refused", "[wire]") {
  Resources resources;
  resources.set("cpus", Scalar::thousandths(100'000'000'000'001));

  wire::Offer offer{.id = OfferId(1), .agent = AgentId("a"), .resources = resources};

  CHECK_THAT(scheduler_refusal(wire::Offers{.offers = {offer}}).context,
             Catch::Contains("a resource has an amount of 100000000000001"));
}

TEST_CASE("an update that names no task is refused", "[wire]") {
  CHECK_THAT(scheduler_refusal(wire::Update{}).context, Catch::Contains("does not name its task"));
  CHECK_THAT(agent_refusal(wire::AgentUpdate{.framework = FrameworkId("f")}).context,
             Catch::Contains("does not name its task"));
}

TEST_CASE("a job whose progress does not match its stages is refused", "[wire]") {
  JobRecord job;
  job.spec.stages.push_back({.name = "s", .instances = 2});
  job.tasks = {{JobTask{}}};

  auto back = wire::decode_admin_message(
      encode(wire::AdminMessage{.id = 1, .body = wire::JobAnswer{.job = job}}).view());

  REQUIRE_FALSE(back);
  CHECK_THAT(back.error().context, Catch::Contains("does not match its stages"));
}

TEST_CASE("a damaged spec is corrupt, a damaged message breaks the protocol", "[wire]") {
  CHECK(wire::decode_task_spec("12345678").error().code == Errc::corrupt);
  CHECK(wire::decode_job_spec("12345678").error().code == Errc::corrupt);
  CHECK(decode_registry_command("12345678").error().code == Errc::corrupt);
  CHECK(wire::decode_admin_message("12345678").error().code == Errc::protocol);
  CHECK(wire::decode_scheduler_message("12345678").error().code == Errc::protocol);
}

TEST_CASE("changed bytes give an error or another message, and never more", "[wire][fuzz]") {
  Random random(2026);
  std::vector<std::string> corpus = test::message_fuzz_corpus();
  std::size_t understood = 0;
  for (int round = 0; round < 6'000; ++round) {
    std::string input = corpus[random.below(corpus.size())];
    for (auto changes = random.between(1, 6); changes > 0; --changes) {
      char& c = input[1 + random.below(input.size() - 1)];
      c = random.chance(1, 2) ? static_cast<char>(c ^ (1 << random.below(8)))
                              : static_cast<char>(random.below(256));
    }
    understood += test::run_message_input(input);
  }
  CHECK(understood > 500);  // Else the changes never reached past the first check.
}
