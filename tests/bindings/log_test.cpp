// What the C face does beyond the C++ one: events in order, handles, bad input, forks.
#include <poll.h>
#include <sys/wait.h>

#include "tests/bindings/calls.hpp"

using namespace cluster::test;
using Catch::Contains;

namespace {

struct OneLog {
  explicit OneLog(Host& host, bool has_machine = false, const char* name = "log") {
    options = host.alone(name);
    options.has_state_machine = has_machine;
    options.machine_tag = 1000;
    open(host);
  }
  void open(Host& host) {
    INFO(cluster_error_text());
    REQUIRE(cluster_log_open(host.runtime, &options, &log) == CLUSTER_OK);
  }
  ~OneLog() { cluster_log_close(log); }

  cluster_log_options options;
  cluster_log* log = nullptr;
};

std::size_t entries_of(const char* folder) {
  std::size_t count = 0;
  for (auto& entry : std::filesystem::directory_iterator(folder))
    count += entry.path().empty() ? 0 : 1;
  return count;
}

}  // namespace

TEST_CASE("entries that were appended are read and followed in order", "[c]") {
  Host host;
  OneLog one(host);
  REQUIRE(cluster_log_follow(one.log, 1, 900) == CLUSTER_OK);
  std::vector<std::uint64_t> positions;
  for (std::uint64_t i = 0; i < 20; ++i) {
    std::string data = "entry " + std::to_string(i);
    REQUIRE(cluster_log_append(one.log, slice(data), nullptr, 100 + i) == CLUSTER_OK);
  }
  for (std::uint64_t i = 0; i < 20; ++i) positions.push_back(host.next(100 + i).event.a);

  const std::string a = "a", b = "b";
  const cluster_slice both[] = {slice(a), slice(b)};
  REQUIRE(cluster_log_append_all(one.log, both, 2, nullptr, 2) == CLUSTER_OK);
  Happened placed = host.next(2);
  REQUIRE(placed.event.kind == CLUSTER_EVENT_POSITIONS);
  REQUIRE(placed.event.item_count == 2);

  std::vector<Happened::Row> followed;
  while (followed.size() < 22) {
    for (auto& row : host.next(900).rows) followed.push_back(row);
  }
  CHECK(followed.back().value == "b");
  REQUIRE(cluster_log_catch_up(one.log, nullptr, 3) == CLUSTER_OK);
  const cluster_event range = host.next(3).event;
  REQUIRE(cluster_log_read(one.log, range.a, range.b, 1 << 20, nullptr, 4) == CLUSTER_OK);
  const auto read = host.next(4).rows;
  REQUIRE(read.size() == 22);
  for (std::size_t i = 0; i < read.size(); ++i) {
    CHECK(read[i].position == followed[i].position);
    CHECK(read[i].value == followed[i].value);
  }
  cluster_log_status status{};
  status.size = sizeof status;
  REQUIRE(cluster_log_read_status(one.log, &status) == CLUSTER_OK);
  CHECK(status.is_leader == 1);
  CHECK(status.end == range.b);
  CHECK(cluster_log_metrics(one.log, nullptr, 0) > 1000);
}

TEST_CASE("who waits for entries is told when there may be some", "[c]") {
  Host host;
  OneLog one(host);
  const std::uint64_t at = host.done(cluster_log_append(one.log, {"x", 1}, nullptr, 1), 1);
  CHECK(host.done(cluster_log_wait(one.log, at, 2), 2) > at);
  REQUIRE(cluster_log_wait(one.log, at + 1, 3) == CLUSTER_OK);
  REQUIRE(cluster_log_wait(one.log, at + 100, 4) == CLUSTER_OK);
  const std::uint64_t next = host.done(cluster_log_append(one.log, {"y", 1}, nullptr, 5), 5);
  CHECK(host.next(3).event.a > next);
  cluster_log_close(one.log);
  CHECK(host.next(4).event.error == CLUSTER_E_CLOSED);
  one.open(host);
}

