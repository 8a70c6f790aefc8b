#include "tests/unit/allocator/fixture.hpp"

namespace cluster {
namespace {

// A and B, one agent, which A was offered first.
struct FilterWorld {
  Allocator allocator;
  Grant offer;

  FilterWorld() {
    allocator.add_framework(framework("A"), "*");
    allocator.add_agent(agent("s"), bag("cpus:2;mem:100"));
    const Grants offers = allocator.allocate(at(1));
    REQUIRE(offers == Grants{grant("A", "s", "cpus:2;mem:100")});
    offer = offers[0];
  }
};

TEST_CASE("what comes back unfiltered is offered again at the next allocation",
          "[allocator][filters]") {
  FilterWorld world;
  CHECK(world.allocator.allocate(at(1)).empty());
  recover(world.allocator, world.offer);
  CHECK(world.allocator.allocate(at(1)) == Grants{world.offer});
}

TEST_CASE("a refused agent is offered again when the refusal ends, and not before",
          "[allocator][filters]") {
  FilterWorld world;
  CHECK(world.allocator.deadline() == time_never);
  recover(world.allocator, world.offer, at(6));

  CHECK(world.allocator.allocate(at(1)).empty());
  CHECK(world.allocator.deadline() == at(6));
  CHECK(world.allocator.allocate(at(5.999)).empty());
  CHECK(world.allocator.allocate(at(6)) == Grants{world.offer});
  CHECK(world.allocator.deadline() == time_never);
}

TEST_CASE("a refusal that has ended already is none", "[allocator][filters]") {
  FilterWorld world;
  recover(world.allocator, world.offer, at(1));
  CHECK(world.allocator.deadline() == time_never);
  CHECK(world.allocator.allocate(at(1)) == Grants{world.offer});
}

TEST_CASE("a refusal without end never becomes due", "[allocator][filters]") {
  FilterWorld world;
  recover(world.allocator, world.offer, time_never);
  CHECK(world.allocator.deadline() == time_never);
  CHECK(world.allocator.allocate(at(1e9)).empty());
  CHECK(world.allocator.explain(framework("A")) == "1 agent is filtered for good");
}

TEST_CASE("a refused agent goes to another framework, and to a later one too",
          "[allocator][filters]") {
  FilterWorld world;
  recover(world.allocator, world.offer, at(60));
  CHECK(world.allocator.allocate(at(1)).empty());
  world.allocator.add_framework(framework("B"), "*");
  CHECK(world.allocator.allocate(at(2)) == Grants{grant("B", "s", "cpus:2;mem:100")});
}

TEST_CASE("a refusal holds while no more is free than was refused", "[allocator][filters]") {
  FilterWorld world;
  world.allocator.recover(framework("A"), agent("s"), bag("cpus:1;mem:60"), at(60));
  CHECK(world.allocator.allocate(at(2)).empty());

  SECTION("less is free") {
    world.allocator.charge(framework("B"), agent("s"), bag("cpus:0.5"));
    CHECK(world.allocator.allocate(at(3)).empty());
    world.allocator.recover(framework("B"), agent("s"), bag("cpus:0.5"));
    CHECK(world.allocator.allocate(at(4)).empty());
  }
  SECTION("more is free in a single name") {
    world.allocator.recover(framework("A"), agent("s"), bag("mem:1"));
    CHECK(world.allocator.allocate(at(3)) == Grants{grant("A", "s", "cpus:1;mem:61")});
  }
}

TEST_CASE("more ports than were refused override the refusal", "[allocator][filters]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s"), bag("ports:[1-10];racks:{a}"));
  allocator.allocate(at(1));
  allocator.recover(framework("A"), agent("s"), bag("ports:[1-5]"), at(60));
  CHECK(allocator.allocate(at(1)).empty());
  allocator.recover(framework("A"), agent("s"), bag("ports:[6-6]"));
  CHECK(allocator.allocate(at(1)) == Grants{grant("A", "s", "ports:[1-6]")});
}

TEST_CASE("a filter is of one framework and one agent", "[allocator][filters]") {
  Allocator allocator;
  allocator.add_framework(framework("A"), "*");
  allocator.add_agent(agent("s1"), bag("cpus:1"));
  allocator.add_agent(agent("s2"), bag("cpus:1"));
  allocator.allocate(at(1));
  allocator.recover(framework("A"), agent("s1"), bag("cpus:1"), at(60));
  allocator.recover(framework("A"), agent("s2"), bag("cpus:1"));
  CHECK(allocator.allocate(at(1)) == Grants{grant("A", "s2", "cpus:1")});
}

TEST_CASE("the latest refusal of an agent replaces the one before", "[allocator][filters]") {
  FilterWorld world;
  world.allocator.recover(framework("A"), agent("s"), bag("cpus:1"), at(60));
  world.allocator.recover(framework("A"), agent("s"), bag("cpus:1;mem:100"), at(10));
  // Together more is free than was last refused.
  CHECK(world.allocator.allocate(at(2)) == Grants{world.offer});
  recover(world.allocator, world.offer, at(5));
  CHECK(world.allocator.deadline() == at(5));
  CHECK(world.allocator.allocate(at(5)) == Grants{world.offer});
}

