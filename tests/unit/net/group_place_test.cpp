// Where groups are written: the rule, and that the host keeps them in order whatever it says.
#include "net/group_place.hpp"

#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "tests/unit/net/support.hpp"

using namespace net_test;
using namespace std::chrono_literals;
using cluster::net::GroupPlace;

namespace {

void took(GroupPlace& place, std::uint64_t times, cluster::Duration time) {
  for (std::uint64_t i = 0; i < times; ++i) place.took(time);
}

}  // namespace

TEST_CASE("a disk is trusted with the node thread after some fast groups, and not after a slow one",
          "[net][group]") {
  GroupPlace place;
  CHECK_FALSE(place.is_inline());
  took(place, GroupPlace::needed_min - 1, 100us);
  CHECK_FALSE(place.is_inline());
  place.took(100us);
  CHECK(place.is_inline());
  place.took(4ms);
  CHECK_FALSE(place.is_inline());
  took(place, GroupPlace::needed_min, 100us);
  CHECK(place.is_inline());
}

TEST_CASE("a disk that stalls must be fast for longer each time, until it was fast for very long",
          "[net][group]") {
  GroupPlace place;
  for (std::uint64_t needed = GroupPlace::needed_min; needed < GroupPlace::needed_max;) {
    took(place, needed, 100us);
    CHECK(place.is_inline());
    place.took(30ms);
    took(place, needed, 100us);
    CHECK_FALSE(place.is_inline());
    needed *= 4;
  }
  took(place, GroupPlace::forgive_after, 100us);
  place.took(4ms);
  took(place, GroupPlace::needed_min, 100us);
  CHECK(place.is_inline());
}

TEST_CASE("a disk that is always slow is never waited for on the node thread", "[net][group]") {
  GroupPlace place;
  took(place, 10'000, 2ms);
  CHECK_FALSE(place.is_inline());
}

TEST_CASE("groups run in order, wherever the host runs them, and all before it ends",
          "[net][group]") {
  std::vector<int> order;
  std::vector<bool> on_node;
  {
    World world;
    std::promise<void> done;
    std::function<void(int)> next = [&](int i) {
      world.host.post_group([&, i] {
        order.push_back(i);
        on_node.push_back(world.host.on_node_thread());
        // A slow one in the middle changes the place.
        auto until = std::chrono::steady_clock::now() + (i == 100 ? 5ms : 0ms);
        while (std::chrono::steady_clock::now() < until) {
        }
        if (i == 199) return done.set_value();
        if (i % 2 == 0) world.host.post([&, i] { next(i + 1); });
      });
      if (i % 2 == 1 && i < 199) next(i + 1);  // Two at once.
    };
    world.on_node([&] { next(0); });
    done.get_future().wait();
    world.on_node([&] {
      for (int i = 200; i < 210; ++i) world.host.post_group([&, i] { order.push_back(i); });
    });
  }
  CHECK(order.size() == 210);
  CHECK(std::is_sorted(order.begin(), order.end()));
  CHECK_FALSE(on_node.front());
  CHECK_FALSE(on_node[101]);
  CHECK(std::count(on_node.begin(), on_node.end(), true) > 0);
}
