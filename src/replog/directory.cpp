#include "replog/directory.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/crc32c.hpp"
#include "replog/disk_error.hpp"

namespace cluster::replog {
namespace {

constexpr std::uint32_t identity_format = 1;
constexpr std::uint32_t identity_magic = 0x4449'4c43;  // "CLID"

struct StoredIdentity {
  std::uint32_t checksum = 0;  // crc32c of everything after it.
  std::uint32_t magic = identity_magic;
  std::uint32_t format = identity_format;
  std::uint32_t kind = 0;
  std::uint64_t cluster = 0;
  std::uint64_t member = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t inode = 0;        // Of the file that this stands in.
  std::int64_t born_seconds = 0;  // 0 where the file system does not say.
  std::uint32_t born_nanoseconds = 0;
  std::uint32_t unused = 0;
};

std::uint32_t checksum_of(const StoredIdentity& stored) {
  const char* at = reinterpret_cast<const char*>(&stored) + sizeof(stored.checksum);
  return crc32c(ByteView(at, sizeof(stored) - sizeof(stored.checksum)));
}

std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(number));
  return text;
}

const char* name_of(std::uint32_t kind) {
  if (kind == static_cast<std::uint32_t>(shared_journal)) return "many logs in one journal";
  return kind == static_cast<std::uint32_t>(StoreKind::lmdb) ? "lmdb" : "journal";
}

// A descriptor that closes with its scope.
struct Descriptor {
  int number;
  explicit Descriptor(int n) : number(n) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

Result<void> name_birth(int file, const std::string& path, StoredIdentity& stored) {
  struct statx status {};
  if (::statx(file, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &status) != 0) {
    return disk_error("look at " + path, errno);
  }
  stored.inode = status.stx_ino;
  bool has_birth = (status.stx_mask & STATX_BTIME) != 0;
  stored.born_seconds = has_birth ? status.stx_btime.tv_sec : 0;
  stored.born_nanoseconds = has_birth ? status.stx_btime.tv_nsec : 0;
  return {};
}

// What the file says, and in `actual` what it would say if it were made here.
Result<StoredIdentity> read_identity(const std::string& path, StoredIdentity& actual) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number < 0) {
    if (errno == ENOENT) return Error{Errc::not_found, path + " does not exist"};
    return disk_error("open " + path, errno);
  }
  StoredIdentity stored;
  ssize_t got = ::pread(file.number, &stored, sizeof(stored), 0);
  if (got < 0) return disk_error("read " + path, errno);
  if (got != sizeof(stored) || stored.magic != identity_magic ||
      stored.checksum != checksum_of(stored)) {
    return Error{Errc::corrupt,
                 path +
                     " is damaged, so it is not known which member this is; it must not vote: "
                     "remove the member and add a new one with an empty directory"};
  }
  if (stored.format != identity_format) {
    return Error{Errc::unsupported, path + " is of format " + std::to_string(stored.format) +
                                        "; this program knows format " +
                                        std::to_string(identity_format)};
  }
  actual = stored;
  if (auto named = name_birth(file.number, path, actual); !named) return std::move(named).error();
  return stored;
}

bool is_copy(const StoredIdentity& stored, const StoredIdentity& actual) {
  if (stored.inode != actual.inode) return true;
  bool both_born = stored.born_seconds != 0 && actual.born_seconds != 0;
  return both_born && (stored.born_seconds != actual.born_seconds ||
                       stored.born_nanoseconds != actual.born_nanoseconds);
}

