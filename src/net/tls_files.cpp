// Certificates from files, which are read again when they have changed.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <mutex>

#include "cluster/tls.hpp"
#include "net/socket.hpp"

namespace cluster {
namespace {

constexpr std::size_t file_size_max = 1 << 20;

// What tells one version of a file from the next.
struct Stamp {
  ino_t file = 0;
  off_t size = 0;
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;

  friend bool operator==(const Stamp&, const Stamp&) = default;
};

Stamp stamp_of(const struct stat& state) {
  return {.file = state.st_ino,
          .size = state.st_size,
          .seconds = state.st_mtim.tv_sec,
          .nanoseconds = state.st_mtim.tv_nsec};
}

Error cannot_read(const std::string& path) {
  Errc code = errno == ENOENT ? Errc::not_found : errno == EACCES ? Errc::permission : Errc::failed;
  return Error{code, "cannot read " + path + ": " + net::describe_errno(errno)};
}

Result<std::string> read_file(const std::string& path) {
  net::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return cannot_read(path);
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size == 0) return text;
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return cannot_read(path);
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > file_size_max) {
      return Error{Errc::too_large, path + " is too large to hold certificates"};
    }
  }
}

class FileSource final : public CertificateSource {
 public:
  explicit FileSource(CertificateFiles files) : files_(std::move(files)) {}

  Result<std::shared_ptr<const Certificates>> certificates() override {
    std::lock_guard lock(mutex_);
    std::array<Stamp, 3> stamps;
    for (std::size_t i = 0; i < 3; ++i) {
      struct stat state {};
      if (::stat(path(i).c_str(), &state) != 0) return cannot_read(path(i));
      stamps[i] = stamp_of(state);
    }
    if (last_ && stamps == stamps_) return last_;
    std::array<std::string, 3> texts;
    for (std::size_t i = 0; i < 3; ++i) {
      auto text = read_file(path(i));
      if (!text) return std::move(text).error();
      texts[i] = *std::move(text);
    }
    stamps_ = stamps;
    last_ = std::make_shared<const Certificates>(
        Certificates{.chain = texts[0], .key = texts[1], .authorities = texts[2]});
    return last_;
  }

 private:
  const std::string& path(std::size_t i) const {
    return i == 0 ? files_.chain : i == 1 ? files_.key : files_.authorities;
  }

  const CertificateFiles files_;
  std::mutex mutex_;  // Runtimes may share a source.
  std::array<Stamp, 3> stamps_;
  std::shared_ptr<const Certificates> last_;
};

}  // namespace

std::shared_ptr<CertificateSource> certificate_files(CertificateFiles files) {
  return std::make_shared<FileSource>(std::move(files));
}

}  // namespace cluster
