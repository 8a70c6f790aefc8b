#include <cstring>
#include <vector>

#include "tests/catch.hpp"
#include "tests/unit/wire/generators.hpp"

using namespace cluster;
using cluster::test::Generator;

namespace {

constexpr std::uint64_t round_trip_seeds = 60;

// Bytes that begin one byte after an aligned address, as slices of frames do.
class Unaligned {
 public:
  explicit Unaligned(ByteView bytes) : storage_(bytes.size() + 1) {
    if (!bytes.empty()) std::memcpy(storage_.data() + 1, bytes.data(), bytes.size());
  }
  ByteView view() const { return {storage_.data() + 1, storage_.size() - 1}; }

 private:
  std::vector<char> storage_;
};

template <class T, class Decode>
void check_round_trip(const T& value, Decode decode) {
  using wire::encode;
  Bytes bytes = encode(value);
  auto back = decode(bytes.view());
  INFO((back ? "" : back.error().message()));
  REQUIRE(back);
  CHECK(*back == value);
  auto again = decode(Unaligned(bytes.view()).view());
  REQUIRE(again);
  CHECK(*again == value);
}

}  // namespace

TEST_CASE("every message of the agent lane comes back as it was", "[wire]") {
  for (std::uint64_t seed = 1; seed <= round_trip_seeds; ++seed) {
    auto messages = Generator(seed).agent_messages();
    REQUIRE(messages.size() == std::variant_size_v<wire::AgentMessage>);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      CAPTURE(seed, i);
      REQUIRE(messages[i].index() == i);
      check_round_trip(messages[i], wire::decode_agent_message);
    }
  }
}

TEST_CASE("every message of the scheduler lane comes back as it was", "[wire]") {
  for (std::uint64_t seed = 1; seed <= round_trip_seeds; ++seed) {
    auto messages = Generator(seed).scheduler_messages();
    REQUIRE(messages.size() == std::variant_size_v<wire::SchedulerMessage>);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      CAPTURE(seed, i);
      REQUIRE(messages[i].index() == i);
      check_round_trip(messages[i], wire::decode_scheduler_message);
    }
  }
}

TEST_CASE("every message of the admin lane comes back as it was", "[wire]") {
  for (std::uint64_t seed = 1; seed <= round_trip_seeds; ++seed) {
    auto messages = Generator(seed).admin_messages();
    REQUIRE(messages.size() == std::variant_size_v<wire::AdminBody>);
    for (std::size_t i = 0; i < messages.size(); ++i) {
      CAPTURE(seed, i);
      REQUIRE(messages[i].body.index() == i);
      check_round_trip(messages[i], wire::decode_admin_message);
    }
  }
}

TEST_CASE("specs of tasks and jobs come back as they were", "[wire]") {
  check_round_trip(TaskSpec{}, [](ByteView v) { return wire::decode_task_spec(v); });
  check_round_trip(JobSpec{}, [](ByteView v) { return wire::decode_job_spec(v); });
  for (std::uint64_t seed = 1; seed <= round_trip_seeds; ++seed) {
    CAPTURE(seed);
    Generator make(seed);
    check_round_trip(make.task_spec(), wire::decode_task_spec);
    check_round_trip(make.job_spec(), wire::decode_job_spec);
  }
}

TEST_CASE("messages with no field set come back as they were", "[wire]") {
  check_round_trip(wire::AgentMessage(wire::AgentRegistered{}), wire::decode_agent_message);
  check_round_trip(wire::AgentMessage(wire::AgentRedirect{}), wire::decode_agent_message);
  check_round_trip(wire::SchedulerMessage(wire::Subscribe{}), wire::decode_scheduler_message);
  check_round_trip(wire::SchedulerMessage(wire::Offers{}), wire::decode_scheduler_message);
  check_round_trip(wire::SchedulerMessage(wire::Accept{}), wire::decode_scheduler_message);
  check_round_trip(wire::SchedulerMessage(wire::Reconcile{}), wire::decode_scheduler_message);
  check_round_trip(wire::AdminMessage{.body = wire::MasterStatus{}}, wire::decode_admin_message);
  check_round_trip(wire::AdminMessage{.body = wire::TaskRows{.rows = {wire::TaskRow{}}}},
                   wire::decode_admin_message);
  check_round_trip(wire::AdminMessage{.body = wire::JobAnswer{}}, wire::decode_admin_message);
}

TEST_CASE("a duration that is longer than any real one is cut, and does not overflow", "[wire]") {
  Bytes bytes =
      encode(wire::SchedulerMessage(wire::Subscribe{.failover_timeout = Duration::max()}));

  auto back = wire::decode_scheduler_message(bytes.view());

  REQUIRE(back);
  Duration timeout = std::get<wire::Subscribe>(*back).failover_timeout;
  CHECK(timeout > std::chrono::hours(24 * 365 * 20));
  CHECK(timeout < std::chrono::hours(24 * 365 * 40));
}
