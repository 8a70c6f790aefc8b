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

// Of a frame's first word.
constexpr std::uint32_t part_bit = 1u << 31;
constexpr std::uint32_t last_bit = 1u << 30;
constexpr std::uint32_t size_mask = last_bit - 1;

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

// Grows in proportion to what has arrived: a header that promises much must not make us allocate
// it.
void append_growing(std::string& to, ByteView bytes, std::size_t size_max) {
  std::size_t needed = to.size() + bytes.size();
  if (needed > to.capacity()) {
    to.reserve(std::min(size_max, std::max(needed, 2 * to.capacity())));
  }
  to.append(bytes);
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

std::array<char, frame_header_size> encode_frame_header(ByteView payload, FrameKind kind) {
  CLUSTER_CHECK(payload.size() <= size_mask, "a payload's size fits its field", payload.size());
  auto size = static_cast<std::uint32_t>(payload.size());
  if (kind != FrameKind::whole) {
    CLUSTER_CHECK(!payload.empty() && payload.size() <= part_size_max,
                  "a part is neither empty nor large", payload.size());
    size |= kind == FrameKind::part ? part_bit : part_bit | last_bit;
  }
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

  while (bytes.size() >= frame_header_size) {
    auto header = read_header(bytes);
    if (!header) return std::move(header).error();
    std::size_t size = frame_header_size + header->size;
    if (bytes.size() < size) break;
    if (header->kind == FrameKind::whole) size = take_run(bytes, payloads);
    if (size == 0) return verify_frame(bytes.substr(0, frame_header_size + header->size));
    if (header->kind != FrameKind::whole) {
      if (auto good = verify_frame(bytes.substr(0, size)); !good) return good;
      take_part(*header, bytes.substr(frame_header_size, header->size), payloads);
    }
    bytes.remove_prefix(size);
  }
  if (!bytes.empty()) partial_.assign(bytes);
  return {};
}

// The whole and good frames that `bytes` begin with; how many bytes they are.
std::size_t FrameReader::take_run(ByteView bytes, std::vector<Bytes>& payloads) const {
  std::size_t end = 0;
  while (bytes.size() - end >= frame_header_size) {
    auto header = read_header(bytes.substr(end));
    if (!header || header->kind != FrameKind::whole) break;
    std::size_t size = frame_header_size + header->size;
    if (bytes.size() - end < size || !verify_frame(bytes.substr(end, size))) break;
    end += size;
  }
  if (end == 0) return 0;
  Bytes run(bytes.substr(0, end));
  for (std::size_t at = 0; at < end;) {
    std::size_t size = load_u32(run.view(), at);
    payloads.push_back(run.slice(at + frame_header_size, size));
    at += frame_header_size + size;
  }
  return end;
}

Result<FrameReader::Header> FrameReader::read_header(ByteView bytes) const {
  std::uint32_t word = load_u32(bytes, 0);
  Header header{.size = word & size_mask, .kind = FrameKind::whole};
  if ((word & part_bit) != 0) {
    header.kind = (word & last_bit) != 0 ? FrameKind::last_part : FrameKind::part;
    if (header.size == 0 || header.size > part_size_max) {
      return Error{Errc::protocol, "a part of a message has " + std::to_string(header.size) +
                                       " bytes, and may have from 1 to " +
                                       std::to_string(part_size_max)};
    }
  } else if ((word & last_bit) != 0) {
    return Error{Errc::protocol, "a frame is the last part of nothing"};
  }
  std::size_t before = header.kind == FrameKind::whole ? 0 : parts_.size();
  if (before + header.size > payload_size_max_) {
    return Error{Errc::protocol, "a frame of " + std::to_string(header.size) +
                                     " bytes is over the limit of " +
                                     std::to_string(payload_size_max_ - before)};
  }
  return header;
}

void FrameReader::take_part(const Header& header, ByteView payload, std::vector<Bytes>& payloads) {
  append_growing(parts_, payload, payload_size_max_);
  if (header.kind == FrameKind::last_part) {
    payloads.push_back(Bytes(std::exchange(parts_, {})));
  }
}

// Completes `partial_` as far as `bytes` reach, and gives what is left of them.
Result<ByteView> FrameReader::continue_partial(ByteView bytes, std::vector<Bytes>& payloads) {
  if (partial_.size() < frame_header_size) {
    std::size_t take = std::min(frame_header_size - partial_.size(), bytes.size());
    partial_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (partial_.size() < frame_header_size) return bytes;
  }
  auto header = read_header(partial_);
  if (!header) return std::move(header).error();
  std::size_t whole = frame_header_size + header->size;
  std::size_t missing = std::min(whole - partial_.size(), bytes.size());
  append_growing(partial_, bytes.substr(0, missing), whole);
  bytes.remove_prefix(missing);
  if (partial_.size() < whole) return bytes;

  if (auto good = verify_frame(partial_); !good) return std::move(good).error();
  if (header->kind != FrameKind::whole) {
    take_part(*header, ByteView(partial_).substr(frame_header_size), payloads);
    // Its memory serves the next part.
    header->kind == FrameKind::part ? partial_.clear() : std::string().swap(partial_);
    return bytes;
  }
  Bytes frame(std::exchange(partial_, {}));
  payloads.push_back(frame.slice(frame_header_size, header->size));
  return bytes;
}

}  // namespace cluster::wire
