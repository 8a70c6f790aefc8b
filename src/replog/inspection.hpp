// A replica's directory as a person sees it who must not change it: whose it is, what the store
// holds, and where it is damaged. Works on what a replica refuses to start from.
//
// Takes no lock: of a directory in use, the end may be seen in the middle of a write.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replog/directory.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

struct Damage {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;               // 0: not known.
  std::vector<PositionRange> positions;  // Of entries that it may have held.
  std::string what;
};

struct Inspection {
  DirectoryInfo directory;
  bool is_in_use = false;
  Recovered recovered;  // Without entries.
  Position first;       // Of the entries that are there; none when there are none.
  Position end;
  std::uint64_t files = 0;  // Of the store.
  std::uint64_t bytes = 0;
  std::uint64_t groups = 0;  // Looked at; of a journal.
  std::vector<Damage> damage;
  std::optional<Error> fatal;    // Why a replica would not start from it.
  std::unique_ptr<Store> store;  // To read from; refuses commits.
};

enum class Look : std::uint8_t {
  quick,     // What a restart reads.
  complete,  // Every group and every payload.
};

// `not_found` when no replica's directory is there.
Result<Inspection> inspect_directory(const std::string& path, Look);

}  // namespace cluster::replog
