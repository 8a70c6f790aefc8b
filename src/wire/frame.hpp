// How messages travel in a byte stream.
//
// Each end of a session opens with a preamble of 8 bytes; frames follow, each a whole message:
//
//   preamble   "CLU1"  u8 lane  u8 version  u8 side (0 dialer, 1 acceptor)  u8 reserved, 0
//   frame      u32 size of the payload  u32 CRC-32C of the size's four bytes and the payload
//   payload
//
// The size's highest bit says that the payload is a part of a large message, the next one that it
// is the last part: parts of one message come in order, frames of small messages between them.
//
// Numbers are little endian. The acceptor answers the dialer's preamble with its own: the same
// lane, or lane 0 when it does not serve that lane. The checksum covers the size, so that a run of
// zeros is no frame. Everything here is pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::wire {

inline constexpr std::size_t preamble_size = 8;
inline constexpr std::size_t frame_header_size = 8;
inline constexpr std::uint8_t protocol_version = 1;
inline constexpr std::size_t part_size_max = 128u << 10;

enum class Side : std::uint8_t { dialer = 0, acceptor = 1 };

struct Preamble {
  std::uint8_t lane = 0;
  std::uint8_t version = protocol_version;
  Side side = Side::dialer;

  friend bool operator==(const Preamble&, const Preamble&) = default;
};

std::array<char, preamble_size> encode_preamble(const Preamble&);

// Of the first `preamble_size` bytes of a stream. `protocol` when they are not ours, `unsupported`
// when they are of a version that we do not speak.
Result<Preamble> decode_preamble(ByteView);

// Whether a stream that begins so is TLS: the header of a handshake's or an alert's record.
inline bool is_tls(ByteView opening) {
  return !opening.empty() && (opening[0] == 0x16 || opening[0] == 0x15);
}

enum class FrameKind : std::uint8_t { whole, part, last_part };

// What goes before `payload`, whose size fits 30 bits; that of a part is not over its limit.
std::array<char, frame_header_size> encode_frame_header(ByteView payload,
                                                        FrameKind kind = FrameKind::whole);

// Takes a stream apart into payloads, in whatever pieces it arrives. It holds at most one frame
// that is not whole and the parts of one message, and memory only for what has arrived of them,
// whatever headers promise.
class FrameReader {
 public:
  explicit FrameReader(std::size_t payload_size_max) : payload_size_max_(payload_size_max) {}

  // Appends the payloads that `bytes` completes. Payloads of one call share one allocation. On
  // `protocol` (a wrong checksum, a message over the limit, an empty part) those before the bad
  // frame have been appended, and the reader must not be used again.
  Result<void> feed(ByteView bytes, std::vector<Bytes>& payloads);

  std::size_t buffered_bytes() const { return partial_.size() + parts_.size(); }

 private:
  struct Header {
    std::size_t size = 0;  // Of the payload.
    FrameKind kind = FrameKind::whole;
  };
  Result<Header> read_header(ByteView) const;
  std::size_t take_run(ByteView bytes, std::vector<Bytes>& payloads) const;
  void take_part(const Header&, ByteView payload, std::vector<Bytes>& payloads);
  Result<ByteView> continue_partial(ByteView bytes, std::vector<Bytes>& payloads);

  std::size_t payload_size_max_;
  std::string partial_;  // The beginning of a frame that is not whole.
  std::string parts_;    // Of a large message.
};

}  // namespace cluster::wire
