// The keys' state as a stream, and back.
//
// The stream is frames: size and CRC-32C (four bytes each, the lowest first), then so many bytes of
// items. Each item begins with a byte that says what it is: first the head, with the digest of the
// whole; last the end. A newer version may add kinds of items and a number to the head's version;
// an older one then refuses the stream.
#include <algorithm>
#include <utility>

#include "base/crc32c.hpp"
#include "registry/keys_codec.hpp"
#include "registry/keys_state.hpp"

namespace cluster::registry {
namespace {

constexpr std::uint64_t snapshot_version = 1;
constexpr std::size_t frame_size = 64 << 10;      // A frame is written once it has so much.
constexpr std::size_t frame_size_max = 64 << 20;  // Items of the largest answers fit.

enum class Item : std::uint8_t {
  head = 1,
  space = 2,
  live = 3,
  change = 4,
  lease = 5,
  answer = 6,
  end = 7,
};

// How a change names a record.
enum class Told : std::uint8_t { none = 0, whole = 1, live = 2, change = 3 };

void write_fields(ByteWriter& out, const KeyRecord& record) {
  const RecordFields& fields = record.fields();
  out.number(fields.space.value());
  out.number(fields.created.value());
  out.number(fields.modified.value());
  out.number(fields.version);
  out.number(fields.lease.value());
  out.number(fields.change);
  out.text(record.key());
  out.text(record.value());
}

RecordRef read_record(ByteReader& in) {
  RecordFields fields;
  fields.space = SpaceId(in.number());
  fields.created = Revision(in.number());
  fields.modified = Revision(in.number());
  fields.version = in.number();
  fields.lease = LeaseId(in.number());
  fields.change = in.number();
  ByteView key = in.text();
  ByteView value = in.text();
  return KeyRecord::make(fields, key, value);
}

Error damaged(std::string what) {
  return {Errc::corrupt, "a snapshot of the keys " + std::move(what)};
}

}  // namespace

// Everything that a snapshot writes, shared with the state or copied.
struct KeysSnapshot {
  struct Space {
    SpaceId id;
    std::string name;
    KeyQuota quota;
    bool is_removed;
    KeyTree live;
  };
  struct Lease {
    LeaseId id;
    Duration ttl;
    std::uint64_t renewals;
    bool has_session;
    std::uint64_t acknowledged_below;
    std::vector<std::pair<std::uint64_t, std::shared_ptr<const Result<KeyAnswer>>>> answers;
  };

  Position applied;
  Revision revision;
  Revision compacted;
  std::uint64_t spaces_made;
  HistoryPolicy policy;
  Digest digest;
  KeyHistory history;
  std::vector<Space> spaces;
  std::vector<Lease> leases;

  static KeysSnapshot of(const KeysState&);
  Result<void> write(SnapshotWriter&) const;

  void write_head(ByteWriter&) const;
  void write_change(ByteWriter&, const KeyChange&) const;
  static void write_lease(ByteWriter&, const Lease&);
  const KeyTree* live_of(SpaceId) const;

