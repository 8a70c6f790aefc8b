#include "wire/frame.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.hpp"
#include "base/crc32c.hpp"

namespace cluster::wire {
namespace {

constexpr ByteView preamble_magic = "CLU1";

static_assert(std::endian::native == std::endian::little,
              "frames are little endian, and so is every machine that this builds for");

std::uint32_t load_u32(ByteView bytes, std::size_t at) {
  std::uint32_t value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::uint32_t frame_checksum(ByteView size_bytes, ByteView payload) {
  return crc32c(payload, crc32c(size_bytes));
}

// Of a whole frame.
Result<void> verify_frame(ByteView frame) {
  std::uint32_t expected = frame_checksum(frame.substr(0, 4), frame.substr(frame_header_size));
  if (load_u32(frame, 4) == expected) return {};
  return Error{Errc::protocol, "a frame of " + std::to_string(frame.size() - frame_header_size) +
                                   " bytes has a wrong checksum"};
}

}  // namespace

std::array<char, preamble_size> encode_preamble(const Preamble& preamble) {
  std::array<char, preamble_size> bytes{};
  std::copy(preamble_magic.begin(), preamble_magic.end(), bytes.begin());
  bytes[4] = static_cast<char>(preamble.lane);
  bytes[5] = static_cast<char>(preamble.version);
  bytes[6] = static_cast<char>(preamble.side);
  return bytes;
}

Result<Preamble> decode_preamble(ByteView bytes) {
  if (bytes.size() < preamble_size || !bytes.starts_with(preamble_magic)) {
    return Error{Errc::protocol, "the peer does not speak our protocol"};
  }
  auto version = static_cast<std::uint8_t>(bytes[5]);
  if (version != protocol_version) {
    return Error{Errc::unsupported, "the peer speaks version " + std::to_string(version) +
                                        " of the protocol, we speak " +
                                        std::to_string(protocol_version)};
  }
  auto side = static_cast<std::uint8_t>(bytes[6]);
  if (side > 1 || bytes[7] != 0) {
    return Error{Errc::protocol, "the peer's preamble is malformed"};
  }
  return Preamble{.lane = static_cast<std::uint8_t>(bytes[4]),
                  .version = version,
                  .side = static_cast<Side>(side)};
}

std::array<char, frame_header_size> encode_frame_header(ByteView payload) {
  CLUSTER_CHECK(payload.size() <= std::numeric_limits<std::uint32_t>::max(),
                "a payload's size fits its field", payload.size());
  auto size = static_cast<std::uint32_t>(payload.size());
  std::array<char, frame_header_size> header;
  std::memcpy(header.data(), &size, sizeof size);
  std::uint32_t checksum = frame_checksum(ByteView(header.data(), 4), payload);
  std::memcpy(header.data() + 4, &checksum, sizeof checksum);
  return header;
}

Result<void> FrameReader::feed(ByteView bytes, std::vector<Bytes>& payloads) {
  if (!partial_.empty()) {
    auto rest = continue_partial(bytes, payloads);
    if (!rest) return std::move(rest).error();
    bytes = *rest;
  }

  std::size_t whole = 0;  // Bytes in whole and good frames.
  Result<void> outcome;
  while (outcome && bytes.size() - whole >= frame_header_size) {
    auto size = frame_size(bytes.substr(whole));
    if (!size) {
      outcome = std::move(size).error();
    } else if (bytes.size() - whole < *size) {
      break;
    } else {
      outcome = verify_frame(bytes.substr(whole, *size));
      if (outcome) whole += *size;
    }
  }

  if (whole > 0) {
    Bytes batch(bytes.substr(0, whole));
    for (std::size_t at = 0; at < whole;) {
      std::size_t size = load_u32(batch.view(), at);
      payloads.push_back(batch.slice(at + frame_header_size, size));
      at += frame_header_size + size;
    }
  }
  if (outcome && whole < bytes.size()) partial_.assign(bytes.substr(whole));
  return outcome;
}

// The size of a frame with its header.
Result<std::size_t> FrameReader::frame_size(ByteView header) const {
  std::size_t size = load_u32(header, 0);
  if (size > payload_size_max_) {
    return Error{Errc::protocol, "a frame of " + std::to_string(size) +
                                     " bytes is over the limit of " +
                                     std::to_string(payload_size_max_)};
  }
  return frame_header_size + size;
}

// Completes `partial_` as far as `bytes` reach, and gives what is left of them.
Result<ByteView> FrameReader::continue_partial(ByteView bytes, std::vector<Bytes>& payloads) {
  if (partial_.size() < frame_header_size) {
    std::size_t take = std::min(frame_header_size - partial_.size(), bytes.size());
    partial_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (partial_.size() < frame_header_size) return bytes;
  }
  auto size = frame_size(partial_);
  if (!size) return std::move(size).error();
  std::size_t take = std::min(*size - partial_.size(), bytes.size());
  append_partial(bytes.substr(0, take), *size);
  bytes.remove_prefix(take);
  if (partial_.size() < *size) return bytes;

  if (auto good = verify_frame(partial_); !good) return std::move(good).error();
  Bytes frame(std::exchange(partial_, {}));
  payloads.push_back(frame.slice(frame_header_size, *size - frame_header_size));
  return bytes;
}

// Grows in proportion to what has arrived: a header that promises much must not make us allocate
// it.
void FrameReader::append_partial(ByteView bytes, std::size_t whole_size) {
  std::size_t needed = partial_.size() + bytes.size();
  if (needed > partial_.capacity()) {
    partial_.reserve(std::min(whole_size, std::max(needed, 2 * partial_.capacity())));
  }
  partial_.append(bytes);
}

}  // namespace cluster::wire
