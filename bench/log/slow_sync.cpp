#include "bench/log/slow_sync.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <ctime>

#include <cmath>

namespace {

timespec delay{};

void wait_for_disk() {
  if (delay.tv_sec != 0 || delay.tv_nsec != 0) ::nanosleep(&delay, nullptr);
}

int sync_and_wait(long call, int file) {
  auto result = static_cast<int>(::syscall(call, file));
  wait_for_disk();
  return result;
}

}  // namespace

// The program's own definitions come before the C library's, for LMDB too.
extern "C" int fdatasync(int file) { return sync_and_wait(SYS_fdatasync, file); }
extern "C" int fsync(int file) { return sync_and_wait(SYS_fsync, file); }
extern "C" ssize_t pwritev2(int file, const iovec* pieces, int count, off_t at, int flags) {
  auto result =
      static_cast<ssize_t>(::syscall(SYS_pwritev2, file, pieces, count, at, off_t{0}, flags));
  if ((flags & RWF_DSYNC) != 0) wait_for_disk();
  return result;
}

namespace bench {

void slow_syncs_down(double ms) {
  delay.tv_sec = static_cast<time_t>(ms / 1000);
  delay.tv_nsec = static_cast<long>(std::fmod(ms, 1000) * 1e6);
  // Threads and children inherit it: no coarser sleep than was asked for.
  ::prctl(PR_SET_TIMERSLACK, 1);
}

}  // namespace bench
