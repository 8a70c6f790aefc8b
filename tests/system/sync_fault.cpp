// Loaded before a program's libraries (LD_PRELOAD): its syncs, and writes that are syncs, fail
// while the file that SYNC_FAULT names exists. Nothing is written then, as with a disk that has
// gone. The file's first letter says how: r as a file system that became read-only; s not at all,
// they stand still until the file is gone; any other, or none, with EIO.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

// The error to fail with; 0: go on.
int fault() {
  static const char* const name = std::getenv("SYNC_FAULT");
  while (name != nullptr) {
    int file = ::open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    char kind = 0;
    bool has_kind = ::read(file, &kind, 1) == 1;
    ::close(file);
    if (!has_kind || kind != 's') return has_kind && kind == 'r' ? EROFS : EIO;
    ::usleep(10'000);  // poll
  }
  return 0;
}

int sync_by(const char* name, int file) {
  if (int code = fault(); code != 0) {
    errno = code;
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name))(file);
}

ssize_t write_by(const char* name, int file, const iovec* parts, int count, off_t offset,
                 int flags) {
  int code = (flags & RWF_DSYNC) != 0 ? fault() : 0;
  if (code != 0) {
    errno = code;
    return -1;
  }
  using Write = ssize_t (*)(int, const iovec*, int, off_t, int);
  return reinterpret_cast<Write>(::dlsym(RTLD_NEXT, name))(file, parts, count, offset, flags);
}

}  // namespace

extern "C" int fsync(int file) { return sync_by("fsync", file); }
extern "C" int fdatasync(int file) { return sync_by("fdatasync", file); }
extern "C" ssize_t pwritev2(int file, const iovec* parts, int count, off_t offset, int flags) {
  return write_by("pwritev2", file, parts, count, offset, flags);
}
extern "C" ssize_t pwritev64v2(int file, const iovec* parts, int count, off_t offset, int flags) {
  return write_by("pwritev64v2", file, parts, count, offset, flags);
}
