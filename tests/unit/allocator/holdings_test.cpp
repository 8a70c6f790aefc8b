// Who holds what: agents and frameworks that come, go and return, in any order.
#include "tests/unit/allocator/fixture.hpp"

namespace cluster {
namespace {

TEST_CASE("an agent arrives with tasks of frameworks that are not known yet", "[allocator]") {
  Allocator allocator;
  allocator.add_agent(
      agent("s1"), bag("cpus:4;ports:[1-4]"),
      {{framework("A"), bag("cpus:1;ports:[2-2]")}, {framework("B"), bag("cpus:1")}});
  allocator.add_agent(agent("s2"), bag("cpus:4"));
  CHECK(allocator.available(agent("s1")) == bag("cpus:2;ports:[1-1,3-4]"));
  CHECK(allocator.allocated(framework("A")) == bag("cpus:1;ports:[2-2]"));
  CHECK(allocator.dominant_share(framework("A")) == 0.125);

  // What it held counts as soon as it is known.
  allocator.add_framework(framework("A"), "*");
  allocator.add_framework(framework("C"), "*");
  CHECK(allocator.allocate(at(1)) ==
        Grants{grant("C", "s1", "cpus:2;ports:[1-1,3-4]"), grant("A", "s2", "cpus:4")});
}

TEST_CASE("adding an agent that is known replaces it", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s"), bag("cpus:4"));
  const Grants lost = allocator.allocate(at(1));
  REQUIRE(lost.size() == 1);
  allocator.add_agent(agent("s"), bag("cpus:8"), {{framework("A"), bag("cpus:1")}});
  CHECK(allocator.allocated(framework("A")) == bag("cpus:1"));
  CHECK(allocator.dominant_share(framework("A")) == 0.125);
  CHECK(allocator.allocate(at(1)) == Grants{grant("A", "s", "cpus:7")});
}

TEST_CASE("removing an agent takes it from those who held something there", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s1"), bag("cpus:1"));
  allocator.add_agent(agent("s2"), bag("cpus:3"));
  const Grants offers = allocator.allocate(at(1));
  REQUIRE(offers.size() == 2);

  allocator.remove_agent(agent("s1"));
  CHECK(allocator.allocated(framework("A")) == bag("cpus:3"));
  CHECK(allocator.available(agent("s1")).empty());
  // The recovery crossed the removal.
  recover(allocator, offers[0]);
  CHECK(allocator.allocated(framework("A")) == bag("cpus:3"));
  CHECK(allocator.allocate(at(2)).empty());
}

TEST_CASE("an inactive agent is not offered, and is again once it is active", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s"), bag("cpus:1"));
  allocator.set_agent_active(agent("s"), false);
  CHECK(allocator.allocate(at(1)).empty());
  CHECK(allocator.available(agent("s")) == bag("cpus:1"));
  allocator.revive(framework("A"));
  CHECK(allocator.allocate(at(1)).empty());
  allocator.set_agent_active(agent("s"), true);
  CHECK(allocator.allocate(at(1)) == Grants{grant("A", "s", "cpus:1")});
}

TEST_CASE("an inactive framework is offered nothing and keeps what it holds", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s1"), bag("cpus:1"));
  allocator.allocate(at(1));
  allocator.set_framework_active(framework("A"), false);
  allocator.add_agent(agent("s2"), bag("cpus:1"));
  CHECK(allocator.allocate(at(2)).empty());
  CHECK(allocator.allocated(framework("A")) == bag("cpus:1"));
  allocator.set_framework_active(framework("A"), true);
  CHECK(allocator.allocate(at(3)) == Grants{grant("A", "s2", "cpus:1")});
}

TEST_CASE("what a removed framework holds stays used until it is recovered", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s"), bag("cpus:4"));
  allocator.allocate(at(1));
  allocator.remove_framework(framework("A"));
  allocator.add_framework(framework("B"), "*");
  CHECK(allocator.allocate(at(2)).empty());
  CHECK(allocator.allocated(framework("A")) == bag("cpus:4"));

  allocator.recover(framework("A"), agent("s"), bag("cpus:3"), at(60));
  CHECK(allocator.allocate(at(3)) == Grants{grant("B", "s", "cpus:3")});
  CHECK(allocator.deadline() == time_never);
  allocator.recover(framework("A"), agent("s"), bag("cpus:1"));
  CHECK(allocator.allocated(framework("A")).empty());
  CHECK(allocator.available(agent("s")) == bag("cpus:1"));
}

TEST_CASE("no more comes back than was held", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s"), bag("cpus:4;ports:[1-4];racks:{a,b}"),
                      {{framework("B"), bag("cpus:2;ports:[1-2];racks:{a}")}});
  allocator.recover(framework("A"), agent("s"), bag("cpus:2"));
  CHECK(allocator.available(agent("s")) == bag("cpus:2;ports:[3-4];racks:{b}"));
  allocator.recover(framework("B"), agent("s"), bag("cpus:9;mem:5;ports:[2-9];racks:{a,b,c}"));
  CHECK(allocator.available(agent("s")) == bag("cpus:4;ports:[2-4];racks:{a,b}"));
  CHECK(allocator.allocated(framework("B")) == bag("ports:[1-1]"));
}

TEST_CASE("more used than there is leaves nothing free until all of it has ended", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s"), bag("cpus:2;ports:[1-2]"));
  allocator.charge(framework("X"), agent("s"), bag("cpus:2;ports:[1-1]"));
  allocator.charge(framework("Y"), agent("s"), bag("cpus:1;ports:[1-1,7-7]"));
  CHECK(allocator.available(agent("s")) == bag("ports:[2-2]"));

  allocator.recover(framework("X"), agent("s"), bag("cpus:2;ports:[1-1]"));
  CHECK(allocator.available(agent("s")) == bag("cpus:1;ports:[2-2]"));
  allocator.recover(framework("Y"), agent("s"), bag("cpus:1;ports:[1-1,7-7]"));
  CHECK(allocator.available(agent("s")) == bag("cpus:2;ports:[1-2]"));
}

TEST_CASE("a name that is a range here and a set there harms nobody", "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s1"), bag("x:[1-4]"), {{framework("B"), bag("x:{a}")}});
  allocator.add_agent(agent("s2"), bag("x:{a}"), {{framework("B"), bag("x:3")}});
  CHECK(allocator.available(agent("s1")) == bag("x:[1-4]"));
  CHECK(allocator.available(agent("s2")) == bag("x:{a}"));
  CHECK(allocator.allocate(at(1)).size() == 2);
  CHECK_FALSE(allocator.allocated(framework("A")).empty());
  allocator.recover(framework("A"), agent("s1"), bag("x:7"));
  allocator.recover(framework("A"), agent("s1"), bag("x:{a}"), at(9));
  allocator.recover(framework("A"), agent("s1"), bag("x:[1-4]"));
  CHECK(allocator.available(agent("s1")) == bag("x:[1-4]"));
}

