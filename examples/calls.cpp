// The three ways to wait for a call, on a log of one member: block, be called back, or suspend in a
// coroutine; and how a call is bounded and cancelled. Run:  calls DIRECTORY PORT
#include <cluster/coroutine.hpp>
#include <cluster/log.hpp>
#include <future>
#include <iostream>
#include <stop_token>

using cluster::Bytes;
using cluster::Log;
using cluster::Op;
using cluster::Position;
using cluster::Result;

// Blocks the thread that asks.
Result<Position> by_waiting(Log& log) { return log.append(Bytes("waited for")).get(); }

// Goes on where the runtime delivers.
void by_callback(Log& log, std::promise<Result<Position>>& done) {
  log.append(Bytes("called back")).then([&done](Result<Position> at) { done.set_value(at); });
}

// Suspends; an `Op` itself, so that coroutines build on each other.
Op<Position> by_coroutine(Log& log) {
  Bytes first("suspended");
  Result<Position> at = co_await log.append(first);
  if (!at) co_return at;
  Bytes second("and again");
  Result<Position> next = co_await log.append(second);
  co_return next;
}

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "usage: calls DIRECTORY PORT\n", 2;
  auto port = static_cast<std::uint16_t>(std::stoul(argv[2]));
  cluster::LogOptions options{.directory = argv[1],
                              .cluster = cluster::ClusterUid(44),
                              .self = cluster::NodeId(1),
                              .members = {{cluster::NodeId(1), {"127.0.0.1", port}}}};
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto log = Log::open(runtime, options);
  if (!log) return std::cerr << log.error().message() << "\n", 1;
  auto say = [](const char* how, const Result<Position>& at) {
    std::cout << how << ": " << (at ? "appended" : at.error().message()) << std::endl;
  };

  say("future", by_waiting(*log));
  std::promise<Result<Position>> called;
  by_callback(*log, called);
  say("callback", called.get_future().get());
  say("coroutine", by_coroutine(*log).get());

  std::stop_source stop;
  stop.request_stop();
  auto cancelled =
      log->append(Bytes("never"), {.timeout = std::chrono::seconds(2), .cancel = stop.get_token()});
  say("cancelled", cancelled.get());

  auto several = log->append({Bytes("one"), Bytes("two"), Bytes("three")}).get();
  std::cout << "several: " << (several ? several->size() : 0) << std::endl;
}
