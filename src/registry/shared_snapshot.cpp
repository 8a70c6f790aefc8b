#include "registry/shared_snapshot.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "registry/difference.hpp"

namespace cluster::registry {
namespace {

constexpr ByteView magic = "clboth01";
constexpr std::size_t block_size = 256u << 10;
constexpr std::size_t head_size = 5;

enum class Part : std::uint8_t { end = 0, cluster = 1, keys = 2 };

Error damaged(const std::string& what) {
  return {Errc::corrupt, "a snapshot of the masters' state " + what};
}

class PartWriter final : public SnapshotWriter {
 public:
  PartWriter(SnapshotWriter& out, Part part) : out_(out), part_(part) {}

  Result<void> write(ByteView more) override {
    while (!more.empty()) {
      const std::size_t taken = std::min(more.size(), block_size - block_.size());
      block_ += more.substr(0, taken);
      more.remove_prefix(taken);
      if (block_.size() < block_size) continue;
      if (auto put = flush(); !put) return put;
    }
    return {};
  }
  Result<void> finish() { return block_.empty() ? Result<void>{} : flush(); }
  // An empty block too.
  Result<void> flush() {
    std::string head(1, static_cast<char>(part_));
    for (int i = 0; i < 4; ++i) head += static_cast<char>(block_.size() >> (8 * i));
    auto put = out_.write(head);
    if (put && !block_.empty()) put = out_.write(block_);
    block_.clear();
    return put;
  }

 private:
  SnapshotWriter& out_;
  const Part part_;
  std::string block_;
};

// Bytes of the stream, of which some may be looked at before they are read.
class Stream {
 public:
  explicit Stream(SnapshotReader& in) : in_(in) {}

  Result<ByteView> peek(std::size_t size) {
    while (buffer_.size() - at_ < size && !is_over_) {
      buffer_.erase(0, std::exchange(at_, 0));
      auto more = in_.read(block_size);
      if (!more) return std::move(more).error();
      is_over_ = more->empty();
      buffer_ += more->view();
    }
    return ByteView(buffer_).substr(at_, size);
  }
  void skip(std::size_t size) { at_ += size; }

 private:
  SnapshotReader& in_;
  std::string buffer_;
  std::size_t at_ = 0;
  bool is_over_ = false;
};

// The whole stream, what was looked at too.
class WholeReader final : public SnapshotReader {
 public:
  explicit WholeReader(Stream& in) : in_(in) {}
  Result<Bytes> read(std::size_t bytes_max) override {
    auto some = in_.peek(std::min(bytes_max, block_size));
    if (!some) return std::move(some).error();
    Bytes taken(*some);
    in_.skip(taken.size());
    return taken;
  }

 private:
  Stream& in_;
};

// The blocks of one part, up to the first of another.
class PartReader final : public SnapshotReader {
 public:
  PartReader(Stream& in, Part part) : in_(in), part_(part) {}

  Result<Bytes> read(std::size_t bytes_max) override {
    if (left_ == 0) {
      auto begun = begin_block();
      if (!begun) return std::move(begun).error();
      if (!*begun) return Bytes();
    }
    auto some = in_.peek(std::min(bytes_max, left_));
    if (!some) return std::move(some).error();
    if (some->empty()) return damaged("ends in the middle");
    Bytes taken(*some);
    in_.skip(taken.size());
    left_ -= taken.size();
    return taken;
  }

 private:
  // False where the next one is another part's.
  Result<bool> begin_block() {
    auto head = in_.peek(head_size);
    if (!head) return std::move(head).error();
    if (head->size() < head_size) return damaged("ends in the middle");
    if (static_cast<std::uint8_t>((*head)[0]) != static_cast<std::uint8_t>(part_)) return false;
    for (std::size_t i = 0; i < 4; ++i) {
      left_ |= std::size_t{static_cast<unsigned char>((*head)[1 + i])} << (8 * i);
    }
    if (left_ == 0 || left_ > block_size) {
      return damaged("has a block of " + std::to_string(left_) + " bytes");
    }
    in_.skip(head_size);
    return true;
  }

