#include "registry/keys_codec.hpp"

#include <utility>

namespace cluster::registry {
namespace {

constexpr std::uint8_t format_version = 1;
// Far more than the state lets through; a list of more was never written by us.
constexpr std::size_t list_max = 4096;

enum class Kind : std::uint8_t {
  put = 0,
  delete_keys = 1,
  transaction = 2,
  grant_lease = 3,
  keep_alive = 4,
  revoke_lease = 5,
  expire_lease = 6,
  compact = 7,
  set_history_policy = 8,
  set_namespace = 9,
  remove_namespace = 10,
};
constexpr std::uint8_t kind_last = 10;

// Writing.

void write(ByteWriter& out, const KeyRange& range) {
  out.text(range.begin);
  const std::uint8_t shape = range.is_endless ? 2 : range.is_single_key() ? 1 : 0;
  out.byte(shape);
  if (shape == 0) out.text(range.end);
}

void write(ByteWriter& out, const PutKey& put) {
  out.byte(static_cast<std::uint8_t>((put.lease ? 1 : 0) | (put.keeps_lease ? 2 : 0) |
                                     (put.wants_previous ? 4 : 0)));
  if (put.lease) out.number(put.lease.value());
  out.text(put.key);
  out.text(put.value.view());
}

void write(ByteWriter& out, const DeleteKeys& deletion) {
  out.byte(deletion.wants_previous ? 1 : 0);
  write(out, deletion.range);
}

void write(ByteWriter& out, const ReadKeys& read) {
  out.byte(static_cast<std::uint8_t>((read.options.keys_only ? 1 : 0) |
                                     (read.options.count_only ? 2 : 0)));
  write(out, read.range);
  out.number(read.options.at.value());
  out.number(read.options.limit);
  out.number(read.options.bytes_max);
}

void write(ByteWriter& out, const Compare& compare) {
  out.byte(static_cast<std::uint8_t>(static_cast<unsigned>(compare.target) << 4 |
                                     static_cast<unsigned>(compare.is)));
  out.text(compare.key);
  if (compare.target == Compare::Target::value) {
    out.text(compare.value.view());
  } else {
    out.number(compare.number);
  }
}

void write(ByteWriter& out, const std::vector<KeyOperation>& operations) {
  out.number(operations.size());
  for (const KeyOperation& operation : operations) {
    out.byte(static_cast<std::uint8_t>(operation.index()));
    std::visit([&](const auto& one) { write(out, one); }, operation);
  }
}

void write(ByteWriter& out, const Transaction& transaction) {
  out.number(transaction.when.size());
  for (const Compare& compare : transaction.when) write(out, compare);
  write(out, transaction.then);
  write(out, transaction.otherwise);
}

void write(ByteWriter& out, const GrantLease& body) {
  out.number(body.lease.value());
  out.number(static_cast<std::uint64_t>(body.ttl.count()));
}
void write(ByteWriter& out, const KeepAlive& body) {
  out.number(body.leases.size());
  for (LeaseId lease : body.leases) out.number(lease.value());
}
void write(ByteWriter& out, const RevokeLease& body) { out.number(body.lease.value()); }
void write(ByteWriter& out, const ExpireLease& body) {
  out.number(body.lease.value());
  out.number(body.renewals);
}
void write(ByteWriter& out, const Compact& body) { out.number(body.upto.value()); }
void write(ByteWriter& out, const SetHistoryPolicy& body) {
  out.number(body.policy.revisions);
  out.number(body.policy.bytes);
  out.number(static_cast<std::uint64_t>(body.policy.age.count()));
}
void write(ByteWriter& out, const SetNamespace& body) {
  out.text(body.name);
  out.number(body.quota.keys);
  out.number(body.quota.bytes);
}
void write(ByteWriter& out, const RemoveNamespace& body) { out.text(body.name); }

// How much to make room for: what is large in most commands.
std::size_t size_hint(const KeyCommand& command) {
  std::size_t size = 64;
  if (const auto* put = std::get_if<PutKey>(&command.body)) {
    size += put->key.size() + put->value.size();
  } else if (const auto* transaction = std::get_if<Transaction>(&command.body)) {
    for (const Compare& one : transaction->when) size += 16 + one.key.size() + one.value.size();
    for (const KeyOperation& one : transaction->then) {
      const auto* its = std::get_if<PutKey>(&one);
      size += its ? 16 + its->key.size() + its->value.size() : 64;
    }
  }
  return size;
}

// Reading.

struct CommandReader {
  const Bytes& entry;
  ByteReader in;

  std::string text() { return std::string(in.text()); }

  // Shares the entry's bytes.
  Bytes bytes() {
    const std::size_t size = in.text().size();
    if (!in.is_sound() || size == 0) return {};
    return entry.slice(in.offset() - size, size);
  }

  std::uint8_t flags(std::uint8_t known) {
    const std::uint8_t value = in.byte();
    return (value & ~known) != 0 ? in.fail() : value;
  }

