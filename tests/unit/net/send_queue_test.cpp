// What a session has yet to send: in which order it goes.
#include "net/send_queue.hpp"

#include <array>
#include <string>
#include <vector>

#include "tests/catch.hpp"
#include "wire/frame.hpp"

namespace {

using cluster::Bytes;
using cluster::ByteView;
using cluster::net::SendQueue;
using cluster::wire::FrameReader;

// Takes the next bytes as a socket would, at most so many; fewer at the end.
std::string taken(SendQueue& queue, std::size_t bytes_max) {
  std::string bytes;
  while (!queue.is_empty() && bytes.size() < bytes_max) {
    std::array<iovec, 8> pieces{};
    std::size_t count = queue.gather(pieces);
    std::size_t before = bytes.size();
    for (std::size_t i = 0; i < count && bytes.size() < bytes_max; ++i) {
      ByteView piece(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
      bytes.append(piece.substr(0, bytes_max - bytes.size()));
    }
    queue.consume(bytes.size() - before);
  }
  return bytes;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

}  // namespace

TEST_CASE("a frame that is pushed while a large message is on its way goes between its parts",
          "[net]") {
  SendQueue queue;
  std::string large = pattern(16 << 20);
  queue.push_parts(Bytes(ByteView(large)));
  CHECK(queue.bytes() >= large.size());

  FrameReader reader(32 << 20);
  std::vector<Bytes> arrived;
  REQUIRE(reader.feed(taken(queue, 1'000'000), arrived));
  CHECK(arrived.empty());
  queue.push_frame(Bytes(ByteView("beat")));

  // Half a megabyte is ahead of it at most, of sixteen.
  REQUIRE(reader.feed(taken(queue, 512 << 10), arrived));
  REQUIRE(arrived.size() == 1);
  CHECK(arrived[0].view() == "beat");
  REQUIRE(reader.feed(taken(queue, 20 << 20), arrived));
  REQUIRE(arrived.size() == 2);
  CHECK((arrived[1].view() == large));
  CHECK(queue.is_empty());
}

TEST_CASE("large messages keep their order, and a flood of frames does not hold them up", "[net]") {
  SendQueue queue;
  std::string large = pattern(1 << 20);
  queue.push_parts(Bytes(ByteView("first" + large)));
  queue.push_parts(Bytes(ByteView("second" + large)));

  // As much is pushed as is taken, so that there are always frames in the queue.
  FrameReader reader(32 << 20);
  std::vector<Bytes> arrived;
  Bytes frame{ByteView(pattern(64 << 10))};
  std::vector<std::size_t> large_after;  // So many frames.
  for (int i = 0; i < 40; ++i) queue.push_frame(frame);
  for (std::size_t pushed = 40; pushed < 200; ++pushed) {
    queue.push_frame(frame);
    std::size_t before = arrived.size();
    REQUIRE(reader.feed(taken(queue, 128 << 10), arrived));
    for (std::size_t i = before; i < arrived.size(); ++i) {
      if (arrived[i].size() > large.size()) large_after.push_back(i);
    }
  }

  REQUIRE(large_after.size() == 2);
  CHECK(arrived[large_after[0]].view().starts_with("first"));
  CHECK(arrived[large_after[1]].view().starts_with("second"));
}
