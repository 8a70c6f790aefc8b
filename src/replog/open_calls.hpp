// Calls of users that have not ended: each has a deadline, and may be cancelled. Whoever carries a
// call out keeps its `OpenCall` beside its promise, and takes both from its queue when told to give
// it up.
//
// Lives on the node thread; a call may be cancelled on any.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <stop_token>
#include <utility>

#include "cluster/call.hpp"
#include "cluster/result.hpp"
#include "runtime/host.hpp"

namespace cluster::replog {

// `CallOptions`, from when the call came on.
struct CallTerms {
  Time deadline = time_never;
  std::stop_token cancel;
};

CallTerms terms_of(const CallOptions&, Time now, Duration request_timeout);

class OpenCalls;

// Ends the call when it goes.
class OpenCall {
 public:
  OpenCall() = default;
  OpenCall(OpenCalls& calls, std::uint64_t id) : calls_(&calls), id_(id) {}
  OpenCall(OpenCall&& other) noexcept
      : calls_(std::exchange(other.calls_, nullptr)), id_(std::exchange(other.id_, 0)) {}
  OpenCall& operator=(OpenCall&& other) noexcept {
    std::swap(calls_, other.calls_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~OpenCall();

  std::uint64_t id() const { return id_; }

 private:
  OpenCalls* calls_ = nullptr;
  std::uint64_t id_ = 0;
};

class OpenCalls {
 public:
  // `why`: timed_out or cancelled.
  using GiveUp = std::function<void(std::uint64_t id, Errc why)>;

  explicit OpenCalls(runtime::Host& host) : host_(host) {}
  OpenCalls(const OpenCalls&) = delete;
  OpenCalls& operator=(const OpenCalls&) = delete;

  // Calls `give_up` at most once, never inside this, and not after the `OpenCall` is gone.
  [[nodiscard]] OpenCall open(const CallTerms&, GiveUp give_up);
  Time deadline() const;
  void expire(Time now);

 private:
  friend class OpenCall;
  using OnStop = std::stop_callback<std::function<void()>>;
  struct Open {
    Time deadline;
    GiveUp give_up;
    std::unique_ptr<OnStop> on_stop;
  };

  void end(std::uint64_t id);
  void give_up(std::uint64_t id, Errc why);

  runtime::Host& host_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Open> open_;
  std::set<std::pair<Time, std::uint64_t>> by_deadline_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::replog
