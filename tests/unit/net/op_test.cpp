// Op and Promise, between threads.
#include "cluster/op.hpp"

#include <array>
#include <atomic>
#include <coroutine>
#include <deque>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cluster/adapters/asio.hpp"
#include "cluster/coroutine.hpp"
#include "net/asio.hpp"
#include "net/lent_worker.hpp"
#include "net/worker.hpp"
#include "tests/catch.hpp"

#include <asio/bind_executor.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

namespace {

using cluster::Errc;
using cluster::Op;
using cluster::Promise;
using cluster::Result;
using cluster::net::Worker;

// A coroutine that runs by itself.
struct FireAndForget {
  struct promise_type {
    FireAndForget get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

FireAndForget forward_result(Op<std::string> op, std::promise<Result<std::string>>* to) {
  auto result = co_await op;
  to->set_value(std::move(result));
}

asio::awaitable<void> add_one(Op<int> op, std::promise<int>* to) {
  auto result = co_await cluster::async_wait(std::move(op), asio::use_awaitable);
  to->set_value(result.value() + 1);
}

// Notes when what it holds ends.
struct Ends {
  explicit Ends(bool* to) : ended(to) {}
  ~Ends() { *ended = true; }
  bool* ended;
};

Op<int> sum_of(Op<int> a, Op<int> b, bool* ended) {
  Ends ends(ended);
  auto first = co_await a;
  if (!first) co_return first;
  auto second = co_await b;
  if (!second) co_return second;
  co_return *first + *second;
}

Op<int> throws() {
  throw std::runtime_error("out of it");
  co_return 0;
}

// Runs what it is given when it is told to; on several threads at once where asked.
class Manual final : public cluster::Executor {
 public:
  void execute(cluster::Callback callback) override {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(callback));
  }
  bool is_current() const override { return owner_ == std::this_thread::get_id(); }
  void own() { owner_ = std::this_thread::get_id(); }
  bool run_one() {
    cluster::Callback callback;
    {
      std::lock_guard lock(mutex_);
      if (queue_.empty()) return false;
      callback = std::move(queue_.front());
      queue_.pop_front();
    }
    callback();
    return true;
  }

 private:
  std::mutex mutex_;
  std::deque<cluster::Callback> queue_;
  std::thread::id owner_;
};

}  // namespace

TEST_CASE("a function that returns an operation may be a coroutine", "[op][coroutine]") {
  auto worker = std::make_shared<Worker>("test-deliver");
  bool ended = false;
  Promise<int> a(worker), b(worker);
  auto sum = sum_of(a.op(), b.op(), &ended);
  a.complete(1);
  b.complete(2);
  CHECK(sum.get().value() == 3);
  CHECK(ended);  // Before the operation did.

  Promise<int> c(worker), d(worker);
  auto failed = sum_of(c.op(), d.op(), &ended);
  c.complete(cluster::Error{Errc::fenced, "no"});
  CHECK(failed.get().error().code == Errc::fenced);
  CHECK_THAT(throws().get().error().context, Catch::Contains("out of it"));
  worker->stop();
}

TEST_CASE("callbacks of any size run, move and end as they should", "[op]") {
  auto token = std::make_shared<int>(0);
  std::array<char, 100> large{};
  {
    cluster::Callback small = [token] { *token += 1; };
    cluster::Callback big = [token, large] { *token += 10 + large[0]; };
    cluster::Callback moved = std::move(small);
    CHECK_FALSE(static_cast<bool>(small));
    moved();
    small = std::move(big);
    small();
    moved = std::move(small);
    moved();
    CHECK(token.use_count() == 2);
  }
  CHECK(*token == 21);
  CHECK(token.use_count() == 1);
}

TEST_CASE("what is lent runs things in order and one at a time, however it runs", "[op]") {
  auto manual = std::make_shared<Manual>();
  auto lent = std::make_shared<cluster::net::LentWorker>(manual);
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) lent->execute([&ran, i] { ran.push_back(i); });
  CHECK(ran.empty());
  std::thread other([&] {
    while (manual->run_one()) {
    }
  });
  lent->finish();
  CHECK(ran == std::vector<int>{0, 1, 2});
  other.join();

  // The thread that waits is the one that would run it.
  manual->own();
  lent->execute([&ran] { ran.push_back(3); });
  lent->finish();
  CHECK(ran.size() == 4);
  while (manual->run_one()) {
  }
  CHECK(ran.size() == 4);
}

TEST_CASE("get waits for a value that another thread brings", "[op]") {
  for (int i = 0; i < 500; ++i) {
    Promise<int> promise;
    auto op = promise.op();
    std::thread other([&] { promise.complete(i); });
    CHECK(op.get().value() == i);
    other.join();
  }
}

