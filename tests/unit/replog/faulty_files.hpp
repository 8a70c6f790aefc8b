// A disk that crashes: what is written reaches it sector by sector, in any order and not at all
// before a sync; names reach it operation by operation. It can flip bits, fail, and be full.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "replog/journal_files.hpp"
#include "replog/journal_format.hpp"

namespace cluster::replog::test {

struct FaultPlan {
  std::uint64_t crash_at = ~std::uint64_t{0};   // The operation that the power fails in.
  std::uint64_t fail_at = ~std::uint64_t{0};    // The operation that fails, the disk living on.
  std::uint64_t bytes_max = ~std::uint64_t{0};  // The disk's size.
};

class FaultyDisk {
 public:
  struct Inode {
    std::string now;              // As the running system sees it.
    std::string durable;          // As the disk has it.
    std::set<std::size_t> dirty;  // Sectors of `now` that are not durable.
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  explicit FaultyDisk(std::uint64_t seed) : random(seed), clears(seed % 2 == 1) {}

  // The power fails, or failed in the plan's operation: the disk is as a restart finds it.
  void restart() {
    for (auto& operation : pending_) {
      if (random.chance(1, 2)) operation(durable_names);
    }
    pending_.clear();
    names = durable_names;
    for (auto& [name, inode] : names) {
      for (std::size_t sector : inode->dirty) {
        if (random.chance(1, 2)) settle(*inode, sector);
      }
      inode->dirty.clear();
      inode->now = inode->durable;
    }
    plan = {};
    operations = 0;
    is_down = false;
  }

  bool flip_bit(const std::string& name, std::size_t offset, unsigned bit) {
    auto at = names.find(name);
    if (at == names.end() || offset >= at->second->durable.size()) return false;
    for (std::string* bytes : {&at->second->durable, &at->second->now}) {
      (*bytes)[offset] = static_cast<char>((*bytes)[offset] ^ (1 << bit));
    }
    return true;
  }

  // Counts the operation; what it fails with, if so.
  std::optional<Error> begin() {
    if (is_down) return Error{Errc::storage, "the power is gone"};
    operations += 1;
    if (operations >= plan.crash_at) {
      is_down = true;
      return Error{Errc::storage, "the power fails"};
    }
    if (operations == plan.fail_at) return Error{Errc::storage, "the disk reports an error"};
    return std::nullopt;
  }

  void rename_or_remove(const std::function<void(Names&)>& operation) {
    operation(names);
    pending_.push_back(operation);
  }

  void sync_names() {
    for (auto& operation : pending_) operation(durable_names);
    pending_.clear();
  }

  static void settle(Inode& inode, std::size_t sector) {
    std::size_t at = sector * journal::sector_bytes;
    if (inode.durable.size() < at + journal::sector_bytes) {
      inode.durable.resize(at + journal::sector_bytes);
    }
    std::copy_n(inode.now.begin() + static_cast<std::ptrdiff_t>(at), journal::sector_bytes,
                inode.durable.begin() + static_cast<std::ptrdiff_t>(at));
  }

  std::uint64_t used() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, inode] : names) bytes += inode->now.size();
    return bytes;
  }

  Random random;
  bool clears;                // Whether it can clear a range without writing it.
  std::uint64_t cleared = 0;  // How often it did.
  FaultPlan plan;
  std::uint64_t operations = 0;
  bool is_down = false;
  Names names;
  Names durable_names;

 private:
  std::vector<std::function<void(Names&)>> pending_;
};

class FaultyFile final : public journal::File {
 public:
  FaultyFile(FaultyDisk& disk, std::shared_ptr<FaultyDisk::Inode> inode)
      : disk_(disk), inode_(std::move(inode)) {}

