// Frames: what a stream of bytes means, whatever the bytes and the pieces they come in.
#include "wire/frame.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tests/catch.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using cluster::Bytes;
using cluster::ByteView;
using cluster::Errc;
using cluster::Random;
using cluster::wire::FrameReader;

Bytes payload(ByteView text) { return Bytes(text); }

std::string framed(ByteView payload) {
  auto header = cluster::wire::encode_frame_header(payload);
  return std::string(header.data(), header.size()) + std::string(payload);
}

std::string random_payload(Random& random, std::size_t size_end) {
  std::string payload(random.below(size_end), '\0');
  for (char& c : payload) c = static_cast<char>(random.next());
  return payload;
}

}  // namespace

TEST_CASE("a preamble comes back as it was written", "[wire][frame]") {
  using namespace cluster::wire;
  Preamble preamble{.lane = 3, .side = Side::acceptor};
  auto bytes = encode_preamble(preamble);
  CHECK(ByteView(bytes.data(), bytes.size()) == ByteView("CLU1\3\1\1\0", 8));
  CHECK(decode_preamble({bytes.data(), bytes.size()}).value() == preamble);
}

TEST_CASE("a preamble that is not ours is refused with the reason", "[wire][frame]") {
  using cluster::wire::decode_preamble;
  CHECK(decode_preamble("GET / HT").error().code == Errc::protocol);
  CHECK(decode_preamble("CLU1").error().code == Errc::protocol);
  CHECK(decode_preamble({"CLU1\1\1\2\0", 8}).error().code == Errc::protocol);
  CHECK(decode_preamble({"CLU1\1\1\0\1", 8}).error().code == Errc::protocol);
  auto newer = decode_preamble({"CLU1\1\2\0\0", 8}).error();
  CHECK(newer.code == Errc::unsupported);
  CHECK(newer.context == "the peer speaks version 2 of the protocol, we speak 1");
}

TEST_CASE("payloads come out whole and in order, whatever the pieces", "[wire][frame]") {
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::string> sent;
    std::string stream;
    for (int i = 0; i < 40; ++i) {
      sent.push_back(random_payload(random, i % 10 == 0 ? 5000 : 20));
      stream += framed(sent.back());
    }
    FrameReader reader(1 << 20);
    std::vector<Bytes> payloads;
    for (ByteView left = stream; !left.empty();) {
      auto piece = left.substr(0, 1 + random.below(round % 2 == 0 ? 4 : 4000));
      REQUIRE(reader.feed(piece, payloads));
      left.remove_prefix(piece.size());
    }
    REQUIRE(payloads.size() == sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) CHECK(payloads[i].view() == sent[i]);
    CHECK(reader.buffered_bytes() == 0);
  }
}

TEST_CASE("thousands of small frames in one piece share one allocation", "[wire][frame]") {
  std::string stream;
  for (int i = 0; i < 5000; ++i) stream += framed(std::to_string(i));
  FrameReader reader(100);
  std::vector<Bytes> payloads;
  REQUIRE(reader.feed(stream, payloads));
  REQUIRE(payloads.size() == 5000);
  for (std::size_t i = 0; i < payloads.size(); ++i) CHECK(payloads[i].view() == std::to_string(i));
  CHECK(payloads.back().data() - payloads.front().data() ==
        static_cast<std::ptrdiff_t>(stream.size() - 8 - 4));
}

TEST_CASE("a frame with a flipped bit is refused, and those before it are not", "[wire][frame]") {
  std::string good = framed("first") + framed("second");
  std::string last = framed("third");
  for (std::size_t bit = 32; bit < last.size() * 8; ++bit) {  // After its size.
    std::string bad = last;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    FrameReader reader(100);
    std::vector<Bytes> payloads;
    auto outcome = reader.feed(good + bad, payloads);
    REQUIRE(!outcome);
    CHECK(outcome.error().code == Errc::protocol);
    CHECK(payloads == std::vector{payload("first"), payload("second")});
  }
}

