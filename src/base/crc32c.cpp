#include "base/crc32c.hpp"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace cluster {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    table[i] = crc;
  }
  return table;
}

constexpr auto table = make_table();

std::uint32_t by_table(ByteView bytes, std::uint32_t crc) {
  for (char c : bytes) crc = table[(crc ^ static_cast<std::uint8_t>(c)) & 0xff] ^ (crc >> 8);
  return crc;
}

#if defined(__x86_64__)
// The instruction takes three cycles and can be begun in each, so three parts of a block are summed
// side by side and put together: the sum of `ab` is that of `a` followed by zeros, xor that of `b`.
// After Mark Adler's crc32c.c.
using Matrix = std::array<std::uint32_t, 32>;

constexpr std::uint32_t times(const Matrix& matrix, std::uint32_t vector) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; vector != 0; vector >>= 1, ++i) {
    if ((vector & 1) != 0) sum ^= matrix[i];
  }
  return sum;
}

// What `size` zero bytes, a power of two, do to a checksum: by each of its four bytes.
using Zeros = std::array<std::array<std::uint32_t, 256>, 4>;

constexpr Zeros make_zeros(std::size_t size) {
  Matrix matrix{0x82f63b78u};
  for (std::size_t i = 1; i < 32; ++i) matrix[i] = 1u << (i - 1);  // One zero bit.
  for (std::size_t bits = 1; bits < 8 * size; bits *= 2) {
    Matrix square{};
    for (std::size_t i = 0; i < 32; ++i) square[i] = times(matrix, matrix[i]);
    matrix = square;
  }
  Zeros zeros{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    for (std::size_t i = 0; i < 4; ++i) zeros[i][byte] = times(matrix, byte << (8 * i));
  }
  return zeros;
}

template <std::size_t size>
constexpr Zeros zeros_of = make_zeros(size);

template <std::size_t size>
std::uint64_t shift(std::uint64_t crc) {
  const Zeros& zeros = zeros_of<size>;
  return zeros[0][crc & 0xff] ^ zeros[1][(crc >> 8) & 0xff] ^ zeros[2][(crc >> 16) & 0xff] ^
         zeros[3][(crc >> 24) & 0xff];
}

std::uint64_t load_u64(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

// Sums as many blocks of three times `size` bytes as there are.
template <std::size_t size>
__attribute__((target("sse4.2"))) std::uint64_t by_threes(const char*& at, std::size_t& left,
                                                          std::uint64_t crc) {
  for (; left >= 3 * size; left -= 3 * size, at += 3 * size) {
    std::uint64_t second = 0;
    std::uint64_t third = 0;
    for (std::size_t i = 0; i < size; i += 8) {
      crc = _mm_crc32_u64(crc, load_u64(at + i));
      second = _mm_crc32_u64(second, load_u64(at + size + i));
      third = _mm_crc32_u64(third, load_u64(at + 2 * size + i));
    }
    crc = shift<size>(shift<size>(crc) ^ second) ^ third;
  }
  return crc;
}

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(ByteView bytes, std::uint32_t crc) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t wide = by_threes<4096>(at, left, crc);
  wide = by_threes<256>(at, left, wide);
  for (; left >= 8; left -= 8, at += 8) wide = _mm_crc32_u64(wide, load_u64(at));
  crc = static_cast<std::uint32_t>(wide);
  for (; left > 0; --left, ++at) crc = _mm_crc32_u8(crc, static_cast<std::uint8_t>(*at));
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~by_instruction(bytes, ~seed);
#endif
  return detail::crc32c_by_table(bytes, seed);
}

std::uint32_t detail::crc32c_by_table(ByteView bytes, std::uint32_t seed) {
  return ~by_table(bytes, ~seed);
}

}  // namespace cluster