  Result<void> write_durably(std::uint64_t offset, ByteView bytes) override {
    auto failure = disk_.begin();
    put(offset, bytes, failure.has_value());
    if (failure) return *failure;
    for (std::size_t at = 0; at < bytes.size(); at += journal::sector_bytes) {
      std::size_t sector = (offset + at) / journal::sector_bytes;
      FaultyDisk::settle(*inode_, sector);
      inode_->dirty.erase(sector);
    }
    return {};
  }
  Result<void> write(std::uint64_t offset, ByteView bytes) override {
    auto failure = disk_.begin();
    put(offset, bytes, failure.has_value());
    if (failure) return *failure;
    return {};
  }
  Result<void> sync() override {
    if (auto failure = disk_.begin()) {
      // The worst kind: some of it is dropped, and the next sync would not tell.
      std::set<std::size_t> kept;
      for (std::size_t sector : inode_->dirty) {
        if (disk_.random.chance(1, 2)) kept.insert(sector);
      }
      inode_->dirty = kept;
      return *failure;
    }
    for (std::size_t sector : inode_->dirty) FaultyDisk::settle(*inode_, sector);
    inode_->dirty.clear();
    if (inode_->durable.size() < inode_->now.size()) inode_->durable.resize(inode_->now.size());
    return {};
  }
  Result<void> reserve(std::uint64_t bytes) override {
    if (auto failure = disk_.begin()) return *failure;
    if (bytes > inode_->now.size()) {
      if (disk_.used() + bytes - inode_->now.size() > disk_.plan.bytes_max) {
        return Error{Errc::disk_full, "free some space"};
      }
      inode_->now.resize(bytes);
    }
    return {};
  }
  Result<void> clear(std::uint64_t bytes) override {
    if (!disk_.clears) return Error{Errc::unsupported, "this disk clears no ranges"};
    if (auto failure = disk_.begin()) return *failure;
    std::fill_n(inode_->now.begin(), bytes, '\0');
    for (std::size_t at = 0; at < bytes / journal::sector_bytes; ++at) inode_->dirty.insert(at);
    disk_.cleared += 1;
    return {};
  }
  Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t size) const override {
    if (offset >= inode_->now.size()) return std::size_t{0};
    size = std::min(size, inode_->now.size() - offset);
    std::copy_n(inode_->now.begin() + static_cast<std::ptrdiff_t>(offset), size, to);
    return size;
  }
  Result<std::size_t> read_disk(std::uint64_t offset, char* to, std::size_t size) const override {
    return read(offset, to, size);
  }
  std::uint64_t size() const override { return inode_->now.size(); }

 private:
  // Of a write that fails, some sectors are never even begun.
  void put(std::uint64_t offset, ByteView bytes, bool is_partial) {
    if (inode_->now.size() < offset + bytes.size()) inode_->now.resize(offset + bytes.size());
    for (std::size_t at = 0; at < bytes.size(); at += journal::sector_bytes) {
      if (is_partial && disk_.random.chance(1, 2)) continue;
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), journal::sector_bytes,
                  inode_->now.begin() + static_cast<std::ptrdiff_t>(offset + at));
      inode_->dirty.insert((offset + at) / journal::sector_bytes);
    }
  }

  FaultyDisk& disk_;
  std::shared_ptr<FaultyDisk::Inode> inode_;
};

class FaultyFolder final : public journal::Folder {
 public:
  explicit FaultyFolder(FaultyDisk& disk) : disk_(disk) {}

  Result<std::vector<std::string>> list() const override {
    std::vector<std::string> found;
    for (const auto& [name, inode] : disk_.names) found.push_back(name);
    return found;
  }
  Result<std::shared_ptr<journal::File>> create(const std::string& name) override {
    if (auto failure = disk_.begin()) return *failure;
    auto inode = std::make_shared<FaultyDisk::Inode>();
    disk_.rename_or_remove([=](FaultyDisk::Names& names) { names[name] = inode; });
    return std::shared_ptr<journal::File>(std::make_shared<FaultyFile>(disk_, inode));
  }
  Result<std::shared_ptr<journal::File>> open(const std::string& name) override {
    auto at = disk_.names.find(name);
    if (at == disk_.names.end()) return Error{Errc::storage, name + " is not there"};
    return std::shared_ptr<journal::File>(std::make_shared<FaultyFile>(disk_, at->second));
  }
  Result<void> rename(const std::string& from, const std::string& to) override {
    if (auto failure = disk_.begin()) return *failure;
    auto at = disk_.names.find(from);
    if (at == disk_.names.end()) return Error{Errc::storage, from + " is not there"};
    auto inode = at->second;
    disk_.rename_or_remove([=](FaultyDisk::Names& names) {
      auto found = names.find(from);
      if (found != names.end() && found->second == inode) names.erase(found);
      names[to] = inode;
    });
    return {};
  }
  Result<void> remove(const std::string& name) override {
    if (auto failure = disk_.begin()) return *failure;
    disk_.rename_or_remove([=](FaultyDisk::Names& names) { names.erase(name); });
    return {};
  }
  Result<void> sync() override {
    if (auto failure = disk_.begin()) return *failure;
    disk_.sync_names();
    return {};
  }
  std::string path(const std::string& name) const override { return "disk/" + name; }

 private:
  FaultyDisk& disk_;
};

}  // namespace cluster::replog::test
