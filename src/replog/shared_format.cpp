#include "replog/shared_format.hpp"

#include <limits>
#include <string>
#include <utility>

namespace cluster::replog {
namespace {

constexpr std::uint64_t format = 1;
constexpr std::uint64_t summary_round = std::numeric_limits<std::uint64_t>::max();

// Numbers of seven bits a byte, the lowest first: most are small.
void put(std::string& to, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) to += static_cast<char>(number | 0x80);
  to += static_cast<char>(number);
}

class Numbers {
 public:
  explicit Numbers(ByteView from) : from_(from) {}

  std::uint64_t next() {
    std::uint64_t number = 0;
    for (unsigned shift = 0; shift < 64 && !from_.empty(); shift += 7) {
      auto byte = static_cast<unsigned char>(from_.front());
      from_.remove_prefix(1);
      number |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return number;
    }
    is_sound_ = false;
    return 0;
  }
  Position position() { return Position(next()); }
  ByteView bytes() {
    std::uint64_t size = next();
    if (size > from_.size()) {
      is_sound_ = false;
      return {};
    }
    ByteView found = from_.substr(0, size);
    from_.remove_prefix(size);
    return found;
  }
  std::vector<PositionRange> ranges() {
    std::vector<PositionRange> found;
    for (std::uint64_t left = next(); left > 0 && is_sound_; --left) {
      std::uint64_t first = next(), count = next();
      if (first == 0 || count == 0 || first + count < first) is_sound_ = false;
      found.push_back({Position(first), Position(first + count)});
    }
    return found;
  }
  bool is_sound() const { return is_sound_; }
  bool is_over() const { return from_.empty(); }

 private:
  ByteView from_;
  bool is_sound_ = true;
};

void put(std::string& to, const std::vector<PositionRange>& ranges) {
  put(to, ranges.size());
  for (const PositionRange& range : ranges) {
    put(to, range.first.value());
    put(to, distance(range.first, range.end));
  }
}

std::optional<CommitRecord> decode_commit(ByteView bytes) {
  Numbers from(bytes);
  CommitRecord record;
  if (from.next() != format) return std::nullopt;
  record.start = from.next();
  for (std::uint64_t left = from.next(); left > 0 && from.is_sound(); --left) {
    LogRecord one;
    one.log = LogId(from.next());
    LogState& state = one.state;
    state.promised.round = from.next();
    state.promised.member = NodeId(from.next());
    for (Position* at : {&state.chosen_end, &state.kept_from, &state.entries_end}) {
      *at = from.position();
    }
    state.chosen_term = from.next();
    state.kept_term = from.next();
    state.configuration_since = from.position();
    if (from.next() != 0) one.configuration = Bytes(std::string(from.bytes()));
    one.damaged = from.ranges();
    one.runs = from.ranges();
    record.logs.push_back(std::move(one));
  }
  if (!from.is_sound() || !from.is_over() || record.start == 0) return std::nullopt;
  return record;
}

}  // namespace

std::uint64_t CommitRecord::entries() const {
  std::uint64_t count = 0;
  for (const LogRecord& one : logs) {
    for (const PositionRange& run : one.runs) count += distance(run.first, run.end);
  }
  return count;
}

Bytes encode(const CommitRecord& record) {
  std::string to;
  put(to, format);
  put(to, record.start);
  put(to, record.logs.size());
  for (const LogRecord& one : record.logs) {
    const LogState& state = one.state;
    put(to, one.log.value());
    for (std::uint64_t number :
         {state.promised.round, state.promised.member.value(), state.chosen_end.value(),
          state.kept_from.value(), state.entries_end.value(), state.chosen_term, state.kept_term,
          state.configuration_since.value()}) {
      put(to, number);
    }
    put(to, one.configuration ? 1 : 0);
    if (one.configuration) {
      put(to, one.configuration->size());
      to.append(one.configuration->view());
    }
    put(to, one.damaged);
    put(to, one.runs);
  }
  return Bytes(std::move(to));
}

Bytes encode_summary(const Bytes& commit, const Bytes& previous) {
  std::string to;
  put(to, commit.size());
  to.append(commit.view());
  to.append(previous.view());
  return Bytes(std::move(to));
}

std::optional<Summary> decode_summary(ByteView bytes) {
  Numbers from(bytes);
  ByteView commit = from.bytes();
  if (!from.is_sound()) return std::nullopt;
  auto present = decode_commit(commit);
  if (!present) return std::nullopt;
  Summary summary{.commit = *std::move(present), .previous = {}};
  ByteView rest =
      bytes.substr(static_cast<std::size_t>(commit.data() - bytes.data()) + commit.size());
  if (!rest.empty()) {
    summary.previous = decode_commit(rest);
    if (!summary.previous) return std::nullopt;
  }
  return summary;
}

LogEntry summary_entry(std::uint64_t at, Bytes summary) {
  return {Position(at), Ballot{summary_round, NodeId(1)},
          Value{.kind = Kind::data, .data = std::move(summary)}};
}

bool is_summary(const LogEntry& entry) { return entry.ballot.round == summary_round; }

}  // namespace cluster::replog
