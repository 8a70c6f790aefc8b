// The store in a journal: preallocated segments, one sync for each group. docs/journal.md.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cluster/op.hpp"
#include "replog/directory.hpp"
#include "replog/journal_files.hpp"
#include "replog/store.hpp"

namespace cluster::replog {

struct JournalOptions {
  std::uint64_t bytes_max = std::uint64_t{64} << 30;  // Of all files; writes beyond it fail.
  std::uint64_t segment_bytes = 16 << 20;             // Lowered where `bytes_max` asks for it.
  // Segments are prepared by a thread of the store's own; otherwise in small steps inside `commit`.
  bool has_thread = true;
  // Where given, they are prepared there, in small steps, and the store has no thread.
  std::function<void(Callback)> prepare_on;
  std::uint64_t seed = 0;  // Of what tells a segment from earlier ones; 0: from the system.
};

// Opens or makes the store of an open directory (which the store keeps). `corrupt`, `storage`,
// `permission`, `unsupported`.
Result<std::unique_ptr<Store>> open_journal_store(std::unique_ptr<Directory>,
                                                  const JournalOptions& options = {});

// The same over given files; `is_new`: the identity was not made yet, so nothing was ever durable.
Result<std::unique_ptr<Store>> open_journal_on(std::unique_ptr<journal::Folder>, const Identity&,
                                               bool is_new, const JournalOptions&);

}  // namespace cluster::replog
