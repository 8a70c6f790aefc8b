// Loaded before a program's libraries (LD_PRELOAD): its syncs fail with EIO while the file that
// SYNC_FAULT names exists. Nothing is written then, as with a disk that has gone.
#include <dlfcn.h>
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

}  // namespace

extern "C" int fsync(int file) { return sync_by("fsync", file); }
extern "C" int fdatasync(int file) { return sync_by("fdatasync", file); }
