// What the library tells its host: log lines, metrics, and its last words.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/check.hpp"
#include "base/metrics.hpp"
#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "tests/catch.hpp"

using namespace cluster;

namespace {

class LineCollector : public LogSink {
 public:
  void write(const LogLine& line) override {
    lines.push_back(std::string(to_string(line.level)) + " " + std::string(line.part) + ": " +
                    to_text(line));
  }
  std::vector<std::string> lines;
};

struct Death {
  int signal = 0;     // Of which the child died; 0 when it exited.
  std::string words;  // What it wrote to `descriptor` before.
};

// Runs `f` in a child process whose standard error comes back as `words`.
template <class F>
Death death_of(F f) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    close(ends[0]);
    close(ends[1]);
    signal(SIGABRT, SIG_DFL);  // Catch's own handler would report this as the parent's failure.
    f();
    _exit(0);
  }
  close(ends[1]);
  Death death;
  char buffer[512];
  for (ssize_t n; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    death.words.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFSIGNALED(status)) death.signal = WTERMSIG(status);
  return death;
}

void hook_that_speaks(std::string_view text) {
  std::string words = "the host heard: " + std::string(text);
  [[maybe_unused]] ssize_t n = write(2, words.data(), words.size());
}

}  // namespace

TEST_CASE("a log line is an event and its fields", "[base][logger]") {
  LineCollector sink;
  Logger log(sink, "replog", LogLevel::debug);

  log.info("became leader", "term", 7u, "member", NodeId{2}, "at", Position{40});
  log.debug("sent", "to", Endpoint{"::1", 5050}, "whole", true);

  CHECK(sink.lines == std::vector<std::string>{
                          "info replog: became leader term=7 member=2 at=40",
                          "debug replog: sent to=[::1]:5050 whole=true",
                      });
}

TEST_CASE("a value that would blur the line is quoted and stays on it", "[base][logger]") {
  LineCollector sink;
  Logger log(sink, "agent");

  log.warning("task ended", "message", "exit code 7", "reason", "", "name", R"(a"b\c)", "text",
              "one\ntwo", "pair", "a=b", "plain", TaskId{"map-1"});

  CHECK(sink.lines.at(0) ==
        R"(warning agent: task ended message="exit code 7" reason="" name="a\"b\\c")"
        R"( text="one two" pair="a=b" plain=map-1)");
}

TEST_CASE("lines below the lowest level cost nothing and go nowhere", "[base][logger]") {
  LineCollector sink;
  Logger log(sink, "net", LogLevel::warning);
  log.info("connected");
  log.error("broken");
  CHECK(sink.lines == std::vector<std::string>{"error net: broken"});
  CHECK_FALSE(log.is_on(LogLevel::info));
  CHECK(log.with_part("wire").is_on(LogLevel::error));
}

TEST_CASE("a logger without a sink is silent", "[base][logger]") {
  Logger log;
  log.error("nobody hears");
  CHECK_FALSE(log.is_on(LogLevel::error));
}

TEST_CASE("metrics print in the text format of Prometheus", "[base][metrics]") {
  Metrics metrics{
      {.name = "cluster_log_appends_total", .help = "Appends that were chosen.", .value = 12},
      {.name = "cluster_agents", .help = "Agents.", .kind = Metric::Kind::gauge, .value = 2.5},
  };
  CHECK(to_prometheus(metrics) ==
        "# HELP cluster_log_appends_total Appends that were chosen.\n"
        "# TYPE cluster_log_appends_total counter\n"
        "cluster_log_appends_total 12\n"
        "# HELP cluster_agents Agents.\n"
        "# TYPE cluster_agents gauge\n"
        "cluster_agents 2.5\n");
  CHECK(to_prometheus({}).empty());
}

TEST_CASE("large and zero counters print whole", "[base][metrics]") {
  Metrics metrics{{.name = "a", .help = "", .value = 9007199254740992.0},
                  {.name = "b", .help = "", .value = 0},
                  {.name = "c", .help = "", .value = 100}};
  std::string text = to_prometheus(metrics);
  CHECK_THAT(text, Catch::Contains("a 9007199254740992\n"));
  CHECK_THAT(text, Catch::Contains("b 0\n"));
  CHECK_THAT(text, Catch::Contains("c 100\n"));
}

TEST_CASE("a metric with labels prints its name once, and a histogram under its own name",
          "[base][metrics]") {
  Histogram latency(100, 1'000'000);
  for (std::uint64_t micros : {0, 100, 101, 200, 201, 100'000'000}) latency.add(micros);
  Metrics metrics{gauge(labelled("lag", "peer", "2"), "Behind.", 3),
                  gauge(labelled("lag", "peer", "3"), "Behind.", 0)};
  latency.list("sync_seconds", "Syncs.", metrics);

  std::string text = to_prometheus(metrics);

  CHECK_THAT(text, Catch::StartsWith("# HELP lag Behind.\n"
                                     "# TYPE lag gauge\n"
                                     "lag{peer=\"2\"} 3\n"
                                     "lag{peer=\"3\"} 0\n"
                                     "# HELP sync_seconds Syncs.\n"
                                     "# TYPE sync_seconds histogram\n"
                                     "sync_seconds_bucket{le=\"0.0001\"} 2\n"
                                     "sync_seconds_bucket{le=\"0.0002\"} 4\n"
                                     "sync_seconds_bucket{le=\"0.0004\"} 5\n"));
  CHECK_THAT(text, Catch::EndsWith("sync_seconds_bucket{le=\"13.1072\"} 5\n"
                                   "sync_seconds_bucket{le=\"+Inf\"} 6\n"
                                   "sync_seconds_sum 100.000602\n"
                                   "sync_seconds_count 6\n"));
}

TEST_CASE("a failed check aborts with the condition, its meaning and the values", "[base][check]") {
  Death death = death_of([] {
    int promised = 8;
    CLUSTER_CHECK(promised < 8, "a promise is never lowered", promised, "now", Position{3});
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.words, Catch::Contains("reporting_test.cpp:"));
  CHECK_THAT(death.words,
             Catch::Contains("check failed: promised < 8 (a promise is never lowered) 8 now 3"));
}

TEST_CASE("the host's hook hears the last words instead of standard error", "[base][check]") {
  Death death = death_of([] {
    set_check_hook(hook_that_speaks);
    CLUSTER_CHECK(false, "this cannot be");
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.words, Catch::StartsWith("the host heard: "));
  CHECK_THAT(death.words, Catch::Contains("(this cannot be)"));
}

TEST_CASE("a check that holds does nothing", "[base][check]") {
  Death death = death_of([] { CLUSTER_CHECK(1 + 1 == 2, "arithmetic works"); });
  CHECK(death.signal == 0);
  CHECK(death.words.empty());
}

TEST_CASE("a slice outside its bytes is our own mistake", "[base][check][bytes]") {
  Death death = death_of([] { Bytes(ByteView("abc")).slice(2, 2); });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.words, Catch::Contains("a slice lies inside its bytes"));
}
