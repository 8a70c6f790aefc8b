// The log's messages as Cap'n Proto: the only file of the log that sees its types.
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <cstring>
#include <utility>

#include "replog/messages.hpp"
#include "schema/log.capnp.h"

namespace cluster::replog {
namespace {

namespace cs = cluster::schema;

kj::ArrayPtr<const kj::byte> as_kj(const Bytes& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

void put(cs::Ballot::Builder to, const Ballot& ballot) {
  to.setRound(ballot.round);
  to.setMember(ballot.member.value());
}

template <class List>
void put_entries(List list, const std::vector<LogEntry>& entries) {
  for (unsigned i = 0; i < entries.size(); ++i) {
    auto to = list[i];
    to.setPosition(entries[i].position.value());
    put(to.initBallot(), entries[i].ballot);
    to.setKind(static_cast<std::uint8_t>(entries[i].value.kind));
    to.setTerm(entries[i].value.term);
    to.setData(as_kj(entries[i].value.data));
  }
}

void put(cs::LogEnvelope::Builder to, const PreVote& m) {
  put(to.initPreVote().initBallot(), m.ballot);
}
void put(cs::LogEnvelope::Builder to, const PreVoted& m) {
  auto b = to.initPreVoted();
  put(b.initBallot(), m.ballot);
  b.setGranted(m.granted);
  put(b.initPromised(), m.promised);
}
void put(cs::LogEnvelope::Builder to, const Prepare& m) {
  auto b = to.initPrepare();
  put(b.initBallot(), m.ballot);
  b.setFrom(m.from.value());
}
void put(cs::LogEnvelope::Builder to, const Promised& m) {
  auto b = to.initPromised();
  put(b.initBallot(), m.ballot);
  b.setGranted(m.granted);
  put(b.initPromised(), m.promised);
  b.setChosenEnd(m.chosen_end.value());
  b.setFirst(m.first.value());
  b.setNext(m.next.value());
  b.setEnd(m.end.value());
  put_entries(b.initEntries(static_cast<unsigned>(m.entries.size())), m.entries);
}
void put(cs::LogEnvelope::Builder to, const Accept& m) {
  auto b = to.initAccept();
  put(b.initBallot(), m.ballot);
  b.setFirst(m.first.value());
  b.setChosenEnd(m.chosen_end.value());
  auto values = b.initValues(static_cast<unsigned>(m.values.size()));
  for (unsigned i = 0; i < m.values.size(); ++i) {
    values[i].setKind(static_cast<std::uint8_t>(m.values[i].kind));
    values[i].setTerm(m.values[i].term);
    values[i].setData(as_kj(m.values[i].data));
  }
}
void put(cs::LogEnvelope::Builder to, const Accepted& m) {
  auto b = to.initAccepted();
  put(b.initBallot(), m.ballot);
  b.setGranted(m.granted);
  put(b.initPromised(), m.promised);
  b.setFirst(m.first.value());
  b.setEnd(m.end.value());
}
void put(cs::LogEnvelope::Builder to, const Heartbeat& m) {
  auto b = to.initHeartbeat();
  put(b.initBallot(), m.ballot);
  b.setChosenEnd(m.chosen_end.value());
  b.setLeadAt(m.lead_at.value());
  b.setSequence(m.sequence);
}
void put(cs::LogEnvelope::Builder to, const Heard& m) {
  auto b = to.initHeard();
  put(b.initBallot(), m.ballot);
  b.setGranted(m.granted);
  put(b.initPromised(), m.promised);
  b.setSequence(m.sequence);
  b.setChosenEnd(m.chosen_end.value());
}
void put(cs::LogEnvelope::Builder to, const Learn& m) { to.initLearn().setFrom(m.from.value()); }
void put(cs::LogEnvelope::Builder to, const Learned& m) {
  auto b = to.initLearned();
  b.setChosenEnd(m.chosen_end.value());
  put_entries(b.initEntries(static_cast<unsigned>(m.entries.size())), m.entries);
}
void put(cs::LogEnvelope::Builder to, const Forward& m) {
  auto b = to.initForward();
  put(b.initBallot(), m.ballot);
  auto items = b.initItems(static_cast<unsigned>(m.items.size()));
  for (unsigned i = 0; i < m.items.size(); ++i) {
    items[i].setTag(m.items[i].tag);
    items[i].setData(as_kj(m.items[i].data));
  }
}
void put(cs::LogEnvelope::Builder to, const Forwarded& m) {
  auto b = to.initForwarded();
  put(b.initBallot(), m.ballot);
  auto items = b.initItems(static_cast<unsigned>(m.items.size()));
  for (unsigned i = 0; i < m.items.size(); ++i) {
    items[i].setTag(m.items[i].tag);
    items[i].setPosition(m.items[i].position.value());
    items[i].setErrc(static_cast<std::uint16_t>(m.items[i].errc));
    items[i].setMaybe(m.items[i].outcome == Outcome::maybe);
  }
}
void put(cs::LogEnvelope::Builder to, const ReadIndex& m) { to.initReadIndex().setTag(m.tag); }
void put(cs::LogEnvelope::Builder to, const ReadIndexed& m) {
  auto b = to.initReadIndexed();
  b.setTag(m.tag);
  b.setGranted(m.granted);
  b.setEnd(m.end.value());
}

// Reads one envelope out of `source`, whose bytes the values share.
class Reader {
 public:
  Reader(const Bytes& source, bool is_shared) : source_(source), is_shared_(is_shared) {}

  Result<Envelope> read(cs::LogEnvelope::Reader from) {
    Envelope envelope{.cluster = ClusterUid(from.getCluster()),
                      .from = NodeId(from.getFrom()),
                      .to = NodeId(from.getTo()),
                      .message = message(from)};
    if (!envelope.from || envelope.from.value() > member_id_max || !envelope.to) {
      fail("a member's id is out of range");
    }
    if (!problem_.empty()) return Error{Errc::protocol, "log message: " + problem_};
    return envelope;
  }

 private:
  void fail(const char* problem) {
    if (problem_.empty()) problem_ = problem;
  }

  Bytes bytes(capnp::Data::Reader data) {
    const char* at = reinterpret_cast<const char*>(data.begin());
    if (!is_shared_) return Bytes(ByteView(at, data.size()));
    // Small values are copied, so that one does not keep a whole message alive.
    if (data.size() * 2 < source_.size()) return Bytes(ByteView(at, data.size()));
    return source_.slice(static_cast<std::size_t>(at - source_.data()), data.size());
  }

  Ballot ballot(cs::Ballot::Reader from) {
    if (from.getRound() > round_max || from.getMember() > member_id_max) {
      fail("a ballot is out of range");
    }
    return Ballot{.round = from.getRound(), .member = NodeId(from.getMember())};
  }

  Position position(std::uint64_t value, bool must = true) {
    if (value > (std::uint64_t{1} << 62)) fail("a position is out of range");
    if (must && value == 0) fail("positions start at 1");
    return Position(value);
  }

  template <class From>
  Value value(const From& from) {
    if (from.getKind() > kind_max) fail("an entry's kind is unknown");
    return Value{static_cast<Kind>(from.getKind()), bytes(from.getData()), from.getTerm()};
  }

  template <class List>
  std::vector<LogEntry> entries(List list) {
    std::vector<LogEntry> entries;
    entries.reserve(list.size());
    for (auto from : list) {
      LogEntry entry{.position = position(from.getPosition()),
                     .ballot = ballot(from.getBallot()),
                     .value = value(from)};
      if (!entries.empty() && entry.position <= entries.back().position) {
        fail("entries are out of order");
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  Message message(cs::LogEnvelope::Reader from) {
    switch (from.which()) {
      case cs::LogEnvelope::PRE_VOTE: return PreVote{ballot(from.getPreVote().getBallot())};
      case cs::LogEnvelope::PRE_VOTED: {
        auto m = from.getPreVoted();
        return PreVoted{ballot(m.getBallot()), m.getGranted(), ballot(m.getPromised())};
      }
      case cs::LogEnvelope::PREPARE: {
        auto m = from.getPrepare();
        return Prepare{ballot(m.getBallot()), position(m.getFrom())};
      }
      case cs::LogEnvelope::PROMISED: return promised(from.getPromised());
      case cs::LogEnvelope::ACCEPT: return accept(from.getAccept());
      case cs::LogEnvelope::ACCEPTED: {
        auto m = from.getAccepted();
        return Accepted{ballot(m.getBallot()), m.getGranted(), ballot(m.getPromised()),
                        position(m.getFirst()), position(m.getEnd())};
      }
      case cs::LogEnvelope::HEARTBEAT: {
        auto m = from.getHeartbeat();
        return Heartbeat{ballot(m.getBallot()), position(m.getChosenEnd()),
                         position(m.getLeadAt(), false), m.getSequence()};
      }
      case cs::LogEnvelope::HEARD: {
        auto m = from.getHeard();
        return Heard{ballot(m.getBallot()), m.getGranted(), ballot(m.getPromised()),
                     m.getSequence(), position(m.getChosenEnd())};
      }
      case cs::LogEnvelope::LEARN: return Learn{position(from.getLearn().getFrom())};
      case cs::LogEnvelope::LEARNED: {
        auto m = from.getLearned();
        return Learned{entries(m.getEntries()), position(m.getChosenEnd())};
      }
      case cs::LogEnvelope::FORWARD: {
        Forward forward{.ballot = ballot(from.getForward().getBallot()), .items = {}};
        for (auto item : from.getForward().getItems()) {
          forward.items.push_back({item.getTag(), bytes(item.getData())});
        }
        return forward;
      }
      case cs::LogEnvelope::FORWARDED: {
        Forwarded forwarded{.ballot = ballot(from.getForwarded().getBallot()), .items = {}};
        for (auto item : from.getForwarded().getItems()) {
          if (item.getErrc() > static_cast<std::uint16_t>(Errc::failed))
            fail("an error is unknown");
          forwarded.items.push_back({item.getTag(), position(item.getPosition(), false),
                                     static_cast<Errc>(item.getErrc()),
                                     item.getMaybe() ? Outcome::maybe : Outcome::not_applied});
        }
        return forwarded;
      }
      case cs::LogEnvelope::READ_INDEX: return ReadIndex{from.getReadIndex().getTag()};
      case cs::LogEnvelope::READ_INDEXED: {
        auto m = from.getReadIndexed();
        return ReadIndexed{m.getTag(), m.getGranted(), position(m.getEnd(), false)};
      }
    }
    fail("a message of a kind that this version does not know");
    return Learn{};
  }

  Promised promised(cs::Promised::Reader m) {
    Promised answer{.ballot = ballot(m.getBallot()),
                    .granted = m.getGranted(),
                    .promised = ballot(m.getPromised()),
                    .chosen_end = position(m.getChosenEnd(), m.getGranted()),
                    .first = position(m.getFirst(), m.getGranted()),
                    .next = position(m.getNext(), m.getGranted()),
                    .end = position(m.getEnd(), m.getGranted()),
                    .entries = entries(m.getEntries())};
    if (answer.next < answer.first || answer.end < answer.next)
      fail("a promise's range is reversed");
    bool is_inside = answer.entries.empty() || (answer.entries.front().position >= answer.first &&
                                                answer.entries.back().position < answer.next);
    if (!is_inside) fail("a promise's entries lie outside its range");
    return answer;
  }

  Accept accept(cs::Accept::Reader m) {
    Accept accept{.ballot = ballot(m.getBallot()),
                  .first = position(m.getFirst()),
                  .values = {},
                  .chosen_end = position(m.getChosenEnd())};
    auto values = m.getValues();
    accept.values.reserve(values.size());
    for (auto from : values) accept.values.push_back(value(from));
    return accept;
  }

  const Bytes& source_;
  bool is_shared_;
  std::string problem_;
};

bool is_aligned(const char* at) {
  return reinterpret_cast<std::uintptr_t>(at) % alignof(capnp::word) == 0;
}

}  // namespace

Bytes encode(const Envelope& envelope) {
  // Reused from call to call; a builder wants it zeroed, and leaves it so.
  alignas(capnp::word) thread_local char scratch[64 << 10] = {};
  capnp::MallocMessageBuilder builder(
      kj::arrayPtr(reinterpret_cast<capnp::word*>(scratch), sizeof(scratch) / sizeof(capnp::word)));
  auto root = builder.initRoot<cs::LogEnvelope>();
  root.setCluster(envelope.cluster.value());
  root.setFrom(envelope.from.value());
  root.setTo(envelope.to.value());
  std::visit([&](const auto& m) { put(root, m); }, envelope.message);
  std::string text(capnp::computeSerializedSizeInWords(builder) * sizeof(capnp::word), '\0');
  kj::ArrayOutputStream out(kj::arrayPtr(reinterpret_cast<kj::byte*>(text.data()), text.size()));
  capnp::writeMessage(out, builder);
  return Bytes(std::move(text));
}

Result<Envelope> decode_envelope(const Bytes& bytes) {
  try {
    std::size_t words = bytes.size() / sizeof(capnp::word);
    capnp::ReaderOptions options;
    options.traversalLimitInWords = words * 2 + 1024;
    if (is_aligned(bytes.data())) {
      capnp::FlatArrayMessageReader reader(
          kj::arrayPtr(reinterpret_cast<const capnp::word*>(bytes.data()), words), options);
      return Reader(bytes, true).read(reader.getRoot<cs::LogEnvelope>());
    }
    auto copy = kj::heapArray<capnp::word>(words);
    std::memcpy(copy.begin(), bytes.data(), words * sizeof(capnp::word));
    capnp::FlatArrayMessageReader reader(copy.asPtr(), options);
    return Reader(bytes, false).read(reader.getRoot<cs::LogEnvelope>());
  } catch (const kj::Exception& exception) {
    return Error{Errc::protocol, std::string("log message: ") + exception.getDescription().cStr()};
  }
}

}  // namespace cluster::replog
