// The directory of one replica: whose it is, that nobody else has it open, and that it is the
// original and not a copy.
//
// A vote counts once. A copy of a directory (cp, rsync, a restored backup) remembers what the
// original had promised up to some moment and nothing after it, so it must never vote. The file
// `identity` therefore names its own inode and time of birth, which a copy cannot have. (A copy of
// the whole block device has both; nothing inside it can tell.)
#pragma once

#include <memory>
#include <string>

#include "cluster/log.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

// A directory of many logs; no choice of `LogOptions::store`.
inline constexpr StoreKind shared_journal = static_cast<StoreKind>(2);

class Directory {
 public:
  // Makes the directory where it is missing, locks it, and reads its identity. Fields of `expected`
  // that are 0 may be anything; a directory without an identity needs them all.
  // `wrong_cluster`: another cluster's, member's or kind of store's, or a copy. `address_in_use`:
  // another process has it open. `invalid_argument`, `permission`, `storage`, `corrupt`.
  static Result<std::unique_ptr<Directory>> open(const std::string& path, const Identity& expected,
                                                 StoreKind);
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory();

  const std::string& path() const { return path_; }
  const Identity& identity() const { return identity_; }
  // It has no identity yet: nothing in it was ever durable.
  bool is_new() const { return is_new_; }
  // Makes it a member's; durable when it returns. After the store has made its own files.
  Result<void> make_identity();

 private:
  Directory(std::string path, int lock, StoreKind kind)
      : path_(std::move(path)), lock_(lock), kind_(kind) {}
  Result<void> check(const Identity& expected);

  std::string path_;
  int lock_;
  StoreKind kind_;
  Identity identity_;
  bool is_new_ = false;
};

struct DirectoryInfo {
  Identity identity;
  StoreKind kind = StoreKind::journal;
  bool is_copy = false;  // Of a directory elsewhere.
};

// Who a directory says it is; changes and locks nothing. `not_found` when it is nobody's.
Result<DirectoryInfo> read_directory(const std::string& path);

// What is for one log cannot be done to a directory of many. `unsupported`, with words.
Result<void> check_one_log(const std::string& path, StoreKind);

// Whether a process has it open; changes nothing.
bool is_directory_in_use(const std::string& path);

// Makes a copy the member's directory. Only when the original is gone for good and this is its very
// last state: a promise that the original gave after the copy was taken is forgotten otherwise, and
// two leaders may come to decide differently. Nobody but the operator can know.
Result<Identity> adopt_directory(const std::string& path);

}  // namespace cluster::replog
