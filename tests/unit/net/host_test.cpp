// The runtime with threads: order, alarms, and that it leaves nothing behind.
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net/alarm.hpp"
#include "tests/unit/net/support.hpp"

using namespace net_test;
using cluster::Op;
using cluster::Promise;
using cluster::Runtime;

namespace {

std::vector<std::string> directory_entries(const char* path) {
  std::vector<std::string> names;
  DIR* directory = opendir(path);
  while (dirent* entry = readdir(directory)) names.emplace_back(entry->d_name);
  closedir(directory);
  return names;
}

std::string current_thread_name() {
  char name[16];
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

bool takes_signal(int number) {
  sigset_t blocked;
  pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  return sigismember(&blocked, number) == 0;
}

}  // namespace

TEST_CASE("posts run on the node thread, in the order of each caller", "[net][host]") {
  World world;
  std::vector<std::vector<int>> seen(4);
  std::atomic<int> elsewhere = 0;
  std::vector<std::thread> callers;
  for (std::size_t caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 5000; ++i) {
        world.host.post([&, caller, i] {
          if (!world.host.on_node_thread()) ++elsewhere;
          seen[caller].push_back(i);
        });
      }
    });
  }
  for (auto& caller : callers) caller.join();
  world.on_node([] {});
  for (const auto& one : seen) {
    CHECK(one.size() == 5000);
    CHECK(std::is_sorted(one.begin(), one.end()));
  }
  CHECK(elsewhere == 0);
  CHECK_FALSE(world.host.on_node_thread());
}

TEST_CASE("a post from the node thread runs later, after what was posted before", "[net][host]") {
  World world;
  std::string story;
  std::promise<void> done;
  world.on_node([&] {
    world.host.post([&] { story += "b"; });
    world.host.post([&] {
      world.host.post([&] {
        story += "d";
        done.set_value();
      });
      story += "c";
    });
    story += "a";
  });
  done.get_future().wait();
  CHECK(story == "abcd");
}

TEST_CASE("each thread has its name, and leaves signals to the host program", "[net][host]") {
  World world;
  struct Facts {
    std::string name;
    bool takes_term;
    bool takes_fault;
  };
  auto facts = [] {
    return Facts{current_thread_name(), takes_signal(SIGTERM), takes_signal(SIGSEGV)};
  };
  std::promise<Facts> node, disk, deliver;
  world.host.post([&] { node.set_value(facts()); });
  world.host.post_disk([&] { disk.set_value(facts()); });
  world.host.delivery()->execute([&] { deliver.set_value(facts()); });
  for (auto [promise, name] : {std::pair{&node, "cluster-node"}, std::pair{&disk, "cluster-disk"},
                               std::pair{&deliver, "cluster-deliver"}}) {
    Facts got = promise->get_future().get();
    CHECK(got.name == name);
    CHECK_FALSE(got.takes_term);
    CHECK(got.takes_fault);
  }
  CHECK(takes_signal(SIGTERM));
}

TEST_CASE("an alarm wakes once at its last set time, not before", "[net][host]") {
  World world;
  std::promise<void> done;
  std::vector<cluster::Time> wakes;
  cluster::Time target{};
  std::unique_ptr<cluster::runtime::Alarm> alarm;
  world.on_node([&] {
    alarm = world.host.make_alarm([&] {
      wakes.push_back(world.host.now());
      done.set_value();
    });
    auto now = world.host.now();
    target = now + std::chrono::milliseconds(30);
    alarm->set(cluster::time_never - std::chrono::microseconds(1));  // Far, and no overflow.
    alarm->set(now + std::chrono::milliseconds(5));
    alarm->set(target);
  });
  done.get_future().wait();
  world.on_node([&] {
    REQUIRE(wakes.size() == 1);
    CHECK(wakes[0] >= target);
    alarm.reset();
  });
}

TEST_CASE("an alarm in the past wakes soon, never inside the call, and may end itself",
          "[net][host]") {
  World world;
  std::promise<void> done;
  bool is_inside = false;
  bool was_inside = false;
  std::unique_ptr<cluster::runtime::Alarm> alarm;
  std::unique_ptr<cluster::runtime::Alarm> cancelled;
  bool was_cancelled_called = false;
  world.on_node([&] {
    is_inside = true;
    cancelled = world.host.make_alarm([&] { was_cancelled_called = true; });
    cancelled->set(cluster::Time{});
    cancelled->set(cluster::time_never);
    alarm = world.host.make_alarm([&] {
      was_inside = is_inside;
      alarm.reset();
      done.set_value();
    });
    alarm->set(cluster::Time::min());
    is_inside = false;
  });
  done.get_future().wait();
  world.on_node([&] { cancelled.reset(); });
  CHECK_FALSE(was_inside);
  CHECK_FALSE(was_cancelled_called);
  CHECK(alarm == nullptr);
}

