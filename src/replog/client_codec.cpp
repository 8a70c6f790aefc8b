// The messages of a log's clients as Cap'n Proto.
#include "replog/client_messages.hpp"
#include "schema/log_client.capnp.h"
#include "wire/capnp_io.hpp"

namespace cluster::replog {
namespace {

using Wire = schema::LogClientMessage;
using wire::Decoding;

void put(Wire::Builder to, const ClientHello& body) { to.setHello(body.cluster.value()); }
void put(Wire::Builder to, const ClientWelcome& body) {
  auto welcome = to.initWelcome();
  welcome.setLeaderHost(wire::to_text(body.leader.host));
  welcome.setLeaderPort(body.leader.port);
  welcome.setLeads(body.leads);
}
void put(Wire::Builder to, const ClientAppend& body) {
  to.setAppend(wire::to_data(body.data.view()));
}
void put(Wire::Builder to, const ClientRead& body) {
  auto read = to.initRead();
  read.setFrom(body.from.value());
  read.setTo(body.to.value());
  read.setBytesMax(body.bytes_max);
}
void put(Wire::Builder to, const ClientCatchUp&) { to.setCatchUp(); }
void put(Wire::Builder to, const ClientAppended& body) { to.setAppended(body.position.value()); }
void put(Wire::Builder to, const ClientEntries& body) {
  auto entries = to.initEntries(wire::list_size(body.entries));
  for (unsigned i = 0; i < entries.size(); ++i) {
    entries[i].setPosition(body.entries[i].position.value());
    entries[i].setData(wire::to_data(body.entries[i].data.view()));
  }
}
void put(Wire::Builder to, const ClientRange& body) {
  auto range = to.initRange();
  range.setFirst(body.range.first.value());
  range.setEnd(body.range.end.value());
}
void put(Wire::Builder to, const ClientFailed& body) {
  auto failed = to.initFailed();
  failed.setErrc(static_cast<std::uint16_t>(body.error.code));
  failed.setMaybe(body.error.outcome == Outcome::maybe);
  failed.setContext(wire::to_text(body.error.context));
}

ClientEntries read_entries(Decoding& decoding, capnp::List<Wire::Entry>::Reader list) {
  ClientEntries body;
  body.entries.reserve(list.size());
  for (auto from : list) {
    Entry entry{Position(from.getPosition()), wire::from_data(from.getData())};
    bool is_next = body.entries.empty() || body.entries.back().position < entry.position;
    if (!entry.position || !is_next) decoding.fail("its entries are out of order");
    body.entries.push_back(std::move(entry));
  }
  return body;
}

ClientBody read_body(Decoding& decoding, Wire::Reader from) {
  switch (from.which()) {
    case Wire::HELLO: return ClientHello{ClusterUid(from.getHello())};
    case Wire::WELCOME: {
      auto welcome = from.getWelcome();
      return ClientWelcome{{wire::from_text(welcome.getLeaderHost()), welcome.getLeaderPort()},
                           welcome.getLeads()};
    }
    case Wire::APPEND: return ClientAppend{wire::from_data(from.getAppend())};
    case Wire::READ: {
      auto read = from.getRead();
      return ClientRead{Position(read.getFrom()), Position(read.getTo()), read.getBytesMax()};
    }
    case Wire::CATCH_UP: return ClientCatchUp{};
    case Wire::APPENDED:
      if (from.getAppended() == 0) decoding.fail("positions start at 1");
      return ClientAppended{Position(from.getAppended())};
    case Wire::ENTRIES: return read_entries(decoding, from.getEntries());
    case Wire::RANGE: {
      LogRange range{Position(from.getRange().getFirst()), Position(from.getRange().getEnd())};
      if (!range.first || range.end < range.first) decoding.fail("its range is reversed");
      return ClientRange{range};
    }
    case Wire::FAILED: {
      auto failed = from.getFailed();
      Errc code = wire::read_enum(decoding, failed.getErrc(), errc_last, "error");
      if (code == Errc::ok) decoding.fail("an error without a code");
      return ClientFailed{Error{code, wire::from_text(failed.getContext()),
                                failed.getMaybe() ? Outcome::maybe : Outcome::not_applied}};
    }
  }
  decoding.fail("it is of a kind that this version does not know");
  return ClientHello{};
}

ClientMessage read_message(Wire::Reader from, Decoding& decoding) {
  ClientMessage message;
  message.tag = from.getTag();
  message.body = read_body(decoding, from);
  message.timeout_ms = from.getTimeoutMs();
  return message;
}

}  // namespace

Bytes encode(const ClientMessage& message) {
  return wire::encode_as<Wire>([&](Wire::Builder to) {
    to.setTag(message.tag);
    to.setTimeoutMs(message.timeout_ms);
    std::visit([&](const auto& body) { put(to, body); }, message.body);
  });
}

Result<ClientMessage> decode_client_message(const Bytes& bytes) {
  return wire::decode_as<Wire>(bytes.view(), Errc::protocol, "a log client's message",
                               read_message);
}

}  // namespace cluster::replog
