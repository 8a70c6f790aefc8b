#include "agentlib/lmdb_checkpoint.hpp"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <type_traits>

#include "base/crc32c.hpp"

namespace cluster::agentlib {

namespace {

// Address space, not disk: a task takes some KiB.
constexpr std::size_t map_size = std::size_t{1} << 30;
constexpr std::uint32_t row_version = 1;
constexpr std::uint32_t flag_kill_requested = 1;
constexpr std::string_view identity_key = "identity";
constexpr char task_prefix = 't';

// A row's value: this, the latest status as an AgentUpdate message, the spec.
struct RowHeader {
  std::uint32_t version = row_version;
  std::uint32_t checksum = 0;  // Of what follows the header.
  std::uint32_t flags = 0;
  std::uint32_t update_size = 0;
};

struct IdentityRow {
  std::uint32_t version = row_version;
  std::uint32_t checksum = 0;
  std::uint64_t cluster = 0;  // Followed by the agent's id, a space and the term.
};

std::string task_key(const TaskKey& key) {
  return task_prefix + key.framework.value() + "/" + key.task.value();
}

template <class Header>
std::string with_header(Header header, std::string body) {
  header.checksum = crc32c(body);
  std::string value(reinterpret_cast<const char*>(&header), sizeof header);
  return value += body;
}

// False when it is too short or damaged.
template <class Header>
bool split_header(std::string_view value, Header& header, std::string_view& body) {
  if (value.size() < sizeof header) return false;
  std::memcpy(&header, value.data(), sizeof header);
  body = value.substr(sizeof header);
  return header.version == row_version && header.checksum == crc32c(body);
}

std::string encode_row(const TaskRow& row) {
  Bytes update = wire::encode(
      wire::AgentMessage(wire::AgentUpdate{.framework = row.key.framework, .status = row.status}));
  RowHeader header{.flags = row.kill_requested ? flag_kill_requested : 0,
                   .update_size = static_cast<std::uint32_t>(update.size())};
  return with_header(header, std::string(update.view()).append(row.spec.view()));
}

std::optional<TaskRow> decode_row(std::string_view value) {
  RowHeader header;
  std::string_view body;
  if (!split_header(value, header, body) || header.update_size > body.size()) return std::nullopt;
  auto message = wire::decode_agent_message(body.substr(0, header.update_size));
  if (!message) return std::nullopt;
  auto* update = std::get_if<wire::AgentUpdate>(&*message);
  if (update == nullptr) return std::nullopt;
  return TaskRow{.key = {update->framework, update->status.task},
                 .spec = Bytes(body.substr(header.update_size)),
                 .status = std::move(update->status),
                 .kill_requested = (header.flags & flag_kill_requested) != 0};
}

std::string encode_identity(const Identity& identity) {
  return with_header(IdentityRow{.cluster = identity.cluster.value()},
                     identity.agent.value() + " " + std::to_string(identity.term));
}

std::optional<Identity> decode_identity(std::string_view value) {
  IdentityRow header;
  std::string_view body;
  if (!split_header(value, header, body)) return std::nullopt;
  const std::size_t space = body.find(' ');
  Identity identity{.agent = AgentId(std::string(body.substr(0, space))),
                    .cluster = ClusterUid(header.cluster)};
  if (!identity.agent || space == std::string_view::npos) return std::nullopt;
  const std::string_view term = body.substr(space + 1);
  const auto [end, error] = std::from_chars(term.data(), term.data() + term.size(), identity.term);
  if (error != std::errc() || end != term.data() + term.size()) return std::nullopt;
  return identity;
}

MDB_val to_value(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }

std::string_view to_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

Error lmdb_error(const std::string& directory, int code) {
  bool is_full = code == ENOSPC || code == EDQUOT || code == MDB_MAP_FULL;
  return {is_full ? Errc::disk_full : Errc::storage,
          "the checkpoint in " + directory + " failed: " + mdb_strerror(code)};
}

// Held by whoever has the directory open; the system frees it when the process ends.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  DirectoryLock(const DirectoryLock&) = delete;
  ~DirectoryLock() {
    if (file_ >= 0) ::close(file_);
  }

  Result<void> take(const std::string& directory) {
    std::string path = directory + "/lock";
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) {
      int error = errno;
      Errc why = error == EROFS ? Errc::read_only : Errc::storage;
      return Error{error == EACCES ? Errc::permission : why,
                   "cannot open " + path + ": " + std::strerror(error)};
    }
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return {};
    return Error{Errc::already_exists,
                 "the directory " + directory + " is in use by another agent; each needs its own"};
  }

 private:
  int file_ = -1;
};

class LmdbCheckpoint final : public Checkpoint {
 public:
  explicit LmdbCheckpoint(std::string directory) : directory_(std::move(directory)) {}
  ~LmdbCheckpoint() override {
    if (environment_ != nullptr) mdb_env_close(environment_);
  }

  Result<Saved> open(const AgentId& fresh);
  Result<void> commit(const std::vector<Change>& changes) override;

 private:
  Result<void> open_environment();
  Result<Saved> load();
  static int apply(MDB_txn* transaction, MDB_dbi table, const Change& change);

