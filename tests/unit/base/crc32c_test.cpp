#include "base/crc32c.hpp"

#include <string>

#include "base/random.hpp"
#include "tests/catch.hpp"

using cluster::ByteView;
using cluster::crc32c;
using cluster::Random;

namespace {

// The definition, bit by bit: what both the table and the instruction must agree with.
std::uint32_t crc32c_by_definition(ByteView bytes) {
  std::uint32_t crc = ~0u;
  for (char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

std::string random_text(Random& random, std::size_t size) {
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random.below(256));
  return text;
}

}  // namespace

TEST_CASE("crc32c gives the values that RFC 3720 lists", "[base][crc32c]") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending.push_back(static_cast<char>(i));
  CHECK(crc32c(ascending) == 0x46dd794eu);
}

TEST_CASE("crc32c follows the definition at every length and alignment", "[base][crc32c]") {
  Random random(7);
  std::string text = random_text(random, 100);
  for (std::size_t first = 0; first < 9; ++first) {
    for (std::size_t size = 0; first + size <= text.size(); ++size) {
      ByteView part = ByteView(text).substr(first, size);
      if (crc32c(part) != crc32c_by_definition(part)) FAIL("first " << first << ", size " << size);
    }
  }
  CHECK(crc32c(text) == crc32c_by_definition(text));
}

TEST_CASE("the table and the processor's instruction agree", "[base][crc32c]") {
  Random random(8);
  for (std::size_t size : {0, 1, 7, 8, 9, 63, 64, 65, 767, 768, 4096, 10'000, 12'288, 40'000}) {
    std::string text = random_text(random, size);
    CHECK(crc32c(text) == cluster::detail::crc32c_by_table(text, 0));
  }
}

TEST_CASE("crc32c of a whole is that of its parts in turn", "[base][crc32c]") {
  Random random(9);
  std::string text = random_text(random, 200);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    ByteView whole = text;
    if (crc32c(whole.substr(cut), crc32c(whole.substr(0, cut))) != crc32c(whole)) {
      FAIL("cut at " << cut);
    }
  }
  CHECK(crc32c(text, 0) == crc32c(text));
}

TEST_CASE("a bit that flips is noticed", "[base][crc32c]") {
  std::string text = "an entry of the log";
  std::uint32_t before = crc32c(text);
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = text;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      if (crc32c(flipped) == before) FAIL("byte " << at << ", bit " << bit);
    }
  }
  CHECK(crc32c(text) == before);
}
