#include "sim/snapshot_machine.hpp"

#include <algorithm>
#include <charconv>

#include "base/crc32c.hpp"

namespace cluster::sim {
namespace {

class Sink final : public replog::SnapshotSink {
 public:
  Sink(SnapshotDisk& disk, replog::SnapshotOffered about) : disk_(disk), about_(std::move(about)) {}
  Result<void> write(ByteView bytes) override {
    bytes_ += bytes;
    return {};
  }
  Result<replog::SnapshotOffered> finish() override {
    std::uint32_t checksum = crc32c(bytes_);
    bool is_given = about_.size != 0 || about_.checksum != 0;
    if (is_given && (about_.size != bytes_.size() || about_.checksum != checksum)) {
      return Error{Errc::corrupt, "a snapshot came out other than it was offered"};
    }
    about_.size = bytes_.size();
    about_.checksum = checksum;
    disk_.stored.push_back({about_, std::move(bytes_)});
    return about_;
  }

 private:
  SnapshotDisk& disk_;
  replog::SnapshotOffered about_;
  std::string bytes_;
};

class Reader final : public SnapshotReader {
 public:
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<Bytes> read(std::size_t bytes_max) override {
    Bytes part(ByteView(bytes_).substr(0, bytes_max));
    bytes_.erase(0, part.size());
    return part;
  }

 private:
  std::string bytes_;
};

}  // namespace

const SnapshotDisk::Stored* SimSnapshotFiles::find(std::uint64_t id) const {
  auto at = std::find_if(disk_.stored.begin(), disk_.stored.end(),
                         [&](const auto& one) { return one.about.id == id; });
  return at == disk_.stored.end() ? nullptr : &*at;
}

Result<std::vector<replog::SnapshotOffered>> SimSnapshotFiles::recover() {
  std::vector<replog::SnapshotOffered> found;
  for (const auto& one : disk_.stored) found.push_back(one.about);
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.end > b.end; });
  return found;
}

Result<std::unique_ptr<replog::SnapshotSink>> SimSnapshotFiles::create(
    const replog::SnapshotOffered& about) {
  return std::unique_ptr<replog::SnapshotSink>(std::make_unique<Sink>(disk_, about));
}

Result<std::unique_ptr<SnapshotReader>> SimSnapshotFiles::open(std::uint64_t id) const {
  const auto* found = find(id);
  if (found == nullptr) return Error{Errc::not_found, "no such snapshot"};
  return std::unique_ptr<SnapshotReader>(std::make_unique<Reader>(found->bytes));
}

Result<Bytes> SimSnapshotFiles::read(std::uint64_t id, std::uint64_t offset,
                                     std::size_t bytes_max) const {
  const auto* found = find(id);
  if (found == nullptr) return Error{Errc::not_found, "no such snapshot"};
  if (offset >= found->bytes.size()) return Bytes{};
  return Bytes(ByteView(found->bytes).substr(offset, bytes_max));
}

void SimSnapshotFiles::keep_newest(std::size_t count, const std::vector<std::uint64_t>& wanted) {
  std::stable_sort(disk_.stored.begin(), disk_.stored.end(),
                   [](const auto& a, const auto& b) { return a.about.end > b.about.end; });
  for (std::size_t i = disk_.stored.size(); i > count; --i) {
    auto at = disk_.stored.begin() + static_cast<std::ptrdiff_t>(i) - 1;
    if (std::find(wanted.begin(), wanted.end(), at->about.id) == wanted.end()) {
      disk_.stored.erase(at);
    }
  }
}

void SumMachine::apply(const std::vector<Entry>& batch) {
  for (const Entry& entry : batch) {
    checker_.on_applied(member_, entry, Position(1));
    last_ = entry.position;
    sum_ = LogChecker::add_to_sum(sum_, entry.position, entry.data.view());
  }
  if (other_) other_->apply(batch);
}

Result<SnapshotJob> SumMachine::begin_snapshot() {
  coverage_.count("a snapshot was begun");
  // Long enough to travel in pieces.
  std::string text = std::to_string(last_.value()) + ' ' + std::to_string(sum_) + ' ' +
                     std::string(200 + last_.value() % 300, '.') + '\n';
  SnapshotJob others;
  if (other_) {
    auto begun = other_->begin_snapshot();
    if (!begun) return std::move(begun).error();
    others = *std::move(begun);
  }
  return SnapshotJob([text = std::move(text), others](SnapshotWriter& writer) -> Result<void> {
    auto half = text.size() / 2;
    if (auto first = writer.write(ByteView(text).substr(0, half)); !first) return first;
    auto second = writer.write(ByteView(text).substr(half));
    if (!second || !others) return second;
    return others(writer);
  });
}

Result<void> SumMachine::restore(SnapshotReader& reader) {
  coverage_.count("a state was restored");
  std::string text;
  for (;;) {
    auto part = reader.read(64);
    if (!part) return std::move(part).error();
    if (part->empty()) break;
    text += part->view();
  }
  std::uint64_t last = 0;
  auto read = std::from_chars(text.data(), text.data() + text.size(), last);
  std::from_chars(read.ptr + 1, text.data() + text.size(), sum_);
  last_ = Position(last);
  checker_.on_restored(member_, last_, sum_);
  if (!other_) return {};
  Reader rest(text.substr(text.find('\n') + 1));
  return other_->restore(rest);
}

}  // namespace cluster::sim
