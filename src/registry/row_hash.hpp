// The hash of one row of a state, the same in every build. It finds mistakes, not malice.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "cluster/types.hpp"

namespace cluster::registry {

using Digest = std::array<std::uint64_t, 2>;

inline void add(Digest& digest, const Digest& row) {
  digest[0] += row[0];
  digest[1] += row[1];
}
inline void subtract(Digest& digest, const Digest& row) {
  digest[0] -= row[0];
  digest[1] -= row[1];
}

enum class RowKind : std::uint64_t {
  agent = 1,
  framework = 2,
  task = 3,
  history = 4,
  job_spec = 5,
  job = 6,
  piece = 7,
  frameworks_made = 8,
  key = 9,
  key_change = 10,
  key_lease = 11,
  key_session = 12,
  key_answer = 13,
  key_namespace = 14,
  keys_meta = 15,
};

// The mixing of MurmurHash3 x64 128 (Appleby, public domain), each word into both lanes. What is
// added is 64-bit words: texts are led by their length and padded, lists led by their length.
class RowHash {
 public:
  explicit RowHash(RowKind kind) { word(static_cast<std::uint64_t>(kind)); }

  void word(std::uint64_t w) {
    a_ ^= std::rotl(w * c1, 31) * c2;
    a_ = (std::rotl(a_, 27) + b_) * 5 + 0x52dce729;
    b_ ^= std::rotl(w * c2, 33) * c1;
    b_ = (std::rotl(b_, 31) + a_) * 5 + 0x38495ab5;
    ++words_;
  }

  RowHash& add(std::uint64_t value) { return word(value), *this; }
  RowHash& add(bool value) { return word(value ? 1 : 0), *this; }
  RowHash& add(std::int64_t value) { return word(static_cast<std::uint64_t>(value)), *this; }
  RowHash& add(WallTime time) { return add(std::int64_t{time.time_since_epoch().count()}); }
  RowHash& add(Duration duration) { return add(std::int64_t{duration.count()}); }

  RowHash& add(std::string_view text) {
    word(text.size());
    while (text.size() >= 8) {
      word(load(text.data(), 8));
      text.remove_prefix(8);
    }
    if (!text.empty()) word(load(text.data(), text.size()));
    return *this;
  }
  RowHash& add(const std::string& text) { return add(std::string_view(text)); }

  template <class Tag>
  RowHash& add(const Name<Tag>& name) {
    return add(std::string_view(name.value()));
  }

  Digest finish() {
    a_ ^= words_;
    b_ ^= words_;
    a_ += b_;
    b_ += a_;
    a_ = finalise(a_);
    b_ = finalise(b_);
    a_ += b_;
    b_ += a_;
    return {a_, b_};
  }

 private:
  static constexpr std::uint64_t c1 = 0x87c37b91114253d5;
  static constexpr std::uint64_t c2 = 0x4cf5ad432745937f;

  // Little-endian on every machine.
  static std::uint64_t load(const char* data, std::size_t size) {
    std::uint64_t w = 0;
    if constexpr (std::endian::native == std::endian::little) {
      std::memcpy(&w, data, size);
    } else {
      for (std::size_t i = 0; i < size; ++i) {
        w |= std::uint64_t{static_cast<unsigned char>(data[i])} << (8 * i);
      }
    }
    return w;
  }

  static std::uint64_t finalise(std::uint64_t k) {
    k = (k ^ (k >> 33)) * 0xff51afd7ed558ccd;
    k = (k ^ (k >> 33)) * 0xc4ceb9fe1a85ec53;
    return k ^ (k >> 33);
  }

  std::uint64_t a_ = 0;
  std::uint64_t b_ = 0;
  std::uint64_t words_ = 0;
};

}  // namespace cluster::registry
