#include "testing/agreement.hpp"

#include <cstring>

namespace cluster::testing {
namespace {

class DigestWriter final : public SnapshotWriter {
 public:
  Result<void> write(ByteView bytes) override {
    for (char byte : bytes) {
      digest_ = (digest_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3u;
    }
    return {};
  }
  std::uint64_t digest() const { return digest_; }

 private:
  std::uint64_t digest_ = 0xcbf29ce484222325u;  // FNV-1a.
};

std::string name_of(std::size_t node) { return "node " + std::to_string(node); }

std::string shown(const Bytes& data) {
  std::string text;
  for (char byte : data.view().substr(0, 60)) text += byte >= ' ' && byte <= '~' ? byte : '?';
  return "'" + text + (data.size() > 60 ? "...'" : "'");
}

}  // namespace

void Agreement::on_applied(std::size_t node, Position last, const Entry& entry) {
  auto [at, is_new] = applied_.try_emplace(entry.position, Applied{last, entry.data, node});
  if (is_new) return;
  const Applied& known = at->second;
  std::string place = " at position " + to_field(entry.position);
  if (known.data != entry.data) {
    return fail_(name_of(node) + " applied " + shown(entry.data) + place + ", where " +
                 name_of(known.node) + " applied " + shown(known.data));
  }
  if (known.last == last) return;
  fail_(name_of(node) + " applied " + shown(entry.data) + place + " after " + to_field(last) +
        ", and " + name_of(known.node) + " after " + to_field(known.last));
}

void Agreement::on_state(std::size_t node, Position after, std::uint64_t digest, bool is_restored) {
  auto [at, is_new] = states_.try_emplace(after, State{digest, node, is_restored});
  if (is_new || at->second.digest == digest) return;
  const State& known = at->second;
  auto how = [](std::size_t who, bool by_snapshot) {
    return name_of(who) + (by_snapshot ? " (from a snapshot)" : " (by its entries)");
  };
  fail_("after position " + to_field(after) + " the states of " + how(node, is_restored) +
        " and of " + how(known.node, known.is_restored) +
        " differ: `apply` is not deterministic, or a snapshot does not hold the whole state");
}

void CheckedMachine::apply(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    agreement_.on_applied(node_, last_, entry);
    last_ = entry.position;
  }
  machine_.apply(entries);
  look(false);
}

void CheckedMachine::look(bool is_restored) {
  auto job = machine_.begin_snapshot();
  DigestWriter digest;
  if (!job || !(*job)(digest)) return;
  agreement_.on_state(node_, last_, digest.digest(), is_restored);
}

Result<SnapshotJob> CheckedMachine::begin_snapshot() {
  auto job = machine_.begin_snapshot();
  if (!job) return std::move(job).error();
  return SnapshotJob([last = last_.value(), job = *std::move(job)](SnapshotWriter& to) {
    char head[sizeof last];
    std::memcpy(head, &last, sizeof last);
    if (auto written = to.write(ByteView(head, sizeof head)); !written) return written;
    return job(to);
  });
}

Result<void> CheckedMachine::restore(SnapshotReader& from) {
  std::uint64_t last = 0;
  std::string head;
  while (head.size() < sizeof last) {
    auto more = from.read(sizeof last - head.size());
    if (!more) return std::move(more).error();
    if (more->empty()) return Error{Errc::corrupt, "the snapshot is too short"};
    head += more->view();
  }
  std::memcpy(&last, head.data(), sizeof last);
  if (auto restored = machine_.restore(from); !restored) return restored;
  last_ = Position(last);
  look(true);
  return {};
}

}  // namespace cluster::testing
