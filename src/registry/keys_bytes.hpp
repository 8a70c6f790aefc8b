// How the keys' commands, answers and snapshots are made of bytes: numbers seven bits at a time,
// the lowest first; texts led by their length.
//
// By hand, since this is the hot path of every replica: each entry is read once by each.
#pragma once

#include <cstdint>
#include <string>

#include "cluster/types.hpp"

namespace cluster::registry {

class ByteWriter {
 public:
  void byte(std::uint8_t value) { out_ += static_cast<char>(value); }
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      byte(static_cast<std::uint8_t>(value | 0x80));
      value >>= 7;
    }
    byte(static_cast<std::uint8_t>(value));
  }
  void fixed(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) byte(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void text(ByteView value) {
    number(value.size());
    out_ += value;
  }
  void reserve(std::size_t size) { out_.reserve(size); }

  std::size_t size() const { return out_.size(); }
  ByteView view() const { return out_; }
  std::string take() { return std::move(out_); }
  void clear() { out_.clear(); }

 private:
  std::string out_;
};

// Takes any bytes: once something is wrong, all that is read is 0 and `is_sound` is false.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : rest_(bytes), size_(bytes.size()) {}

  std::uint8_t byte() {
    if (rest_.empty()) return fail();
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint64_t next = byte();
      if (shift == 63 && next > 1) return fail();
      value |= (next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    return fail();
  }
  std::uint64_t fixed() {
    std::uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }
  ByteView text() {
    const std::uint64_t size = number();
    if (size > rest_.size()) {
      fail();
      return {};
    }
    ByteView value = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return value;
  }
  // A count of things that take a byte each at least.
  std::size_t count() {
    const std::uint64_t value = number();
    return value > rest_.size() ? fail() : static_cast<std::size_t>(value);
  }
  bool flag() {
    const std::uint8_t value = byte();
    if (value > 1) fail();
    return value == 1;
  }

  std::uint8_t fail() {
    is_sound_ = false;
    rest_ = {};
    return 0;
  }
  bool is_sound() const { return is_sound_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t offset() const { return size_ - rest_.size(); }

 private:
  ByteView rest_;
  std::size_t size_;
  bool is_sound_ = true;
};

}  // namespace cluster::registry
