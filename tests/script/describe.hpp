// The log's messages and effects as a person reads them: for scripts, and for what Catch prints.
#pragma once

#include <sstream>
#include <string>
#include <variant>

#include "replog/effects.hpp"
#include "tests/catch.hpp"

namespace cluster::replog::test {

using cluster::to_field;

inline std::string range_text(Position first, Position end) {
  return '[' + std::to_string(first.value()) + ',' + std::to_string(end.value()) + ')';
}

inline std::string text(const Value& value) {
  std::string data(value.data.view());
  switch (value.kind) {
    case Kind::data: return data;
    case Kind::packed: return "<packed>";
    case Kind::noop: return "<noop>";
    case Kind::lead: return "<lead " + data + '>';
    case Kind::config: {
      auto members = decode_configuration(value.data.view(), Position{});
      return members ? "<members" + to_field(*members).substr(8) + '>' : "<members ?>";
    }
    case Kind::truncate: return "<truncate " + to_field(decode_position(value.data.view())) + '>';
    default: return "<kind " + std::to_string(static_cast<int>(value.kind)) + '>';
  }
}

inline std::string text(const LogEntry& entry) {
  return std::to_string(entry.position.value()) + ':' + to_field(entry.ballot) + '=' +
         text(entry.value);
}

inline std::string refused(bool granted, Ballot promised) {
  return granted ? "" : " refused promised=" + to_field(promised);
}

// Fields that are not set are not shown.
struct MessageText {
  std::ostringstream out;

  template <class T>
  MessageText& field(const char* name, const T& value) {
    if (value) out << ' ' << name << '=' << to_field(value);
    return *this;
  }
  template <class List>
  void list(const List& values) {
    for (const auto& value : values) out << ' ' << text(value);
  }

