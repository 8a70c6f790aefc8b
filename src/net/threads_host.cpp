#include "net/threads_host.hpp"

#include <chrono>

#include "base/check.hpp"
#include "base/random.hpp"
#include "net/alarm.hpp"

namespace cluster {

Runtime Runtime::threads(RuntimeOptions options) {
  return Runtime(std::make_unique<net::ThreadsHost>(options));
}

namespace net {

ThreadsHost::ThreadsHost(const RuntimeOptions& options, TcpOptions tcp)
    : logger_(options.log_sink == nullptr
                  ? Logger()
                  : Logger(*options.log_sink, "runtime", options.log_level)),
      disk_("cluster-disk"),
      transport_(std::make_unique<TcpTransport>(loop_.io(), logger_, options.security, tcp)) {
  if (options.deliver_on_node_thread) {
    delivery_ = loop_.executor();
  } else if (options.deliver_on) {
    lent_delivery_ = std::make_shared<LentDelivery>(options.deliver_on);
    delivery_ = lent_delivery_;
  } else {
    own_delivery_ = std::make_shared<Worker>("cluster-deliver");
    delivery_ = own_delivery_;
  }
  if (options.background_on) {
    lent_background_ = std::make_shared<LentWorker>(options.background_on);
  }
  loop_.start();
}

ThreadsHost::~ThreadsHost() {
  CLUSTER_CHECK(!loop_.is_current() && !disk_.is_current() &&
                    (own_delivery_ == nullptr || !own_delivery_->is_current()),
                "a runtime is not destroyed on one of its threads");
  if (background_) background_->stop();
  if (lent_background_) lent_background_->finish();
  disk_.stop();
  loop_.stop([this] { transport_.reset(); });
  if (own_delivery_) own_delivery_->stop();
  if (lent_delivery_) lent_delivery_->finish();
}

void ThreadsHost::post_group(Callback group) {
  CLUSTER_CHECK(on_node_thread(), "groups come from the node thread");
  // Those that wait here go before it.
  if (place_.is_inline() || loop_.has_late()) {
    return loop_.post_late([this, group = std::move(group)]() mutable {
      wait_for_disk();
      Time begin = steady_now();
      group();
      place_.took(steady_now() - begin);
    });
  }
  groups_to_disk_ += 1;
  disk_.execute([this, group = std::move(group)]() mutable {
    Time begin = steady_now();
    group();
    Duration time = steady_now() - begin;
    groups_off_disk_ += 1;
    groups_off_disk_.notify_one();
    loop_.post([this, time] { place_.took(time); });
  });
}

// Groups stay in order. As a rule the disk thread has written its last one, has said so, and is
// about to return from it.
void ThreadsHost::wait_for_disk() {
  for (std::uint64_t off = groups_off_disk_; off != groups_to_disk_; off = groups_off_disk_) {
    groups_off_disk_.wait(off);
  }
}

void ThreadsHost::finish_groups() {
  while (loop_.run_late()) {
  }
  Host::finish_groups();
}

Time ThreadsHost::now() const { return steady_now(); }

WallTime ThreadsHost::wall_now() const {
  return std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
}

std::unique_ptr<runtime::Alarm> ThreadsHost::make_alarm(std::function<void()> on_wake) {
  return std::make_unique<TimerAlarm>(loop_.io(), std::move(on_wake));
}

void ThreadsHost::post_background(Callback callback) {
  if (lent_background_) return lent_background_->execute(std::move(callback));
  std::lock_guard lock(background_mutex_);
  if (!background_) background_ = std::make_unique<Worker>("cluster-back");
  background_->execute(std::move(callback));
}

void ThreadsHost::finish_background() {
  if (lent_background_) return lent_background_->finish();
  Host::finish_background();
}

std::uint64_t ThreadsHost::random_seed() { return system_random(); }

}  // namespace net
}  // namespace cluster
