// Short words for tests of the keys, and a maker of random commands.
#pragma once

#include <string>
#include <vector>

#include "registry/keys_state.hpp"

namespace cluster::test {

class MemorySnapshot final : public SnapshotWriter, public SnapshotReader {
 public:
  Result<void> write(ByteView bytes) override {
    text += bytes;
    return {};
  }
  Result<Bytes> read(std::size_t bytes_max) override {
    Bytes part(ByteView(text).substr(offset, std::min(bytes_max, step)));
    offset += part.size();
    return part;
  }

  std::string text;
  std::size_t offset = 0;
  std::size_t step = 1'000'000;  // At most so much at a time.
};

inline std::string snapshot_of(const registry::KeysState& state) {
  MemorySnapshot memory;
  (void)state.begin_snapshot()(memory);
  return std::move(memory.text);
}

inline Result<registry::KeysState> restored(std::string text, KeyLimits limits = {}) {
  MemorySnapshot memory;
  memory.text = std::move(text);
  memory.step = 1000;
  return registry::KeysState::restore(memory, limits);
}

inline PutKey put(std::string key, std::string value, LeaseId lease = {}) {
  return {.key = std::move(key), .value = Bytes(std::move(value)), .lease = lease};
}
inline DeleteKeys erase(std::string key) { return {.range = KeyRange::key(std::move(key))}; }

// A state, and commands one after another.
struct Keys {
  explicit Keys(KeyLimits limits = {}) : state(limits) {}

  registry::KeysApplied apply(registry::KeyCommand command) {
    at = at.next();
    return state.apply(at, command);
  }
  Result<registry::KeyAnswer> operator()(registry::KeyCommandBody body, std::string space = {}) {
    return apply({.space = std::move(space), .body = std::move(body)}).answer;
  }
  // Where it must succeed.
  void must(registry::KeyCommandBody body, std::string space = {}) {
    auto answer = (*this)(std::move(body), std::move(space));
    CLUSTER_CHECK(answer, "the test's command is accepted", answer.error().context);
  }
  Result<registry::KeyAnswer> in_session(LeaseId session, std::uint64_t sequence,
                                         registry::KeyCommandBody body,
                                         std::uint64_t acknowledged_below = 0) {
    return apply({.stamp = {session, sequence, acknowledged_below}, .body = std::move(body)})
        .answer;
  }
  std::string get(const std::string& key, RangeOptions options = {}) const {
    auto found = state.range("", KeyRange::key(key), options);
    if (!found) return std::string(to_string(found.error().code));
    return found->keys.empty() ? "-" : std::string(found->keys[0].value.view());
  }

  registry::KeysState state;
  Position at;
};

// Makes commands that meet each other: few keys, few leases, few namespaces. `below(n)` chooses.
template <class Below>
class CommandMaker {
 public:
  CommandMaker(const registry::KeysState& state, Below& below) : state_(state), below_(below) {}

  registry::KeyCommand make() {
    registry::KeyCommand command{.space = space(), .body = body()};
    if (below_(4) == 0) {
      command.stamp.session = lease();
      command.stamp.sequence = 1 + below_(12);
      command.stamp.acknowledged_below = below_(6) == 0 ? below_(command.stamp.sequence + 1) : 0;
    }
    return command;
  }

 private:
  std::string space() {
    static const std::vector<std::string> names{"", "", "", "one", "two"};
    return names[below_(names.size())];
  }
  std::string key() {
    static const std::vector<std::string> starts{"", "a/", "a/b/", "b", "\xff"};
    std::string key = starts[below_(starts.size())];
    return key + std::to_string(below_(8));
  }
  LeaseId lease() { return LeaseId(1 + below_(6)); }
  Revision revision() {
    return below_(3) == 0 ? Revision() : Revision(below_(state_.revision().value() + 2));
  }

  KeyRange range() {
    switch (below_(6)) {
      case 0: return KeyRange::prefix("a/");
      case 1: return KeyRange::between(key(), key());
      case 2: return KeyRange::from(key());
      case 3: return below_(4) == 0 ? KeyRange::all() : KeyRange::key(key());
      default: return KeyRange::key(key());
    }
  }

  PutKey put() {
    PutKey put{.key = key(), .value = Bytes(std::string(below_(40), 'v'))};
    if (below_(4) == 0) put.lease = lease();
    put.keeps_lease = below_(5) == 0;
    put.wants_previous = below_(3) == 0;
    return put;
  }
  DeleteKeys deletion() { return {.range = range(), .wants_previous = below_(2) == 0}; }
  ReadKeys read() {
    ReadKeys read{.range = range()};
    read.options.at = revision();
    read.options.limit = below_(3) == 0 ? 1 + below_(5) : 0;
    read.options.bytes_max = below_(3) == 0 ? below_(100) : 1'000'000;
    read.options.keys_only = below_(4) == 0;
    read.options.count_only = below_(6) == 0;
    return read;
  }
  Compare compare() {
    Compare compare{.key = key()};
    compare.target = static_cast<Compare::Target>(below_(6));
    compare.is = static_cast<Compare::Is>(below_(4));
    compare.number = below_(4);
    if (compare.target == Compare::Target::value) {
      compare.number = 0;
      compare.value = Bytes(std::string(below_(40), 'v'));
    }
    return compare;
  }
  std::vector<KeyOperation> operations() {
    std::vector<KeyOperation> all;
    for (auto left = below_(4); left > 0; --left) {
      switch (below_(4)) {
        case 0: all.emplace_back(deletion()); break;
        case 1: all.emplace_back(read()); break;
        default: all.emplace_back(put());
      }
    }
    return all;
  }

  registry::KeyCommandBody body() {
    switch (below_(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: return put();
      case 5:
      case 6: return deletion();
      case 7:
      case 8:
      case 9:
      case 10:
      case 11: {
        Transaction transaction;
        for (auto left = below_(3); left > 0; --left) transaction.when.push_back(compare());
        transaction.then = operations();
        transaction.otherwise = operations();
        return transaction;
      }
      case 12:
      case 13: return registry::GrantLease{lease(), std::chrono::seconds(1 + below_(2))};
      case 14: {
        registry::KeepAlive body;
        for (auto left = below_(4); left > 0; --left) body.leases.push_back(lease());
        return body;
      }
      case 15: return registry::ExpireLease{lease(), below_(3)};
      case 16:
        return below_(3) == 0 ? registry::KeyCommandBody(registry::RevokeLease{lease()}) : put();
      case 17:
        if (below_(4) != 0) return put();
        return registry::Compact{Revision(below_(state_.revision().value() + 2))};
      case 18:
        if (below_(4) != 0) return put();
        return registry::SetHistoryPolicy{{.revisions = below_(60), .bytes = below_(4000)}};
      default: {
        if (below_(3) == 0) return registry::RemoveNamespace{space()};
        KeyQuota quota{.keys = below_(3) * 5, .bytes = below_(3) * 200};
        return registry::SetNamespace{space(), quota};
      }
    }
  }

  const registry::KeysState& state_;
  Below& below_;
};

}  // namespace cluster::test
