#include "testing/node_disks.hpp"

namespace cluster::testing {

class NodeDisks::Store final : public replog::Store {
 public:
  Store(NodeDisks& disks, Directory& directory, std::shared_ptr<const char> lock)
      : disks_(disks), store_(directory.disk, directory.identity), lock_(std::move(lock)) {}

  const replog::Identity& identity() const override { return store_.identity(); }
  Result<void> commit(const std::vector<replog::Change>& changes) override {
    if (disks_.fails) {
      disks_.has_failed = true;
      return Error{Errc::storage, "the simulated disk failed"};
    }
    return store_.commit(changes);
  }
  Result<replog::StoredEntries> read(Position first, Position end,
                                     std::size_t bytes_max) const override {
    return store_.read(first, end, bytes_max);
  }
  Result<replog::RangeCheck> check(Position first, Position end,
                                   std::size_t bytes_max) const override {
    return store_.check(first, end, bytes_max);
  }
  Result<replog::Recovered> recover(std::size_t window_bytes) override {
    return store_.recover(window_bytes);
  }
  replog::StoreUsage usage() const override { return store_.usage(); }

 private:
  NodeDisks& disks_;
  sim::SimStore store_;
  std::shared_ptr<const char> lock_;
};

Result<std::unique_ptr<replog::Store>> NodeDisks::open_store(const std::string& path,
                                                             const replog::Identity& expected) {
  Directory& directory = directories_[path];
  if (!directory.in_use.expired()) {
    return Error{Errc::address_in_use, path + " is in use; a directory serves one member"};
  }
  replog::Identity& identity = directory.identity;
  if (identity.incarnation == 0) {
    if (!expected.cluster || !expected.member) {
      return Error{Errc::invalid_argument,
                   path +
                       " is no member's directory yet: say which cluster and member it is to "
                       "become (LogOptions::cluster and self, or a join token)"};
    }
    identity = expected;
  }
  bool is_other = (expected.cluster && expected.cluster != identity.cluster) ||
                  (expected.member && expected.member != identity.member);
  if (is_other) {
    return Error{Errc::wrong_cluster,
                 path + " is another member's directory, or another cluster's"};
  }
  auto lock = std::make_shared<const char>('\0');
  directory.in_use = lock;
  return std::unique_ptr<replog::Store>(std::make_unique<Store>(*this, directory, std::move(lock)));
}

Result<std::unique_ptr<replog::SnapshotFiles>> NodeDisks::open_snapshots(const std::string& path) {
  return std::unique_ptr<replog::SnapshotFiles>(
      std::make_unique<sim::SimSnapshotFiles>(snapshots_[path]));
}

void NodeDisks::release() {
  has_failed = false;
  for (auto& [path, directory] : directories_) directory.in_use.reset();
}

// Objects of a dead process may still name what is here.
void NodeDisks::wipe() {
  for (auto& [path, directory] : directories_) directory = Directory{};
  for (auto& [path, disk] : snapshots_) disk = sim::SnapshotDisk{};
}

}  // namespace cluster::testing
