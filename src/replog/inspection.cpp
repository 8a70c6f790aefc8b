#include "replog/inspection.hpp"

#include <limits>
#include <utility>

#include "replog/journal_disk.hpp"
#include "replog/journal_view.hpp"
#include "replog/lmdb_store.hpp"

namespace cluster::replog {
namespace {

constexpr Position no_end(std::numeric_limits<std::uint64_t>::max());
constexpr std::size_t look_bytes = 16 << 20;

// A journal that nobody writes to.
class JournalView final : public Store {
 public:
  JournalView(const Identity& identity, journal::Recovery&& recovery)
      : identity_(identity), bytes_(recovery.bytes), contents_(std::move(recovery)) {}

  const Identity& identity() const override { return identity_; }
  Result<void> commit(const std::vector<Change>&) override {
    return Error{Errc::unsupported, "the journal is only looked at"};
  }
  Result<StoredEntries> read(Position first, Position end, std::size_t bytes_max) const override {
    return view_.read(first, end, bytes_max);
  }
  Result<RangeCheck> check(Position first, Position end, std::size_t bytes_max) const override {
    return view_.check(first, end, bytes_max);
  }
  Result<Recovered> recover(std::size_t window_bytes) override {
    return view_.recover(window_bytes);
  }
  StoreUsage usage() const override { return {bytes_, 0}; }

  Position first() const {
    journal::Piece piece = contents_.index.find(Position(1), no_end);
    return Position(piece.first);
  }
  Position end() const { return Position(contents_.index.find_before(no_end).end()); }

 private:
  Identity identity_;
  std::uint64_t bytes_;
  journal::Contents contents_;
  journal::View view_{contents_};
};

// The summary alone: a journal's open entries may be many.
Result<Recovered> summary_of(const journal::Recovery& recovery) {
  const journal::State& state = recovery.state;
  Recovered recovered{
      .promised = {.round = state.promised_round, .member = NodeId(state.promised_member)},
      .chosen_end = Position(std::max(state.chosen_end, state.kept_from)),
      .entries = {},
      .chosen_term = std::max(state.chosen_term, state.kept_term),
      .configuration = {},
      .kept_from = Position(state.kept_from),
      .damaged = recovery.index.damaged()};
  if (recovery.configuration.empty()) return recovered;
  auto decoded =
      decode_configuration(recovery.configuration.view(), Position(state.configuration_since));
  if (!decoded) return std::move(decoded).error();
  recovered.configuration = *std::move(decoded);
  return recovered;
}

Result<void> inspect_journal(const std::string& path, Look look, Inspection& inspection) {
  auto folder = journal::open_folder(path, journal::Access::read_only);
  auto recovery = journal::recover_journal(
      *folder, {.identity = {}, .reads_everything = look == Look::complete});
  if (!recovery) return std::move(recovery).error();
  auto summary = summary_of(*recovery);
  if (!summary) return std::move(summary).error();
  inspection.recovered = *std::move(summary);
  inspection.files = recovery->last_file == 0 ? 0 : recovery->segments.size();
  inspection.bytes = recovery->bytes;
  inspection.groups = recovery->groups;
  inspection.fatal = recovery->fatal;
  for (journal::Finding& finding : recovery->findings) {
    inspection.damage.push_back({.file = folder->path(finding.file),
                                 .offset = finding.offset,
                                 .bytes = finding.bytes,
                                 .positions = std::move(finding.positions),
                                 .what = std::move(finding.what)});
  }
  auto view = std::make_unique<JournalView>(inspection.directory.identity, *std::move(recovery));
  inspection.first = view->first();
  inspection.end = view->end();
  inspection.store = std::move(view);
  return {};
}

Result<void> inspect_lmdb(const std::string& path, Look look, Inspection& inspection) {
  auto store = view_lmdb_store(path, inspection.directory.identity);
  if (!store) return std::move(store).error();
  inspection.store = *std::move(store);
  inspection.files = 1;
  inspection.bytes = inspection.store->usage().bytes;
  auto recovered = inspection.store->recover(0);
  if (recovered) {
    inspection.recovered = *std::move(recovered);
    inspection.recovered.entries.clear();
  } else {
    inspection.fatal = recovered.error();
  }
  auto first = inspection.store->read(Position(1), no_end, 1);
  if (first && !first->entries.empty()) inspection.first = first->entries.front().position;
  if (!inspection.first) inspection.first = first ? first->damaged : Position{};
  if (look == Look::quick) return {};
  for (Position at(1); at < no_end;) {
    auto checked = inspection.store->check(at, no_end, look_bytes);
    if (!checked) return std::move(checked).error();
    for (Position damaged : checked->damaged) {
      inspection.damage.push_back({.file = path + "/data.mdb",
                                   .positions = {{damaged, damaged.next()}},
                                   .what = "an entry does not match its checksum"});
    }
    at = checked->end;
  }
  return {};
}

}  // namespace

Result<Inspection> inspect_directory(const std::string& path, Look look) {
  auto directory = read_directory(path);
  if (!directory) return std::move(directory).error();
  if (auto checked = check_one_log(path, directory->kind); !checked) {
    return std::move(checked).error();
  }
  Inspection inspection;
  inspection.directory = *directory;
  inspection.is_in_use = is_directory_in_use(path);
  auto looked = directory->kind == StoreKind::lmdb ? inspect_lmdb(path, look, inspection)
                                                   : inspect_journal(path, look, inspection);
  if (!looked) return std::move(looked).error();
  return inspection;
}

}  // namespace cluster::replog