TEST_CASE("of those whose refusals end together the one with the smallest share is offered",
          "[allocator][filters]") {
  FilterWorld world;
  Allocator& allocator = world.allocator;
  allocator.add_framework(framework("B"), "*");
  recover(allocator, world.offer, at(10));
  const Grants to_b = allocator.allocate(at(1));
  REQUIRE(to_b == Grants{grant("B", "s", "cpus:2;mem:100")});
  recover(allocator, to_b[0], at(10));
  REQUIRE(allocator.allocate(at(2)).empty());
  allocator.add_agent(agent("t"), bag("cpus:10;mem:10"), {{framework("A"), bag("cpus:10;mem:10")}});

  CHECK(allocator.allocate(at(10)) == Grants{grant("B", "s", "cpus:2;mem:100")});
}

TEST_CASE("reviving forgets the framework's own filters and ends suppression",
          "[allocator][filters]") {
  FilterWorld world;
  recover(world.allocator, world.offer, at(60));
  world.allocator.suppress(framework("A"));
  CHECK(world.allocator.allocate(at(2)).empty());
  world.allocator.revive(framework("A"));
  CHECK(world.allocator.deadline() == time_never);
  CHECK(world.allocator.allocate(at(3)) == Grants{world.offer});
}

TEST_CASE("reviving does not forget the filters of others", "[allocator][filters]") {
  FilterWorld world;
  world.allocator.add_framework(framework("B"), "*");
  recover(world.allocator, world.offer, at(60));
  recover(world.allocator, world.allocator.allocate(at(1)).at(0), at(70));
  REQUIRE(world.allocator.allocate(at(1)).empty());
  world.allocator.revive(framework("B"));
  CHECK(world.allocator.allocate(at(1)) == Grants{grant("B", "s", "cpus:2;mem:100")});
  CHECK(world.allocator.deadline() == at(60));
}

TEST_CASE("a suppressed framework is offered nothing and keeps what it holds",
          "[allocator][filters]") {
  FilterWorld world;
  world.allocator.suppress(framework("A"));
  world.allocator.recover(framework("A"), agent("s"), bag("cpus:1"));
  CHECK(world.allocator.allocate(at(2)).empty());
  CHECK(world.allocator.allocated(framework("A")) == bag("cpus:1;mem:100"));
}

TEST_CASE("removing an agent or a framework removes its filters", "[allocator][filters]") {
  FilterWorld world;
  recover(world.allocator, world.offer, at(60));
  REQUIRE(world.allocator.deadline() == at(60));
  SECTION("the agent") {
    world.allocator.remove_agent(agent("s"));
    CHECK(world.allocator.deadline() == time_never);
    world.allocator.add_agent(agent("s"), bag("cpus:2;mem:100"));
    CHECK(world.allocator.allocate(at(2)) == Grants{world.offer});
  }
  SECTION("the framework") {
    world.allocator.remove_framework(framework("A"));
    CHECK(world.allocator.deadline() == time_never);
    world.allocator.add_framework(framework("A"), "*");
    CHECK(world.allocator.allocate(at(2)) == Grants{world.offer});
  }
}

TEST_CASE("a framework that comes back has no filters", "[allocator][filters]") {
  FilterWorld world;
  recover(world.allocator, world.offer, at(60));
  world.allocator.set_framework_active(framework("A"), false);
  CHECK(world.allocator.allocate(at(2)).empty());
  CHECK(world.allocator.deadline() == time_never);
  world.allocator.set_framework_active(framework("A"), true);
  CHECK(world.allocator.allocate(at(3)) == Grants{world.offer});
}

TEST_CASE("explanations say why a framework was offered nothing", "[allocator][filters]") {
  FilterWorld world;
  Allocator& allocator = world.allocator;
  CHECK(allocator.explain(framework("A")) == "was offered 1 agent");
  CHECK(allocator.explain(framework("X")) == "is not known");
  allocator.allocate(at(1));
  CHECK(allocator.explain(framework("A")) == "no agent has anything free");

  allocator.add_agent(agent("t"), bag("cpus:1"));
  recover(allocator, allocator.allocate(at(1)).at(0), at(20));
  recover(allocator, world.offer, at(5.2));
  allocator.allocate(at(1));
  CHECK(allocator.explain(framework("A")) ==
        "2 agents are filtered until their refusal ends, the first in 4.2 s");
  allocator.allocate(at(5.2));
  allocator.allocate(at(6));
  CHECK(allocator.explain(framework("A")) ==
        "1 agent is filtered until its refusal ends in 14.0 s");

  allocator.add_framework(framework("B"), "*");
  CHECK(allocator.explain(framework("B")) ==
        "has been able to take offers only since the last allocation");
  allocator.allocate(at(6));
  CHECK(allocator.explain(framework("B")) == "was offered 1 agent");
  allocator.add_framework(framework("C"), "*");
  allocator.suppress(framework("B"));
  CHECK(allocator.explain(framework("B")) == "is suppressed");
  allocator.set_framework_active(framework("B"), false);
  CHECK(allocator.explain(framework("B")) == "is inactive");

  allocator.recover(framework("B"), agent("t"), bag("cpus:1"));
  allocator.allocate(at(7));
  CHECK(allocator.explain(framework("C")) == "was offered 1 agent");
  CHECK(allocator.explain(framework("A")) ==
        "other frameworks with a smaller share were served first");

  allocator.set_agent_active(agent("s"), false);
  allocator.set_agent_active(agent("t"), false);
  CHECK(allocator.explain(framework("A")) ==
        "other frameworks with a smaller share were served first");
  allocator.allocate(at(8));
  CHECK(allocator.explain(framework("A")) == "no agent is active");
  allocator.remove_agent(agent("s"));
  allocator.remove_agent(agent("t"));
  CHECK(allocator.explain(framework("A")) == "there is no agent");
}

}  // namespace
}  // namespace cluster