TEST_CASE("unknown names are ignored", "[allocator]") {
  Allocator allocator;
  allocator.remove_agent(agent("s"));
  allocator.remove_framework(framework("A"));
  allocator.set_agent_active(agent("s"), true);
  allocator.set_framework_active(framework("A"), true);
  allocator.suppress(framework("A"));
  allocator.revive(framework("A"));
  allocator.recover(framework("A"), agent("s"), bag("cpus:1"), at(9));
  allocator.charge(framework("A"), agent("s"), bag("cpus:1"));
  CHECK(allocator.allocate(at(1)).empty());
  CHECK(allocator.deadline() == time_never);
  CHECK(allocator.allocated(framework("A")).empty());
  CHECK(allocator.dominant_share(framework("A")) == 0.0);
}

TEST_CASE("offers smaller than the least in all of its names are not made", "[allocator]") {
  Allocator allocator(AllocatorOptions{.offer_min = bag("cpus:0.1;mem:32")});
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("none"), bag("cpus:0.05;mem:31;disk:1000"));
  allocator.add_agent(agent("cpus"), bag("cpus:0.1"));
  allocator.add_agent(agent("mem"), bag("mem:32"));
  CHECK(allocator.allocate(at(1)) ==
        Grants{grant("A", "cpus", "cpus:0.1"), grant("A", "mem", "mem:32")});
  allocator.allocate(at(2));
  CHECK(allocator.explain(framework("A")) == "1 agent with less free than the least offer");

  allocator.recover(framework("A"), agent("cpus"), bag("cpus:0.05"));
  CHECK(allocator.allocate(at(3)).empty());
  allocator.recover(framework("A"), agent("cpus"), bag("cpus:0.05"));
  CHECK(allocator.allocate(at(3)) == Grants{grant("A", "cpus", "cpus:0.1")});
}

TEST_CASE("adding a framework that is known moves it to the role with what it holds",
          "[allocator]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "a");
  allocator.add_framework(framework("B"), "b");
  allocator.add_agent(agent("s"), bag("cpus:10"), {{framework("A"), bag("cpus:5")}});
  CHECK(allocator.allocate(at(1)) == Grants{grant("B", "s", "cpus:5")});
  allocator.recover(framework("B"), agent("s"), bag("cpus:5"));

  allocator.add_framework(framework("A"), "b");
  allocator.add_framework(framework("C"), "a");
  // Role b now holds A's half, so role a is first.
  CHECK(allocator.allocate(at(2)) == Grants{grant("C", "s", "cpus:5")});
}

TEST_CASE("an idle cycle looks at no agent", "[allocator]") {
  const auto considered = [](const Allocator& allocator) {
    for (const Metric& metric : allocator.metrics()) {
      if (metric.name == "cluster_allocator_considered_total") return metric.value;
    }
    return -1.0;
  };
  Allocator allocator;
  for (const char* id : {"A", "B"}) allocator.add_framework(framework(id), "*");
  for (int i = 0; i < 50; ++i) allocator.add_agent(agent("s" + std::to_string(i)), bag("cpus:1"));
  for (int i = 0; i < 2; ++i) {
    for (const Grant& offer : allocator.allocate(at(1))) recover(allocator, offer, at(60));
  }
  for (const Grant& offer : allocator.allocate(at(1))) recover(allocator, offer, at(60));
  REQUIRE(allocator.allocate(at(2)).empty());

  const double before = considered(allocator);
  CHECK(allocator.allocate(at(3)).empty());
  CHECK(considered(allocator) == before);
  allocator.recover(framework("A"), agent("s7"), bag("cpus:1"));
  CHECK(allocator.allocate(at(4)).empty());
  CHECK(considered(allocator) == before + 1);
}

}  // namespace
}  // namespace cluster