  Stream& in_;
  const Part part_;
  std::size_t left_ = 0;
};

Result<void> read_end(Stream& in) {
  auto rest = in.peek(head_size + 1);
  if (!rest) return std::move(rest).error();
  if (*rest == ByteView("\0\0\0\0\0", head_size)) return {};
  if (rest->size() < head_size) return damaged("ends in the middle");
  if ((*rest)[0] > static_cast<char>(Part::keys)) {
    return {Errc::unsupported,
            "a snapshot of the masters' state has a part that this version does "
            "not know"};
  }
  return damaged("goes on after its end");
}

std::string told(const std::string& name, const std::string& here, const std::string& there) {
  return name + "\nhere:  " + here + "\nthere: " + there + "\n";
}

std::string text_of(const KeyRecord* record) {
  if (!record) return "nothing";
  const RecordFields& fields = record->fields();
  return std::to_string(record->value().size()) + " bytes, created " +
         std::to_string(fields.created.value()) + ", modified " +
         std::to_string(fields.modified.value()) + ", version " + std::to_string(fields.version) +
         ", lease " + std::to_string(fields.lease.value());
}

std::string text_of(const KeyLease* lease) {
  if (!lease) return "nothing";
  return "ttl " + std::to_string(lease->ttl.count()) + " us, renewed " +
         std::to_string(lease->renewals) + " times";
}

std::string text_of(const KeysState& keys) {
  return "revision " + std::to_string(keys.revision().value()) + ", compacted " +
         std::to_string(keys.compacted().value());
}

std::string difference_of_space(const KeySpace* here, const KeySpace* there) {
  static const KeyTree nothing;
  auto ours = (here ? here->live : nothing).begin();
  auto theirs = (there ? there->live : nothing).begin();
  while (!ours.at_end() || !theirs.at_end()) {
    const KeyRecord* mine = ours.at_end() ? nullptr : (*ours).get();
    const KeyRecord* other = theirs.at_end() ? nullptr : (*theirs).get();
    if (mine && other && mine->key() != other->key()) {
      (mine->key() < other->key() ? other : mine) = nullptr;
    }
    if (!mine || !other || mine->row() != other->row()) {
      return told("key " + std::string((mine ? mine : other)->key()), text_of(mine),
                  text_of(other));
    }
    ours.next();
    theirs.next();
  }
  return {};
}

std::string first_difference(const KeysState& here, const KeysState& there) {
  if (text_of(here) != text_of(there)) return told("the keys", text_of(here), text_of(there));
  std::set<SpaceId> spaces;
  for (const KeysState* state : {&here, &there}) {
    state->each_space([&](const KeySpace& space) { spaces.insert(space.id); });
  }
  for (SpaceId space : spaces) {
    auto found = difference_of_space(here.find_space(space), there.find_space(space));
    if (!found.empty()) return found;
  }
  std::set<LeaseId> leases;
  for (const auto& [id, lease] : here.leases()) leases.insert(id);
  for (const auto& [id, lease] : there.leases()) leases.insert(id);
  for (LeaseId id : leases) {
    const std::string ours = text_of(here.find_lease(id));
    const std::string theirs = text_of(there.find_lease(id));
    if (ours != theirs) return told("lease " + std::to_string(id.value()), ours, theirs);
  }
  return here.digest() == there.digest()
             ? std::string()
             : told("the keys", "another history, or other answers of sessions", "");
}

}  // namespace

SnapshotJob join_snapshots(SnapshotJob cluster, std::optional<SnapshotJob> keys) {
  if (!keys) return cluster;
  return [cluster = std::move(cluster), keys = *std::move(keys)](SnapshotWriter& out) {
    auto put = out.write(magic);
    for (auto [part, job] : {std::pair{Part::cluster, &cluster}, {Part::keys, &keys}}) {
      PartWriter to(out, part);
      if (put) put = (*job)(to);
      if (put) put = to.finish();
    }
    return put ? PartWriter(out, Part::end).flush() : put;
  };
}

Result<SharedState> restore_shared(SnapshotReader& from, RegistryLimits limits) {
  Stream in(from);
  auto start = in.peek(magic.size());
  if (!start) return std::move(start).error();
  if (*start != magic) {
    WholeReader whole(in);
    auto cluster = RegistryState::restore(whole, limits);
    if (!cluster) return std::move(cluster).error();
    return SharedState{.cluster = *std::move(cluster)};
  }
  in.skip(magic.size());
  PartReader of_cluster(in, Part::cluster);
  auto cluster = RegistryState::restore(of_cluster, limits);
  if (!cluster) return std::move(cluster).error();
  PartReader of_keys(in, Part::keys);
  auto keys = KeysState::restore(of_keys);
  if (!keys) return std::move(keys).error();
  if (auto ended = read_end(in); !ended) return std::move(ended).error();
  return SharedState{.cluster = *std::move(cluster), .keys = *std::move(keys)};
}

std::string first_difference(const SharedState& here, const SharedState& there) {
  std::string found = first_difference(here.cluster, there.cluster);
  return found.empty() ? first_difference(here.keys, there.keys) : found;
}

}  // namespace cluster::registry
