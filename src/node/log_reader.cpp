#include "node/log_reader.hpp"

#include <algorithm>
#include <utility>

#include "replog/open.hpp"

namespace cluster::node {
namespace {

constexpr std::uint32_t answer_size_max = 4u << 20;

}  // namespace

void LogReader::answer(const wire::AdminBody& question, Done done) {
  if (std::holds_alternative<wire::BeginBackup>(question)) {
    begin(std::move(done));
  } else if (const auto* snapshot = std::get_if<wire::ReadSnapshot>(&question)) {
    read(*snapshot, std::move(done));
  } else if (const auto* entries = std::get_if<wire::ReadEntries>(&question)) {
    read(*entries, std::move(done));
  } else {
    done(Error{Errc::invalid_argument, "this is no question about the log"});
  }
}

// Everything that was decided before the question: the backup has what its caller has seen done.
void LogReader::begin(Done done) {
  log_.catch_up().then(lifeline_.guard([this, done = std::move(done)](Result<LogRange> range) {
    if (!range) return done(std::move(range).error());
    wire::BackupBegun begun{.cluster = replog::cluster_of(log_),
                            .member = log_.self(),
                            .first = range->first,
                            .end = range->end,
                            .term = log_.leadership().term};
    if (auto snapshot = replog::newest_snapshot(log_)) {
      begun.first = snapshot->end;
      begun.end = std::max(begun.end, snapshot->end);
      begun.snapshot = {.id = snapshot->id, .size = snapshot->size, .checksum = snapshot->checksum};
    }
    done(wire::AdminBody(std::move(begun)));
  }));
}

void LogReader::read(const wire::ReadSnapshot& asked, Done done) {
  wire::ReadSnapshot bounded = asked;
  bounded.size_max = std::clamp(asked.size_max, 1u, answer_size_max);
  auto answer = [offset = asked.offset, done = std::move(done)](Result<Bytes> bytes) {
    if (!bytes) return done(std::move(bytes).error());
    const bool ended = bytes->empty();
    done(wire::AdminBody(
        wire::LogChunk{.data = *std::move(bytes), .offset = offset, .ended = ended}));
  };
  // Snapshots of the log have random ids: one of them in billions has the bit and the position.
  const bool is_compared = read_state_ && (asked.id & compared_state_id(Position{})) != 0 &&
                           (asked.id & ~compared_state_id(Position{})) < log_.range().end.value();
  if (is_compared) return read_state_(bounded, std::move(answer));
  replog::read_snapshot(log_, asked.id, asked.offset, bounded.size_max, std::move(answer));
}

void LogReader::read(const wire::ReadEntries& asked, Done done) {
  const std::uint32_t size = std::clamp(asked.size_max, 1u, answer_size_max);
  log_.read(asked.from, asked.to, size)
      .then([done = std::move(done)](Result<std::vector<Entry>> entries) {
        if (!entries) return done(std::move(entries).error());
        done(wire::AdminBody(wire::LogEntries{*std::move(entries)}));
      });
}

}  // namespace cluster::node
