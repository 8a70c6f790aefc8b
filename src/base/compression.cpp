#include "base/compression.hpp"

#include <zstd.h>

#include <string>

namespace cluster {
namespace {

constexpr int level = 1;  // The fastest of the ordinary ones: a log's writers wait for it.

}  // namespace

Bytes compress(ByteView bytes) {
  std::string made(ZSTD_compressBound(bytes.size()), '\0');
  std::size_t size = ZSTD_compress(made.data(), made.size(), bytes.data(), bytes.size(), level);
  if (ZSTD_isError(size) != 0 || size > bytes.size() - bytes.size() / 8) return {};
  made.resize(size);
  return Bytes(std::move(made));
}

Result<Bytes> decompress(ByteView bytes, std::size_t size_max) {
  auto wrong = [](const std::string& why) {
    return Error{Errc::corrupt, "compressed bytes: " + why};
  };
  unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN) {
    return wrong("they do not begin with a size");
  }
  if (size > size_max) {
    return wrong("they hold " + std::to_string(size) + " bytes, the limit is " +
                 std::to_string(size_max));
  }
  std::string made(size, '\0');
  std::size_t got = ZSTD_decompress(made.data(), made.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) != 0) return wrong(ZSTD_getErrorName(got));
  if (got != size) return wrong("they hold less than they say");
  return Bytes(std::move(made));
}

}  // namespace cluster
