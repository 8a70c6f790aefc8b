// The log's messages as Cap'n Proto: the only file of the log that sees its types.
#include <capnp/message.h>
#include <capnp/serialize.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "base/crc32c.hpp"
#include "replog/messages.hpp"
#include "replog/store.hpp"
#include "schema/log.capnp.h"

namespace cluster::replog {
namespace {

namespace cs = cluster::schema;

kj::ArrayPtr<const kj::byte> as_kj(const Bytes& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

// Whatever is in it, zeros too.
capnp::Text::Reader as_text(const std::string& text) { return {text.data(), text.size()}; }

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
    to.setBare(entries[i].value.is_bare);
    to.setData(as_kj(entries[i].value.data));
  }
}

void put(cs::LogConfiguration::Builder to, const Configuration& configuration) {
  to.setIdsEnd(configuration.ids_end().value());
  auto members = to.initMembers(static_cast<unsigned>(configuration.all().size()));
  for (unsigned i = 0; i < members.size(); ++i) {
    const Member& member = configuration.all()[i];
    members[i].setId(member.id.value());
    members[i].setIncarnation(member.incarnation);
    members[i].setRole(static_cast<std::uint8_t>(member.role));
    members[i].setJoinSecret(member.join_secret);
    members[i].setHost(as_text(member.endpoint.host));
    members[i].setPort(member.endpoint.port);
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
    values[i].setBare(m.values[i].is_bare);
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
  b.setWantsLease(m.wants_lease);
  b.setMayRest(m.may_rest);
}
void put(cs::LogEnvelope::Builder to, const Heard& m) {
  auto b = to.initHeard();
  put(b.initBallot(), m.ballot);
  b.setGranted(m.granted);
  put(b.initPromised(), m.promised);
  b.setSequence(m.sequence);
  b.setChosenEnd(m.chosen_end.value());
  b.setGrantsLease(m.grants_lease);
  b.setRests(m.rests);
}
void put(cs::LogEnvelope::Builder to, const Learn& m) {
  auto b = to.initLearn();
  b.setFrom(m.from.value());
  b.setEnd(m.end.value());
}
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
    items[i].setPacked(m.items[i].is_packed);
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

void put(cs::LogEnvelope::Builder to, const SnapshotOffered& m) {
  auto b = to.initSnapshotOffered();
  b.setEnd(m.end.value());
  b.setTerm(m.term);
  put(b.initConfiguration(), m.configuration);
  b.setSince(m.configuration.since().value());
  b.setId(m.id);
  b.setSize(m.size);
  b.setChecksum(m.checksum);
}
void put(cs::LogEnvelope::Builder to, const SnapshotFetch& m) {
  auto b = to.initSnapshotFetch();
  b.setId(m.id);
  b.setOffset(m.offset);
}
void put(cs::LogEnvelope::Builder to, const SnapshotChunk& m) {
  auto b = to.initSnapshotChunk();
  b.setId(m.id);
  b.setOffset(m.offset);
  b.setData(as_kj(m.data));
}

using Edit = cs::LogCommand::MemberEdit;
void put_endpoint(Edit::Builder to, const Endpoint& endpoint) {
  to.setHost(as_text(endpoint.host));
  to.setPort(endpoint.port);
}
void put(Edit::Builder to, const AddMember& edit) {
  to.setKind(Edit::Kind::ADD);
  put_endpoint(to, edit.endpoint);
  to.setRole(static_cast<std::uint8_t>(edit.role));
}
void put(Edit::Builder to, const SetMemberRole& edit) {
  to.setKind(Edit::Kind::SET_ROLE);
  to.setId(edit.id.value());
  to.setRole(static_cast<std::uint8_t>(edit.role));
}
void put(Edit::Builder to, const SetMemberEndpoint& edit) {
  to.setKind(Edit::Kind::SET_ENDPOINT);
  to.setId(edit.id.value());
  put_endpoint(to, edit.endpoint);
}
void put(Edit::Builder to, const RemoveMember& edit) {
  to.setKind(Edit::Kind::REMOVE);
  to.setId(edit.id.value());
}
void put(cs::LogCommand::Builder to, const ChangeMembers& body) {
  auto edits = to.initChangeMembers(static_cast<unsigned>(body.edits.size()));
  for (unsigned i = 0; i < edits.size(); ++i) {
    std::visit([&](const auto& edit) { put(edits[i], edit); }, body.edits[i]);
  }
}
void put(cs::LogCommand::Builder to, const TransferLeadership& body) {
  to.setTransferLeadership(body.to.value());
}
void put(cs::LogCommand::Builder to, const TruncateLog& body) { to.setTruncate(body.to.value()); }
void put(cs::LogEnvelope::Builder to, const Command& m) {
  auto b = to.initCommand();
  put(b.initBallot(), m.ballot);
  b.setTag(m.tag);
  std::visit([&](const auto& body) { put(b, body); }, m.body);
}
void put(cs::LogEnvelope::Builder to, const Commanded& m) {
  auto b = to.initCommanded();
  b.setTag(m.tag);
  b.setErrc(static_cast<std::uint16_t>(m.errc));
  b.setMaybe(m.outcome == Outcome::maybe);
  b.setContext(as_text(m.context));
  b.setPosition(m.position.value());
  put(b.initBallot(), m.ballot);
}
void put(cs::LogEnvelope::Builder to, const CampaignNow& m) {
  put(to.initCampaignNow().initBallot(), m.ballot);
}
void put(cs::LogEnvelope::Builder to, const RangeSum& m) {
  auto b = to.initRangeSum();
  b.setFirst(m.first.value());
  b.setEnd(m.end.value());
  b.setChecksum(m.checksum);
}
void put(cs::LogEnvelope::Builder to, const RangeSummed& m) {
  auto b = to.initRangeSummed();
  b.setFirst(m.first.value());
  b.setEnd(m.end.value());
  b.setKnown(m.is_known);
  b.setChecksum(m.checksum);
}
void put(cs::LogEnvelope::Builder to, const Introduce& m) {
  auto b = to.initIntroduce();
  b.setFounders(m.founders);
  b.setTo(m.to);
}
void put(cs::LogEnvelope::Builder to, const Join& m) {
  auto b = to.initJoin();
  b.setSecret(m.secret);
  b.setHost(as_text(m.endpoint.host));
  b.setPort(m.endpoint.port);
}
void put(cs::LogEnvelope::Builder to, const Form& m) {
  auto b = to.initForm();
  put(b.initConfiguration(), m.configuration);
  b.setSince(m.configuration.since().value());
}
void put(cs::LogEnvelope::Builder to, const Resting& m) {
  put(to.initResting().initBallot(), m.ballot);
}
void put(cs::LogEnvelope::Builder to, const HostBeat& m) { to.initHostBeat().setLife(m.life); }
void put(cs::LogEnvelope::Builder to, const NoSuchLog&) { to.initNoSuchLog(); }

// An empty reason: it is sound.
std::string read_configuration(cs::LogConfiguration::Reader from, Position since,
                               Configuration& configuration) {
  std::vector<Member> members;
  std::set<NodeId> ids;
  bool has_voter = false;
  std::uint64_t ids_end = from.getIdsEnd();
  if (ids_end == 0 || ids_end > member_id_max + 1) return "the end of the ids is out of range";
  for (auto m : from.getMembers()) {
    if (m.getId() == 0 || m.getId() >= ids_end) return "a member's id is out of range";
    if (m.getRole() > static_cast<std::uint8_t>(MemberRole::learner)) return "a role is unknown";
    if (!ids.insert(NodeId(m.getId())).second) return "a member is named twice";
    auto role = static_cast<MemberRole>(m.getRole());
    has_voter = has_voter || role == MemberRole::voter;
    members.push_back(
        Member{.id = NodeId(m.getId()),
               .incarnation = m.getIncarnation(),
               .role = role,
               .join_secret = m.getJoinSecret(),
               .endpoint = {std::string(m.getHost().cStr(), m.getHost().size()), m.getPort()}});
  }
  if (!has_voter) return "a configuration has no voter";
  configuration = Configuration(since, std::move(members), NodeId(ids_end));
  return {};
}

// Reads one envelope out of `source`, whose bytes the values share.
class Reader {
 public:
  Reader(const Bytes& source, bool is_shared) : source_(source), is_shared_(is_shared) {}

  Result<Envelope> read(cs::LogEnvelope::Reader from) {
    Envelope envelope{.cluster = ClusterUid(from.getCluster()),
                      .from = NodeId(from.getFrom()),
                      .incarnation = from.getIncarnation(),
                      .message = message(from),
                      .log = LogId(from.getLog())};
    if (!envelope.from || envelope.from.value() > member_id_max) {
      fail("a member's id is out of range");
    }
    if (!problem_.empty()) return Error{Errc::protocol, "log message: " + problem_};
    return envelope;
  }

 private:
  void fail(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
  }

  Configuration configuration(cs::LogConfiguration::Reader from, std::uint64_t since) {
    Configuration configuration;
    std::string problem = read_configuration(from, position(since, false), configuration);
    if (!problem.empty()) fail(problem);
    return configuration;
  }

  Bytes bytes(capnp::Data::Reader data) {
    const char* at = reinterpret_cast<const char*>(data.begin());
    // A value that is little of its message is copied, so as not to keep the whole alive; values
    // that are most of it together will live as long as each other.
    bool is_worth_it = is_mostly_values_ || data.size() * 2 >= source_.size();
    if (!is_shared_ || !is_worth_it) return Bytes(ByteView(at, data.size()));
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
    if (from.getBare() && !is_data(static_cast<Kind>(from.getKind())))
      fail("only an application's data is withheld");
    if (from.getKind() == static_cast<std::uint8_t>(Kind::config)) {
      auto data = from.getData();
      ByteView view(reinterpret_cast<const char*>(data.begin()), data.size());
      auto decoded = decode_configuration(view, Position{});
      if (!decoded) fail(decoded.error().context);
    }
    return Value{static_cast<Kind>(from.getKind()), bytes(from.getData()), from.getTerm(),
                 from.getBare()};
  }

  NodeId member(std::uint64_t value) {
    if (value == 0 || value > member_id_max) fail("a member's id is out of range");
    return NodeId(value);
  }

  MemberRole role(std::uint8_t value) {
    if (value > static_cast<std::uint8_t>(MemberRole::learner)) fail("a member's role is unknown");
    return static_cast<MemberRole>(value);
  }

  template <class From>
  Endpoint endpoint(const From& from) {
    return Endpoint{std::string(from.getHost().cStr(), from.getHost().size()), from.getPort()};
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
        return Heartbeat{
            ballot(m.getBallot()), position(m.getChosenEnd()), position(m.getLeadAt(), false),
            m.getSequence(),       m.getWantsLease(),          m.getMayRest()};
      }
      case cs::LogEnvelope::HEARD: {
        auto m = from.getHeard();
        return Heard{ballot(m.getBallot()),
                     m.getGranted(),
                     ballot(m.getPromised()),
                     m.getSequence(),
                     position(m.getChosenEnd()),
                     m.getGrantsLease(),
                     m.getRests()};
      }
      case cs::LogEnvelope::LEARN: {
        auto m = from.getLearn();
        return Learn{position(m.getFrom()), position(m.getEnd(), false)};
      }
      case cs::LogEnvelope::LEARNED: {
        auto m = from.getLearned();
        return Learned{entries(m.getEntries()), position(m.getChosenEnd())};
      }
      case cs::LogEnvelope::FORWARD: {
        Forward forward{.ballot = ballot(from.getForward().getBallot()), .items = {}};
        for (auto item : from.getForward().getItems()) {
          forward.items.push_back({item.getTag(), bytes(item.getData()), item.getPacked()});
        }
        return forward;
      }
      case cs::LogEnvelope::FORWARDED: {
        Forwarded forwarded{.ballot = ballot(from.getForwarded().getBallot()), .items = {}};
        for (auto item : from.getForwarded().getItems()) {
          if (item.getErrc() > static_cast<std::uint16_t>(errc_last)) fail("an error is unknown");
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
      case cs::LogEnvelope::SNAPSHOT_OFFERED: return offered(from.getSnapshotOffered());
      case cs::LogEnvelope::SNAPSHOT_FETCH: {
        auto m = from.getSnapshotFetch();
        return SnapshotFetch{m.getId(), m.getOffset()};
      }
      case cs::LogEnvelope::SNAPSHOT_CHUNK: {
        auto m = from.getSnapshotChunk();
        return SnapshotChunk{m.getId(), m.getOffset(), bytes(m.getData())};
      }
      case cs::LogEnvelope::COMMAND: return command(from.getCommand());
      case cs::LogEnvelope::COMMANDED: return commanded(from.getCommanded());
      case cs::LogEnvelope::CAMPAIGN_NOW:
        return CampaignNow{ballot(from.getCampaignNow().getBallot())};
      case cs::LogEnvelope::RANGE_SUM: {
        auto m = from.getRangeSum();
        auto asked = range(m.getFirst(), m.getEnd());
        return RangeSum{asked.first, asked.end, m.getChecksum()};
      }
      case cs::LogEnvelope::RANGE_SUMMED: {
        auto m = from.getRangeSummed();
        auto asked = range(m.getFirst(), m.getEnd());
        return RangeSummed{asked.first, asked.end, m.getKnown(), m.getChecksum()};
      }
      case cs::LogEnvelope::INTRODUCE:
        return Introduce{from.getIntroduce().getFounders(), from.getIntroduce().getTo()};
      case cs::LogEnvelope::JOIN: {
        auto m = from.getJoin();
        return Join{m.getSecret(), endpoint(m)};
      }
      case cs::LogEnvelope::FORM: {
        auto m = from.getForm();
        return Form{configuration(m.getConfiguration(), m.getSince())};
      }
      case cs::LogEnvelope::RESTING: return Resting{ballot(from.getResting().getBallot())};
      case cs::LogEnvelope::HOST_BEAT: return HostBeat{from.getHostBeat().getLife()};
      case cs::LogEnvelope::NO_SUCH_LOG: return NoSuchLog{};
    }
    fail("a message of a kind that this version does not know");
    return Learn{};
  }

  PositionRange range(std::uint64_t first, std::uint64_t end) {
    if (end < first) fail("a range is reversed");
    return PositionRange{position(first), position(end)};
  }

  SnapshotOffered offered(cs::SnapshotOffered::Reader m) {
    return SnapshotOffered{.end = position(m.getEnd()),
                           .term = m.getTerm(),
                           .configuration = configuration(m.getConfiguration(), m.getSince()),
                           .id = m.getId(),
                           .size = m.getSize(),
                           .checksum = m.getChecksum()};
  }

  Command command(cs::LogCommand::Reader m) {
    Command command{.ballot = ballot(m.getBallot()), .tag = m.getTag(), .body = {}};
    switch (m.which()) {
      case cs::LogCommand::CHANGE_MEMBERS: {
        ChangeMembers body;
        for (auto edit : m.getChangeMembers()) body.edits.push_back(member_edit(edit));
        command.body = std::move(body);
        return command;
      }
      case cs::LogCommand::TRANSFER_LEADERSHIP:
        command.body = TransferLeadership{member(m.getTransferLeadership())};
        return command;
      case cs::LogCommand::TRUNCATE:
        command.body = TruncateLog{position(m.getTruncate())};
        return command;
    }
    fail("a command of a kind that this version does not know");
    return command;
  }

  MemberEdit member_edit(Edit::Reader m) {
    switch (m.getKind()) {
      case Edit::Kind::ADD: return AddMember{endpoint(m), role(m.getRole())};
      case Edit::Kind::SET_ROLE: return SetMemberRole{member(m.getId()), role(m.getRole())};
      case Edit::Kind::SET_ENDPOINT: return SetMemberEndpoint{member(m.getId()), endpoint(m)};
      case Edit::Kind::REMOVE: return RemoveMember{member(m.getId())};
    }
    fail("a change of members of a kind that this version does not know");
    return RemoveMember{};
  }

  Commanded commanded(cs::LogCommanded::Reader m) {
    if (m.getErrc() > static_cast<std::uint16_t>(errc_last)) fail("an error is unknown");
    return Commanded{.tag = m.getTag(),
                     .errc = static_cast<Errc>(m.getErrc()),
                     .outcome = m.getMaybe() ? Outcome::maybe : Outcome::not_applied,
                     .context = std::string(m.getContext().cStr(), m.getContext().size()),
                     .position = position(m.getPosition(), false),
                     .ballot = ballot(m.getBallot())};
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
    std::size_t bytes_of_values = 0;
    for (auto from : values) bytes_of_values += from.getData().size();
    is_mostly_values_ = bytes_of_values * 2 >= source_.size();
    for (auto from : values) accept.values.push_back(value(from));
    return accept;
  }

  const Bytes& source_;
  bool is_shared_;
  bool is_mostly_values_ = false;
  std::string problem_;
};

bool is_aligned(const char* at) {
  return reinterpret_cast<std::uintptr_t>(at) % alignof(capnp::word) == 0;
}

Bytes to_bytes(capnp::MessageBuilder& builder) {
  std::string text(capnp::computeSerializedSizeInWords(builder) * sizeof(capnp::word), '\0');
  kj::ArrayOutputStream out(kj::arrayPtr(reinterpret_cast<kj::byte*>(text.data()), text.size()));
  capnp::writeMessage(out, builder);
  return Bytes(std::move(text));
}

// Builds a message where its bytes will stay: a header, then one segment. Where the room was
// estimated too small, the rest goes elsewhere, and is copied in the end.
class FlatBuilder final : public capnp::MessageBuilder {
 public:
  explicit FlatBuilder(std::size_t words) : text_((words + 1) * sizeof(capnp::word), '\0') {}

  kj::ArrayPtr<capnp::word> allocateSegment(unsigned words_min) override {
    auto* first = reinterpret_cast<capnp::word*>(text_.data()) + 1;
    std::size_t words = text_.size() / sizeof(capnp::word) - 1;
    if (!is_used_ && words_min <= words) {
      is_used_ = true;
      return kj::arrayPtr(first, words);
    }
    is_used_ = true;
    more_.push_back(kj::heapArray<capnp::word>(std::max<std::size_t>(words_min, 8192)));
    std::memset(more_.back().begin(), 0, more_.back().size() * sizeof(capnp::word));
    return more_.back();
  }

  Bytes take() {
    if (!more_.empty()) return to_bytes(*this);
    std::size_t words = getSegmentsForOutput()[0].size();
    std::uint32_t header[] = {0, static_cast<std::uint32_t>(words)};  // One segment, so large.
    std::memcpy(text_.data(), header, sizeof(header));
    text_.resize((words + 1) * sizeof(capnp::word));
    return Bytes(std::move(text_));
  }

 private:
  std::string text_;
  bool is_used_ = false;
  std::vector<kj::Array<capnp::word>> more_;
};

// A message's words, rather more than less.
std::size_t words_of(const Message& message) {
  auto of_data = [](const Bytes& data) { return data.size() / sizeof(capnp::word) + 1; };
  std::size_t words = 64;
  auto add_entries = [&](const std::vector<LogEntry>& entries) {
    for (const LogEntry& entry : entries) words += 9 + of_data(entry.value.data);
  };
  if (const auto* accept = std::get_if<Accept>(&message)) {
    for (const Value& value : accept->values) words += 4 + of_data(value.data);
  } else if (const auto* forward = std::get_if<Forward>(&message)) {
    for (const Forward::Item& item : forward->items) words += 4 + of_data(item.data);
  } else if (const auto* learned = std::get_if<Learned>(&message)) {
    add_entries(learned->entries);
  } else if (const auto* promised = std::get_if<Promised>(&message)) {
    add_entries(promised->entries);
  } else if (const auto* chunk = std::get_if<SnapshotChunk>(&message)) {
    words += of_data(chunk->data);
  } else if (const auto* forwarded = std::get_if<Forwarded>(&message)) {
    words += 4 * forwarded->items.size();
  }
  return words;
}

}  // namespace

Bytes encode(const Envelope& envelope) {
  FlatBuilder builder(words_of(envelope.message));
  auto root = builder.initRoot<cs::LogEnvelope>();
  root.setCluster(envelope.cluster.value());
  root.setFrom(envelope.from.value());
  root.setIncarnation(envelope.incarnation);
  root.setLog(envelope.log.value());
  std::visit([&](const auto& m) { put(root, m); }, envelope.message);
  return builder.take();
}

Bytes encode(const Configuration& configuration) {
  capnp::MallocMessageBuilder builder;
  put(builder.initRoot<cs::LogConfiguration>(), configuration);
  return to_bytes(builder);
}

Result<Configuration> decode_configuration(ByteView bytes, Position since) {
  auto wrong = [&](const std::string& problem) {
    return Error{Errc::corrupt,
                 "the members set at position " + std::to_string(since.value()) + ": " + problem};
  };
  try {
    auto copy = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
    if (copy.size() != 0) {
      std::memcpy(copy.begin(), bytes.data(), copy.size() * sizeof(capnp::word));
    }
    capnp::FlatArrayMessageReader reader(copy.asPtr());
    Configuration configuration;
    std::string problem =
        read_configuration(reader.getRoot<cs::LogConfiguration>(), since, configuration);
    if (!problem.empty()) return wrong(problem);
    return configuration;
  } catch (const kj::Exception& exception) {
    return wrong(exception.getDescription().cStr());
  }
}

Result<Envelope> decode_envelope(const Bytes& bytes) {
  try {
    std::size_t words = bytes.size() / sizeof(capnp::word);
    capnp::ReaderOptions options;
    options.traversalLimitInWords = words * 3 + 1024;
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

std::uint32_t checksum_value(std::uint32_t before, const LogEntry& entry) {
  std::uint64_t words[] = {entry.position.value(), static_cast<std::uint64_t>(entry.value.kind),
                           entry.value.term};
  std::uint32_t sum = crc32c(ByteView(reinterpret_cast<const char*>(words), sizeof(words)), before);
  return crc32c(entry.value.data.view(), sum);
}

}  // namespace cluster::replog
