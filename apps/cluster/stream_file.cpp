#include "stream_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace cluster::app {
namespace {

Error failed(const std::string& what, const std::string& path) {
  return Error{Errc::storage, "cannot " + what + " " + path + ": " + std::strerror(errno)};
}

}  // namespace

Result<std::unique_ptr<StreamFile>> StreamFile::create(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    return Error{Errc::already_exists, path + " is there already; name another file"};
  }
  const std::string writing = path + ".writing";
  const int fd = ::open(writing.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return failed("create", writing);
  return std::make_unique<StreamFile>(path, fd);
}

StreamFile::StreamFile(std::string path, int fd)
    : path_(std::move(path)), writing_(path_ + ".writing"), fd_(fd) {}

StreamFile::~StreamFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(writing_.c_str());
}

Result<void> StreamFile::write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", writing_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    size_ += static_cast<std::uint64_t>(written);
  }
  return {};
}

Result<void> StreamFile::finish() {
  if (::fsync(fd_) != 0) return failed("sync", writing_);
  ::close(std::exchange(fd_, -1));
  if (::rename(writing_.c_str(), path_.c_str()) != 0) return failed("rename", writing_);
  const std::string folder =
      std::filesystem::absolute(std::filesystem::path(path_)).parent_path().string();
  const int names = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (names < 0) return failed("open", folder);
  const bool is_synced = ::fsync(names) == 0;
  ::close(names);
  return is_synced ? Result<void>{} : failed("sync", folder);
}

Result<std::unique_ptr<StreamFileReader>> StreamFileReader::open(const std::string& path) {
  auto reader = std::make_unique<StreamFileReader>(path);
  if (!reader->file_) return failed("open", path);
  return reader;
}

Result<Bytes> StreamFileReader::read(std::size_t bytes_max) {
  std::string bytes(bytes_max, '\0');
  file_.read(bytes.data(), static_cast<std::streamsize>(bytes_max));
  if (file_.bad()) return failed("read", path_);
  bytes.resize(static_cast<std::size_t>(file_.gcount()));
  return Bytes(std::move(bytes));
}

}  // namespace cluster::app