  void say(const PreVote& m) { field("ballot", m.ballot); }
  void say(const PreVoted& m) {
    field("ballot", m.ballot);
    out << (m.granted ? " granted" : refused(false, m.promised));
  }
  void say(const Prepare& m) { field("ballot", m.ballot).field("from", m.from); }
  void say(const Promised& m) {
    field("ballot", m.ballot);
    out << refused(m.granted, m.promised);
    if (!m.granted) return;
    out << ' ' << range_text(m.first, m.next) << (m.next == m.end ? " whole" : "");
    if (m.next != m.end) field("end", m.end);
    field("chosen_end", m.chosen_end);
    list(m.entries);
  }
  void say(const Accept& m) {
    field("ballot", m.ballot);
    out << ' ' << range_text(m.first, m.first.plus(m.values.size()));
    field("chosen_end", m.chosen_end);
    list(m.values);
  }
  void say(const Accepted& m) {
    field("ballot", m.ballot);
    out << ' ' << range_text(m.first, m.end) << refused(m.granted, m.promised);
  }
  void say(const Heartbeat& m) {
    field("ballot", m.ballot).field("chosen_end", m.chosen_end).field("lead_at", m.lead_at);
    field("sequence", m.sequence);
    if (m.wants_lease) out << " wants lease";
    if (m.may_rest) out << " may rest";
  }
  void say(const Heard& m) {
    field("ballot", m.ballot).field("sequence", m.sequence).field("chosen_end", m.chosen_end);
    out << refused(m.granted, m.promised) << (m.grants_lease ? " grants lease" : "");
    if (m.rests) out << " rests";
  }
  void say(const Learn& m) { field("from", m.from).field("end", m.end); }
  void say(const Learned& m) {
    field("chosen_end", m.chosen_end);
    list(m.entries);
  }
  void say(const Forward& m) {
    field("ballot", m.ballot);
    for (const auto& item : m.items) out << ' ' << item.tag << '=' << item.data.view();
  }
  void say(const Forwarded& m) {
    field("ballot", m.ballot);
    for (const auto& item : m.items) {
      out << ' ' << item.tag << "->";
      if (item.position) {
        out << item.position.value();
      } else {
        out << to_string(item.errc) << (item.outcome == Outcome::maybe ? " (maybe)" : "");
      }
    }
  }
  void say(const ReadIndex& m) { field("tag", m.tag); }
  void say(const ReadIndexed& m) {
    field("tag", m.tag).field("end", m.end);
    if (!m.granted) out << " refused";
  }
  void say(const SnapshotOffered& m) {
    field("end", m.end).field("term", m.term).field("id", m.id).field("size", m.size);
    out << " (" << to_field(m.configuration) << ')';
  }
  void say(const SnapshotFetch& m) { field("id", m.id).field("offset", m.offset); }
  void say(const SnapshotChunk& m) {
    field("id", m.id).field("offset", m.offset);
    out << ' ' << (m.data.empty() ? "<gone>" : m.data.view());
  }
  void say(const TransferLeadership& m) { out << " transfer to=" << m.to.value(); }
  void say(const TruncateLog& m) { out << " truncate to=" << m.to.value(); }
  void say(const AddMember& m) {
    out << " add " << to_string(m.role) << ' ' << to_string(m.endpoint);
  }
  void say(const SetMemberRole& m) { out << " make " << m.id.value() << ' ' << to_string(m.role); }
  void say(const SetMemberEndpoint& m) {
    out << " move " << m.id.value() << " to " << to_string(m.endpoint);
  }
  void say(const RemoveMember& m) { out << " remove " << m.id.value(); }
  void say(const ChangeMembers& m) {
    for (const MemberEdit& edit : m.edits) std::visit([&](const auto& e) { say(e); }, edit);
  }
  void say(const Command& m) {
    field("ballot", m.ballot).field("tag", m.tag);
    std::visit([&](const auto& body) { say(body); }, m.body);
  }
  void say(const Commanded& m) {
    field("tag", m.tag).field("position", m.position);
    if (m.errc != Errc::ok) out << ' ' << Error{m.errc, m.context, m.outcome}.message();
  }
  void say(const CampaignNow& m) { field("ballot", m.ballot); }
  void say(const RangeSum& m) { out << ' ' << range_text(m.first, m.end) << " sum=" << m.checksum; }
  void say(const RangeSummed& m) {
    out << ' ' << range_text(m.first, m.end);
    if (m.is_known) out << " sum=" << m.checksum;
    if (!m.is_known) out << " unknown";
  }
  void say(const Introduce& m) { field("to", m.to); }
  void say(const Join& m) {
    field("secret", m.secret);
    out << ' ' << to_string(m.endpoint);
  }
  void say(const Resting& m) { field("ballot", m.ballot); }
  void say(const HostBeat& m) { field("life", m.life); }
  void say(const NoSuchLog&) {}
  void say(const Form& m) { out << ' ' << to_field(m.configuration); }
};

inline std::string text(const Message& message) {
  MessageText said;
  said.out << name_of(message);
  std::visit([&](const auto& m) { said.say(m); }, message);
  return said.out.str();
}

inline std::string text(const Action& action) {
  struct Say {
    std::string operator()(const Send& a) { return text(a.message) + " to " + to_field(a.to); }
    std::string operator()(const SendStored& a) {
      return "stored " + range_text(a.first, a.end) + ' ' +
             (a.message.index() == 0   ? "Promised"
              : a.message.index() == 1 ? "Learned"
                                       : "SnapshotOffered") +
             " to " + to_field(a.to);
    }
    std::string operator()(const Chosen& a) { return "chosen_end=" + to_field(a.end); }
    std::string operator()(const WriteSnapshot& a) {
      return "write snapshot id=" + to_field(a.offered.id) + " offset=" + to_field(a.offset) + ' ' +
             std::string(a.data.view());
    }
    std::string operator()(const SendSnapshot& a) {
      return "send snapshot id=" + to_field(a.id) + " offset=" + to_field(a.offset) + " to " +
             to_field(a.to);
    }
    std::string operator()(const RestoreState& a) {
      return "restore to " + to_field(a.snapshot.end);
    }
    std::string operator()(const LogBegins& a) { return "begins at " + to_field(a.first); }
    std::string operator()(const ForgetBefore& a) { return "forget before " + to_field(a.first); }
    std::string operator()(const Appended& a) {
      std::string tags = to_field(a.tag);
      std::string places = to_field(a.position);
      if (a.count > 1) {
        tags += ".." + to_field(a.tag + a.count - 1);
        places += ".." + to_field(a.position.plus(a.count - 1));
      }
      return "appended tag=" + tags + " at=" + places;
    }
    std::string operator()(const AppendFailed& a) {
      return "failed tag=" + to_field(a.tag) + ' ' + a.error.message();
    }
    std::string operator()(const CaughtUp& a) {
      return "caught up tag=" + to_field(a.tag) + " end=" + to_field(a.end);
    }
    std::string operator()(const CommandEnded& a) {
      MessageText said;
      said.say(a.answer);
      return "command ended" + said.out.str();
    }
    std::string operator()(const LeadershipChanged& a) {
      const Leadership& l = a.leadership;
      if (!l.leader) return "no leader";
      return "leader=" + to_field(l.leader) + (l.is_self ? " is ready" : "") +
             (l.since ? " since=" + to_field(l.since) : "");
    }
    std::string operator()(const MembersChanged& a) {
      return "members " + to_field(a.configuration);
    }
    std::string operator()(const Repaired& a) {
      return "repaired " + range_text(a.range.first, a.range.end);
    }
    std::string operator()(const ScrubRange& a) {
      return "scrub " + range_text(a.range.first, a.range.end);
    }
    std::string operator()(const SumRange& a) {
      return "sum " + range_text(a.range.first, a.range.end) + " for " + to_field(a.to);
    }
    std::string operator()(const RangeCompared& a) {
      return "compared " + range_text(a.told.first, a.told.end) + " with " + to_field(a.from);
    }
    std::string operator()(const Release& a) { return "release before " + to_field(a.end); }
  };
  return std::visit(Say{}, action);
}

inline std::string text(const Change& change) {
  struct Say {
    std::string operator()(const SetPromise& c) { return "promise=" + to_field(c.ballot); }
    std::string operator()(const PutEntry& c) { return text(c.entry); }
    std::string operator()(const SetChosenEnd& c) { return "chosen_end=" + to_field(c.end); }
    std::string operator()(const SetConfiguration& c) {
      return "members " + to_field(c.configuration);
    }
    std::string operator()(const SetBase& c) { return "kept from " + to_field(c.first); }
  };
  return std::visit(Say{}, change);
}

}  // namespace cluster::replog::test

template <>
struct Catch::StringMaker<cluster::replog::Action> {
  static std::string convert(const cluster::replog::Action& action) {
    return cluster::replog::test::text(action);
  }
};
template <>
struct Catch::StringMaker<cluster::replog::Change> {
  static std::string convert(const cluster::replog::Change& change) {
    return cluster::replog::test::text(change);
  }
};
template <>
struct Catch::StringMaker<cluster::replog::LogEntry> {
  static std::string convert(const cluster::replog::LogEntry& entry) {
    return cluster::replog::test::text(entry);
  }
};
template <>
struct Catch::StringMaker<cluster::replog::Message> {
  static std::string convert(const cluster::replog::Message& message) {
    return cluster::replog::test::text(message);
  }
};
