// A snapshot's bytes in memory: written once, then read from the beginning.
#pragma once

#include <string>

#include "cluster/state_machine.hpp"

namespace cluster::test {

class SnapshotText final : public SnapshotWriter, public SnapshotReader {
 public:
  explicit SnapshotText(std::string its_bytes = {}) : bytes(std::move(its_bytes)) {}
  Result<void> write(ByteView more) override {
    bytes += more;
    return {};
  }
  Result<Bytes> read(std::size_t bytes_max) override {
    Bytes part(ByteView(bytes).substr(at, bytes_max));
    at += part.size();
    return part;
  }

  std::string bytes;
  std::size_t at = 0;
};

}  // namespace cluster::test
