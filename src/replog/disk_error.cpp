#include "replog/disk_error.hpp"

#include <cerrno>
#include <cstring>

namespace cluster::replog {

Error disk_error(const std::string& what, int code) {
  std::string text = "cannot " + what + ": ";
  switch (code) {
    case ENOSPC:
    case EDQUOT: return {Errc::disk_full, text + "free some space and start this member again"};
    case EROFS:
      return {Errc::read_only,
              text +
                  "the kernel makes a file system so after disk errors: see its log, mount it "
                  "for writing, and start this member again"};
    case EIO:
      return {Errc::storage, text +
                                 "the disk reports an error; see the kernel's log, and replace "
                                 "the disk or the member"};
    case EACCES:
    case EPERM:
      return {Errc::permission,
              text + std::strerror(code) +
                  "; give the directory and its files to the user that this process runs as"};
    default: return {Errc::storage, text + std::strerror(code)};
  }
}

}  // namespace cluster::replog
