// The queue that events wait in until the host takes them.
//
// Threads: `push` from any, `next` from one at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "cluster/c.h"
#include "cluster/result.hpp"

namespace cluster::c {

// An event, and what keeps its items alive.
struct Pending {
  cluster_event event{};
  std::shared_ptr<const void> items;        // What `event.items` points into.
  std::size_t bytes = 0;                    // Counted against the queue's limit.
  void (*discard)(void* handle) = nullptr;  // Ends `event.handle`, where nobody takes it any more.
};

// A page that is empty in a child of fork.
class ForkMark {
 public:
  ForkMark();
  ~ForkMark();
  ForkMark(const ForkMark&) = delete;
  ForkMark& operator=(const ForkMark&) = delete;
  bool is_child() const { return page_ != nullptr && *page_ == 0; }

 private:
  volatile unsigned char* page_ = nullptr;
};

class Queue {
 public:
  static Result<std::shared_ptr<Queue>> open(std::size_t bytes_max);
  Queue(int descriptor, std::size_t bytes_max) : descriptor_(descriptor), bytes_max_(bytes_max) {}
  ~Queue();

  void push(Pending);
  // Waits while the limit is reached; `source` says when to wait no more. False: the event is
  // dropped, for the queue or its source is closed.
  bool push_when_room(Pending, const std::atomic<bool>& is_source_closed);
  void wake_sources();  // After one of those was closed.

  // As cluster_queue_next.
  int next(cluster_event* events, std::size_t event_size, std::size_t capacity,
           std::int64_t timeout_ms);
  void close();

  int descriptor() const { return descriptor_; }
  bool is_forked() const { return fork_mark_.is_child(); }

 private:
  void push_locked(Pending);

  const int descriptor_;
  const std::size_t bytes_max_;
  ForkMark fork_mark_;
  std::mutex mutex_;
  std::condition_variable has_events_;
  std::condition_variable has_room_;
  std::deque<Pending> waiting_;  // Guarded, as all below.
  std::size_t bytes_ = 0;        // Of those that wait.
  bool is_closed_ = false;
  std::vector<Pending> taken_;  // By the last `next`; only `next` touches it.
};

}  // namespace cluster::c