  std::string directory_;
  DirectoryLock lock_;  // Released after the environment is closed.
  MDB_env* environment_ = nullptr;
  MDB_dbi table_ = 0;
};

Result<Saved> LmdbCheckpoint::open(const AgentId& fresh) {
  if (auto locked = lock_.take(directory_); !locked) return std::move(locked).error();
  if (auto opened = open_environment(); !opened) return std::move(opened).error();
  auto saved = load();
  if (!saved || saved->identity.agent) return saved;
  if (!saved->tasks.empty()) {
    return Error{Errc::corrupt, "the checkpoint in " + directory_ + " has tasks and no identity"};
  }
  saved->identity.agent = fresh;
  if (auto written = commit({PutIdentity{saved->identity}}); !written) {
    return std::move(written).error();
  }
  return saved;
}

Result<void> LmdbCheckpoint::open_environment() {
  std::string place = directory_ + "/checkpoint";
  if (::mkdir(place.c_str(), 0755) != 0 && errno != EEXIST) {
    return Error{Errc::storage, "cannot make " + place + ": " + std::strerror(errno)};
  }
  int code = mdb_env_create(&environment_);
  if (code == 0) code = mdb_env_set_mapsize(environment_, map_size);
  // The directory's own lock keeps others out, so LMDB's is not needed.
  if (code == 0) code = mdb_env_open(environment_, place.c_str(), MDB_NOLOCK | MDB_NOTLS, 0644);
  MDB_txn* transaction = nullptr;
  if (code == 0) code = mdb_txn_begin(environment_, nullptr, 0, &transaction);
  if (code == 0) {
    code = mdb_dbi_open(transaction, nullptr, 0, &table_);
    if (code == 0) {
      code = mdb_txn_commit(transaction);
    } else {
      mdb_txn_abort(transaction);
    }
  }
  if (code != 0) return lmdb_error(directory_, code);
  return {};
}

Result<Saved> LmdbCheckpoint::load() {
  MDB_txn* transaction = nullptr;
  if (int code = mdb_txn_begin(environment_, nullptr, MDB_RDONLY, &transaction)) {
    return lmdb_error(directory_, code);
  }
  Saved saved;
  bool is_damaged = false;
  MDB_cursor* cursor = nullptr;
  int code = mdb_cursor_open(transaction, table_, &cursor);
  MDB_val key{};
  MDB_val value{};
  while (code == 0 && !is_damaged) {
    code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    if (code != 0) break;
    if (to_view(key) == identity_key) {
      auto identity = decode_identity(to_view(value));
      is_damaged = !identity;
      if (identity) saved.identity = *std::move(identity);
      continue;
    }
    auto row = decode_row(to_view(value));
    is_damaged = !row || task_key(row->key) != to_view(key);
    if (!is_damaged) saved.tasks.push_back(std::move(*row));
  }
  if (cursor != nullptr) mdb_cursor_close(cursor);
  mdb_txn_abort(transaction);
  if (is_damaged) {
    return Error{Errc::corrupt, "the checkpoint in " + directory_ + " holds a damaged row"};
  }
  if (code != MDB_NOTFOUND) return lmdb_error(directory_, code);
  return saved;
}

Result<void> LmdbCheckpoint::commit(const std::vector<Change>& changes) {
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(environment_, nullptr, 0, &transaction);
  if (code != 0) return lmdb_error(directory_, code);
  for (const Change& change : changes) {
    code = apply(transaction, table_, change);
    if (code == 0) continue;
    mdb_txn_abort(transaction);
    return lmdb_error(directory_, code);
  }
  code = mdb_txn_commit(transaction);
  if (code != 0) return lmdb_error(directory_, code);
  return {};
}

int LmdbCheckpoint::apply(MDB_txn* transaction, MDB_dbi table, const Change& change) {
  if (const auto* remove = std::get_if<RemoveTask>(&change)) {
    std::string name = task_key(remove->key);
    MDB_val key = to_value(name);
    int code = mdb_del(transaction, table, &key, nullptr);
    return code == MDB_NOTFOUND ? 0 : code;
  }
  std::string name(identity_key);
  std::string bytes;
  if (const auto* identity = std::get_if<PutIdentity>(&change)) {
    bytes = encode_identity(identity->identity);
  } else {
    const TaskRow& row = std::get<PutTask>(change).row;
    name = task_key(row.key);
    bytes = encode_row(row);
  }
  MDB_val key = to_value(name);
  MDB_val value = to_value(bytes);
  return mdb_put(transaction, table, &key, &value, 0);
}

}  // namespace

Result<OpenedCheckpoint> open_lmdb_checkpoint(const std::string& directory, const AgentId& fresh) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    return Error{error == std::errc::permission_denied ? Errc::permission : Errc::storage,
                 "cannot make the directory " + directory + ": " + error.message()};
  }
  auto checkpoint = std::make_unique<LmdbCheckpoint>(directory);
  auto saved = checkpoint->open(fresh);
  if (!saved) return std::move(saved).error();
  return OpenedCheckpoint{.checkpoint = std::move(checkpoint), .saved = std::move(*saved)};
}

}  // namespace cluster::agentlib
