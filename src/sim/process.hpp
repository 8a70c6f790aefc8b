// A simulated process: the host that drivers run on. Its clock drifts, its disk is slow by chance,
// it can be stopped for a while as by SIGSTOP, and it can be killed at any event: what is on its
// way to the disk is then written whole or not at all.
#pragma once

#include <deque>
#include <memory>

#include "runtime/host.hpp"
#include "sim/network.hpp"
#include "sim/world.hpp"

namespace cluster::sim {

struct ProcessOptions {
  ProcessId id;
  Logger logger;
  std::int64_t drift_permille = 0;  // Its clock runs faster (or slower) by so much.
  Duration offset{};                // And started elsewhere.
  Duration disk_min = std::chrono::microseconds(80);
  Duration disk_max = std::chrono::milliseconds(2);
  replog::Disks* disks = nullptr;  // What is opened here keeps its data there.
};

class Process final : public runtime::Host {
 public:
  Process(World&, Network&, ProcessOptions);
  ~Process() override;

  // From now on nothing of it runs, and what is destroyed of it has no effect. The object must
  // outlive the world's events. `loses_group`: what is on its way to the disk never gets there.
  void kill(bool loses_group = false);
  bool is_alive() const { return alive_ != nullptr; }

  // Nothing of it runs until then; what was due meanwhile comes after, timers last. Its clock goes
  // on, or stands still as that of a suspended machine.
  void pause(Time until, bool stops_clock);
  bool is_paused() const { return paused_until_ > world_.now(); }
  // Its disk finishes nothing until then.
  void stall_disk(Time until) { disk_stalled_until_ = std::max(disk_stalled_until_, until); }
  // Its clock runs at another rate from now on.
  void set_drift(std::int64_t permille);

  Time now() const override;
  WallTime wall_now() const override;
  void post(Callback) override;
  bool on_node_thread() const override { return true; }
  void post_disk(Callback) override;
  void post_background(Callback) override;
  // At once: whoever waits here stands in the way of everything else.
  void finish_groups() override;
  void finish_background() override;
  const std::shared_ptr<Executor>& delivery() const override { return delivery_; }
  std::unique_ptr<runtime::Alarm> make_alarm(std::function<void()> on_wake) override;
  runtime::Transport& transport() override { return *transport_; }
  const Logger& logger() const override { return options_.logger; }
  std::uint64_t random_seed() override { return world_.random().next(); }
  Metrics metrics() const override { return {}; }
  replog::Disks* disks() override { return options_.disks; }

 private:
  class SimAlarm;
  class Delivery;

  void write_next();
  void run_background();
  Time to_world(Time) const;
  // Runs `f` while the process is alive, at `at` or when it is no longer paused.
  void schedule(Time at, Callback f);

  World& world_;
  Network& network_;
  ProcessOptions options_;
  Time clock_start_{};  // From here on the clock runs at the present rate ...
  Time own_start_{};    // ... and stood at this.
  Time paused_until_{};
  Time disk_stalled_until_{};
  std::shared_ptr<const char> alive_ = std::make_shared<const char>('\0');
  std::shared_ptr<const char> exists_ = std::make_shared<const char>('\0');
  std::unique_ptr<SimTransport> transport_;
  std::shared_ptr<Delivery> own_delivery_;
  std::shared_ptr<Executor> delivery_;
  std::deque<Callback> disk_queue_;
  bool is_writing_ = false;
  std::deque<Callback> background_queue_;
  Time background_free_at_{};
};

}  // namespace cluster::sim
