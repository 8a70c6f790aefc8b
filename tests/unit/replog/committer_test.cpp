#include "runtime/committer.hpp"

#include <deque>
#include <string>

#include "tests/unit/replog/hand_host.hpp"

using namespace cluster;
using cluster::replog::test::HandHost;

namespace {

using Groups = std::vector<std::vector<int>>;
using Done = std::vector<std::string>;

struct Bench {
  HandHost host;
  Groups written;
  Done done;
  Result<void> answer;
  std::string failure;
  runtime::Committer<int, std::string> committer{
      host,
      [this](const std::vector<int>& group) {
        written.push_back(group);
        return answer;
      },
      [this](std::string action) { done.push_back(std::move(action)); },
      [this](const Error& why) { failure = why.message(); }};

  void write_one_group() {
    HandHost::run(host.disk);
    HandHost::run(host.node);
  }
};

}  // namespace

TEST_CASE("what waits for durability is done when its group is durable, not before",
          "[runtime][committer]") {
  Bench bench;
  bench.committer.submit({1}, {"one"});

  CHECK(bench.done.empty());
  HandHost::run(bench.host.disk);
  CHECK(bench.done.empty());
  HandHost::run(bench.host.node);
  CHECK(bench.done == Done{"one"});
  CHECK(bench.committer.is_idle());
}

TEST_CASE("what waits for nothing is done at once", "[runtime][committer]") {
  Bench bench;
  bench.committer.submit({}, {"now"});
  CHECK(bench.done == Done{"now"});
  CHECK(bench.host.disk.empty());
}

TEST_CASE("while one group is being written all that comes forms the next",
          "[runtime][committer]") {
  Bench bench;
  bench.committer.submit({1}, {"one"});
  bench.committer.submit({2, 3}, {"two"});
  bench.committer.submit({4}, {"three"});
  CHECK(bench.host.disk.size() == 1);

  bench.write_one_group();
  CHECK(bench.done == Done{"one"});
  bench.write_one_group();

  CHECK(bench.written == Groups{{1}, {2, 3, 4}});
  CHECK(bench.done == Done{"one", "two", "three"});
  CHECK(bench.committer.groups() == 2);
  CHECK(bench.committer.changes() == 4);
}

TEST_CASE("without changes of its own, an action waits for every change before it",
          "[runtime][committer]") {
  Bench bench;
  bench.committer.submit({1}, {"one"});
  bench.committer.submit({}, {"after one"});
  CHECK(bench.done.empty());
  bench.committer.submit({2}, {"two"});
  bench.committer.submit({}, {"after two"});

  bench.write_one_group();
  CHECK(bench.done == Done{"one", "after one"});
  bench.write_one_group();
  CHECK(bench.done == Done{"one", "after one", "two", "after two"});
}

TEST_CASE("what is too much for one group takes several, and what came at once stays together",
          "[runtime][committer]") {
  HandHost host;
  Groups written;
  Done done;
  runtime::Committer<int, std::string> committer(
      host,
      [&](const std::vector<int>& group) {
        written.push_back(group);
        return Result<void>();
      },
      [&](std::string action) { done.push_back(std::move(action)); }, [](const Error&) {},
      {[](const int& change) { return static_cast<std::size_t>(change); }, 10});
  committer.submit({1}, {"one"});
  committer.submit({4, 4}, {"eight"});
  committer.submit({2}, {});
  committer.submit({}, {"ten"});
  committer.submit({3}, {"three"});
  committer.submit({20, 5}, {"more than a group"});
  committer.submit({6}, {"six", "and"});
  CHECK(committer.open_bytes() == 45);

  HandHost::run(host.disk);
  host.node.front()();
  host.node.pop_front();
  CHECK(done == Done{"one"});
  CHECK(committer.open_bytes() == 44);
  while (!committer.is_idle()) {
    HandHost::run(host.disk);
    HandHost::run(host.node);
  }

  CHECK(written == Groups{{1}, {4, 4, 2}, {3}, {20, 5}, {6}});
  CHECK(done == Done{"one", "eight", "ten", "three", "more than a group", "six", "and"});
  CHECK(committer.open_bytes() == 0);
}

TEST_CASE("after a failed write nothing more is written or done", "[runtime][committer]") {
  Bench bench;
  bench.answer = Error{Errc::storage, "no space"};
  bench.committer.submit({1}, {"one"});
  bench.committer.submit({2}, {"two"});

  bench.write_one_group();
  bench.write_one_group();
  bench.committer.submit({3}, {"three"});
  bench.committer.submit({}, {"four"});

  CHECK(bench.written == Groups{{1}});
  CHECK(bench.done.empty());
  CHECK_THAT(bench.failure, Catch::Contains("no space"));
  CHECK(bench.committer.has_failed());
}

TEST_CASE("a committer that is gone does nothing when its group comes back",
          "[runtime][committer]") {
  HandHost host;
  Done done;
  int failures = 0;
  {
    runtime::Committer<int, std::string> committer(
        host, [](const std::vector<int>&) { return Result<void>(); },
        [&](std::string action) { done.push_back(std::move(action)); },
        [&](const Error&) { failures += 1; });
    committer.submit({1}, {"one"});
  }
  HandHost::run(host.disk);
  HandHost::run(host.node);
  CHECK(done.empty());
  CHECK(failures == 0);
}
