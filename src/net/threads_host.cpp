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
    delivery_ = options.deliver_on;
  } else {
    own_delivery_ = std::make_shared<Worker>("cluster-deliver");
    delivery_ = own_delivery_;
  }
  loop_.start();
}

ThreadsHost::~ThreadsHost() {
  CLUSTER_CHECK(!loop_.is_current() && !disk_.is_current() &&
                    (own_delivery_ == nullptr || !own_delivery_->is_current()),
                "a runtime is not destroyed on one of its threads");
  if (background_) background_->stop();
  disk_.stop();
  loop_.stop([this] { transport_.reset(); });
  if (own_delivery_) own_delivery_->stop();
}

Time ThreadsHost::now() const { return steady_now(); }

WallTime ThreadsHost::wall_now() const {
  return std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
}

std::unique_ptr<runtime::Alarm> ThreadsHost::make_alarm(std::function<void()> on_wake) {
  return std::make_unique<TimerAlarm>(loop_.io(), std::move(on_wake));
}

void ThreadsHost::post_background(Callback callback) {
  std::lock_guard lock(background_mutex_);
  if (!background_) background_ = std::make_unique<Worker>("cluster-back");
  background_->execute(std::move(callback));
}

std::uint64_t ThreadsHost::random_seed() { return system_random(); }

}  // namespace net
}  // namespace cluster
