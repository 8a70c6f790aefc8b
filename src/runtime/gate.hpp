// Keeps a call out of an object that its owner is about to give up, and keeps the owner waiting
// while a call is inside.
#pragma once

#include <mutex>

namespace cluster::runtime {

class Gate {
 public:
  // Runs `f` unless the gate is closed; false when it is.
  template <class F>
  bool enter(F f) {
    std::lock_guard lock(mutex_);
    if (is_closed_) return false;
    f();
    return true;
  }
  // Waits for who is inside. Not from inside.
  void close() {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
  }

 private:
  std::mutex mutex_;
  bool is_closed_ = false;
};

}  // namespace cluster::runtime
