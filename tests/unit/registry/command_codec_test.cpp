#include "tests/catch.hpp"
#include "tests/unit/wire/generators.hpp"

using namespace cluster;

TEST_CASE("every registry command comes back as it was", "[registry][wire]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    auto commands = test::Generator(seed).commands();
    REQUIRE(commands.size() == std::variant_size_v<RegistryCommand>);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      CAPTURE(seed, i);
      REQUIRE(commands[i].index() == i);
      Bytes bytes = encode(commands[i]);

      auto back = decode_registry_command(bytes.view());

      REQUIRE(back);
      CHECK(back->index() == i);
      CHECK(encode(*back) == bytes);
    }
  }
}

TEST_CASE("a launch comes back with all of its parts", "[registry][wire]") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    TaskRecord task = test::Generator(seed).task_record();
    auto back = decode_registry_command(encode(LaunchTask{.task = task}).view());
    REQUIRE(back);
    CHECK(std::get<LaunchTask>(*back).task == task);
  }
}

TEST_CASE("a command about a task without framework or id is refused", "[registry][wire]") {
  for (TaskKey key :
       {TaskKey{}, TaskKey{.framework = FrameworkId("f")}, TaskKey{.task = TaskId("t")}}) {
    for (const RegistryCommand& command :
         {RegistryCommand(KillTask{key}), RegistryCommand(AcknowledgeTask{key}),
          RegistryCommand(EndTask{.key = key, .status = {.state = TaskState::failed}}),
          RegistryCommand(LaunchTask{.task = {.key = key, .agent = AgentId("a")}})}) {
      auto back = decode_registry_command(encode(command).view());
      REQUIRE_FALSE(back);
      CHECK_THAT(back.error().context, Catch::Contains("without framework or id"));
    }
  }
}