// Under a name that does not count until all of it is durable.
Result<void> write_identity(const std::string& directory, StoredIdentity stored) {
  const std::string path = directory + "/identity";
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  Descriptor file(::open(draft.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
  if (file.number < 0) return disk_error("make " + draft, errno);
  if (auto named = name_birth(file.number, draft, stored); !named) return named;
  stored.checksum = checksum_of(stored);
  if (::pwrite(file.number, &stored, sizeof(stored), 0) != sizeof(stored)) {
    return disk_error("write " + draft, errno == 0 ? ENOSPC : errno);
  }
  if (::fsync(file.number) != 0) return disk_error("sync " + draft, errno);
  if (::rename(draft.c_str(), path.c_str()) != 0) return disk_error("rename " + draft, errno);
  Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.number < 0 || ::fsync(folder.number) != 0) {
    return disk_error("sync the directory " + directory, errno);
  }
  return {};
}

Result<int> lock_directory(const std::string& directory) {
  const std::string path = directory + "/lock";
  int lock = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (lock < 0) return disk_error("open " + path, errno);
  if (::flock(lock, LOCK_EX | LOCK_NB) == 0) return lock;
  ::close(lock);
  return Error{Errc::address_in_use,
               directory + " is in use by another process; a directory serves one member"};
}

// A directory that is made now lasts only once its parent is synced.
Result<void> make_directory(const std::string& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) {
    return Error{Errc::storage, "cannot make the directory " + path + ": " + code.message()};
  }
  std::filesystem::path parent = std::filesystem::absolute(path, code).parent_path();
  Descriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A parent that cannot be opened was there before.
  if (folder.number >= 0 && ::fsync(folder.number) != 0) {
    return disk_error("sync the directory " + parent.string(), errno);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Directory>> Directory::open(const std::string& path,
                                                   const Identity& expected, StoreKind kind) {
  if (auto made = make_directory(path); !made) return std::move(made).error();
  auto lock = lock_directory(path);
  if (!lock) return std::move(lock).error();
  std::unique_ptr<Directory> directory(new Directory(path, *lock, kind));
  if (auto checked = directory->check(expected); !checked) return std::move(checked).error();
  return directory;
}

Directory::~Directory() { ::close(lock_); }

Result<void> Directory::check(const Identity& expected) {
  StoredIdentity actual;
  auto stored = read_identity(path_ + "/identity", actual);
  if (!stored && stored.error().code != Errc::not_found) return std::move(stored).error();
  if (!stored) {
    if (!expected.cluster || !expected.member || expected.incarnation == 0) {
      return Error{Errc::invalid_argument,
                   path_ +
                       " is no member's directory yet: say which cluster and member it is to "
                       "become (LogOptions::cluster and self, or a join token)"};
    }
    identity_ = expected;
    is_new_ = true;
    return {};
  }
  auto wrong = [&](const std::string& how) { return Error{Errc::wrong_cluster, path_ + how}; };
  identity_ = {ClusterUid(stored->cluster), NodeId(stored->member), stored->incarnation};
  if (expected.cluster && expected.cluster != identity_.cluster) {
    return wrong(" belongs to cluster " + hex(stored->cluster) + ", not to " +
                 hex(expected.cluster.value()) + "; use that cluster's id or another directory");
  }
  if (expected.member && expected.member != identity_.member) {
    return wrong(" is member " + std::to_string(stored->member) + "'s, not member " +
                 std::to_string(expected.member.value()) + "'s");
  }
  if (stored->kind != static_cast<std::uint32_t>(kind_)) {
    return wrong(std::string(" keeps its log as '") + name_of(stored->kind) + "', not as '" +
                 name_of(static_cast<std::uint32_t>(kind_)) +
                 "' (LogOptions::store); a directory stays what it was made as: to change, replace "
                 "the member by a new one");
  }
  if (is_copy(*stored, actual)) {
    return wrong(" is a copy of the directory of member " + std::to_string(stored->member) +
                 " of cluster " + hex(stored->cluster) +
                 "; a copy never votes, since it does not know what the original promised after "
                 "it was taken. Remove the member and add a new one with an empty directory; or, "
                 "if the original is gone for good and this is its very last state, adopt it");
  }
  return {};
}

Result<void> Directory::make_identity() {
  StoredIdentity stored;
  stored.kind = static_cast<std::uint32_t>(kind_);
  stored.cluster = identity_.cluster.value();
  stored.member = identity_.member.value();
  stored.incarnation = identity_.incarnation;
  auto written = write_identity(path_, stored);
  if (written) is_new_ = false;
  return written;
}

Result<DirectoryInfo> read_directory(const std::string& path) {
  StoredIdentity actual;
  auto stored = read_identity(path + "/identity", actual);
  if (!stored) return std::move(stored).error();
  return DirectoryInfo{
      .identity = {ClusterUid(stored->cluster), NodeId(stored->member), stored->incarnation},
      .kind = static_cast<StoreKind>(stored->kind),
      .is_copy = is_copy(*stored, actual)};
}

Result<void> check_one_log(const std::string& path, StoreKind kind) {
  if (kind != shared_journal) return {};
  return Error{Errc::unsupported, path +
                                      " holds the logs of a LogHost; only directories of a single "
                                      "log can be looked at, backed up or recovered"};
}

bool is_directory_in_use(const std::string& path) {
  Descriptor lock(::open((path + "/lock").c_str(), O_RDONLY | O_CLOEXEC));
  return lock.number >= 0 && ::flock(lock.number, LOCK_SH | LOCK_NB) != 0;
}

Result<Identity> adopt_directory(const std::string& path) {
  StoredIdentity actual;
  auto stored = read_identity(path + "/identity", actual);
  if (!stored) return std::move(stored).error();
  auto lock = lock_directory(path);
  if (!lock) return std::move(lock).error();
  auto written = write_identity(path, *stored);
  ::close(*lock);
  if (!written) return std::move(written).error();
  return Identity{ClusterUid(stored->cluster), NodeId(stored->member), stored->incarnation};
}

}  // namespace cluster::replog
