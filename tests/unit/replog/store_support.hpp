// What the tests of the stores share.
#pragma once

#include <fstream>
#include <iterator>

#include "replog/stores.hpp"
#include "tests/unit/replog/support.hpp"

namespace cluster::replog::test {

inline const Identity mine{ClusterUid(0xabc), NodeId(2), 99};

// Small enough that a test does not fill the disk.
inline constexpr std::uint64_t test_bytes_max = 8 << 20;

inline std::unique_ptr<Store> open_or_fail(const std::string& directory, StoreKind kind,
                                           std::uint64_t bytes_max = test_bytes_max) {
  auto store = open_store(directory, mine, kind, bytes_max);
  INFO((store ? "" : store.error().message()));
  REQUIRE(store.has_value());
  return *std::move(store);
}

inline void commit(Store& store, const std::vector<Change>& changes) {
  auto committed = store.commit(changes);
  INFO((committed ? "" : committed.error().message()));
  REQUIRE(committed.has_value());
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

// Changes one byte wherever `text` stands in the file.
inline int damage(const std::string& path, const std::string& text) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const std::string bytes = read_file(path);
  int places = 0;
  for (auto at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) {
    file.seekp(static_cast<std::streamoff>(at + text.size() - 1));
    file.put(static_cast<char>(bytes[at + text.size() - 1] ^ 1));
    places += 1;
  }
  return places;
}

}  // namespace cluster::replog::test
