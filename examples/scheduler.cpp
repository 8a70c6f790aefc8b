// A framework in one page: runs a command N times on whatever the cluster offers, says how each run
// ended, and leaves. A run that ends badly is not repeated: that would be a job's business.
//
//   scheduler 127.0.0.1:5050 20 'echo hello from $HOSTNAME' certs/client-me
//
// The last argument is a folder of `cluster certs client`; without it the master speaks plain text.
#include <cluster/scheduler.hpp>

#include <condition_variable>
#include <iostream>
#include <mutex>
#include <string>

namespace {

const cluster::Resources need = *cluster::Resources::parse("cpus:0.1;mem:32");

class RunMany {
 public:
  RunMany(int runs, std::string command)
      : waiting_(runs), left_(runs), command_(std::move(command)) {}

  // Fills each offer with as many runs as fit, and gives back what is too small.
  void on_offers(cluster::Scheduler& scheduler,
                 const std::vector<cluster::SchedulerOffer>& offers) {
    for (const cluster::SchedulerOffer& offer : offers) {
      cluster::Resources free = offer.resources;
      std::vector<cluster::TaskSpec> tasks;
      for (; waiting_ > 0 && free.contains(need); --waiting_) {
        cluster::TaskSpec task;
        task.id = cluster::TaskId("run-" + std::to_string(++launched_));
        task.command.shell = command_;
        task.resources = need;
        tasks.push_back(std::move(task));
        free -= need;
      }
      if (tasks.empty()) {
        scheduler.decline({offer.id});
      } else {
        scheduler.accept({offer.id}, std::move(tasks));
      }
    }
    if (waiting_ == 0) scheduler.suppress();
  }

  void on_update(cluster::Scheduler& scheduler, const cluster::TaskStatus& status) {
    if (!cluster::is_terminal(status.state)) return;
    std::cout << status.task.value() << " " << cluster::to_string(status.state);
    if (status.exit) std::cout << " (exit code " << status.exit->code << ")";
    std::cout << "\n";
    if (status.state == cluster::TaskState::dropped) {  // The offer was void: the run never began.
      ++waiting_;
      scheduler.revive();
      return;
    }
    const std::lock_guard lock(mutex_);
    if (--left_ == 0) ended_.notify_all();
  }

  void wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return left_ <= 0; });
  }

 private:
  int waiting_;  // Handlers run one at a time: what they alone use needs no lock.
  int launched_ = 0;
  std::mutex mutex_;
  std::condition_variable ended_;
  int left_;
  std::string command_;
};

}  // namespace

int main(int argc, char** argv) {
  const std::string address = argc == 4 || argc == 5 ? argv[1] : "";
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) {
    std::cerr << "usage: scheduler HOST:PORT RUNS COMMAND [CERTIFICATES]\n";
    return 2;
  }
  const cluster::Endpoint master{address.substr(0, colon),
                                 static_cast<std::uint16_t>(std::atoi(&address[colon + 1]))};
  RunMany runs(std::atoi(argv[2]), argv[3]);

  cluster::Security security = cluster::Insecure{};
  if (argc == 5) {
    const std::string folder = argv[4];
    security = cluster::Tls{cluster::certificate_files({.chain = folder + "/cert.pem",
                                                        .key = folder + "/key.pem",
                                                        .authorities = folder + "/ca.pem"})};
  }
  cluster::Runtime runtime = cluster::Runtime::threads({.security = security});
  cluster::SchedulerHandlers handlers;
  handlers.on_offers = [&](auto& scheduler, const auto& offers) {
    runs.on_offers(scheduler, offers);
  };
  handlers.on_update = [&](auto& scheduler, const auto& status) {
    runs.on_update(scheduler, status);
  };
  handlers.on_error = [](auto&, const cluster::Error& error, bool fatal) {
    std::cerr << error.message() << "\n";
    if (fatal) std::exit(1);
  };
  auto scheduler =
      cluster::Scheduler::start(runtime, {.masters = {master}, .name = "run-many"}, handlers);
  if (!scheduler) {
    std::cerr << scheduler.error().message() << "\n";
    return 2;
  }
  runs.wait();
  auto removed = (*scheduler)->teardown().get();
  if (!removed) std::cerr << removed.error().message() << "\n";
  return removed ? 0 : 1;
}
