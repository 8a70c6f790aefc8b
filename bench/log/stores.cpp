#include "bench/log/stores.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <variant>
#include <vector>

#include "base/crc32c.hpp"
#include "base/random.hpp"

namespace bench {
namespace {

using namespace cluster::replog;
using cluster::Position;
using cluster::Result;

class NullStore : public Store {
 public:
  explicit NullStore(const cluster::LogOptions& options)
      : identity_{.cluster = options.cluster,
                  .member = options.self,
                  .incarnation = cluster::system_random() | 1} {}

  const Identity& identity() const override { return identity_; }
  Result<void> commit(const std::vector<Change>&) override { return {}; }
  Result<StoredEntries> read(Position, Position, std::size_t) const override {
    return StoredEntries{};
  }
  Result<RangeCheck> check(Position, Position end, std::size_t) const override {
    return RangeCheck{.end = end, .damaged = {}};
  }
  Result<Recovered> recover(std::size_t) override { return Recovered{}; }
  StoreUsage usage() const override { return {}; }

 private:
  Identity identity_;
};

class FileStore final : public NullStore {
 public:
  explicit FileStore(const cluster::LogOptions& options) : NullStore(options) {
    std::filesystem::create_directories(options.directory);
    file_ = ::open((options.directory + "/file").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    std::vector<char> zeros(size_);
    if (::write(file_, zeros.data(), size_) < 0 || ::fsync(file_) != 0) std::abort();
  }
  ~FileStore() override { ::close(file_); }

  Result<void> commit(const std::vector<Change>& changes) override {
    buffer_.clear();
    for (const Change& change : changes) {
      Header header{};
      cluster::ByteView data;
      if (const auto* put = std::get_if<PutEntry>(&change)) {
        header = {.position = put->entry.position.value(), .size = put->entry.value.data.size()};
        data = put->entry.value.data.view();
      }
      cluster::ByteView bytes(reinterpret_cast<const char*>(&header), sizeof(header));
      header.checksum = cluster::crc32c(data, cluster::crc32c(bytes));
      buffer_.append(bytes).append(data);
    }
    buffer_.resize((buffer_.size() + block - 1) / block * block);
    if (at_ + buffer_.size() > size_) at_ = 0;
    if (::pwrite(file_, buffer_.data(), buffer_.size(), static_cast<off_t>(at_)) < 0) std::abort();
    at_ += buffer_.size();
    if (::fdatasync(file_) != 0) std::abort();
    return {};
  }

 private:
  struct Header {
    std::uint64_t position = 0;
    std::uint64_t size = 0;
    std::uint64_t checksum = 0;
    std::uint64_t ballot_and_term[2] = {};
  };
  static constexpr std::size_t block = 4096;
  const std::size_t size_ = 64 << 20;
  std::size_t at_ = 0;
  std::string buffer_;
  int file_;
};

}  // namespace

std::shared_ptr<Store> open_bench_store(const std::string& kind,
                                        const cluster::LogOptions& options) {
  if (kind == "null") return std::make_shared<NullStore>(options);
  if (kind == "file") return std::make_shared<FileStore>(options);
  return nullptr;
}

}  // namespace bench
