// A stream means the same in whatever pieces it arrives, and no bytes crash the reader.
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.hpp"
#include "wire/frame.hpp"

namespace {

struct FrameFuzzOutcome {
  std::vector<cluster::Bytes> payloads;
  bool is_good = true;

  friend bool operator==(const FrameFuzzOutcome&, const FrameFuzzOutcome&) = default;
};

FrameFuzzOutcome read_frames(cluster::ByteView stream, std::size_t piece_size) {
  cluster::wire::FrameReader reader(1 << 16);
  FrameFuzzOutcome outcome;
  while (!stream.empty() && outcome.is_good) {
    auto piece = stream.substr(0, piece_size);
    stream.remove_prefix(piece.size());
    outcome.is_good = reader.feed(piece, outcome.payloads).has_value();
    CLUSTER_CHECK(reader.buffered_bytes() <= cluster::wire::frame_header_size + (1 << 16),
                  "a reader holds one frame at most");
  }
  return outcome;
}

}  // namespace

// The first byte says how large the pieces are; the rest is the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  cluster::ByteView stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  static_cast<void>(cluster::wire::decode_preamble(stream));

  FrameFuzzOutcome whole = read_frames(stream, stream.size());
  FrameFuzzOutcome pieces = read_frames(stream, std::size_t{data[0]} + 1);
  CLUSTER_CHECK(whole == pieces, "the pieces that a stream arrives in do not matter");

  for (const auto& payload : whole.payloads) {
    auto header = cluster::wire::encode_frame_header(payload.view());
    cluster::wire::FrameReader reader(1 << 16);
    std::vector<cluster::Bytes> again;
    auto good = reader.feed(cluster::ByteView(header.data(), header.size()), again);
    if (good && !payload.empty()) good = reader.feed(payload.view(), again);
    CLUSTER_CHECK(good && again.size() == 1 && again[0] == payload, "a payload comes back whole");
  }
  return 0;
}