TEST_CASE("then is called once, whether set before or after the end", "[op]") {
  Promise<std::string> before;
  std::string got;
  before.op().then([&](Result<std::string> result) { got += result.value(); });
  CHECK(got.empty());
  before.complete(std::string("first "));
  CHECK(got == "first ");

  Promise<std::string> after;
  auto op = after.op();
  after.complete(std::string("second"));
  CHECK(op.is_done());
  std::move(op).then([&](Result<std::string> result) { got += result.value(); });
  CHECK(got == "first second");
}

TEST_CASE("then and complete may race, and the continuation runs once where told", "[op]") {
  auto worker = std::make_shared<Worker>("test-deliver");
  std::atomic<int> runs = 0;
  std::atomic<int> elsewhere = 0;
  for (int i = 0; i < 1000; ++i) {
    Promise<int> promise(worker);
    auto op = promise.op();
    std::atomic<bool> go = false;
    std::thread other([&] {
      while (!go) std::this_thread::yield();
      promise.complete(i);
    });
    go = true;
    op.then([&, i](Result<int> result) {
      if (result.value() == i) ++runs;
      if (!worker->is_current()) ++elsewhere;
    });
    other.join();
  }
  worker->stop();
  CHECK(runs == 1000);
  CHECK(elsewhere == 0);
}

TEST_CASE("a coroutine goes on with the result, on the executor", "[op]") {
  auto worker = std::make_shared<Worker>("test-deliver");
  std::promise<Result<std::string>> pending, ready;
  Promise<std::string> promise(worker);
  forward_result(promise.op(), &pending);
  promise.complete(std::string("later"));
  CHECK(pending.get_future().get().value() == "later");
  forward_result(Op<std::string>::ready(std::string("at once")), &ready);
  CHECK(ready.get_future().get().value() == "at once");
  worker->stop();
}

TEST_CASE("a promise that is given up completes its operation as closed", "[op]") {
  auto op = [] { return Promise<int>().op(); }();
  auto result = op.get();
  REQUIRE(!result);
  CHECK(result.error().code == Errc::closed);
  CHECK(result.error().outcome == cluster::Outcome::maybe);

  Promise<int> first;
  auto replaced = first.op();
  first = Promise<int>();
  CHECK(replaced.get().error().code == Errc::closed);
}

TEST_CASE("get on the thread that delivers says so instead of waiting for itself", "[op]") {
  auto worker = std::make_shared<Worker>("test-deliver");
  Promise<int> promise(worker);
  auto op = promise.op();
  std::promise<Errc> code;
  worker->execute([&] { code.set_value(op.get().error().code); });
  CHECK(code.get_future().get() == Errc::would_deadlock);

  // One that is over already is no reason to refuse; the refused one is still whole.
  promise.complete(5);
  std::promise<int> value;
  worker->execute([&] { value.set_value(op.get().value()); });
  CHECK(value.get_future().get() == 5);
  worker->stop();
}

TEST_CASE("an operation whose executor's thread has ended does no harm", "[op]") {
  auto worker = std::make_shared<Worker>("test-deliver");
  auto token = std::make_shared<int>(1);
  Promise<int> promise(worker);
  promise.op().then([token](Result<int>) { ++*token; });
  worker->stop();
  promise.complete(1);
  CHECK(*token == 1);
  CHECK(token.use_count() == 1);
}

TEST_CASE("async_wait calls an Asio handler on its executor, never inside the call", "[op][asio]") {
  asio::io_context io;
  Promise<int> promise;
  std::string story;
  cluster::async_wait(promise.op(), asio::bind_executor(io, [&](Result<int> result) {
                        story += "got " + std::to_string(result.value());
                      }));
  cluster::async_wait(Op<int>::ready(7), asio::bind_executor(io, [&](Result<int> result) {
                        story += "got " + std::to_string(result.value()) + " ";
                      }));
  CHECK(story.empty());
  std::thread other([&] { promise.complete(8); });
  io.run();  // Ends only when both have been called: waiting counts as work.
  other.join();
  CHECK((story == "got 7 got 8" || story == "got 8got 7 "));
}

TEST_CASE("async_wait serves coroutines and futures", "[op][asio]") {
  asio::io_context io;
  Promise<int> promise;
  std::promise<int> sum;
  asio::co_spawn(io, add_one(promise.op(), &sum), asio::detached);
  std::thread other([&] { promise.complete(41); });
  io.run();
  other.join();
  CHECK(sum.get_future().get() == 42);

  std::future<Result<int>> future = cluster::async_wait(Op<int>::ready(3), asio::use_future);
  CHECK(future.get().value() == 3);
}