  // Reading one back.
  struct Loader;
  static Result<KeysState> read(SnapshotReader&, KeyLimits);
};

KeysSnapshot KeysSnapshot::of(const KeysState& state) {
  KeysSnapshot snapshot{.applied = state.applied_,
                        .revision = state.revision_,
                        .compacted = state.compacted_,
                        .spaces_made = state.spaces_made_,
                        .policy = state.policy_,
                        .digest = state.digest(),
                        .history = state.history_};
  for (const auto& [id, space] : state.spaces_) {
    snapshot.spaces.push_back({id, space.name, space.quota, space.is_removed, space.live});
  }
  for (const auto& [id, lease] : state.leases_) {
    Lease copy{.id = id, .ttl = lease.ttl, .renewals = lease.renewals};
    copy.has_session = lease.session != nullptr;
    if (lease.session) {
      copy.acknowledged_below = lease.session->acknowledged_below;
      copy.answers.assign(lease.session->answers.begin(), lease.session->answers.end());
    }
    snapshot.leases.push_back(std::move(copy));
  }
  return snapshot;
}

const KeyTree* KeysSnapshot::live_of(SpaceId id) const {
  auto found = std::lower_bound(spaces.begin(), spaces.end(), id,
                                [](const Space& space, SpaceId its) { return space.id < its; });
  return found != spaces.end() && found->id == id ? &found->live : nullptr;
}

void KeysSnapshot::write_head(ByteWriter& out) const {
  out.byte(static_cast<std::uint8_t>(Item::head));
  out.number(snapshot_version);
  out.number(applied.value());
  out.number(revision.value());
  out.number(compacted.value());
  out.number(spaces_made);
  out.number(policy.revisions);
  out.number(policy.bytes);
  out.number(static_cast<std::uint64_t>(policy.age.count()));
  out.number(history.first());
  out.fixed(digest[0]);
  out.fixed(digest[1]);
}

void KeysSnapshot::write_change(ByteWriter& out, const KeyChange& change) const {
  out.byte(static_cast<std::uint8_t>(Item::change));
  const KeyTree* live = live_of(change.now->fields().space);
  const RecordRef* newest = live ? live->find(change.now->key()) : nullptr;
  if (newest && *newest == change.now) {
    out.byte(static_cast<std::uint8_t>(Told::live));
    out.number(change.now->fields().space.value());
    out.text(change.now->key());
  } else {
    out.byte(static_cast<std::uint8_t>(Told::whole));
    write_fields(out, *change.now);
  }
  const KeyRecord* before = change.before.get();
  if (before && before->fields().change >= history.first()) {
    out.byte(static_cast<std::uint8_t>(Told::change));
    out.number(before->fields().change);
  } else if (before && !before->is_deletion()) {
    out.byte(static_cast<std::uint8_t>(Told::whole));
    write_fields(out, *before);
  } else {
    out.byte(static_cast<std::uint8_t>(Told::none));
  }
}

void KeysSnapshot::write_lease(ByteWriter& out, const Lease& lease) {
  out.byte(static_cast<std::uint8_t>(Item::lease));
  out.number(lease.id.value());
  out.number(static_cast<std::uint64_t>(lease.ttl.count()));
  out.number(lease.renewals);
  out.byte(lease.has_session ? 1 : 0);
  if (lease.has_session) out.number(lease.acknowledged_below);
}

Result<void> KeysSnapshot::write(SnapshotWriter& to) const {
  ByteWriter out;
  auto flush = [&](std::size_t at_least) -> Result<void> {
    if (out.size() < at_least) return {};
    ByteWriter head;
    const std::uint64_t sum = crc32c(out.view());
    head.fixed(out.size() | sum << 32);
    if (auto written = to.write(head.view()); !written) return written;
    auto written = to.write(out.view());
    out.clear();
    return written;
  };
  write_head(out);
  for (const Space& space : spaces) {
    out.byte(static_cast<std::uint8_t>(Item::space));
    out.number(space.id.value());
    out.text(space.name);
    out.number(space.quota.keys);
    out.number(space.quota.bytes);
    out.byte(space.is_removed ? 1 : 0);
    for (auto at = space.live.begin(); !at.at_end(); at.next()) {
      out.byte(static_cast<std::uint8_t>(Item::live));
      write_fields(out, **at);
      if (auto written = flush(frame_size); !written) return written;
    }
  }
  for (std::uint64_t i = history.first(); i < history.end(); ++i) {
    write_change(out, history.at(i));
    if (auto written = flush(frame_size); !written) return written;
  }
  for (const Lease& lease : leases) {
    write_lease(out, lease);
    for (const auto& [sequence, answer] : lease.answers) {
      out.byte(static_cast<std::uint8_t>(Item::answer));
      out.number(lease.id.value());
      out.number(sequence);
      registry::write(out, *answer);
      if (auto written = flush(frame_size); !written) return written;
    }
    if (auto written = flush(frame_size); !written) return written;
  }
  out.byte(static_cast<std::uint8_t>(Item::end));
  return flush(1);
}

// Builds a state from items.
struct KeysSnapshot::Loader {
  explicit Loader(KeyLimits limits) : state(limits) {
    state.spaces_.clear();
    state.space_names_.clear();
    state.tables_ = {};
  }

  KeysState state;
  Digest digest{};
  bool has_head = false;
  bool is_over = false;

  // One frame's items.
  Result<void> load(ByteView frame) {
    ByteReader in(frame);
    while (in.is_sound() && !in.at_end()) {
      const auto item = static_cast<Item>(in.byte());
      if (is_over || has_head == (item == Item::head)) return damaged("has items out of order");
      auto loaded = load(item, in);
      if (!loaded) return loaded;
    }
    if (!in.is_sound()) return damaged("has an item that breaks off");
    return {};
  }

  Result<void> load(Item item, ByteReader& in) {
    switch (item) {
      case Item::head: return load_head(in);
      case Item::space: return load_space(in);
      case Item::live: return load_live(in);
      case Item::change: return load_change(in);
      case Item::lease: return load_lease(in);
      case Item::answer: return load_answer(in);
      case Item::end: is_over = true; return {};
    }
    return damaged("has an item of an unknown kind");
  }

