#include "metrics_text.hpp"

#include "tests/catch.hpp"

using namespace cluster;

TEST_CASE("metrics of several processes print each metric once, with the process as a label",
          "[app][metrics]") {
  Metric appends{.name = "cluster_log_appends_total", .help = "Appends.", .value = 1};
  Metric lag{.name = "cluster_log_lag{peer=\"2\"}",
             .help = "Behind.",
             .kind = Metric::Kind::gauge,
             .value = 7.5};

  std::string text = app::to_prometheus({{"master-1", {appends, lag}}, {"master-2", {appends}}});

  CHECK(text ==
        "# HELP cluster_log_appends_total Appends.\n"
        "# TYPE cluster_log_appends_total counter\n"
        "cluster_log_appends_total{process=\"master-1\"} 1\n"
        "cluster_log_appends_total{process=\"master-2\"} 1\n"
        "# HELP cluster_log_lag Behind.\n"
        "# TYPE cluster_log_lag gauge\n"
        "cluster_log_lag{peer=\"2\",process=\"master-1\"} 7.5\n");
  CHECK(app::to_prometheus({}).empty());
}