TEST_CASE("continuations run where the options say", "[net][host]") {
  SECTION("on the node thread") {
    cluster::RuntimeOptions options{.security = cluster::Insecure{}};
    options.deliver_on_node_thread = true;
    World world({}, options);
    Promise<int> promise(world.host.delivery());
    std::promise<bool> where;
    promise.op().then([&](Result<int>) { where.set_value(world.host.on_node_thread()); });
    promise.complete(1);
    CHECK(where.get_future().get());
  }
  SECTION("on the host program's executor") {
    cluster::RuntimeOptions options{.security = cluster::Insecure{}};
    auto mine = std::make_shared<cluster::net::Worker>("mine");
    options.deliver_on = mine;
    {
      World world({}, options);
      Promise<int> promise(world.host.delivery());
      std::promise<bool> where;
      promise.op().then([&](Result<int>) { where.set_value(mine->is_current()); });
      promise.complete(1);
      CHECK(where.get_future().get());
    }
    mine->stop();
  }
}

TEST_CASE("a runtime that ends runs what is queued on each thread first", "[net][host]") {
  std::atomic<int> runs = 0;
  std::atomic<int> ends = 0;
  for (bool on_node : {false, true}) {
    cluster::RuntimeOptions options{.security = cluster::Insecure{}};
    options.deliver_on_node_thread = on_node;
    auto runtime = std::make_unique<Runtime>(Runtime::threads(options));
    auto& host = runtime->host();
    for (int i = 0; i < 100; ++i) {
      auto promise = std::make_shared<Promise<int>>(host.delivery());
      promise->op().then([&](Result<int> result) {
        if (!result && result.error().code == Errc::closed) ++ends;
      });
      // From the disk to the node, where the promise is given up.
      host.post_disk([&, promise = std::move(promise)]() mutable {
        ++runs;
        host.post([&runs, promise = std::move(promise)] { ++runs; });
      });
    }
    runtime.reset();
  }
  CHECK(runs == 400);
  CHECK(ends == 200);
}

TEST_CASE("a runtime may end with sessions open, and tells their handlers nothing", "[net][host]") {
  Recorder server, client, dialing;
  World other;
  auto endpoint = other.serve(Lane::log, server);
  {
    World world;
    world.on_node([&] {
      auto id = world.host.transport().dial(endpoint, Lane::log, client);
      client.when_open = [&, id](SessionId) { world.host.transport().send(id, bytes("hello")); };
    });
    REQUIRE(server.wait_messages(1));
    world.dial({.host = "localhost", .port = 1}, Lane::log, dialing);
    world.on_node([&] { world.host.transport().send(client.opened[0], bytes("last word")); });
  }
  REQUIRE(server.wait_closed());
  CHECK(server.messages == std::vector{bytes("hello"), bytes("last word")});
  CHECK(client.closed.empty());
}

TEST_CASE("two hundred runtimes leave no thread and no descriptor behind", "[net][host]") {
  auto cycle = [] {
    Runtime runtime = Runtime::threads({.security = cluster::Insecure{}});
    Recorder server, client;
    cluster::runtime::run_on_node(runtime.host(), [&] {
      auto& transport = runtime.host().transport();
      auto listener = transport.listen(any_port).value();
      transport.serve(listener, Lane::log, &server);
      transport.dial(transport.endpoint(listener), Lane::log, client);
    });
    CHECK(client.wait_open());
  };
  cycle();
  auto descriptors = directory_entries("/proc/self/fd").size();
  auto threads = directory_entries("/proc/self/task").size();
  for (int i = 0; i < 200; ++i) cycle();
  CHECK(directory_entries("/proc/self/fd").size() == descriptors);
  CHECK(eventually([&] { return directory_entries("/proc/self/task").size() == threads; }));
}

TEST_CASE("every descriptor of a runtime is closed in a program it executes", "[net][host]") {
  Recorder server, client;
  World world;
  auto before = directory_entries("/proc/self/fd");
  world.dial(world.serve(Lane::log, server), Lane::log, client);
  REQUIRE(client.wait_open());
  int checked = 0;
  for (const auto& name : directory_entries("/proc/self/fd")) {
    if (name.starts_with('.') || std::find(before.begin(), before.end(), name) != before.end()) {
      continue;
    }
    int flags = fcntl(std::stoi(name), F_GETFD);
    if (flags < 0) continue;  // The one that read the directory.
    ++checked;
    CHECK((flags & FD_CLOEXEC) != 0);
  }
  CHECK(checked >= 3);  // The listener and both ends.
}