  Result<void> load_head(ByteReader& in) {
    has_head = true;
    const std::uint64_t version = in.number();
    if (version != snapshot_version) {
      return {Errc::unsupported, "a snapshot of the keys in format " + std::to_string(version) +
                                     "; this version reads format " +
                                     std::to_string(snapshot_version)};
    }
    state.applied_ = Position(in.number());
    state.revision_ = Revision(in.number());
    state.compacted_ = Revision(in.number());
    state.spaces_made_ = in.number();
    state.policy_.revisions = in.number();
    state.policy_.bytes = in.number();
    state.policy_.age = Duration(static_cast<Duration::rep>(in.number()));
    state.history_ = KeyHistory(in.number());
    digest[0] = in.fixed();
    digest[1] = in.fixed();
    return {};
  }

  Result<void> load_space(ByteReader& in) {
    SpaceId id(in.number());
    KeySpace space{.id = id, .name = std::string(in.text())};
    space.quota.keys = in.number();
    space.quota.bytes = in.number();
    space.is_removed = in.flag();
    if (!in.is_sound()) return {};
    if (!space.is_removed && !state.space_names_.emplace(space.name, id).second) {
      return damaged("has a namespace twice");
    }
    add(state.tables_, row_of(space));
    if (!state.spaces_.emplace(id, std::move(space)).second) {
      return damaged("has a namespace twice");
    }
    return {};
  }

  Result<void> load_live(ByteReader& in) {
    RecordRef record = read_record(in);
    if (!in.is_sound()) return {};
    auto found = state.spaces_.find(record->fields().space);
    if (found == state.spaces_.end() || record->is_deletion()) {
      return damaged("has a key that cannot be");
    }
    KeySpace& space = found->second;
    bool is_new = true;
    add(state.tables_, record->row());
    space.bytes += record->size();
    space.live.update(record->key(), [&](RecordRef* old) {
      is_new = old == nullptr;
      return record;
    });
    return is_new ? Result<void>() : damaged("has a key twice");
  }

  Result<void> load_change(ByteReader& in) {
    KeyChange change;
    switch (static_cast<Told>(in.byte())) {
      case Told::whole: change.now = read_record(in); break;
      case Told::live: {
        auto space = state.spaces_.find(SpaceId(in.number()));
        ByteView key = in.text();
        const RecordRef* live =
            space == state.spaces_.end() ? nullptr : space->second.live.find(key);
        if (!live) return damaged("has a change of a key that is not there");
        change.now = *live;
        break;
      }
      default: return damaged("has a change without what it made");
    }
    switch (static_cast<Told>(in.byte())) {
      case Told::none: break;
      case Told::whole:
        change.before = read_record(in);
        if (change.before->fields().change >= state.history_.first() ||
            change.before->fields().modified > state.compacted_) {
          return damaged("has a change after one that is left out");
        }
        break;
      case Told::change: {
        const std::uint64_t number = in.number();
        if (number < state.history_.first() || number >= state.history_.end()) {
          return damaged("has a change that came after one that is not there");
        }
        change.before = state.history_.at(number).now;
        break;
      }
      default: return damaged("has a change after something unknown");
    }
    if (!in.is_sound()) return {};
    return add_change(std::move(change));
  }

  Result<void> add_change(KeyChange change) {
    KeyHistory& history = state.history_;
    const KeyRecord& now = *change.now;
    auto found = state.spaces_.find(now.fields().space);
    const bool is_in_order =
        now.fields().modified <= state.revision_ &&
        (history.empty() ||
         history.at(history.end() - 1).now->fields().modified <= now.fields().modified);
    const bool is_after =
        !change.before ||
        (change.before->fields().space == now.fields().space && change.before->key() == now.key() &&
         change.before->fields().modified < now.fields().modified);
    if (found == state.spaces_.end() || now.fields().change != history.end() || !is_in_order ||
        !is_after) {
      return damaged("has a change that cannot be");
    }
    KeySpace& space = found->second;
    ++space.changes;
    state.history_bytes_ += now.size();
    add(state.tables_, change_row_of(history.end(), now));
    if (now.is_deletion()) {
      space.dead.update(now.key(), [&](RecordRef*) { return change.now; });
    } else {
      space.dead.erase(now.key());
    }
    history.push(std::move(change));
    return {};
  }

