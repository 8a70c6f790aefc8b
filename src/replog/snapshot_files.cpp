#include "replog/snapshot_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <tuple>
#include <utility>

#include "base/crc32c.hpp"
#include "replog/disk_error.hpp"

namespace cluster::replog {
namespace {

namespace fs = std::filesystem;

// A file: the payload; what it is, as an encoded message; a checksum of each block of the payload;
// the trailer.
constexpr std::size_t block_size = 256u << 10;
constexpr char magic[8] = {'c', 'l', 's', 'n', 'a', 'p', '0', '1'};

struct Trailer {
  std::uint64_t payload_size;
  std::uint32_t head_size;
  std::uint32_t blocks;
  std::uint32_t checksum;  // Of the head, the blocks' checksums and the fields above.
  char magic[8];
};

Error failed(const std::string& what, const std::string& path) {
  return disk_error(what + " " + path, errno);
}

class File {
 public:
  File(const std::string& path, int flags)
      : path_(path), fd_(::open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  Result<void> write(ByteView bytes) {
    while (!bytes.empty()) {
      ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write", path_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }
  // Shorter at the end of the file.
  Result<std::string> read(std::uint64_t offset, std::size_t size) const {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      ssize_t read = ::pread(fd_, bytes.data() + got, size - got, static_cast<off_t>(offset + got));
      if (read < 0 && errno == EINTR) continue;
      if (read < 0) return failed("read", path_);
      if (read == 0) break;
      got += static_cast<std::size_t>(read);
    }
    bytes.resize(got);
    return bytes;
  }

 private:
  std::string path_;
  int fd_;
};

// Of the names in a directory.
Result<void> sync_directory(const std::string& directory) {
  File file(directory, O_RDONLY | O_DIRECTORY);
  if (!file.is_open() || ::fsync(file.fd()) != 0) return failed("sync", directory);
  return {};
}

template <class T>
ByteView raw(const T& value) {
  return ByteView(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::uint32_t checksum_of(ByteView head, const std::vector<std::uint32_t>& blocks,
                          const Trailer& trailer) {
  std::uint32_t sum = crc32c(head);
  sum = crc32c(ByteView(reinterpret_cast<const char*>(blocks.data()), blocks.size() * 4), sum);
  return crc32c(raw(trailer).substr(0, offsetof(Trailer, checksum)), sum);
}

// What stands at a file's end.
struct Contents {
  SnapshotOffered about;
  std::vector<std::uint32_t> blocks;
};

Result<Contents> read_contents(const File& file, const std::string& path) {
  auto damaged = [&] { return Error{Errc::corrupt, path + " is not a whole snapshot"}; };
  off_t size = ::lseek(file.fd(), 0, SEEK_END);
  Trailer trailer;
  if (size < static_cast<off_t>(sizeof(trailer))) return damaged();
  auto all = static_cast<std::uint64_t>(size);
  auto bytes = file.read(all - sizeof(trailer), sizeof(trailer));
  if (!bytes) return std::move(bytes).error();
  if (bytes->size() != sizeof(trailer)) return damaged();
  std::memcpy(&trailer, bytes->data(), sizeof(trailer));
  std::uint64_t tail = trailer.head_size + std::uint64_t{trailer.blocks} * 4 + sizeof(trailer);
  bool is_ours = std::memcmp(trailer.magic, magic, sizeof(magic)) == 0;
  if (!is_ours || tail > all || trailer.payload_size != all - tail) return damaged();
  auto rest = file.read(trailer.payload_size, static_cast<std::size_t>(tail) - sizeof(trailer));
  if (!rest) return std::move(rest).error();
  ByteView head = ByteView(*rest).substr(0, trailer.head_size);
  Contents contents;
  contents.blocks.resize(trailer.blocks);
  if (trailer.blocks != 0) {
    std::memcpy(contents.blocks.data(), rest->data() + trailer.head_size, trailer.blocks * 4u);
  }
  if (trailer.checksum != checksum_of(head, contents.blocks, trailer)) return damaged();
  auto envelope = decode_envelope(Bytes(head));
  if (!envelope) return std::move(envelope).error();
  auto* about = std::get_if<SnapshotOffered>(&envelope->message);
  if (about == nullptr || about->size != trailer.payload_size) return damaged();
  contents.about = std::move(*about);
  return contents;
}

Result<Bytes> read_payload(const File& file, const std::string& path, const Contents& contents,
                           std::uint64_t offset, std::size_t bytes_max) {
  std::uint64_t size = contents.about.size;
  if (offset >= size) return Bytes{};
  std::uint64_t end = std::min<std::uint64_t>(size, offset + bytes_max);
  std::uint64_t first_block = offset / block_size;
  std::uint64_t blocks_end = (end + block_size - 1) / block_size;
  std::string found;
  for (std::uint64_t block = first_block; block < blocks_end; ++block) {
    std::uint64_t at = block * block_size;
    auto part =
        file.read(at, static_cast<std::size_t>(std::min<std::uint64_t>(block_size, size - at)));
    if (!part) return std::move(part).error();
    if (block >= contents.blocks.size() || crc32c(*part) != contents.blocks[block]) {
      return Error{Errc::corrupt, path + " is damaged in its block " + std::to_string(block)};
    }
    found += *part;
  }
  std::size_t skipped = static_cast<std::size_t>(offset - first_block * block_size);
  return Bytes(found.substr(skipped, static_cast<std::size_t>(end - offset)));
}

class Sink final : public SnapshotSink {
 public:
  Sink(std::string directory, std::string path, SnapshotOffered about)
      : directory_(std::move(directory)),
        path_(std::move(path)),
        writing_(path_ + ".writing"),
        about_(std::move(about)),
        file_(writing_, O_WRONLY | O_CREAT | O_TRUNC) {}
  ~Sink() override {
    if (!is_finished_) ::unlink(writing_.c_str());
  }

  bool is_open() const { return file_.is_open(); }
  const std::string& writing() const { return writing_; }

  Result<void> write(ByteView bytes) override {
    checksum_ = crc32c(bytes, checksum_);
    size_ += bytes.size();
    for (ByteView rest = bytes; !rest.empty();) {
      ByteView part = rest.substr(0, block_size - in_block_);
      block_ = crc32c(part, block_);
      in_block_ += part.size();
      rest.remove_prefix(part.size());
      if (in_block_ == block_size) end_block();
    }
    return file_.write(bytes);
  }

  Result<SnapshotOffered> finish() override {
    bool is_given = about_.size != 0 || about_.checksum != 0;
    if (is_given && (about_.size != size_ || about_.checksum != checksum_)) {
      return Error{Errc::corrupt, "a snapshot to position " + std::to_string(about_.end.value()) +
                                      " came out other than it was offered"};
    }
    about_.size = size_;
    about_.checksum = checksum_;
    if (in_block_ != 0) end_block();
    Bytes head = encode(Envelope{.cluster = ClusterUid(1), .from = NodeId(1), .message = about_});
    Trailer trailer{.payload_size = size_,
                    .head_size = static_cast<std::uint32_t>(head.size()),
                    .blocks = static_cast<std::uint32_t>(blocks_.size()),
                    .checksum = 0,
                    .magic = {}};
    std::memcpy(trailer.magic, magic, sizeof(magic));
    trailer.checksum = checksum_of(head.view(), blocks_, trailer);
    ByteView blocks(reinterpret_cast<const char*>(blocks_.data()), blocks_.size() * 4);
    for (ByteView part : {head.view(), blocks, raw(trailer)}) {
      if (auto written = file_.write(part); !written) return std::move(written).error();
    }
    if (::fdatasync(file_.fd()) != 0) return failed("sync", writing_);
    if (::rename(writing_.c_str(), path_.c_str()) != 0) return failed("rename", writing_);
    is_finished_ = true;
    if (auto synced = sync_directory(directory_); !synced) return std::move(synced).error();
    return about_;
  }

 private:
  void end_block() {
    blocks_.push_back(std::exchange(block_, 0));
    in_block_ = 0;
  }

  std::string directory_;
  std::string path_;
  std::string writing_;
  SnapshotOffered about_;
  File file_;
  std::uint64_t size_ = 0;
  std::uint32_t checksum_ = 0;
  std::uint32_t block_ = 0;
  std::size_t in_block_ = 0;
  std::vector<std::uint32_t> blocks_;
  bool is_finished_ = false;
};

class Reader final : public SnapshotReader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(path, O_RDONLY) {}
  Result<void> open() {
    if (!file_.is_open()) return failed("open", path_);
    auto contents = read_contents(file_, path_);
    if (!contents) return std::move(contents).error();
    contents_ = *std::move(contents);
    return {};
  }
  Result<Bytes> read(std::size_t bytes_max) override {
    auto bytes = read_payload(file_, path_, contents_, offset_, bytes_max);
    if (bytes) offset_ += bytes->size();
    return bytes;
  }
  const SnapshotOffered& about() const { return contents_.about; }

 private:
  std::string path_;
  File file_;
  Contents contents_;
  std::uint64_t offset_ = 0;
};

class DirectoryFiles final : public SnapshotFiles {
 public:
  explicit DirectoryFiles(std::string directory) : directory_(std::move(directory)) {}

  Result<std::vector<SnapshotOffered>> recover() override {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
      if (entry.path().extension() != ".snapshot") fs::remove(entry.path(), ignored);
    }
    return list();
  }

  std::vector<SnapshotOffered> list() const {
    std::vector<SnapshotOffered> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
      if (entry.path().extension() != ".snapshot") continue;
      // To the last byte: a state machine cannot go back once half of one is in it.
      Reader reader(entry.path().string());
      if (!reader.open()) continue;
      Result<Bytes> part = reader.read(block_size);
      while (part && !part->empty()) part = reader.read(block_size);
      if (part && path_of(reader.about().id) == entry.path().string()) {
        found.push_back(reader.about());
      }
    }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.end > b.end; });
    return found;
  }

