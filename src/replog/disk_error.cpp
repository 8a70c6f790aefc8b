#include "replog/disk_error.hpp"

#include <cerrno>
#include <cstring>

namespace cluster::replog {

Error disk_error(const std::string& what, int code) {
  std::string text = "cannot " + what + ": ";
  switch (code) {
    case ENOSPC:
    case EDQUOT: text += "the disk is full; free some space and start this member again"; break;
    case EROFS:
      text +=
          "the file system is read-only; the kernel makes it so after disk errors: see its "
          "log, mount it for writing, and start this member again";
      break;
    case EIO:
      text += "the disk reports an error; see the kernel's log, and replace the disk or the member";
      break;
    case EACCES:
    case EPERM:
      text += std::string(std::strerror(code)) +
              "; give the directory and its files to the user that this process runs as";
      break;
    default: text += std::strerror(code);
  }
  return Error{code == EACCES || code == EPERM ? Errc::permission : Errc::storage, std::move(text)};
}

}  // namespace cluster::replog
