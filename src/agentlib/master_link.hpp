// The way to the leading master: dials masters in turn, follows redirections, gives silent ones up.
// Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "agentlib/model.hpp"
#include "base/random.hpp"

namespace cluster::agentlib {

struct LinkOptions {
  std::vector<Endpoint> masters;  // At least one.
  Duration retry_min = std::chrono::milliseconds(100);
  Duration retry_max = std::chrono::seconds(2);
  Duration register_timeout = std::chrono::seconds(10);
  std::uint64_t seed = 1;
};

class MasterLink {
 public:
  MasterLink(LinkOptions options, Time now);

  // Each ignores links that are over. `on_open` is true when it is time to register.
  bool on_open(Time now, LinkId);
  void on_close(Time now, LinkId, const Error& why);
  void on_registered(Time now, Duration ping_interval);
  void on_redirect(Time now, const wire::AgentRedirect&, Effects&);
  void on_refused(Time now, std::string why, Effects&);
  void on_outdated(Time now, Effects&);  // It leads an earlier term than one that was served.
  void on_heard(Time now);               // Anything from the master.
  void on_time(Time now, Effects&);
  void quit(Effects&);  // For good.

  Time deadline() const { return deadline_; }
  bool is_registered() const { return state_ == State::registered; }
  LinkId link() const { return link_; }  // The present one; 0 while there is none.
  const Endpoint& master() const { return target_; }
  const std::string& problem() const { return problem_; }  // Empty when registered.

 private:
  enum class State { waiting, dialing, registering, registered, over };

  void retry(Time now, Duration least, Effects&);
  void wait(Time now, Duration least);
  void take_next_master();

  LinkOptions options_;
  Random random_;
  State state_ = State::waiting;
  Time deadline_;  // Of `state_`: to dial, or to give up.
  LinkId link_;
  std::uint64_t links_ = 0;
  std::size_t turn_ = 0;
  Endpoint target_;
  std::uint32_t failures_ = 0;      // Since the last registration; sets the pace.
  std::uint32_t redirections_ = 0;  // Since then, too.
  Duration silence_max_{};
  std::string problem_;
};

}  // namespace cluster::agentlib
