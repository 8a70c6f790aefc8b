#include "net/send_queue.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace cluster::net {
namespace {

constexpr std::size_t copied_payload_max =
    4096;  // Copying more costs more than a piece of its own.
constexpr std::size_t head_size_max = 64 * 1024;
constexpr std::size_t spare_size_max = 4096;   // What an idle session may keep.
constexpr std::size_t ahead_min = 256 * 1024;  // Parts are laid before the socket in time.

}  // namespace

void SendQueue::push_raw(ByteView bytes) {
  open_head(bytes.size()).append(bytes);
  bytes_ += bytes.size();
}

void SendQueue::push_frame(Bytes payload) {
  Header header = wire::encode_frame_header(payload.view());
  push_frame(std::move(payload), header);
}

void SendQueue::push_frame(Bytes payload, const Header& header) {
  since_part_ += payload.size();
  add_frame(std::move(payload), header);
  // A flood of frames must not keep large messages waiting for ever.
  if (!large_.empty() && since_part_ >= wire::part_size_max) add_part();
}

void SendQueue::push_parts(Bytes payload) {
  CLUSTER_CHECK(!payload.empty(), "what has parts is not empty");
  large_bytes_ += payload.size();
  large_.push_back(std::move(payload));
}

void SendQueue::add_part() {
  since_part_ = 0;
  const Bytes& message = large_.front();
  std::size_t size = std::min(wire::part_size_max, message.size() - large_sent_);
  bool is_last = large_sent_ + size == message.size();
  Bytes part = message.slice(large_sent_, size);
  Header header = wire::encode_frame_header(
      part.view(), is_last ? wire::FrameKind::last_part : wire::FrameKind::part);
  add_frame(std::move(part), header);
  large_bytes_ -= size;
  large_sent_ += size;
  if (!is_last) return;
  large_.pop_front();
  large_sent_ = 0;
}

void SendQueue::add_frame(Bytes payload, const Header& header) {
  bool is_copied = payload.size() <= copied_payload_max;
  std::string& head = open_head(header.size() + (is_copied ? payload.size() : 0));
  bytes_ += header.size() + payload.size();
  head.append(header.data(), header.size());
  if (is_copied) {
    head.append(payload.view());
  } else {
    segments_.back().body = std::move(payload);
  }
}

std::string& SendQueue::open_head(std::size_t more) {
  bool has_room = !segments_.empty() && segments_.back().body.empty() &&
                  segments_.back().head.size() + more <= head_size_max;
  if (!has_room) segments_.push_back({.head = std::exchange(spare_, {}), .body = {}});
  return segments_.back().head;
}

std::size_t SendQueue::gather(std::span<iovec> pieces) {
  while (!large_.empty() && bytes_ < ahead_min) add_part();
  std::size_t used = 0;
  std::size_t skip = sent_;
  auto add = [&](ByteView bytes) {
    if (skip >= bytes.size()) {
      skip -= bytes.size();
    } else if (used < pieces.size()) {
      bytes.remove_prefix(std::exchange(skip, 0));
      pieces[used++] = {const_cast<char*>(bytes.data()), bytes.size()};
    }
  };
  for (const auto& segment : segments_) {
    if (used == pieces.size()) break;
    add(segment.head);
    add(segment.body.view());
  }
  return used;
}

void SendQueue::consume(std::size_t bytes) {
  CLUSTER_CHECK(bytes <= bytes_, "what was sent was queued", bytes, bytes_);
  bytes_ -= bytes;
  sent_ += bytes;
  while (!segments_.empty() && sent_ >= segments_.front().size()) {
    sent_ -= segments_.front().size();
    std::string& head = segments_.front().head;
    if (spare_.capacity() < head.capacity() && head.capacity() <= spare_size_max) {
      spare_ = std::move(head);
      spare_.clear();
    }
    segments_.pop_front();
  }
}

void SendQueue::clear() {
  segments_.clear();
  large_.clear();
  bytes_ = large_bytes_ = large_sent_ = since_part_ = 0;
  sent_ = 0;
}

}  // namespace cluster::net
