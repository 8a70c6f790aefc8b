#include "replog/lmdb_store.hpp"

#include <lmdb.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/crc32c.hpp"
#include "replog/disk_error.hpp"

namespace cluster::replog {
namespace {

constexpr std::uint32_t format = 2;

// What stands on disk. Integers are the machine's own (little endian on all that we build for).
struct EntryHeader {
  std::uint32_t checksum;  // crc32c of everything after it, the position included.
  std::uint16_t kind;
  std::uint16_t is_bare;
  std::uint64_t position;
  std::uint64_t round;
  std::uint64_t member;
  std::uint64_t term;
};
struct StoredBallot {
  std::uint32_t checksum;
  std::uint32_t format;
  std::uint64_t round;
  std::uint64_t member;
};
// A number and the term of the last entry before that position.
struct StoredPosition {
  std::uint32_t checksum;
  std::uint32_t format;
  std::uint64_t position;
  std::uint64_t term;
};
// Followed by the encoded configuration.
struct StoredConfiguration {
  std::uint32_t checksum;
  std::uint32_t format;
  std::uint64_t since;
};

template <class Record>
std::uint32_t checksum_of(const Record& record, ByteView data = {}) {
  const char* at = reinterpret_cast<const char*>(&record) + sizeof(record.checksum);
  std::uint32_t crc = crc32c(ByteView(at, sizeof(Record) - sizeof(record.checksum)));
  return crc32c(data, crc);
}

Error storage_error(const std::string& what, int code) {
  if (code == MDB_MAP_FULL) {
    return Error{Errc::disk_full, "cannot " + what +
                                      ": it has reached its limit (LogOptions::store_bytes_max); "
                                      "start this member with a higher one"};
  }
  if (code > 0) return disk_error(what, code);
  return Error{Errc::storage, "cannot " + what + ": " + mdb_strerror(code)};
}

// A transaction that ends with its scope unless it was committed.
class Transaction {
 public:
  static Result<Transaction> begin(MDB_env* env, unsigned flags) {
    MDB_txn* txn = nullptr;
    if (int rc = mdb_txn_begin(env, nullptr, flags, &txn)) {
      return storage_error("begin a transaction", rc);
    }
    return Transaction(txn);
  }
  Transaction(Transaction&& other) noexcept : txn_(std::exchange(other.txn_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction() {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }
  MDB_txn* get() const { return txn_; }
  Result<void> commit() {
    int rc = mdb_txn_commit(std::exchange(txn_, nullptr));
    if (rc != 0) return storage_error("commit", rc);
    return {};
  }

 private:
  explicit Transaction(MDB_txn* txn) : txn_(txn) {}
  MDB_txn* txn_;
};

class Cursor {
 public:
  Cursor(MDB_txn* txn, MDB_dbi dbi) { failure_ = mdb_cursor_open(txn, dbi, &cursor_); }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  ~Cursor() {
    if (failure_ == 0) mdb_cursor_close(cursor_);
  }
  // 0, MDB_NOTFOUND, or another error.
  int get(Position& at, ByteView& value, MDB_cursor_op op) {
    if (failure_ != 0) return failure_;
    std::uint64_t number = at.value();
    MDB_val key{sizeof(number), &number};
    MDB_val data{};
    int rc = mdb_cursor_get(cursor_, &key, &data, op);
    if (rc != 0) return rc;
    std::memcpy(&number, key.mv_data, sizeof(number));
    at = Position(number);
    value = ByteView(static_cast<const char*>(data.mv_data), data.mv_size);
    return 0;
  }

 private:
  MDB_cursor* cursor_ = nullptr;
  int failure_ = 0;
};

Result<LogEntry> decode_entry(Position at, ByteView stored) {
  auto damaged = [&](const char* how) {
    return Error{Errc::corrupt, "log entry " + std::to_string(at.value()) + ": " + how};
  };
  EntryHeader header;
  if (stored.size() < sizeof(header)) return damaged("too short");
  std::memcpy(&header, stored.data(), sizeof(header));
  ByteView data = stored.substr(sizeof(header));
  if (header.checksum != checksum_of(header, data)) return damaged("its checksum does not match");
  if (header.position != at.value()) return damaged("it is another position's");
  if (header.kind > kind_max) return damaged("its kind is unknown");
  return LogEntry{
      .position = at,
      .ballot = {.round = header.round, .member = NodeId(header.member)},
      .value = {static_cast<Kind>(header.kind), Bytes(data), header.term, header.is_bare != 0}};
}

class LmdbStore final : public Store {
 public:
  LmdbStore(std::unique_ptr<Directory> directory, std::uint64_t bytes_max)
      : owner_(std::move(directory)),
        directory_(owner_->path()),
        identity_(owner_->identity()),
        bytes_max_(bytes_max) {}
  // To look at.
  LmdbStore(std::string directory, const Identity& identity)
      : directory_(std::move(directory)), identity_(identity), bytes_max_(0) {}

  const Identity& identity() const override { return identity_; }
  ~LmdbStore() override {
    if (env_ != nullptr) mdb_env_close(env_);
  }

  Result<void> open() {
    int rc = mdb_env_create(&env_);
    if (rc == 0) rc = mdb_env_set_maxdbs(env_, 4);
    // Address space, not disk: the file grows as it is written.
    if (rc == 0) rc = mdb_env_set_mapsize(env_, bytes_max_);
    if (rc == 0) rc = mdb_env_open(env_, directory_.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0600);
    if (rc == MDB_INVALID || rc == MDB_CORRUPTED || rc == MDB_VERSION_MISMATCH) {
      return Error{Errc::corrupt,
                   directory_ + "/data.mdb is not a log of ours: " + mdb_strerror(rc)};
    }
    if (rc != 0) return storage_error("open the log in " + directory_, rc);
    auto txn = Transaction::begin(env_, 0);
    if (!txn) return std::move(txn).error();
    rc = mdb_dbi_open(txn->get(), "entries", MDB_CREATE | MDB_INTEGERKEY, &entries_);
    if (rc == 0) rc = mdb_dbi_open(txn->get(), "meta", MDB_CREATE, &meta_);
    if (rc != 0) return storage_error("open the tables of " + directory_, rc);
    if (auto marked = check_mark(txn->get()); !marked) return marked;
    if (auto committed = txn->commit(); !committed) return committed;
    return owner_->is_new() ? owner_->make_identity() : Result<void>{};
  }

  Result<void> open_view() {
    int rc = mdb_env_create(&env_);
    if (rc == 0) rc = mdb_env_set_maxdbs(env_, 4);
    const unsigned flags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD;
    if (rc == 0) rc = mdb_env_open(env_, directory_.c_str(), flags, 0600);
    if (rc != 0) return storage_error("open the log in " + directory_, rc);
    auto txn = Transaction::begin(env_, MDB_RDONLY);
    if (!txn) return std::move(txn).error();
    rc = mdb_dbi_open(txn->get(), "entries", MDB_INTEGERKEY, &entries_);
    if (rc == 0) rc = mdb_dbi_open(txn->get(), "meta", 0, &meta_);
    if (rc != 0) return storage_error("open the tables of " + directory_, rc);
    return txn->commit();
  }

  Result<void> commit(const std::vector<Change>& changes) override {
    if (owner_ == nullptr) return Error{Errc::unsupported, "the store is only looked at"};
    auto txn = Transaction::begin(env_, 0);
    if (!txn) return std::move(txn).error();
    for (const Change& change : changes) {
      int rc = std::visit([&](const auto& c) { return put(txn->get(), c); }, change);
      if (rc != 0) return storage_error("write to the log in " + directory_, rc);
    }
    return txn->commit();
  }

  Result<StoredEntries> read(Position first, Position end, std::size_t bytes_max) const override {
    auto txn = Transaction::begin(env_, MDB_RDONLY);
    if (!txn) return std::move(txn).error();
    StoredEntries found;
    Cursor cursor(txn->get(), entries_);
    std::size_t bytes = 0;
    ByteView stored;
    Position at = first;
    int rc = cursor.get(at, stored, MDB_SET_RANGE);
    for (; rc == 0 && at < end && bytes < bytes_max; rc = cursor.get(at, stored, MDB_NEXT)) {
      auto entry = decode_entry(at, stored);
      if (!entry) {
        found.damaged = at;
        return found;
      }
      bytes += entry->value.cost();
      found.entries.push_back(*std::move(entry));
    }
    if (rc != 0 && rc != MDB_NOTFOUND) return storage_error("read the log", rc);
    return found;
  }

  Result<RangeCheck> check(Position first, Position end, std::size_t bytes_max) const override {
    auto txn = Transaction::begin(env_, MDB_RDONLY);
    if (!txn) return std::move(txn).error();
    RangeCheck checked{.end = end, .damaged = {}, .missing = {}};
    Cursor cursor(txn->get(), entries_);
    std::uint64_t& bytes = checked.bytes;
    Position expected = first;
    ByteView stored;
    Position at = first;
    int rc = cursor.get(at, stored, MDB_SET_RANGE);
    for (; rc == 0 && at < end; rc = cursor.get(at, stored, MDB_NEXT)) {
      if (bytes >= bytes_max) {
        checked.end = at;
        break;
      }
      if (expected < at) checked.missing.push_back({expected, at});
      expected = at.next();
      bytes += stored.size();
      auto entry = decode_entry(at, stored);
      if (entry) {
        checked.checksum = checksum_value(checked.checksum, *entry);
      } else {
        checked.damaged.push_back(at);
      }
    }
    if (rc != 0 && rc != MDB_NOTFOUND) return storage_error("read the log", rc);
    if (expected < checked.end) checked.missing.push_back({expected, checked.end});
    return checked;
  }

  StoreUsage usage() const override {
    MDB_envinfo info{};
    MDB_stat stat{};
    if (mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &stat) != 0) return {};
    return {.bytes = (info.me_last_pgno + 1) * stat.ms_psize, .bytes_max = info.me_mapsize};
  }

  Result<Recovered> recover(std::size_t window_bytes) override {
    auto txn = Transaction::begin(env_, MDB_RDONLY);
    if (!txn) return std::move(txn).error();
    Recovered recovered;
    if (auto read = get_ballot(txn->get(), "promise", recovered.promised); !read) {
      return std::move(read).error();
    }
    auto read = get_position(txn->get(), "chosen_end", recovered.chosen_end, recovered.chosen_term);
    if (read) read = get_position(txn->get(), "base", recovered.kept_from, recovered.kept_term);
    if (read) read = get_configuration(txn->get(), recovered.configuration);
    if (!read) return std::move(read).error();
    recovered.chosen_term = std::max(recovered.chosen_term, recovered.kept_term);
    recovered.chosen_end = std::max(recovered.chosen_end, recovered.kept_from);

    Cursor cursor(txn->get(), entries_);
    Position at = recovered.chosen_end;
    recovered.first = at;
    ByteView stored;
    std::size_t bytes = 0;
    int rc = cursor.get(at, stored, MDB_SET_RANGE);
    rc = rc == 0 ? cursor.get(at, stored, MDB_PREV) : cursor.get(at, stored, MDB_LAST);
    for (;
         rc == 0 && at >= recovered.kept_from && at < recovered.chosen_end && bytes < window_bytes;
         rc = cursor.get(at, stored, MDB_PREV)) {
      bytes += stored.size() + 64;
      recovered.first = at;
    }
    if (rc != 0 && rc != MDB_NOTFOUND) return storage_error("read the log", rc);
    at = recovered.first;
    Position expected = at;
    rc = cursor.get(at, stored, MDB_SET_RANGE);
    for (; rc == 0; rc = cursor.get(at, stored, MDB_NEXT)) {
      // Chosen entries have no gaps.
      Position gap_end = std::min(at, recovered.chosen_end);
      if (expected < gap_end) recovered.damaged.push_back({expected, gap_end});
      expected = at.next();
      auto entry = decode_entry(at, stored);
      if (entry) {
        recovered.entries.push_back(*std::move(entry));
      } else {
        recovered.damaged.push_back({at, at.next()});
      }
    }
    if (rc != MDB_NOTFOUND) return storage_error("read the log", rc);
    if (expected < recovered.chosen_end) {
      recovered.damaged.push_back({expected, recovered.chosen_end});
    }
    return recovered;
  }

 private:
  // The environment and the identity were made together: neither goes on without the other.
  Result<void> check_mark(MDB_txn* txn) {
    auto mark = get_meta(txn, "made");
    if (!mark) return std::move(mark).error();
    const std::string remedy =
        ", so it is not known what this replica promised, and it must not vote: remove the member "
        "and add a new one with an empty directory";
    if (!owner_->is_new()) {
      if (!mark->empty()) return {};
      return Error{Errc::corrupt, directory_ + "/data.mdb was lost" + remedy};
    }
    MDB_stat entries{};
    int rc = mdb_stat(txn, entries_, &entries);
    if (rc == 0 && entries.ms_entries > 0) {
      return Error{Errc::corrupt, directory_ + "/identity was lost" + remedy};
    }
    std::uint32_t version = format;
    if (rc == 0) rc = put_meta(txn, "made", &version, sizeof(version));
    return rc == 0 ? Result<void>{} : storage_error("write to " + directory_, rc);
  }

  int put(MDB_txn* txn, const SetPromise& change) {
    return put_ballot(txn, "promise", change.ballot);
  }

  int put(MDB_txn* txn, const SetChosenEnd& change) {
    return put_position(txn, "chosen_end", change.end, change.term);
  }

  int put(MDB_txn* txn, const SetConfiguration& change) {
    Bytes encoded = encode(change.configuration);
    StoredConfiguration header{
        .checksum = 0, .format = format, .since = change.configuration.since().value()};
    header.checksum = checksum_of(header, encoded.view());
    std::string stored(reinterpret_cast<const char*>(&header), sizeof(header));
    stored.append(encoded.view());
    return put_meta(txn, "members", stored.data(), stored.size());
  }

  int put(MDB_txn* txn, const SetBase& change) {
    int rc = put_position(txn, "base", change.first, change.term);
    MDB_cursor* cursor = nullptr;
    if (rc == 0) rc = mdb_cursor_open(txn, entries_, &cursor);
    if (rc != 0) return rc;
    for (;;) {
      MDB_val key{};
      MDB_val value{};
      rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
      std::uint64_t at = 0;
      if (rc == 0) std::memcpy(&at, key.mv_data, sizeof(at));
      if (rc != 0 || Position(at) >= change.first) break;
      if ((rc = mdb_cursor_del(cursor, 0)) != 0) break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
  }

  int put(MDB_txn* txn, const PutEntry& change) {
    const LogEntry& entry = change.entry;
    ByteView data = entry.value.data.view();
    EntryHeader header{.checksum = 0,
                       .kind = static_cast<std::uint16_t>(entry.value.kind),
                       .is_bare = entry.value.is_bare,
                       .position = entry.position.value(),
                       .round = entry.ballot.round,
                       .member = entry.ballot.member.value(),
                       .term = entry.value.term};
    header.checksum = checksum_of(header, data);
    std::uint64_t number = entry.position.value();
    MDB_val key{sizeof(number), &number};
    MDB_val value{sizeof(header) + data.size(), nullptr};
    int rc = mdb_put(txn, entries_, &key, &value, MDB_RESERVE);
    if (rc != 0) return rc;
    std::memcpy(value.mv_data, &header, sizeof(header));
    if (!data.empty()) {
      std::memcpy(static_cast<char*>(value.mv_data) + sizeof(header), data.data(), data.size());
    }
    return 0;
  }

  int put_ballot(MDB_txn* txn, const char* name, const Ballot& ballot) {
    StoredBallot stored{
        .checksum = 0, .format = format, .round = ballot.round, .member = ballot.member.value()};
    stored.checksum = checksum_of(stored);
    return put_meta(txn, name, &stored, sizeof(stored));
  }

  int put_position(MDB_txn* txn, const char* name, Position at, std::uint64_t term) {
    StoredPosition stored{.checksum = 0, .format = format, .position = at.value(), .term = term};
    stored.checksum = checksum_of(stored);
    return put_meta(txn, name, &stored, sizeof(stored));
  }

  int put_meta(MDB_txn* txn, const char* name, const void* data, std::size_t size) {
    MDB_val key{std::strlen(name), const_cast<char*>(name)};
    MDB_val value{size, const_cast<void*>(data)};
    return mdb_put(txn, meta_, &key, &value, 0);
  }

  // Nothing when there is none.
  Result<ByteView> get_meta(MDB_txn* txn, const char* name) const {
    MDB_val key{std::strlen(name), const_cast<char*>(name)};
    MDB_val value{};
    int rc = mdb_get(txn, meta_, &key, &value);
    if (rc == MDB_NOTFOUND) return ByteView{};
    if (rc != 0) return storage_error("read the log's state", rc);
    return ByteView(static_cast<const char*>(value.mv_data), value.mv_size);
  }

  Error damaged_meta(const char* name) const {
    return Error{
        Errc::corrupt,
        directory_ + ": the stored " + name +
            " is damaged; this replica must not vote with it. Remove the member, and add a "
            "new one with an empty directory"};
  }

  Result<void> get_position(MDB_txn* txn, const char* name, Position& at,
                            std::uint64_t& term) const {
    auto found = get_meta(txn, name);
    if (!found) return std::move(found).error();
    if (found->empty()) return {};
    StoredPosition stored;
    if (found->size() != sizeof(stored)) return damaged_meta(name);
    std::memcpy(&stored, found->data(), sizeof(stored));
    if (stored.checksum != checksum_of(stored)) return damaged_meta(name);
    at = Position(stored.position);
    term = stored.term;
    return {};
  }

  Result<void> get_configuration(MDB_txn* txn, Configuration& configuration) const {
    auto found = get_meta(txn, "members");
    if (!found) return std::move(found).error();
    if (found->empty()) return {};
    StoredConfiguration header;
    if (found->size() < sizeof(header)) return damaged_meta("members");
    std::memcpy(&header, found->data(), sizeof(header));
    ByteView encoded = found->substr(sizeof(header));
    if (header.checksum != checksum_of(header, encoded)) return damaged_meta("members");
    auto decoded = decode_configuration(encoded, Position(header.since));
    if (!decoded) return std::move(decoded).error();
    configuration = *std::move(decoded);
    return {};
  }

  Result<void> get_ballot(MDB_txn* txn, const char* name, Ballot& ballot) const {
    auto found = get_meta(txn, name);
    if (!found) return std::move(found).error();
    if (found->empty()) return {};
    StoredBallot stored;
    if (found->size() != sizeof(stored)) return damaged_meta(name);
    std::memcpy(&stored, found->data(), sizeof(stored));
    if (stored.checksum != checksum_of(stored)) return damaged_meta(name);
    ballot = Ballot{.round = stored.round, .member = NodeId(stored.member)};
    return {};
  }

  std::unique_ptr<Directory> owner_;
  std::string directory_;
  Identity identity_;
  std::uint64_t bytes_max_;
  MDB_env* env_ = nullptr;
  MDB_dbi entries_ = 0;
  MDB_dbi meta_ = 0;
};

}  // namespace

Result<std::unique_ptr<Store>> open_lmdb_store(std::unique_ptr<Directory> directory,
                                               std::uint64_t bytes_max) {
  auto store = std::make_unique<LmdbStore>(std::move(directory), bytes_max);
  if (auto opened = store->open(); !opened) return std::move(opened).error();
  return std::unique_ptr<Store>(std::move(store));
}

Result<std::unique_ptr<Store>> view_lmdb_store(const std::string& directory,
                                               const Identity& identity) {
  auto store = std::make_unique<LmdbStore>(directory, identity);
  if (auto opened = store->open_view(); !opened) return std::move(opened).error();
  return std::unique_ptr<Store>(std::move(store));
}

}  // namespace cluster::replog