  KeyRange range() {
    KeyRange range{.begin = text()};
    switch (in.byte()) {
      case 0: range.end = text(); break;
      case 1:
        range.end = range.begin;
        range.end += '\0';
        break;
      case 2: range.is_endless = true; break;
      default: in.fail();
    }
    return range;
  }

  PutKey put() {
    const std::uint8_t bits = flags(7);
    PutKey put{.keeps_lease = (bits & 2) != 0, .wants_previous = (bits & 4) != 0};
    if ((bits & 1) != 0) put.lease = LeaseId(in.number());
    put.key = text();
    put.value = bytes();
    return put;
  }

  DeleteKeys deletion() {
    const bool wants_previous = in.flag();
    return {.range = range(), .wants_previous = wants_previous};
  }

  ReadKeys read() {
    const std::uint8_t bits = flags(3);
    ReadKeys read{.range = range()};
    read.options.keys_only = (bits & 1) != 0;
    read.options.count_only = (bits & 2) != 0;
    read.options.at = Revision(in.number());
    read.options.limit = in.number();
    read.options.bytes_max = in.number();
    return read;
  }

  Compare compare() {
    const std::uint8_t kind = in.byte();
    Compare compare;
    if ((kind >> 4) > static_cast<unsigned>(Compare::Target::exists) ||
        (kind & 15) > static_cast<unsigned>(Compare::Is::greater)) {
      in.fail();
      return compare;
    }
    compare.target = static_cast<Compare::Target>(kind >> 4);
    compare.is = static_cast<Compare::Is>(kind & 15);
    compare.key = text();
    if (compare.target == Compare::Target::value) {
      compare.value = bytes();
    } else {
      compare.number = in.number();
    }
    return compare;
  }

  std::size_t list_size() {
    const std::size_t size = in.count();
    return size > list_max ? in.fail() : size;
  }

  void operations(std::vector<KeyOperation>& all) {
    const std::size_t size = list_size();
    all.reserve(size);
    for (std::size_t i = 0; i < size && in.is_sound(); ++i) {
      switch (in.byte()) {
        case 0: all.emplace_back(put()); break;
        case 1: all.emplace_back(deletion()); break;
        case 2: all.emplace_back(read()); break;
        default: in.fail();
      }
    }
  }

  Transaction transaction() {
    Transaction transaction;
    const std::size_t size = list_size();
    transaction.when.reserve(size);
    for (std::size_t i = 0; i < size && in.is_sound(); ++i) transaction.when.push_back(compare());
    operations(transaction.then);
    operations(transaction.otherwise);
    return transaction;
  }

  Duration duration() { return Duration(static_cast<Duration::rep>(in.number())); }

  KeepAlive keep_alive() {
    KeepAlive body;
    const std::size_t size = in.count();
    body.leases.reserve(size);
    for (std::size_t i = 0; i < size; ++i) body.leases.emplace_back(in.number());
    return body;
  }

