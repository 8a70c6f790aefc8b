// A stream means the same in whatever pieces it arrives, and no bytes crash the reader. A message
// comes out whole in whatever parts it goes in.
#include <cstddef>
#include <cstdint>
#include <string>
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
    CLUSTER_CHECK(reader.buffered_bytes() <= cluster::wire::frame_header_size + (2 << 16),
                  "a reader holds one frame and one message's parts at most");
  }
  return outcome;
}

void append_frame(std::string& stream, cluster::ByteView payload, cluster::wire::FrameKind kind) {
  auto header = cluster::wire::encode_frame_header(payload, kind);
  stream.append(header.data(), header.size()).append(payload);
}

// `message` in parts of such a size, between which its beginnings go as messages of their own.
void send_in_parts(cluster::ByteView message, std::size_t part_size) {
  using cluster::wire::FrameKind;
  if (message.empty() || message.size() > 1 << 16) return;
  std::string stream;
  std::size_t others = 0;
  for (std::size_t at = 0; at < message.size(); at += part_size, ++others) {
    append_frame(stream, message.substr(0, others % 32), FrameKind::whole);
    bool is_last = at + part_size >= message.size();
    append_frame(stream, message.substr(at, part_size),
                 is_last ? FrameKind::last_part : FrameKind::part);
  }
  FrameFuzzOutcome outcome = read_frames(stream, part_size + 3);
  CLUSTER_CHECK(outcome.is_good && outcome.payloads.size() == others + 1, "all arrive");
  CLUSTER_CHECK(outcome.payloads.back().view() == message, "parts become the message again");
  for (std::size_t i = 0; i < others; ++i) {
    CLUSTER_CHECK(outcome.payloads[i].size() == i % 32, "what goes between them keeps its order");
  }
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

  send_in_parts(stream, std::size_t{data[0]} + 1);
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
