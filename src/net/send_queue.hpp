// What a session has yet to send, in as few pieces as possible: the cost of sending is the number
// of pieces and of system calls, not of bytes.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <deque>
#include <span>
#include <string>

#include "cluster/types.hpp"
#include "wire/frame.hpp"

namespace cluster::net {

class SendQueue {
 public:
  void push_raw(ByteView);
  // With its header, which the caller may know. Small ones are copied together.
  using Header = std::array<char, wire::frame_header_size>;
  void push_frame(Bytes payload);
  void push_frame(Bytes payload, const Header&);
  // As parts: frames that are pushed while they are on their way go between them.
  void push_parts(Bytes payload);

  std::size_t bytes() const { return bytes_ + large_bytes_; }
  bool is_empty() const { return bytes() == 0; }

  // Points `pieces` at what is first in the queue; how many are used. Valid until the next call.
  std::size_t gather(std::span<iovec> pieces);
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
  void add_frame(Bytes payload, const Header&);
  void add_part();

  std::deque<Segment> segments_;
  std::size_t bytes_ = 0;  // Of the segments.
  std::deque<Bytes> large_;
  std::size_t large_bytes_ = 0;  // That are no segments yet.
  std::size_t large_sent_ = 0;   // Of the first of them, what is.
  std::size_t since_part_ = 0;   // Bytes of frames, while large messages wait.
  std::size_t sent_ = 0;         // Of the first segment.
  std::string spare_;            // A head's memory, for the next one.
};

}  // namespace cluster::net
