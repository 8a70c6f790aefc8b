#include "replog/journal_disk.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.hpp"
#include "replog/disk_error.hpp"
#include "replog/journal_format.hpp"

namespace cluster::replog::journal {
namespace {

class DiskFile final : public File {
 public:
  // `direct` may be -1: the file system does not take direct I/O.
  DiskFile(std::string path, int buffered, int direct)
      : path_(std::move(path)), buffered_(buffered), direct_(direct) {}
  ~DiskFile() override {
    ::close(buffered_);
    if (direct_ >= 0) ::close(direct_);
  }

  // One call that is write and sync in one (RWF_DSYNC), past the page cache. Where there is no
  // direct I/O, two calls.
  Result<void> write_durably(std::uint64_t offset, ByteView bytes) override {
    if (direct_ < 0) {
      if (auto written = write(offset, bytes); !written) return written;
      return sync();
    }
    return write_all(direct_, offset, bytes, RWF_DSYNC);
  }

  Result<void> write(std::uint64_t offset, ByteView bytes) override {
    return write_all(direct_ < 0 ? buffered_ : direct_, offset, bytes, 0);
  }

  Result<void> sync() override {
    if (::fdatasync(buffered_) == 0) return {};
    return disk_error("sync " + path_, errno);
  }

  Result<void> reserve(std::uint64_t bytes) override {
    int code = ::posix_fallocate(buffered_, 0, static_cast<off_t>(bytes));
    // Where a file system has no such call, writing zeros finds out the same.
    if (code == 0 || code == EOPNOTSUPP || code == EINVAL) return {};
    return disk_error("make room in " + path_, code);
  }

  Result<void> clear(std::uint64_t bytes) override {
    if (::fallocate(buffered_, FALLOC_FL_ZERO_RANGE, 0, static_cast<off_t>(bytes)) == 0) return {};
    if (errno != EOPNOTSUPP && errno != ENOSYS) return disk_error("clear " + path_, errno);
    return Error{Errc::unsupported, "the file system of " + path_ + " clears no ranges"};
  }

  Result<std::size_t> read(std::uint64_t offset, char* to, std::size_t size) const override {
    return read_all(buffered_, offset, to, size);
  }

  Result<std::size_t> read_disk(std::uint64_t offset, char* to, std::size_t size) const override {
    if (direct_ >= 0) return read_all(direct_, offset, to, size);
    // Advice only: on such file systems the cache may be all there is.
    ::posix_fadvise(buffered_, static_cast<off_t>(offset), static_cast<off_t>(size),
                    POSIX_FADV_DONTNEED);
    return read_all(buffered_, offset, to, size);
  }

  std::uint64_t size() const override {
    struct stat status {};
    return ::fstat(buffered_, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
  }

 private:
  Result<void> write_all(int file, std::uint64_t offset, ByteView bytes, int flags) {
    while (!bytes.empty()) {
      iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
      ssize_t written = ::pwritev2(file, &piece, 1, static_cast<off_t>(offset), flags);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return disk_error("write to " + path_, errno);
      if (written == 0) return disk_error("write to " + path_, EIO);
      offset += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
      // What is left of a sector cannot be written directly.
      if (!bytes.empty() && static_cast<std::size_t>(written) % sector_bytes != 0) {
        return disk_error("write to " + path_, ENOSPC);
      }
    }
    return {};
  }

  Result<std::size_t> read_all(int file, std::uint64_t offset, char* to, std::size_t size) const {
    std::size_t done = 0;
    while (done < size) {
      ssize_t got = ::pread(file, to + done, size - done, static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return disk_error("read " + path_, errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  std::string path_;
  int buffered_;
  int direct_;
};

class DiskFolder final : public Folder {
 public:
  DiskFolder(std::string directory, Access access)
      : directory_(std::move(directory)), mode_(access == Access::read_only ? O_RDONLY : O_RDWR) {}

  Result<std::vector<std::string>> list() const override {
    DIR* stream = ::opendir(directory_.c_str());
    if (stream == nullptr) return disk_error("list " + directory_, errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) names.emplace_back(entry->d_name);
    ::closedir(stream);
    return names;
  }

  Result<std::shared_ptr<File>> create(const std::string& name) override {
    return open_file(name, mode_ | O_CREAT | O_TRUNC);
  }
  Result<std::shared_ptr<File>> open(const std::string& name) override {
    return open_file(name, mode_);
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(path(from).c_str(), path(to).c_str()) == 0) return {};
    return disk_error("rename " + path(from), errno);
  }

  Result<void> remove(const std::string& name) override {
    if (::unlink(path(name).c_str()) == 0) return {};
    return disk_error("remove " + path(name), errno);
  }

  Result<void> sync() override {
    int folder = ::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return disk_error("open " + directory_, errno);
    int code = ::fsync(folder) == 0 ? 0 : errno;
    ::close(folder);
    if (code != 0) return disk_error("sync " + directory_, code);
    return {};
  }

  std::string path(const std::string& name) const override { return directory_ + "/" + name; }

 private:
  Result<std::shared_ptr<File>> open_file(const std::string& name, int flags) {
    std::string at = path(name);
    int buffered = ::open(at.c_str(), flags | O_CLOEXEC, 0600);
    if (buffered < 0) return disk_error("open " + at, errno);
    // Pages beside the one that is asked for may be written past the cache later.
    ::posix_fadvise(buffered, 0, 0, POSIX_FADV_RANDOM);
    int direct = ::open(at.c_str(), mode_ | O_CLOEXEC | O_DIRECT);
    return std::shared_ptr<File>(std::make_shared<DiskFile>(std::move(at), buffered, direct));
  }

  std::string directory_;
  int mode_;
};

}  // namespace

std::unique_ptr<Folder> open_folder(const std::string& directory, Access access) {
  return std::make_unique<DiskFolder>(directory, access);
}

}  // namespace cluster::replog::journal
