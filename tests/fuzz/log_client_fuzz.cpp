// link: cluster::replog
// No bytes crash the codec of the log's clients, and what it understands it can say again.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "replog/client_messages.hpp"

using namespace cluster;
using namespace cluster::replog;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto message = decode_client_message(Bytes(ByteView(reinterpret_cast<const char*>(data), size)));
  if (!message) {
    CLUSTER_CHECK(!message.error().context.empty(), "a refusal says why");
    return 0;
  }
  auto again = decode_client_message(encode(*message));
  CLUSTER_CHECK(again.has_value() && *again == *message, "what was understood can be said again");
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  std::vector<std::string> corpus;
  auto add = [&](ClientBody body) {
    corpus.emplace_back(encode(ClientMessage{5, std::move(body)}).view());
  };
  add(ClientHello{ClusterUid(1)});
  add(ClientWelcome{{"host", 9}, false});
  add(ClientAppend{Bytes(ByteView("data"))});
  add(ClientRead{Position(1), Position(9), 100});
  add(ClientCatchUp{});
  add(ClientAppended{Position(3)});
  add(ClientEntries{{{Position(3), Bytes(ByteView("x"))}, {Position(5), Bytes(ByteView("y"))}}});
  add(ClientRange{{Position(1), Position(9)}});
  add(ClientFailed{{Errc::overloaded, "full", Outcome::not_applied}});
  return corpus;
}