  Result<void> load_lease(ByteReader& in) {
    LeaseId id(in.number());
    KeyLease lease{.id = id, .ttl = Duration(static_cast<Duration::rep>(in.number()))};
    lease.renewals = in.number();
    if (in.flag()) {
      lease.session = std::make_unique<KeySession>();
      lease.session->acknowledged_below = in.number();
      add(state.tables_, session_row_of(id, lease.session->acknowledged_below));
    }
    if (!in.is_sound()) return {};
    add(state.tables_, row_of(lease));
    if (!state.leases_.emplace(id, std::move(lease)).second) return damaged("has a lease twice");
    return {};
  }

  Result<void> load_answer(ByteReader& in) {
    LeaseId id(in.number());
    const std::uint64_t sequence = in.number();
    auto answer = std::make_shared<const Result<KeyAnswer>>(read_answer(in));
    if (!in.is_sound()) return {};
    auto found = state.leases_.find(id);
    if (found == state.leases_.end() || !found->second.session) {
      return damaged("has an answer of no session");
    }
    add(state.tables_, answer_row_of(id, sequence, *answer));
    if (!found->second.session->answers.emplace(sequence, std::move(answer)).second) {
      return damaged("has an answer twice");
    }
    return {};
  }

  Result<KeysState> finish() {
    if (!is_over) return damaged("has no end");
    if (state.spaces_.empty() || !state.spaces_.begin()->second.name.empty()) {
      return damaged("has no namespace \"\"");
    }
    for (auto& [id, space] : state.spaces_) {
      for (auto at = space.live.begin(); !at.at_end(); at.next()) {
        const LeaseId lease = (*at)->fields().lease;
        if (!lease) continue;
        auto found = state.leases_.find(lease);
        if (found == state.leases_.end()) return damaged("has a key whose lease is not there");
        found->second.keys.emplace(id, std::string((*at)->key()));
      }
      if (auto sound = check_past(space); !sound) return std::move(sound).error();
    }
    if (state.digest() != digest) {
      return damaged(
          "does not add up to its digest: it was damaged, or written by a replica that "
          "had gone wrong");
    }
    return std::move(state);
  }

  // What reads of the past rely on: whoever changed after the oldest revision has that change kept.
  Result<void> check_past(const KeySpace& space) const {
    for (const KeyTree* tree : {&space.live, &space.dead}) {
      for (auto at = tree->begin(); !at.at_end(); at.next()) {
        const RecordFields& fields = (*at)->fields();
        const bool is_kept =
            fields.change >= state.history_.first() && fields.change < state.history_.end();
        if (is_kept ? state.history_.at(fields.change).now != *at
                    : fields.modified > state.compacted_) {
          return damaged("lacks a change that its keys need");
        }
      }
    }
    return {};
  }
};

Result<KeysState> KeysSnapshot::read(SnapshotReader& from, KeyLimits limits) {
  std::string buffer;
  bool is_read_out = false;
  auto fill = [&](std::size_t size) -> Result<void> {
    while (buffer.size() < size && !is_read_out) {
      auto more = from.read(std::max(size - buffer.size(), frame_size));
      if (!more) return std::move(more).error();
      is_read_out = more->empty();
      buffer += more->view();
    }
    return {};
  };
  Loader loader(limits);
  for (;;) {
    if (auto filled = fill(8); !filled) return std::move(filled).error();
    if (buffer.empty()) return loader.finish();
    if (buffer.size() < 8) return damaged("breaks off");
    const std::uint64_t head = ByteReader(buffer).fixed();
    const std::size_t size = head & 0xffffffff;
    if (size > frame_size_max) return damaged("has a frame that is too large");
    if (auto filled = fill(8 + size); !filled) return std::move(filled).error();
    if (buffer.size() < 8 + size) return damaged("breaks off");
    ByteView frame = ByteView(buffer).substr(8, size);
    if (crc32c(frame) != head >> 32) return damaged("has a frame with a wrong checksum");
    if (auto loaded = loader.load(frame); !loaded) return std::move(loaded).error();
    buffer.erase(0, 8 + size);
  }
}

SnapshotJob KeysState::begin_snapshot() const {
  // Shared, as a job is copied where it is handed on.
  auto snapshot = std::make_shared<const KeysSnapshot>(KeysSnapshot::of(*this));
  return [snapshot](SnapshotWriter& to) { return snapshot->write(to); };
}

Result<KeysState> KeysState::restore(SnapshotReader& from, KeyLimits limits) {
  return KeysSnapshot::read(from, limits);
}

}  // namespace cluster::registry
