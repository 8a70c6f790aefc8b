#include "replog/snapshot_transfer.hpp"

#include <utility>

namespace cluster::replog {
namespace {

Result<void> write_piece(SnapshotFiles& files, std::unique_ptr<SnapshotSink>& sink,
                         const WriteSnapshot& piece, bool is_last) {
  if (piece.offset == 0) {
    auto created = files.create(piece.offered);
    if (!created) return std::move(created).error();
    sink = *std::move(created);
  }
  if (!sink) return Error{Errc::failed, "an earlier piece of the snapshot was not written"};
  if (auto written = sink->write(piece.data.view()); !written) return written;
  if (!is_last) return {};
  auto done = sink->finish();
  if (!done) return std::move(done).error();
  files.keep_newest(2);
  return {};
}

}  // namespace

void SnapshotTransfer::write(WriteSnapshot piece, std::function<void(bool, Result<void>)> done) {
  if (piece.offset == 0) writing_ = std::make_shared<Writing>();
  bool is_last = piece.offset + piece.data.size() == piece.offered.size;
  auto go_on = lifeline_.guard(
      [is_last, done = std::move(done)](Result<void> result) { done(is_last, std::move(result)); });
  host_.post_background([&host = host_, files = files_, writing = writing_,
                         piece = std::move(piece), is_last, go_on = std::move(go_on)]() mutable {
    auto result = write_piece(*files, writing->sink, piece, is_last);
    if (!result || is_last) writing->sink.reset();
    host.post([result = std::move(result), go_on = std::move(go_on)]() mutable {
      go_on(std::move(result));
    });
  });
}

void SnapshotTransfer::read(const SendSnapshot& wanted, std::function<void(Result<Bytes>)> done) {
  auto go_on = lifeline_.guard(std::move(done));
  host_.post_background(
      [&host = host_, files = files_, wanted, go_on = std::move(go_on)]() mutable {
        auto bytes = files->read(wanted.id, wanted.offset, wanted.bytes_max);
        host.post([bytes = std::move(bytes), go_on = std::move(go_on)]() mutable {
          go_on(std::move(bytes));
        });
      });
}

}  // namespace cluster::replog
