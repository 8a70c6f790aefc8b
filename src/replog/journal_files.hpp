// The files under a journal: what it asks of a disk, so that tests can give it a bad one.
//
// Threads: any; calls on one file may overlap.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::replog::journal {

// Offsets and sizes are whole blocks, and what is written from lies on a block boundary in memory.
// Errors are `storage`, and say what failed and what a person can do.
class File {
 public:
  virtual ~File() = default;

  // Durable when it returns.
  virtual Result<void> write_durably(std::uint64_t offset, ByteView) = 0;
  // Durable after the next `sync`.
  virtual Result<void> write(std::uint64_t offset, ByteView) = 0;
  virtual Result<void> sync() = 0;
  // Takes the space on the disk for so many bytes; what is in them is not defined.
  virtual Result<void> reserve(std::uint64_t bytes) = 0;
  // So many bytes, all reserved, are zeros after the next `sync`, though none is written: the file
  // system notes it. What is written there later costs a note more. `unsupported` where it can't.
  virtual Result<void> clear(std::uint64_t bytes) = 0;

  // How many bytes were there, at most `size`. The second one asks the disk itself.
  virtual Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t size) const = 0;
  virtual Result<std::size_t> read_disk(std::uint64_t offset, char* to, std::size_t size) const = 0;
  virtual std::uint64_t size() const = 0;
};

// The files of one directory. What a name stands for is durable after `sync`.
class Folder {
 public:
  virtual ~Folder() = default;

  virtual Result<std::vector<std::string>> list() const = 0;
  virtual Result<std::shared_ptr<File>> create(const std::string& name) = 0;
  virtual Result<std::shared_ptr<File>> open(const std::string& name) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& name) = 0;
  virtual Result<void> sync() = 0;
  virtual std::string path(const std::string& name) const = 0;  // For messages.
};

}  // namespace cluster::replog::journal
