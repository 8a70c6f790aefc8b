// Answers an operator's tool that makes a backup of a running cluster, through any of its masters:
// the questions of wire/admin_messages.hpp about what the log holds.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "cluster/log.hpp"
#include "cluster/result.hpp"
#include "runtime/host.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::node {

// Names, as if it were a snapshot, the state that masters compare at a position (digest_watch.hpp).
inline std::uint64_t compared_state_id(Position at) {
  return at.value() | (std::uint64_t{1} << 63);
}

// Lives on the node thread; the log outlives it.
class LogReader {
 public:
  // `read_state` answers ReadSnapshot with an id of `compared_state_id`.
  using ReadState =
      std::function<void(const wire::ReadSnapshot&, std::function<void(Result<Bytes>)> done)>;
  LogReader(Log& log, ReadState read_state) : log_(log), read_state_(std::move(read_state)) {}

  // As `MasterDriver::Answerer` says.
  void answer(const wire::AdminBody& question, std::function<void(Result<wire::AdminBody>)> done);

 private:
  using Done = std::function<void(Result<wire::AdminBody>)>;
  void begin(Done);
  void read(const wire::ReadSnapshot&, Done);
  void read(const wire::ReadEntries&, Done);

  Log& log_;
  ReadState read_state_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::node
