// Masters whose states should be the same, over real sockets and disks; one of them is not, because
// it keeps less history than the others: what every other mistake would look like.
#include "node/digest_watch.hpp"

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <thread>

#include "cluster/runtime.hpp"
#include "node/admin_client.hpp"
#include "node/master_node.hpp"
#include "registry/format.hpp"
#include "tests/catch.hpp"
#include "tests/unit/sockets.hpp"

using namespace cluster;
using Catch::Contains;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::size_t masters = 3;
constexpr Duration patience = seconds(120);

class Masters {
 public:
  // `limits_of_last`: of the last of them.
  explicit Masters(RegistryLimits limits_of_last) {
    std::string path = std::filesystem::temp_directory_path() / "cluster-digest-XXXXXX";
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    folder_ = path;
    for (std::size_t i = 0; i < masters; ++i) {
      peers_.push_back({NodeId(i + 1), {"127.0.0.1", test::free_port()}});
    }
    for (std::size_t i = 0; i < masters; ++i) {
      start(i, i + 1 == masters ? limits_of_last : RegistryLimits{});
    }
    client_ = std::make_unique<node::AdminClient>(
        own_.host(), std::vector{peers_[0].endpoint, peers_[1].endpoint});
  }
  ~Masters() {
    for (auto& one : nodes_) one.reset();
    std::filesystem::remove_all(folder_);
  }

  template <class Answer>
  Result<Answer> ask(wire::AdminBody question) {
    return node::expect<Answer>(client_->ask(std::move(question), patience).get());
  }
  // Whom a test asks for work must not be the one that is wrong.
  void let_first_lead() {
    for (auto end = std::chrono::steady_clock::now() + patience;
         std::chrono::steady_clock::now() < end;) {
      auto status = ask<wire::MasterStatus>(wire::GetStatus{});
      if (status && status->leader == NodeId(1)) return;
      static_cast<void>(ask<wire::LeaderAnswer>(wire::TransferLeadershipRequest{NodeId(1)}));
      std::this_thread::sleep_for(milliseconds(20));  // poll
    }
    FAIL("member 1 does not lead");
  }
  // A job that has ended: the last thing that a state with no room for such has forgotten.
  void end_job(const std::string& id) {
    JobSpec job{.id = JobId(id), .name = id, .kind = JobKind::service};
    StageSpec stage{.name = "s"};
    stage.command.argv = {"true"};
    stage.resources.set("cpus", Scalar::whole(1));
    job.stages = {stage};
    auto submitted = client_->ask(wire::SubmitJobRequest{job}, patience).get();
    if (!submitted) FAIL(submitted.error().message());
    auto stopped = client_->ask(wire::StopJobRequest{job.id}, patience).get();
    if (!stopped) FAIL(stopped.error().message());
  }
  double metric(std::size_t i, const std::string& name) {
    Metrics all;
    runtime::run_on_node(runtimes_[i].host(), [&] { all = nodes_[i]->metrics(); });
    for (const Metric& one : all) {
      if (one.name == name) return one.value;
    }
    return -1;
  }
  bool comes_to(std::size_t i, const std::string& name, double value) {
    for (auto end = std::chrono::steady_clock::now() + patience;
         std::chrono::steady_clock::now() < end;) {
      if (metric(i, name) >= value) return true;
      std::this_thread::sleep_for(milliseconds(20));  // poll
    }
    return false;
  }
  std::future<Error>& failure(std::size_t i) { return failures_[i]; }
  std::string directory(std::size_t i) const { return folder_ + "/" + std::to_string(i + 1); }

 private:
  void start(std::size_t i, RegistryLimits limits) {
    NodeOptions::Master options;
    options.self = peers_[i].id;
    options.members = peers_;
    options.cluster = ClusterUid(77);
    options.directory = directory(i);
    options.election_timeout = seconds(3);
    options.heartbeat_interval = milliseconds(50);
    options.digest_interval = milliseconds(100);
    auto started = node::MasterNode::start(runtimes_[i].host(), options, "test", limits);
    if (!started) FAIL(started.error().message());
    nodes_[i] = *std::move(started);
    auto said = std::make_shared<std::promise<Error>>();
    failures_[i] = said->get_future();
    nodes_[i]->on_failed([said](const Error& error) { said->set_value(error); });
  }
  static Runtime make_runtime() {
    return Runtime::threads({.security = cluster::Insecure{}, .deliver_on_node_thread = true});
  }

  std::array<Runtime, masters> runtimes_{make_runtime(), make_runtime(), make_runtime()};
  Runtime own_ = make_runtime();
  std::string folder_;
  std::vector<Peer> peers_;
  std::array<std::unique_ptr<node::MasterNode>, masters> nodes_;
  std::array<std::future<Error>, masters> failures_;
  std::unique_ptr<node::AdminClient> client_;  // Of the first two: the last may be wrong.
};

}  // namespace

TEST_CASE("masters with the same state agree, again and again", "[node][digest]") {
  Masters cluster{RegistryLimits{}};
  cluster.let_first_lead();
  cluster.end_job("one");
  for (std::size_t i = 0; i < masters; ++i) {
    CHECK(cluster.comes_to(i, "cluster_registry_digest_agreed_total", 1));
  }
  cluster.end_job("two");
  for (std::size_t i = 0; i < masters; ++i) {
    CHECK(cluster.comes_to(i, "cluster_registry_digest_agreed_total", 2));
    CHECK(cluster.metric(i, "cluster_registry_digest_differences_total") == 0);
    CHECK(cluster.failure(i).wait_for(seconds(0)) == std::future_status::timeout);
  }
}

TEST_CASE("masters that all read the newest format come to have it", "[node][format]") {
  Masters cluster{RegistryLimits{}};
  cluster.let_first_lead();
  for (std::size_t i = 0; i < masters; ++i) {
    CHECK(cluster.comes_to(i, "cluster_registry_format", registry::format_newest()));
    CHECK(cluster.metric(i, "cluster_registry_format_newest") == registry::format_newest());
  }
  cluster.end_job("one");
}

TEST_CASE(
    "a master whose state is not that of the others names the first row that differs, and "
    "stops for good",
    "[node][digest]") {
  Masters cluster{RegistryLimits{.ended_jobs_kept = 0}};
  cluster.let_first_lead();
  cluster.end_job("forgotten");

  auto& failed = cluster.failure(masters - 1);
  REQUIRE(failed.wait_for(patience) == std::future_status::ready);
  const Error error = failed.get();
  CHECK(error.code == Errc::corrupt);
  CHECK_THAT(error.context, Contains("is not that of the other masters"));
  CHECK_THAT(error.context, Contains("job forgotten"));
  std::string told;
  for (const auto& entry : std::filesystem::directory_iterator(cluster.directory(masters - 1))) {
    if (entry.path().filename().string().starts_with("digest-mismatch-")) {
      std::ifstream file(entry.path());
      told.assign(std::istreambuf_iterator<char>(file), {});
    }
  }
  CHECK_THAT(told, Contains("job forgotten\nhere:  (none)\nthere: ("));

  // The others go on, and know.
  for (std::size_t i = 0; i + 1 < masters; ++i) {
    CHECK(cluster.comes_to(i, "cluster_registry_digest_differences_total", 1));
    CHECK(cluster.failure(i).wait_for(seconds(0)) == std::future_status::timeout);
  }
  cluster.end_job("after");
}
