// What a session has yet to send, in as few pieces as possible: the cost of sending is the number
// of pieces and of system calls, not of bytes.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <span>
#include <string>

#include "cluster/types.hpp"

namespace cluster::net {

class SendQueue {
 public:
  void push_raw(ByteView);
  void push_frame(Bytes payload);  // With its header. Small ones are copied together.

  std::size_t bytes() const { return bytes_; }
  bool is_empty() const { return bytes_ == 0; }

  // Points `pieces` at what is first in the queue; how many are used. Valid until the next call.
  std::size_t gather(std::span<iovec> pieces) const;
  void consume(std::size_t bytes);  // The first `bytes` have been sent.
  void clear();

 private:
  // Copied bytes, then a payload of its own, which may be empty.
  struct Segment {
    std::string head;
    Bytes body;

    std::size_t size() const { return head.size() + body.size(); }
  };

  std::string& open_head(std::size_t more);

  std::deque<Segment> segments_;
  std::size_t bytes_ = 0;
  std::size_t sent_ = 0;  // Of the first segment.
  std::string spare_;     // A head's memory, for the next one.
};

}  // namespace cluster::net
