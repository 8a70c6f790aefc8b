#include "replog/snapshot_transfer.hpp"

#include <utility>

namespace cluster::replog {
namespace {

Result<void> write_piece(SnapshotShelf& shelf, Time now, std::unique_ptr<SnapshotSink>& sink,
                         const WriteSnapshot& piece, bool is_last) {
  if (piece.offset == 0) {
    auto created = shelf.files().create(piece.offered);
    if (!created) return std::move(created).error();
    sink = *std::move(created);
  }
  if (!sink) return Error{Errc::failed, "an earlier piece of the snapshot was not written"};
  if (auto written = sink->write(piece.data.view()); !written) return written;
  if (!is_last) return {};
  auto done = sink->finish();
  if (!done) return std::move(done).error();
  shelf.clear_up(now);
  return {};
}

}  // namespace

void SnapshotTransfer::write(WriteSnapshot piece, std::function<void(bool, Result<void>)> done) {
  if (piece.offset == 0) writing_ = std::make_shared<Writing>();
  bool is_last = piece.offset + piece.data.size() == piece.offered.size;
  auto go_on = lifeline_.guard(
      [is_last, done = std::move(done)](Result<void> result) { done(is_last, std::move(result)); });
  host_.post_background([&host = host_, shelf = shelf_, writing = writing_,
                         piece = std::move(piece), is_last, go_on = std::move(go_on)]() mutable {
    auto result = write_piece(*shelf, host.now(), writing->sink, piece, is_last);
    if (!result || is_last) writing->sink.reset();
    host.post([result = std::move(result), go_on = std::move(go_on)]() mutable {
      go_on(std::move(result));
    });
  });
}

void SnapshotTransfer::read(const SendSnapshot& wanted, std::function<void(Result<Bytes>)> done) {
  shelf_->note_fetch(wanted.id, host_.now());
  std::tuple asked{wanted.to, wanted.id, wanted.offset};
  if (!reading_.insert(asked).second) return;
  auto go_on = lifeline_.guard([this, asked, done = std::move(done)](Result<Bytes> bytes) {
    reading_.erase(asked);
    done(std::move(bytes));
  });
  // The shelf holds the work, which must not hold the shelf.
  shelf_->add_short_work(
      [&host = host_, &shelf = *shelf_, wanted, go_on = std::move(go_on)]() mutable {
        auto bytes = shelf.files().read(wanted.id, wanted.offset, wanted.bytes_max);
        host.post([bytes = std::move(bytes), go_on = std::move(go_on)]() mutable {
          go_on(std::move(bytes));
        });
      });
  host_.post_background([shelf = shelf_] { shelf->do_short_work(); });
}

}  // namespace cluster::replog
