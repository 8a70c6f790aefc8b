#include "base/compression.hpp"

#include "base/random.hpp"
#include "tests/catch.hpp"

using namespace cluster;

TEST_CASE("what was compressed comes back whole", "[compression]") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "entry " + std::to_string(i % 37) + ';';
  Bytes small = compress(text);
  REQUIRE_FALSE(small.empty());
  CHECK(small.size() < text.size() / 4);
  auto whole = decompress(small.view(), text.size());
  REQUIRE(whole.has_value());
  CHECK(whole->view() == text);
}

TEST_CASE("bytes without pattern are left alone", "[compression]") {
  Random random(3);
  std::string noise(10'000, '\0');
  for (char& c : noise) c = static_cast<char>(random.next());
  CHECK(compress(noise).empty());
}

TEST_CASE("more than the limit is refused before memory is taken", "[compression]") {
  Bytes bomb = compress(std::string(64 << 20, '\0'));
  auto refused = decompress(bomb.view(), 1 << 20);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Errc::corrupt);
  CHECK_THAT(refused.error().context, Catch::Contains("67108864"));
}

TEST_CASE("cut, damaged and foreign bytes are refused or are something else, and harm nobody",
          "[compression]") {
  Bytes good = compress(std::string(1000, 'a') + std::string(1000, 'b'));
  REQUIRE_FALSE(good.empty());
  CHECK_FALSE(decompress("", 100).has_value());
  CHECK_FALSE(decompress("not compressed at all", 1 << 20).has_value());
  for (std::size_t i = 0; i < good.size(); ++i) {
    CHECK_FALSE(decompress(good.view().substr(0, i), 1 << 20).has_value());
    std::string damaged(good.view());
    damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
    auto result = decompress(damaged, 1 << 20);
    if (result) CHECK(result->size() <= (1 << 20));
  }
}
