// The second world: one virtual clock, one queue of events, one seed. Everything that happens in a
// simulation is an event here, so the same seed gives the same history, instruction for
// instruction.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "cluster/op.hpp"
#include "cluster/types.hpp"

namespace cluster::sim {

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Time now() const { return now_; }
  Random& random() { return random_; }

  // Runs at `at`, or now when that is past; events of one time run in the order they were given.
  void at(Time at, Callback callback) {
    events_.push_back({std::max(at, now_), next_++, std::move(callback)});
    std::push_heap(events_.begin(), events_.end(), is_later);
  }
  void after(Duration wait, Callback callback) { at(now_ + wait, std::move(callback)); }

  // Runs the next event. False when there is none before `until`; then the clock stands at `until`.
  bool step(Time until) {
    if (events_.empty() || events_.front().at > until) {
      now_ = std::max(now_, until);
      return false;
    }
    std::pop_heap(events_.begin(), events_.end(), is_later);
    Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.at;
    steps_ += 1;
    event.callback();
    return true;
  }

  // Nothing that was to happen will: what it holds, and names others by, goes now.
  void end() {
    while (!events_.empty()) std::vector<Event>().swap(events_);
  }

  std::uint64_t steps() const { return steps_; }

 private:
  struct Event {
    Time at;
    std::uint64_t number;
    Callback callback;
  };
  static bool is_later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.number > b.number;
  }

  Time now_{std::chrono::seconds(1)};
  Random random_;
  std::vector<Event> events_;  // A heap.
  std::uint64_t next_ = 0;
  std::uint64_t steps_ = 0;
};

// A random duration in [least, most].
inline Duration between(Random& random, Duration least, Duration most) {
  auto span = static_cast<std::uint64_t>((most - least).count()) + 1;
  return least + Duration(random.below(span));
}

}  // namespace cluster::sim
