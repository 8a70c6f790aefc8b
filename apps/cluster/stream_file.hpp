// Streams of bytes to and from files.
#pragma once

#include <fstream>
#include <memory>
#include <string>

#include "cluster/state_machine.hpp"

namespace cluster::app {

// A file that is there whole, or not at all: written beside its name and renamed once it is
// durable. Destroyed before `finish`, it never was.
class StreamFile final : public SnapshotWriter {
 public:
  // `already_exists` where something has the name.
  static Result<std::unique_ptr<StreamFile>> create(const std::string& path);
  StreamFile(std::string path, int fd);
  StreamFile(const StreamFile&) = delete;
  StreamFile& operator=(const StreamFile&) = delete;
  ~StreamFile() override;

  Result<void> write(ByteView) override;
  Result<void> finish();
  std::uint64_t size() const { return size_; }

 private:
  std::string path_;
  std::string writing_;
  int fd_;
  std::uint64_t size_ = 0;
};

class StreamFileReader final : public SnapshotReader {
 public:
  static Result<std::unique_ptr<StreamFileReader>> open(const std::string& path);
  explicit StreamFileReader(const std::string& path) : path_(path), file_(path, std::ios::binary) {}
  Result<Bytes> read(std::size_t bytes_max) override;

 private:
  std::string path_;
  std::ifstream file_;
};

}  // namespace cluster::app
