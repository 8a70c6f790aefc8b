// The driver's part in a log with a state machine: it joins the applier, the files and the core.
#include <algorithm>
#include <utility>

#include "replog/driver.hpp"
#include "replog/only_data.hpp"

namespace cluster::replog {
namespace {

constexpr std::size_t apply_bytes_max = 1u << 20;

Error without_state_machine() {
  return Error{Errc::unsupported, "this log has no state machine (LogOptions::state_machine)"};
}

}  // namespace

void Driver::start_applier(DriverSnapshots snapshots) {
  auto shelf = std::make_shared<SnapshotShelf>(std::move(snapshots.files));
  transfer_ = std::make_unique<SnapshotTransfer>(host_, shelf);
  Applier::Log log;
  log.read = [this](Position from, Position to) { return entries(from, to, apply_bytes_max); };
  log.show = only_data;
  log.on_snapshot = [this](const SnapshotOffered& made, Position first, std::uint64_t term) {
    keep_from(made, first, term);
  };
  log.fail = [this](const Error& why) { fail(why); };
  applier_ = std::make_unique<Applier>(host_, *options_.state_machine, options_.snapshots,
                                       std::move(shelf), core_.configuration(), std::move(log));
  stop_applier_of_witness();
  if (snapshots.sound.empty()) return applier_->advance(core_.chosen_end());
  const SnapshotOffered& newest = snapshots.sound.front();
  // Fetched, and the crash came before the log knew; or the log's own knowledge of what is chosen,
  // which is a hint, lags.
  if (newest.end > core_.chosen_end()) {
    return step([&](Effects& effects) { core_.on_installed(host_.now(), newest, true, effects); });
  }
  applier_->restore(newest);
  applier_->advance(core_.chosen_end());
  step([&](Effects& effects) { core_.on_snapshot(newest, effects); });
}

// A witness has seen no data: nothing is applied, and no snapshot taken.
void Driver::stop_applier_of_witness() {
  auto refusal = refusal_to_read();
  if (applier_ && refusal) applier_->stop(*refusal);
}

// Where no snapshot does, the number of its entries limits what a witness keeps. They say which
// values were chosen, which those ask that are about to lead: never far behind.
void Driver::forget_as_witness() {
  if (distance(core_.kept_from(), core_.chosen_end()) < 2 * limits_.witness_entries) return;
  host_.post(lifeline_.guard([this] {
    std::uint64_t kept = distance(core_.kept_from(), core_.chosen_end());
    if (has_failed() || kept <= limits_.witness_entries) return;
    act_one(ForgetBefore{core_.kept_from().plus(kept - limits_.witness_entries)});
  }));
}

void Driver::keep_from(const SnapshotOffered& made, Position first, std::uint64_t term) {
  step([&](Effects& effects) {
    core_.on_snapshot(made, effects);
    core_.on_base(first, term, effects);
  });
}

void Driver::act_one(WriteSnapshot&& piece) {
  SnapshotOffered offered = piece.offered;
  transfer_->write(std::move(piece), [this, offered](bool is_last, Result<void> written) {
    if (!written) log_.warning("could not keep a snapshot", "why", written.error().message());
    step([&](Effects& effects) {
      if (is_last || !written) {
        core_.on_installed(host_.now(), offered, written.has_value(), effects);
      } else {
        core_.on_snapshot_written(host_.now(), offered.id, effects);
      }
    });
  });
}

void Driver::act_one(SendSnapshot&& wanted) {
  SnapshotChunk chunk{.id = wanted.id, .offset = wanted.offset, .data = {}};
  // Without a state machine there are none: the piece is empty, which says so.
  if (!transfer_) return act_one(Send{wanted.to, std::move(chunk)});
  transfer_->read(wanted, [this, to = wanted.to, chunk = std::move(chunk)](Result<Bytes> bytes) {
    if (has_failed()) return;
    SnapshotChunk answer = chunk;
    if (bytes) answer.data = *std::move(bytes);
    bool is_damaged = !bytes && bytes.error().code != Errc::not_found;
    if (is_damaged) {
      log_.warning("cannot send a snapshot; makes another", "why", bytes.error().message());
      Promise<Position> nobody;
      applier_->take_snapshot(std::move(nobody));
    }
    act_one(Send{to, std::move(answer)});
  });
}

void Driver::read_snapshot(std::uint64_t id, std::uint64_t offset, std::size_t bytes_max,
                           std::function<void(Result<Bytes>)> done) {
  if (has_failed()) return done(*snapshot_.failure);
  if (!transfer_) return done(without_state_machine());
  // Answers to members are sent once where they ask twice; each of these has one of its own.
  const NodeId nobody(member_id_max + ++snapshot_reads_);
  transfer_->read({.to = nobody, .id = id, .offset = offset, .bytes_max = bytes_max},
                  std::move(done));
}

void Driver::act_one(RestoreState&& restore) {
  // What stands for a damaged entry may reach less far than the state.
  bool is_ahead = applier_ && applier_->applied_end() >= restore.snapshot.end;
  if (applier_ && !is_ahead) applier_->restore(restore.snapshot);
}

void Driver::take_snapshot(Promise<Position> promise, const CallOptions& options) {
  if (has_failed()) return promise.complete(*snapshot_.failure);
  if (!applier_) return promise.complete(without_state_machine());
  if (options.cancel.stop_requested()) {
    return promise.complete(given_up(Errc::cancelled, Outcome::not_applied));
  }
  auto give_up = [this](std::uint64_t call, Errc why) { give_up_at_applier(call, why); };
  applier_->take_snapshot(std::move(promise), calls_.open(terms_of(options), std::move(give_up)));
  arm();
}

void Driver::read_barrier(Promise<Position> promise, const CallOptions& options) {
  if (!has_failed() && !applier_) return promise.complete(without_state_machine());
  CallTerms terms = terms_of(options);
  Promise<LogRange> reached;
  reached.op().then(
      lifeline_.guard([this, terms, promise = std::move(promise)](Result<LogRange> range) mutable {
        if (!range) return promise.complete(std::move(range).error());
        auto give_up = [this](std::uint64_t call, Errc why) { give_up_at_applier(call, why); };
        applier_->wait(range->end, std::move(promise), calls_.open(terms, std::move(give_up)));
      }));
  begin_catch_up(std::move(reached), terms);
}

}  // namespace cluster::replog
