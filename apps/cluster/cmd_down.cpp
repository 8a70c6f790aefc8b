// `cluster down`: stops the cluster that `up` started, and leaves nothing behind.
#include <cstdio>
#include <filesystem>

#include "local_cluster.hpp"
#include "options.hpp"
#include "stop_cluster.hpp"
#include "text.hpp"

namespace cluster::app {

int cmd_down(const DownOptions& options) {
  std::string directory = chosen_directory(options.directory);
  auto known = load_local_cluster(directory);
  if (!known) return fail(known.error());
  if (!*known) {
    std::printf("no cluster in %s: nothing to stop\n", directory.c_str());
    return 0;
  }
  auto lock = DirectoryLock::take(directory);
  if (!lock) return fail(lock.error());
  // Once more: an `up` may have ended only now.
  auto loaded = load_local_cluster(directory);
  if (!loaded) return fail(loaded.error());
  if (!*loaded) return 0;
  LocalCluster cluster = **std::move(loaded);

  std::printf("stopping the cluster in %s\n", directory.c_str());
  std::fflush(stdout);
  Stopped stopped = stop_cluster(cluster, options.timeout);
  std::printf("stopped %s and %s", count_of(stopped.agents, "agent").c_str(),
              count_of(stopped.masters, "master").c_str());
  if (stopped.killed > 0) {
    std::printf("; %s had to be killed", count_of(stopped.killed, "process").c_str());
  }
  if (stopped.swept > 0) std::printf("; %zu tasks were left and are killed", stopped.swept);
  if (cluster.keep || options.keep) {
    for (auto* daemons : {&cluster.masters, &cluster.agents}) {
      for (LocalDaemon& daemon : *daemons) daemon.process = {};
    }
    std::printf("; %s is kept\n", directory.c_str());
    auto saved = save_local_cluster(cluster);
    return saved ? 0 : fail(saved.error());
  }
  std::error_code failure;
  std::filesystem::remove_all(directory, failure);
  std::printf("\n");
  if (failure)
    return fail(Error{Errc::permission, "cannot remove " + directory + ": " + failure.message()});
  return 0;
}

}  // namespace cluster::app