TEST_CASE("a frame over the limit is refused by its header alone", "[wire][frame]") {
  std::string large = framed(std::string(101, 'x'));
  FrameReader reader(100);
  std::vector<Bytes> payloads;
  REQUIRE(reader.feed(large.substr(0, 7), payloads));
  auto outcome = reader.feed(large.substr(7, 1), payloads);
  REQUIRE(!outcome);
  CHECK(outcome.error().context == "a frame of 101 bytes is over the limit of 100");
}

TEST_CASE("a run of zeros is no frame, and an empty payload is one", "[wire][frame]") {
  FrameReader zeros(100);
  std::vector<Bytes> payloads;
  CHECK(!zeros.feed(ByteView("\0\0\0\0\0\0\0\0", 8), payloads));
  FrameReader reader(100);
  CHECK(reader.feed(framed(""), payloads));
  CHECK(payloads == std::vector{Bytes()});
}

TEST_CASE("random and mutated streams break nothing", "[wire][frame][fuzz]") {
  Random random(20260801);
  for (int round = 0; round < 3000; ++round) {
    std::string input = random_payload(random, 2);
    input.resize(1, static_cast<char>(random.next()));
    if (random.chance(1, 4)) {
      input += random_payload(random, 300);
    } else {
      for (std::uint64_t n = random.below(6); n > 0; --n)
        input += framed(random_payload(random, 90));
      for (std::uint64_t n = random.below(3); n > 0; --n) {
        input[random.below(input.size())] = static_cast<char>(random.next());
      }
      if (random.chance(1, 3)) input.resize(1 + random.below(input.size()));
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  }
}

namespace {

using cluster::wire::FrameKind;
using cluster::wire::part_size_max;

std::string framed_part(ByteView payload, FrameKind kind) {
  auto header = cluster::wire::encode_frame_header(payload, kind);
  return std::string(header.data(), header.size()) + std::string(payload);
}

}  // namespace

TEST_CASE("a large message comes in parts, and small ones between them come out first",
          "[wire][frame]") {
  Random random(11);
  std::string large;
  while (large.size() < 3 * part_size_max) large += random_payload(random, 5000);
  std::string stream = framed("before");
  for (std::size_t at = 0; at < large.size(); at += part_size_max) {
    bool is_last = at + part_size_max >= large.size();
    stream += framed_part(ByteView(large).substr(at, part_size_max),
                          is_last ? FrameKind::last_part : FrameKind::part);
    stream += framed("after " + std::to_string(at));
  }

  for (std::size_t piece : {std::size_t{1000}, std::size_t{7}, stream.size()}) {
    FrameReader reader(4 * part_size_max);
    std::vector<Bytes> payloads;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
      REQUIRE(reader.feed(ByteView(stream).substr(at, piece), payloads));
    }
    REQUIRE(payloads.size() == 6);
    CHECK(payloads[0].view() == "before");
    CHECK(payloads[1].view() == "after 0");
    CHECK(payloads[2].view() == "after " + std::to_string(part_size_max));
    CHECK(payloads[3].view() == "after " + std::to_string(2 * part_size_max));
    CHECK((payloads[4].view() == large));
    CHECK(reader.buffered_bytes() == 0);
  }
}

TEST_CASE("parts beyond the limit, and parts without a byte, are refused", "[wire][frame]") {
  std::string part = framed_part(std::string(part_size_max, 'x'), FrameKind::part);
  std::vector<Bytes> payloads;
  FrameReader reader(2 * part_size_max);
  REQUIRE(reader.feed(part, payloads));
  REQUIRE(reader.feed(part, payloads));
  auto third = reader.feed(part, payloads);
  CHECK(third.error().code == Errc::protocol);
  CHECK(payloads.empty());

  // The checksum of such a header would be good: what it says is not.
  FrameReader other(2 * part_size_max);
  std::string empty(
      "\0\0\0\x80"
      "1234",
      8);
  CHECK(other.feed(empty, payloads).error().code == Errc::protocol);
  FrameReader another(2 * part_size_max);
  std::string nothing(
      "\5\0\0\x40"
      "12345678",
      12);
  CHECK(another.feed(nothing, payloads).error().code == Errc::protocol);
}
