// What the log's tests share: short ways to say entries and effects, a folder that goes away.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "replog/acceptor.hpp"
#include "tests/catch.hpp"
#include "tests/script/describe.hpp"

namespace cluster::replog::test {

inline const NodeId one{1};
inline const NodeId two{2};
inline const NodeId three{3};

// As `Configuration::of_voters` knows them.
inline Sender sender(NodeId id) { return {id, id.value()}; }
inline Recovered with_members(Recovered recovered) {
  recovered.configuration = Configuration::of_voters({one, two, three});
  return recovered;
}
inline Bytes bytes(ByteView text) { return Bytes(text); }
inline Ballot ballot(std::uint64_t round, std::uint64_t member = 1) {
  return {round, NodeId(member)};
}
inline Value value_of(ByteView text, std::uint64_t term = 0) {
  return Value{Kind::data, bytes(text), term};
}
inline LogEntry entry(std::uint64_t at, Ballot by, ByteView text) {
  return {Position(at), by, value_of(text)};
}
inline std::vector<Action> sends(NodeId to, Message message) {
  return {Send{to, std::move(message)}};
}

// A folder of its own under the system's for such, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cluster-log-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace cluster::replog::test