  Result<std::unique_ptr<SnapshotSink>> create(const SnapshotOffered& about) override {
    auto sink = std::make_unique<Sink>(directory_, path_of(about.id), about);
    if (!sink->is_open()) return failed("create", sink->writing());
    return std::unique_ptr<SnapshotSink>(std::move(sink));
  }

  Result<std::unique_ptr<SnapshotReader>> open(std::uint64_t id) const override {
    auto reader = std::make_unique<Reader>(path_of(id));
    if (auto opened = reader->open(); !opened) return std::move(opened).error();
    return std::unique_ptr<SnapshotReader>(std::move(reader));
  }

  Result<Bytes> read(std::uint64_t id, std::uint64_t offset, std::size_t bytes_max) const override {
    std::string path = path_of(id);
    File file(path, O_RDONLY);
    if (!file.is_open()) return Error{Errc::not_found, "there is no snapshot " + path};
    auto contents = read_contents(file, path);
    if (!contents) return std::move(contents).error();
    return read_payload(file, path, *contents, offset, bytes_max);
  }

  void keep_newest(std::size_t count, const std::vector<std::uint64_t>& wanted) override {
    // Of those that reach as far, the one that was made last is the one that is offered.
    std::vector<std::tuple<Position, fs::file_time_type, std::string>> all;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory_, ignored)) {
      if (entry.path().extension() != ".snapshot") continue;
      Reader reader(entry.path().string());
      Position end = reader.open() ? reader.about().end : Position{};
      all.emplace_back(end, fs::last_write_time(entry.path(), ignored), entry.path().string());
    }
    std::sort(all.rbegin(), all.rend());
    std::vector<std::string> kept;
    for (std::uint64_t id : wanted) kept.push_back(path_of(id));
    for (std::size_t i = count; i < all.size(); ++i) {
      const std::string& path = std::get<2>(all[i]);
      if (std::find(kept.begin(), kept.end(), path) == kept.end()) fs::remove(path, ignored);
    }
  }

 private:
  std::string path_of(std::uint64_t id) const {
    char name[17];
    std::snprintf(name, sizeof(name), "%016llx", static_cast<unsigned long long>(id));
    return directory_ + "/" + name + ".snapshot";
  }

  std::string directory_;
};

}  // namespace

Result<std::unique_ptr<SnapshotFiles>> open_snapshot_files(const std::string& directory) {
  std::error_code failure;
  bool is_new = fs::create_directories(directory, failure);
  if (failure) {
    return Error{Errc::storage,
                 "cannot make the directory " + directory + ": " + failure.message()};
  }
  // A log that begins after a snapshot depends on its directory's name, too.
  if (is_new) {
    std::string parent = fs::absolute(fs::path(directory)).parent_path().string();
    if (auto synced = sync_directory(parent); !synced) return std::move(synced).error();
  }
  return std::unique_ptr<SnapshotFiles>(std::make_unique<DirectoryFiles>(directory));
}

Result<std::vector<SnapshotOffered>> list_snapshots(const std::string& directory) {
  return DirectoryFiles(directory).list();
}

}  // namespace cluster::replog