TEST_CASE("a writer that a newer one has replaced is fenced", "[c]") {
  Host host;
  OneLog one(host);
  REQUIRE(cluster_log_start_writer(one.log, nullptr, 1) == CLUSTER_OK);
  Happened first = host.next(1);
  REQUIRE(first.event.kind == CLUSTER_EVENT_WRITER);
  REQUIRE(first.event.handle != nullptr);
  auto* old = static_cast<cluster_writer*>(first.event.handle);
  const std::string data = "x";
  CHECK(host.done(cluster_writer_append(old, slice(data), nullptr, 2), 2) > 0);
  REQUIRE(cluster_log_start_writer(one.log, nullptr, 3) == CLUSTER_OK);
  Happened second = host.next(3);
  CHECK(second.event.a > first.event.a);
  REQUIRE(cluster_writer_append(old, slice(data), nullptr, 4) == CLUSTER_OK);
  CHECK(host.next(4).event.error == CLUSTER_E_FENCED);
  cluster_writer_close(old);
  cluster_writer_close(static_cast<cluster_writer*>(second.event.handle));
}

TEST_CASE(
    "a state machine gets its entries before the barrier's end, and is asked for its snapshot",
    "[c]") {
  Host host;
  std::string state;
  {
    OneLog one(host, true);
    for (std::uint64_t i = 0; i < 5; ++i) {
      std::string data(1, static_cast<char>('a' + i));
      host.done(cluster_log_append(one.log, slice(data), nullptr, 10 + i), 10 + i);
    }
    host.done(cluster_log_read_barrier(one.log, nullptr, 20), 20);
    // All that the barrier waited for is there already: nothing more is taken from the queue.
    while (state.size() < 5) {
      for (auto& row : host.next(1000).rows) state += row.value;
    }
    CHECK(state == "abcde");

    REQUIRE(cluster_log_take_snapshot(one.log, nullptr, 21) == CLUSTER_OK);
    Happened asked = host.next(1000);
    while (asked.event.kind == CLUSTER_EVENT_APPLY) asked = host.next(1000);
    REQUIRE(asked.event.kind == CLUSTER_EVENT_SNAPSHOT);
    const std::string first = state.substr(0, 2), rest = state.substr(2);
    CHECK(cluster_snapshot_write(one.log, asked.event.a, slice(first)) == CLUSTER_OK);
    CHECK(cluster_snapshot_write(one.log, asked.event.a, slice(rest)) == CLUSTER_OK);
    CHECK(cluster_snapshot_end(one.log, asked.event.a, CLUSTER_OK) == CLUSTER_OK);
    CHECK(host.next(21).event.error == CLUSTER_OK);
    CHECK(cluster_snapshot_write(one.log, asked.event.a, slice(rest)) == CLUSTER_E_NOT_FOUND);

    REQUIRE(cluster_log_take_snapshot(one.log, nullptr, 22) == CLUSTER_OK);
    asked = host.next(1000);
    while (asked.event.kind != CLUSTER_EVENT_SNAPSHOT) asked = host.next(1000);
    CHECK(cluster_snapshot_end(one.log, asked.event.a, CLUSTER_E_FAILED) == CLUSTER_OK);
    CHECK(host.next(22).event.error != CLUSTER_OK);
  }
}

