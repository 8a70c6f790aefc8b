#include "bindings/c/queue.hpp"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace cluster::c {

ForkMark::ForkMark() {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
    ::munmap(page, size);
    return;
  }
  page_ = static_cast<volatile unsigned char*>(page);
  *page_ = 1;
}

ForkMark::~ForkMark() {
  if (page_ == nullptr) return;
  ::munmap(const_cast<unsigned char*>(page_), static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
}

Result<std::shared_ptr<Queue>> Queue::open(std::size_t bytes_max) {
  int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) {
    return Error{Errc::overloaded, std::string("no descriptor for a queue: ") +
                                       std::strerror(errno) +
                                       "; close some, or raise the limit (ulimit -n)"};
  }
  return std::make_shared<Queue>(descriptor, bytes_max);
}

Queue::~Queue() {
  close();
  ::close(descriptor_);
}

void Queue::push(Pending pending) {
  std::unique_lock lock(mutex_);
  if (!is_closed_) return push_locked(std::move(pending));
  lock.unlock();
  if (pending.discard != nullptr) pending.discard(pending.event.handle);
}

void Queue::push_locked(Pending pending) {
  bytes_ += pending.bytes;
  waiting_.push_back(std::move(pending));
  if (waiting_.size() > 1) return;
  const std::uint64_t one = 1;
  static_cast<void>(::write(descriptor_, &one, sizeof one));
  has_events_.notify_one();
}

bool Queue::push_when_room(Pending pending, const std::atomic<bool>& is_source_closed) {
  std::unique_lock lock(mutex_);
  has_room_.wait(lock, [&] { return is_closed_ || is_source_closed || bytes_ < bytes_max_; });
  if (is_closed_ || is_source_closed) return false;
  push_locked(std::move(pending));
  return true;
}

void Queue::wake_sources() {
  std::lock_guard lock(mutex_);
  has_room_.notify_all();
}

int Queue::next(cluster_event* events, std::size_t event_size, std::size_t capacity,
                std::int64_t timeout_ms) {
  taken_.clear();  // The host is done with those.
  {
    std::unique_lock lock(mutex_);
    auto has_some = [&] { return is_closed_ || !waiting_.empty(); };
    if (timeout_ms < 0) {
      has_events_.wait(lock, has_some);
    } else if (timeout_ms > 0) {
      has_events_.wait_for(lock, std::chrono::milliseconds(timeout_ms), has_some);
    }
    const std::size_t count = std::min(capacity, waiting_.size());
    for (std::size_t i = 0; i < count; ++i) {
      bytes_ -= waiting_.front().bytes;
      taken_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    if (count > 0 && waiting_.empty()) {
      std::uint64_t all = 0;
      static_cast<void>(::read(descriptor_, &all, sizeof all));
    }
    if (count > 0) has_room_.notify_all();
  }
  auto* at = reinterpret_cast<unsigned char*>(events);
  for (Pending& pending : taken_) {
    std::memcpy(at, &pending.event, std::min(event_size, sizeof(cluster_event)));
    at += event_size;
    pending.discard = nullptr;
  }
  return static_cast<int>(taken_.size());
}

void Queue::close() {
  std::deque<Pending> dropped;
  {
    std::lock_guard lock(mutex_);
    is_closed_ = true;
    dropped.swap(waiting_);
    bytes_ = 0;
    has_events_.notify_all();
    has_room_.notify_all();
  }
  for (Pending& pending : dropped) {
    if (pending.discard != nullptr) pending.discard(pending.event.handle);
  }
}

}  // namespace cluster::c
