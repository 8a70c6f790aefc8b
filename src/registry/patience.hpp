// How long whoever waits in a recipe goes on waiting: its time, and that its caller gives up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "cluster/result.hpp"
#include "runtime/host.hpp"

namespace cluster::registry {

class Patience {
 public:
  // Calls `on_end` once with `timed_out` or `cancelled`, where the host delivers, unless this is
  // gone by then.
  Patience(runtime::Host& host, Duration patience, const std::stop_token& cancel,
           std::function<void(Errc)> on_end)
      : host_(host), end_(std::make_shared<std::function<void(Errc)>>(std::move(on_end))) {
    if (patience > Duration::zero()) {
      host.post([&host, alarm = alarm_, at = host.now() + patience, end = std::weak_ptr(end_)] {
        *alarm = host.make_alarm([&host, end] { tell(host, end, Errc::timed_out); });
        (*alarm)->set(at);
      });
    }
    if (cancel.stop_possible()) {
      on_stop_.emplace(cancel,
                       [&host, end = std::weak_ptr(end_)] { tell(host, end, Errc::cancelled); });
    }
  }
  ~Patience() {
    // The alarm is the node thread's, and made there before this comes.
    host_.post([alarm = std::move(alarm_)] { alarm->reset(); });
  }
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  using End = std::function<void(Errc)>;
  static void tell(runtime::Host& host, const std::weak_ptr<End>& end, Errc why) {
    host.delivery()->execute([end, why] {
      if (auto held = end.lock()) (*held)(why);
    });
  }

  runtime::Host& host_;
  std::shared_ptr<End> end_;
  std::shared_ptr<std::unique_ptr<runtime::Alarm>> alarm_ =
      std::make_shared<std::unique_ptr<runtime::Alarm>>();
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace cluster::registry
