// What the agent makes of the machine's cgroups.
#include "agentlib/cgroup.hpp"

#include "agentlib/machine.hpp"
#include "cluster/agent.hpp"
#include "tests/unit/agentlib/support.hpp"

using namespace agent_test;

TEST_CASE("hierarchies are found among the mounts", "[agentlib][cgroup]") {
  auto mounts = parse_mounts(
      "23 1 0:21 / /proc rw - proc proc rw\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
      "broken line\n");
  REQUIRE(mounts.size() == 2);
  CHECK(mounts[0].directory == "/sys/fs/cgroup/cpu");
  CHECK_FALSE(mounts[0].is_v2);
  CHECK(mounts[0].controllers == "rw,cpu,cpuacct");
  CHECK(mounts[1].is_v2);
}

TEST_CASE("cpus become the kernel's numbers, within its bounds", "[agentlib][cgroup]") {
  CHECK(cpu_quota_us(Scalar::whole(2)) == 200'000);
  CHECK(cpu_quota_us(Scalar::thousandths(1)) == 1000);
  CHECK(cpu_shares(Scalar::thousandths(500)) == 512);
  CHECK(cpu_shares(Scalar::thousandths(1)) == 2);
  CHECK(cpu_weight(Scalar::whole(1)) == 100);
  CHECK(cpu_weight(Scalar::whole(1000)) == 10000);
}

TEST_CASE("where a hierarchy can't be used, the reason is told", "[agentlib][cgroup]") {
  TestDirectory directory;
  CgroupOptions options{.root = "cluster", .agent = "agent-x"};
  auto v2 = open_cgroups_v2({.directory = directory.path(), .is_v2 = true}, options);
  REQUIRE_FALSE(v2);
  CHECK(v2.error().context.find("has no cpu controller") != std::string::npos);
  auto v1 =
      open_cgroups_v1({{.directory = "/no/such/mount", .controllers = "cpu,memory"}}, options);
  REQUIRE_FALSE(v1);
  CHECK(v1.error().context.find("cannot make /no/such/mount/cluster") != std::string::npos);
}

TEST_CASE("a machine keeps some of its memory for itself", "[agentlib]") {
  CHECK(usable_mem_mib(2048) == 1536);
  CHECK(usable_mem_mib(65536) == 64512);
  CHECK(detect_resources().cpus() >= Scalar::whole(1));
  CHECK(detect_resources().mem() > Scalar());
}

TEST_CASE("names that could lead out of a directory are not safe", "[agentlib]") {
  CHECK(is_safe_name("a.b_c-9", 255));
  CHECK_FALSE(is_safe_name("..", 255));
  CHECK_FALSE(is_safe_name("a/b", 255));
  CHECK_FALSE(is_safe_name("", 255));
  CHECK_FALSE(is_safe_name("abc", 2));
}