  KeyCommandBody body(Kind kind) {
    switch (kind) {
      case Kind::put: return put();
      case Kind::delete_keys: return deletion();
      case Kind::transaction: return transaction();
      case Kind::grant_lease: {
        LeaseId lease(in.number());
        return GrantLease{.lease = lease, .ttl = duration()};
      }
      case Kind::keep_alive: return keep_alive();
      case Kind::revoke_lease: return RevokeLease{LeaseId(in.number())};
      case Kind::expire_lease: {
        LeaseId lease(in.number());
        return ExpireLease{.lease = lease, .renewals = in.number()};
      }
      case Kind::compact: return Compact{Revision(in.number())};
      case Kind::set_history_policy: {
        SetHistoryPolicy body;
        body.policy.revisions = in.number();
        body.policy.bytes = in.number();
        body.policy.age = duration();
        return body;
      }
      case Kind::set_namespace: {
        SetNamespace body{.name = text()};
        body.quota.keys = in.number();
        body.quota.bytes = in.number();
        return body;
      }
      case Kind::remove_namespace: return RemoveNamespace{text()};
    }
    in.fail();
    return {};
  }
};

// Answers.

void write(ByteWriter& out, const KeyValue& one) {
  out.text(one.key);
  out.text(one.value.view());
  out.number(one.created.value());
  out.number(one.modified.value());
  out.number(one.version);
  out.number(one.lease.value());
}

KeyValue read_key_value(ByteReader& in) {
  KeyValue one{.key = std::string(in.text())};
  one.value = Bytes(in.text());
  one.created = Revision(in.number());
  one.modified = Revision(in.number());
  one.version = in.number();
  one.lease = LeaseId(in.number());
  return one;
}

void write(ByteWriter& out, const std::vector<KeyValue>& keys) {
  out.number(keys.size());
  for (const KeyValue& one : keys) write(out, one);
}

std::vector<KeyValue> read_key_values(ByteReader& in) {
  std::vector<KeyValue> keys;
  for (std::size_t left = in.count(); left > 0 && in.is_sound(); --left) {
    keys.push_back(read_key_value(in));
  }
  return keys;
}

void write(ByteWriter& out, const OperationResult& result) {
  out.byte(static_cast<std::uint8_t>(result.index()));
  if (const auto* put = std::get_if<PutResult>(&result)) {
    out.byte(put->previous ? 1 : 0);
    if (put->previous) write(out, *put->previous);
  } else if (const auto* deletion = std::get_if<DeleteResult>(&result)) {
    out.number(deletion->deleted);
    write(out, deletion->previous);
  } else {
    const auto& range = std::get<RangeResult>(result);
    write(out, range.keys);
    out.number(range.count);
    out.byte(range.has_more ? 1 : 0);
    out.number(range.revision.value());
  }
}

OperationResult read_result(ByteReader& in) {
  switch (in.byte()) {
    case 0: {
      PutResult put;
      if (in.flag()) put.previous = read_key_value(in);
      return put;
    }
    case 1: {
      DeleteResult deletion{.deleted = in.number()};
      deletion.previous = read_key_values(in);
      return deletion;
    }
    case 2: {
      RangeResult range{.keys = read_key_values(in)};
      range.count = in.number();
      range.has_more = in.flag();
      range.revision = Revision(in.number());
      return range;
    }
    default: in.fail(); return {};
  }
}

}  // namespace

Bytes encode(const KeyCommand& command) {
  ByteWriter out;
  out.reserve(size_hint(command));
  out.byte(format_version);
  const bool has_stamp = static_cast<bool>(command.stamp.session);
  const bool has_space = !command.space.empty();
  out.byte(static_cast<std::uint8_t>(command.body.index() | (has_stamp ? 0x80u : 0u) |
                                     (has_space ? 0x40u : 0u)));
  out.number(command.request.process);
  out.number(command.request.number);
  if (has_stamp) {
    out.number(command.stamp.session.value());
    out.number(command.stamp.sequence);
    out.number(command.stamp.acknowledged_below);
  }
  if (has_space) out.text(command.space);
  std::visit([&](const auto& body) { write(out, body); }, command.body);
  return Bytes(out.take());
}

Result<KeyCommand> decode_key_command(const Bytes& entry) {
  CommandReader reader{.entry = entry, .in = ByteReader(entry.view())};
  ByteReader& in = reader.in;
  const std::uint8_t version = in.byte();
  if (version > format_version) {
    return {Errc::unsupported, "a command of the keys in format " + std::to_string(version) +
                                   "; this version reads up to " + std::to_string(format_version)};
  }
  const std::uint8_t head = in.byte();
  if (version == format_version && (head & 0x3f) > kind_last) {
    return {Errc::unsupported, "a command of the keys of kind " + std::to_string(head & 0x3f) +
                                   ", which this version does not know"};
  }
  KeyCommand command;
  command.request.process = in.number();
  command.request.number = in.number();
  if ((head & 0x80) != 0) {
    command.stamp.session = LeaseId(in.number());
    command.stamp.sequence = in.number();
    command.stamp.acknowledged_below = in.number();
    if (!command.stamp.session) in.fail();
  }
  if ((head & 0x40) != 0) command.space = reader.text();
  command.body = reader.body(static_cast<Kind>(head & 0x3f));
  if (version == 0 || !in.is_sound() || !in.at_end()) {
    return {Errc::corrupt, "not a command of the keys: " + std::to_string(entry.size()) +
                               " bytes that contradict themselves"};
  }
  return command;
}

void write(ByteWriter& out, const Result<KeyAnswer>& answer) {
  out.byte(answer ? 1 : 0);
  if (!answer) {
    out.number(static_cast<std::uint64_t>(answer.error().code));
    out.text(answer.error().context);
    return;
  }
  out.number(answer->revision.value());
  out.byte(answer->succeeded ? 1 : 0);
  out.byte(answer->is_trimmed ? 1 : 0);
  out.number(answer->results.size());
  for (const OperationResult& result : answer->results) write(out, result);
  out.number(answer->ended.size());
  for (LeaseId lease : answer->ended) out.number(lease.value());
}

Result<KeyAnswer> read_answer(ByteReader& in) {
  if (!in.flag()) {
    const auto code = static_cast<Errc>(in.number());
    return Error{code, std::string(in.text())};
  }
  KeyAnswer answer{.revision = Revision(in.number()), .is_repeated = true};
  answer.succeeded = in.flag();
  answer.is_trimmed = in.flag();
  for (std::size_t left = in.count(); left > 0 && in.is_sound(); --left) {
    answer.results.push_back(read_result(in));
  }
  for (std::size_t left = in.count(); left > 0 && in.is_sound(); --left) {
    answer.ended.emplace_back(in.number());
  }
  return answer;
}

}  // namespace cluster::registry
