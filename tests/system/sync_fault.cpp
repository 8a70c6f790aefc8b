// Loaded before a program's libraries (LD_PRELOAD): its syncs, and writes that are syncs, fail with
// EIO while the file that SYNC_FAULT names exists. Nothing is written then, as with a disk that has
// gone.
#include <dlfcn.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace {

bool is_on() {
  static const char* const file = std::getenv("SYNC_FAULT");
  return file != nullptr && ::access(file, F_OK) == 0;
}

int sync_by(const char* name, int file) {
  if (is_on()) {
    errno = EIO;
    return -1;
  }
  return reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, name))(file);
}

ssize_t write_by(const char* name, int file, const iovec* parts, int count, off_t offset,
                 int flags) {
  if ((flags & RWF_DSYNC) != 0 && is_on()) {
    errno = EIO;
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
