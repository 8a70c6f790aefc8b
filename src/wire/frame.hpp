// How messages travel in a byte stream.
//
// Each end of a session opens with a preamble of 8 bytes; frames follow, each a whole message:
//
//   preamble   "CLU1"  u8 lane  u8 version  u8 side (0 dialer, 1 acceptor)  u8 reserved, 0
//   frame      u32 size of the payload  u32 CRC-32C of the size's four bytes and the payload
//   payload
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

// What goes before `payload`, whose size fits 32 bits.
std::array<char, frame_header_size> encode_frame_header(ByteView payload);

// Takes a stream apart into payloads, in whatever pieces it arrives. It holds at most one frame
// that is not whole, and memory only for what has arrived of it, whatever its header promises.
class FrameReader {
 public:
  explicit FrameReader(std::size_t payload_size_max) : payload_size_max_(payload_size_max) {}

  // Appends the payloads that `bytes` completes. Payloads of one call share one allocation. On
  // `protocol` (a wrong checksum, a payload over the limit) those before the bad frame have been
  // appended, and the reader must not be used again.
  Result<void> feed(ByteView bytes, std::vector<Bytes>& payloads);

  std::size_t buffered_bytes() const { return partial_.size(); }

 private:
  Result<std::size_t> frame_size(ByteView header) const;
  Result<ByteView> continue_partial(ByteView bytes, std::vector<Bytes>& payloads);
  void append_partial(ByteView bytes, std::size_t whole_size);

  std::size_t payload_size_max_;
  std::string partial_;  // The beginning of a frame that is not whole.
};

}  // namespace cluster::wire