TEST_CASE("a restarted state machine is restored from its snapshot, then applies what came after",
          "[c]") {
  Host host;
  cluster_log_options options = host.alone("kept");
  options.has_state_machine = 1;
  options.machine_tag = 1000;
  std::string state;
  auto run_to = [&](std::uint64_t tag) {  // Until that call has ended; does what the queue says.
    for (;;) {
      cluster_event events[8];
      int count = cluster_queue_next(host.queue, events, sizeof events[0], 8, 60'000);
      REQUIRE(count > 0);
      bool is_over = false;
      for (int i = 0; i < count; ++i) {
        if (events[i].kind == CLUSTER_EVENT_RESTORE) {
          if ((events[i].flags & CLUSTER_FLAG_FIRST) != 0) state.clear();
          state.append(static_cast<const char*>(events[i].items), events[i].item_count);
        }
        if (events[i].kind == CLUSTER_EVENT_APPLY) {
          for (auto& row : kept(events[i]).rows) state += row.value;
        }
        if (events[i].tag == tag) is_over = true;
      }
      if (is_over) return;
    }
  };
  cluster_log* log = nullptr;
  REQUIRE(cluster_log_open(host.runtime, &options, &log) == CLUSTER_OK);
  std::string large(300'000, 'x');  // Snapshots come in parts.
  for (std::uint64_t i = 0; i < 4; ++i) {
    large[0] = static_cast<char>('a' + i);
    REQUIRE(cluster_log_append(log, slice(large), nullptr, i) == CLUSTER_OK);
    run_to(i);
  }
  REQUIRE(cluster_log_read_barrier(log, nullptr, 50) == CLUSTER_OK);
  run_to(50);
  REQUIRE(state.size() == 4 * large.size());
  REQUIRE(cluster_log_take_snapshot(log, nullptr, 51) == CLUSTER_OK);
  cluster_event asked{};
  while (asked.kind != CLUSTER_EVENT_SNAPSHOT) {
    REQUIRE(cluster_queue_next(host.queue, &asked, sizeof asked, 1, 60'000) == 1);
  }
  REQUIRE(cluster_snapshot_write(log, asked.a, slice(state)) == CLUSTER_OK);
  REQUIRE(cluster_snapshot_end(log, asked.a, CLUSTER_OK) == CLUSTER_OK);
  run_to(51);
  const std::string after = "after";
  REQUIRE(cluster_log_append(log, slice(after), nullptr, 52) == CLUSTER_OK);
  run_to(52);
  cluster_log_close(log);

  const std::string before = state.substr(0, 4 * large.size());
  host.take(0);  // What the closed log left in the queue.
  state.clear();
  REQUIRE(cluster_log_open(host.runtime, &options, &log) == CLUSTER_OK);
  REQUIRE(cluster_log_read_barrier(log, nullptr, 53) == CLUSTER_OK);
  run_to(53);
  CHECK(state == before + after);
  cluster_log_close(log);
}

TEST_CASE("bad input is refused with a sentence, and no event follows", "[c]") {
  Host host;
  cluster_log* log = nullptr;
  cluster_log_options options = CLUSTER_LOG_OPTIONS_INIT;
  CHECK(cluster_log_open(host.runtime, nullptr, &log) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK(cluster_log_open(nullptr, &options, &log) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK(cluster_log_open(host.runtime, &options, &log) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK_THAT(cluster_error_text(), Contains("directory"));
  options = host.alone("log");
  options.size = 0;
  CHECK(cluster_log_open(host.runtime, &options, &log) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK_THAT(cluster_error_text(), Contains("_INIT"));

  struct Newer {
    cluster_log_options known;
    std::uint64_t added;
  } newer{host.alone("newer"), 0};
  newer.known.size = sizeof newer;
  REQUIRE(cluster_log_open(host.runtime, &newer.known, &log) == CLUSTER_OK);
  cluster_log_close(log);
  newer.added = 1;
  CHECK(cluster_log_open(host.runtime, &newer.known, &log) == CLUSTER_E_UNSUPPORTED);
  CHECK_THAT(cluster_error_text(), Contains("newer"));

  OneLog one(host);
  cluster_call call = CLUSTER_CALL_INIT;
  call.timeout_ms = -1;
  CHECK(cluster_log_append(one.log, {"x", 1}, &call, 5) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK(cluster_log_append_all(one.log, nullptr, 3, nullptr, 5) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK(cluster_log_set_role(one.log, 1, 9, nullptr, 5) == CLUSTER_E_INVALID_ARGUMENT);
  CHECK(cluster_snapshot_write(one.log, 1, {"x", 1}) == CLUSTER_E_UNSUPPORTED);
  const std::string large(2 << 20, 'x');
  REQUIRE(cluster_log_append(one.log, slice(large), nullptr, 6) == CLUSTER_OK);
  Happened refused = host.next(6);
  CHECK(refused.event.error == CLUSTER_E_TOO_LARGE);
  CHECK(refused.event.outcome == CLUSTER_NOT_APPLIED);
  CHECK_FALSE(refused.text.empty());
}

TEST_CASE("a log that is closed ends what is open, each call once", "[c]") {
  Host host;
  cluster_log_options options = host.alone("log");
  cluster_member both[2] = {options.members[0], options.members[0]};
  both[1].id = 2;
  both[1].port = free_port();
  options.members = both;
  options.member_count = 2;  // The other one never comes.
  cluster_log* log = nullptr;
  REQUIRE(cluster_log_open(host.runtime, &options, &log) == CLUSTER_OK);
  for (std::uint64_t i = 0; i < 10; ++i) {
    REQUIRE(cluster_log_append(log, {"x", 1}, nullptr, i) == CLUSTER_OK);
  }
  REQUIRE(cluster_log_read_barrier(log, nullptr, 10) == CLUSTER_OK);
  cluster_log_close(log);
  for (std::uint64_t i = 0; i <= 10; ++i) CHECK(host.next(i).event.error != CLUSTER_OK);
}

TEST_CASE("a follower that is not taken from waits, and its log can be closed", "[c]") {
  cluster_queue_options small = CLUSTER_QUEUE_OPTIONS_INIT;
  small.bytes_max = 1;
  Host host;
  cluster_queue* queue = nullptr;
  REQUIRE(cluster_queue_open(&small, &queue) == CLUSTER_OK);
  cluster_runtime_options how = CLUSTER_RUNTIME_OPTIONS_INIT;
  how.queue = queue;
  how.insecure = 1;
  cluster_runtime* runtime = nullptr;
  REQUIRE(cluster_runtime_open(&how, &runtime) == CLUSTER_OK);
  cluster_log_options options = host.alone("log");
  cluster_log* log = nullptr;
  REQUIRE(cluster_log_open(runtime, &options, &log) == CLUSTER_OK);
  REQUIRE(cluster_log_follow(log, 1, 1) == CLUSTER_OK);
  for (std::uint64_t i = 0; i < 50; ++i) {
    REQUIRE(cluster_log_append(log, {"x", 1}, nullptr, 100 + i) == CLUSTER_OK);
  }
  cluster_log_close(log);
  cluster_runtime_close(runtime);
  cluster_queue_close(queue);
}

TEST_CASE("the descriptor is readable exactly while events wait", "[c]") {
  Host host;
  OneLog one(host);
  pollfd poll_it{cluster_queue_descriptor(host.queue), POLLIN, 0};
  REQUIRE(cluster_log_append(one.log, {"x", 1}, nullptr, 1) == CLUSTER_OK);
  REQUIRE(::poll(&poll_it, 1, 60'000) == 1);
  host.next(1);
  host.take(0);
  CHECK(::poll(&poll_it, 1, 0) == 0);
}

TEST_CASE("a child of fork is refused, and may close what it holds", "[c]") {
  Host host;
  OneLog one(host);
  host.done(cluster_log_append(one.log, {"x", 1}, nullptr, 1), 1);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    bool is_right = cluster_log_append(one.log, {"x", 1}, nullptr, 2) == CLUSTER_E_UNSUPPORTED &&
                    std::strstr(cluster_error_text(), "fork") != nullptr;
    cluster_event event;
    is_right = is_right && cluster_queue_next(host.queue, &event, sizeof event, 1, -1) == -1;
    cluster_log_close(one.log);
    cluster_runtime_close(host.runtime);
    cluster_queue_close(host.queue);
    ::_exit(is_right ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  host.done(cluster_log_append(one.log, {"y", 1}, nullptr, 3), 3);
}

TEST_CASE("what is opened and closed again leaves no descriptor and no thread", "[c]") {
  auto once = [] {
    Host host;
    OneLog one(host);
    host.done(cluster_log_append(one.log, {"x", 1}, nullptr, 1), 1);
  };
  once();  // What the process makes once.
  const std::size_t descriptors = entries_of("/proc/self/fd");
  const std::size_t threads = entries_of("/proc/self/task");
  for (int i = 0; i < 20; ++i) once();
  CHECK(entries_of("/proc/self/fd") == descriptors);
  CHECK(entries_of("/proc/self/task") == threads);
}
