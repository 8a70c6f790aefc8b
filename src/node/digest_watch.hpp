// Compares the masters' states with each other while they run, and stops this one where it is the
// odd one out.
//
// Now and then the leader appends an entry that asks; each master says what its state's digest is
// at that entry, in an entry of its own, and judges by what all say (registry/digest_check.hpp).
// A view of the state at that entry is kept until all agree, which costs nothing unless they do
// not: then the odd one asks one that is right for its state as of there, writes the first row that
// differs to `digest-mismatch-POSITION.txt` in its directory, and stops its log for good. So it
// votes for nothing any more, is not ready, and says why.
//
// With its digest each master says which formats of the state it reads. Once all that keep the
// state read a newer one than it has, the leader raises it: docs/registry.md, "Formats".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster/log.hpp"
#include "cluster/metrics.hpp"
#include "node/admin_client.hpp"
#include "registry/digest_check.hpp"
#include "registry/driver.hpp"
#include "registry/format_agreement.hpp"
#include "runtime/host.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::node {

struct DigestWatchOptions {
  Duration interval = std::chrono::seconds(60);  // 0: this master never asks, but answers.
  std::string directory;                         // Where a difference is written.
  std::string version;                           // This program's.
};

// Lives on the node thread; log and registry outlive it.
class DigestWatch {
 public:
  DigestWatch(runtime::Host&, Log&, registry::RegistryDriver&, DigestWatchOptions);
  DigestWatch(const DigestWatch&) = delete;
  DigestWatch& operator=(const DigestWatch&) = delete;
  ~DigestWatch();

  // A part of the state at the last compared position; `not_found` for another one. `done` is
  // called on the node thread.
  void read_state(const wire::ReadSnapshot&, std::function<void(Result<Bytes>)> done);

  Metrics metrics() const;

 private:
  using Done = std::function<void(Result<Bytes>)>;
  // The state at the compared position, as its snapshot's bytes: made once somebody wants them.
  struct View {
    Position at;
    SnapshotJob job;
    std::shared_ptr<const std::string> bytes;
  };

  void ask();
  void append(const registry::DigestNote&);
  void on_note(Position at, const registry::DigestNote&);
  void compare(Position at);
  void judge(const registry::ReportDigest&);
  std::vector<NodeId> judges() const;
  void raise_format();
  void begin_stop();
  void fetch_right_state(std::size_t from);
  void stop(const std::string& difference);
  std::string write_difference(const std::string& difference) const;

  runtime::Host& host_;
  Log& log_;
  registry::RegistryDriver& registry_;
  DigestWatchOptions options_;
  Logger logger_;
  registry::DigestCheck check_;
  registry::FormatAgreement formats_;
  AdminClient masters_;
  Position known_end_;  // What was compared before it is over.
  std::optional<View> view_;
  std::string right_state_;  // As far as it has come.
  bool is_stopping_ = false;
  std::uint64_t checks_ = 0;
  std::uint64_t agreed_ = 0;
  std::uint64_t differences_ = 0;
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::node
