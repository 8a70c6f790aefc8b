// The host of production: the node thread, the disk thread, the delivery thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>

#include "cluster/runtime.hpp"
#include "net/fork_mark.hpp"
#include "net/group_place.hpp"
#include "net/lent_delivery.hpp"
#include "net/lent_worker.hpp"
#include "net/node_loop.hpp"
#include "net/tcp_transport.hpp"
#include "net/worker.hpp"
#include "runtime/host.hpp"

namespace cluster::net {

class ThreadsHost final : public runtime::Host {
 public:
  explicit ThreadsHost(const RuntimeOptions&, TcpOptions tcp = {});

  // Runs what is queued: first on the background and disk threads, then on the node thread, then on
  // the delivery thread, or the executor that was lent for it, so that every operation ends.
  // Sessions still open are dropped without a word.
  ~ThreadsHost() override;

  Time now() const override;
  WallTime wall_now() const override;
  void post(Callback callback) override { loop_.post(std::move(callback)); }
  bool on_node_thread() const override { return loop_.is_current(); }
  void post_disk(Callback callback) override { disk_.execute(std::move(callback)); }
  void post_background(Callback callback) override;
  bool lends_background() const override { return lent_background_ != nullptr; }
  void finish_background() override;
  void post_group(Callback group) override;
  void finish_groups() override;
  const std::shared_ptr<Executor>& delivery() const override { return delivery_; }
  std::unique_ptr<runtime::Alarm> make_alarm(std::function<void()> on_wake) override;
  runtime::Transport& transport() override { return *transport_; }
  const Logger& logger() const override { return logger_; }
  std::uint64_t random_seed() override;
  Metrics metrics() const override { return transport_->metrics(); }
  bool is_forked() const override { return fork_mark_.is_child(); }

 private:
  void wait_for_disk();

  ForkMark fork_mark_;
  Logger logger_;
  NodeLoop loop_;
  Worker disk_;
  std::mutex background_mutex_;
  std::unique_ptr<Worker> background_;           // Guarded: started when first asked for.
  std::shared_ptr<LentWorker> lent_background_;  // Instead, where the user lends an executor.
  std::shared_ptr<Worker> own_delivery_;         // None when continuations run elsewhere.
  std::shared_ptr<LentDelivery> lent_delivery_;  // Instead, where the user lends an executor.
  std::shared_ptr<Executor> delivery_;
  std::unique_ptr<TcpTransport> transport_;
  GroupPlace place_;                  // Node thread.
  std::uint64_t groups_to_disk_ = 0;  // Node thread.
  std::atomic<std::uint64_t> groups_off_disk_ = 0;
};

}  // namespace cluster::net
