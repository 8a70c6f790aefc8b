#include "replog/backup.hpp"

#include <utility>

#include "base/check.hpp"
#include "base/crc32c.hpp"

namespace cluster::replog {
namespace {

constexpr ByteView magic = "clbackup";
constexpr std::size_t frame_head_size = 8;
constexpr std::size_t frame_size_max = 64u << 20;  // The largest entry fits.
constexpr std::size_t frame_size = 256u << 10;     // About, where parts can be divided.
constexpr std::size_t read_size = 256u << 10;

void put_number(std::string& out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
}

std::uint32_t number_at(ByteView bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

}  // namespace

Result<void> BackupWriter::put(const BackupPart& part) {
  Bytes body = encode(part);
  checksum_ = crc32c(body.view(), checksum_);
  std::string head;
  put_number(head, static_cast<std::uint32_t>(body.size()));
  put_number(head, crc32c(body.view()));
  if (auto written = out_.write(head); !written) return written;
  return out_.write(body.view());
}

Result<void> BackupWriter::begin(const BackupHead& head) {
  if (auto written = out_.write(magic); !written) return written;
  return put(head);
}

Result<void> BackupWriter::put_snapshot(ByteView bytes) {
  while (!bytes.empty()) {
    ByteView part = bytes.substr(0, frame_size);
    if (auto written = put(Bytes(part)); !written) return written;
    bytes.remove_prefix(part.size());
  }
  return {};
}

Result<void> BackupWriter::put_entries(const std::vector<Entry>& entries) {
  std::vector<Entry> part;
  std::size_t size = 0;
  for (const Entry& entry : entries) {
    if (!part.empty() && size + entry.data.size() > frame_size) {
      if (auto written = put(std::exchange(part, {})); !written) return written;
      size = 0;
    }
    part.push_back(entry);
    size += entry.data.size() + 32;
  }
  entries_ += entries.size();
  return part.empty() ? Result<void>{} : put(part);
}

Result<void> BackupWriter::finish() {
  return put(BackupEnd{.entries = entries_, .checksum = checksum_});
}

Result<std::string> BackupReader::read_exactly(std::size_t size) {
  while (rest_.size() < size) {
    auto more = in_.read(read_size);
    if (!more) return std::move(more).error();
    if (more->empty()) {
      return Error{Errc::corrupt, "the backup ends in the middle, at byte " +
                                      std::to_string(offset_ + rest_.size()) +
                                      ": it was cut off, or never finished"};
    }
    rest_ += more->view();
  }
  std::string taken = rest_.substr(0, size);
  rest_.erase(0, size);
  offset_ += size;
  return taken;
}

Result<BackupPart> BackupReader::read_part() {
  const std::uint64_t at = offset_;
  auto damaged = [at](const std::string& what) {
    return Error{Errc::corrupt,
                 "the backup is damaged at byte " + std::to_string(at) + ": " + what};
  };
  auto head = read_exactly(frame_head_size);
  if (!head) return std::move(head).error();
  const std::size_t size = number_at(*head, 0);
  if (size > frame_size_max) return damaged("a frame of " + std::to_string(size) + " bytes");
  auto body = read_exactly(size);
  if (!body) return std::move(body).error();
  if (crc32c(*body) != number_at(*head, 4)) return damaged("a checksum is wrong");
  checksum_before_ = checksum_;
  checksum_ = crc32c(*body, checksum_);
  auto part = decode_backup_part(*body);
  if (!part) return damaged(part.error().context);
  return part;
}

Result<BackupHead> BackupReader::begin() {
  auto start = read_exactly(magic.size());
  if (!start || *start != magic) return Error{Errc::corrupt, "this is no backup of a log"};
  auto part = read_part();
  if (!part) return std::move(part).error();
  auto* head = std::get_if<BackupHead>(&*part);
  if (head == nullptr) return Error{Errc::corrupt, "the backup does not begin with its head"};
  head_ = std::move(*head);
  next_ = head_.first;
  return head_;
}

Result<BackupPart> BackupReader::next() {
  const std::uint64_t at = offset_;
  auto part = read_part();
  if (!part) return part;
  auto sound = Result<void>(Error{Errc::corrupt, "it has a second head"});
  if (auto* snapshot = std::get_if<Bytes>(&*part)) sound = check(*snapshot);
  if (auto* entries = std::get_if<std::vector<Entry>>(&*part)) sound = check(*entries);
  if (auto* end = std::get_if<BackupEnd>(&*part)) sound = check(*end);
  if (sound) return part;
  return Error{sound.error().code, "the backup is damaged at byte " + std::to_string(at) + ": " +
                                       sound.error().context};
}

Result<void> BackupReader::check(const Bytes& snapshot) {
  snapshot_bytes_ += snapshot.size();
  snapshot_checksum_ = crc32c(snapshot.view(), snapshot_checksum_);
  if (head_.snapshot && snapshot_bytes_ <= head_.snapshot->size && entries_ == 0) return {};
  return Error{Errc::corrupt, "more of a snapshot than its head says"};
}

Result<void> BackupReader::check(const std::vector<Entry>& entries) {
  if (head_.snapshot &&
      (snapshot_bytes_ != head_.snapshot->size || snapshot_checksum_ != head_.snapshot->checksum)) {
    return Error{Errc::corrupt, "the snapshot is not the one that its head says"};
  }
  for (const Entry& entry : entries) {
    if (entry.position < next_ || entry.position >= head_.end) {
      return Error{Errc::corrupt, "an entry of position " + std::to_string(entry.position.value()) +
                                      " is out of place"};
    }
    next_ = entry.position.next();
  }
  entries_ += entries.size();
  return {};
}

Result<void> BackupReader::check(const BackupEnd& end) {
  if (auto whole = check(std::vector<Entry>{}); !whole) return whole;
  if (end.entries != entries_ || end.checksum != checksum_before_) {
    return Error{Errc::corrupt, "a part of it is missing"};
  }
  auto more = rest_.empty() ? in_.read(1) : Result<Bytes>(Bytes(rest_));
  if (!more) return std::move(more).error();
  if (more->empty()) return {};
  return Error{Errc::corrupt, "bytes follow its end"};
}

Result<CheckedBackup> check_backup(SnapshotReader& in) {
  BackupReader reader(in);
  auto head = reader.begin();
  if (!head) return std::move(head).error();
  for (;;) {
    auto part = reader.next();
    if (!part) return std::move(part).error();
    if (auto* end = std::get_if<BackupEnd>(&*part)) return CheckedBackup{*head, end->entries};
  }
}

}  // namespace cluster::replog
