// Hosts the log's core: feeds it messages, appends and time, performs its effects, and hands
// entries to those who follow. Lives on the node thread; src/replog/log.cpp is its face for every
// other thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/log.hpp"
#include "replog/applier.hpp"
#include "replog/core.hpp"
#include "replog/founding.hpp"
#include "replog/snapshot_transfer.hpp"
#include "replog/store.hpp"
#include "runtime/committer.hpp"
#include "runtime/host.hpp"
#include "runtime/peer_links.hpp"

namespace cluster::replog {

// What the other threads may know without asking.
struct Snapshot {
  LogRange range{Position(1), Position(1)};
  Leadership leadership;
  std::optional<Error> failure;  // This replica has stopped for good.
};

struct AppendCall {
  Bytes data;
  std::uint64_t term = 0;  // 0: under any leader.
  Promise<Position> promise;
  bool is_packed = false;  // `data` is compressed.
};

// Sizes that nobody but a simulation has reason to change: small ones take every path that large
// logs take.
struct DriverLimits {
  std::size_t window_bytes = 16u << 20;
  std::size_t answer_bytes_max = 1u << 20;
  std::size_t snapshot_chunk_bytes = 512u << 10;
  PipelineLimits pipeline;
};

// Of a log with a state machine: where its snapshots are, and those that are sound, the newest
// first.
struct DriverSnapshots {
  std::shared_ptr<SnapshotFiles> files;
  std::vector<SnapshotOffered> sound;
};

// What applications see of them.
Result<std::vector<Entry>> only_data(std::vector<LogEntry> entries);

class Driver {
 public:
  // `publish` is called with each new snapshot.
  Driver(runtime::Host&, runtime::ListenerId, std::shared_ptr<Store>, Recovered, LogOptions,
         std::function<void(const Snapshot&)> publish, DriverLimits limits = {},
         DriverSnapshots snapshots = {});
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void append(std::vector<AppendCall> calls);
  // `overloaded` where an entry is damaged here and not repaired yet.
  Result<std::vector<Entry>> read(Position from, Position to, std::size_t bytes_max);
  // Waits for repairs.
  void read(Position from, Position to, std::size_t bytes_max, Promise<std::vector<Entry>>);
  void catch_up(Promise<LogRange> promise);
  void follow(Position from, std::function<void(const std::vector<Entry>&)> observer);
  void watch_leadership(std::function<void(const Leadership&)> observer);
  // Carried out by the leader, whoever that is; completes with its answer, or why there is none.
  void command(CommandBody, Promise<Commanded> promise);
  void truncate(Position to, Promise<Position> promise);
  void take_snapshot(Promise<Position> promise);
  void read_barrier(Promise<Position> promise);
  Members members() const { return core_.members(host_.now()); }
  void change_members(std::vector<MemberEdit>, Promise<Members>);
  void add_member(AddMember, Promise<JoinToken>);
  void transfer_leadership(NodeId to, Promise<Leadership>);
  // Completes with the term.
  void start_writer(Promise<std::uint64_t> promise);

  ClusterUid cluster() const { return store_->identity().cluster; }
  const Core& core() const { return core_; }
  const Applier* applier() const { return applier_.get(); }  // None without a state machine.
  const Snapshot& snapshot() const { return snapshot_; }
  bool has_failed() const { return snapshot_.failure.has_value(); }
  bool is_connected(NodeId peer) const { return links_->is_connected(peer); }
  Metrics metrics() const;

 private:
  struct Tail;
  struct Watcher;
  struct OpenAppend {
    Promise<Position> promise;
    std::size_t bytes;
    Time deadline;
  };
  struct OpenCatchUp {
    std::uint64_t tag;
    Promise<LogRange> promise;
    Time deadline;
  };
  struct OpenCommand {
    std::uint64_t tag;
    Promise<Commanded> promise;
    Time deadline;
  };
  struct OpenRead {
    Position from;
    Position to;
    std::size_t bytes_max;
    Promise<std::vector<Entry>> promise;
    Time deadline;
  };
  struct OpenWriter {
    Promise<std::uint64_t> promise;
    Time deadline;
  };

  struct EncodedAccept {
    Ballot ballot;
    Position first;
    std::size_t count = 0;
    std::size_t bytes = 0;     // Of the values: not everybody may be sent them whole.
    std::size_t withheld = 0;  // So many of them are a witness's.
    Position chosen_end;
    friend bool operator==(const EncodedAccept&, const EncodedAccept&) = default;
  };
  // A change of the members that is chosen, until it is learned here.
  struct OpenChange {
    Position position;
    std::function<void(Result<void>)> done;
    Time deadline;
  };
  struct OpenTransfer {
    NodeId to;
    Promise<Leadership> promise;
    Time deadline;
  };

  template <class F>
  void step(F input);
  void await_change(std::vector<MemberEdit>, std::function<void(Result<void>)> done);
  void end_changes();
  void end_transfers();
  void expire_members(Time now, const Error& late);
  Time members_deadline() const;
  // Why nothing can be asked of this member; none while it is one.
  std::optional<Error> refusal_of_calls() const;
  std::optional<Error> refusal_to_read() const;
  std::optional<Error> refusal_to_lead() const;
  Sender self() const { return {store_->identity().member, store_->identity().incarnation}; }
  void perform(Effects&&);
  void act(Action&&);
  void act_one(Send&&);
  void act_one(SendStored&&);
  void act_one(Chosen&&);
  void act_one(WriteSnapshot&&);
  void act_one(SendSnapshot&&);
  void act_one(RestoreState&&);
  void act_one(LogBegins&&);
  void act_one(ForgetBefore&&);
  void act_one(Appended&&);
  void act_one(AppendFailed&&);
  void act_one(CaughtUp&&);
  void act_one(CommandEnded&&);
  void act_one(LeadershipChanged&&);
  void act_one(Release&&);
  Bytes encoded(Message&&);
  void act_one(Repaired&&);
  void note_damage(Position);
  void go_on_after_repair();
  void retry_reads();
  void act_one(MembersChanged&&);
  bool on_message(runtime::SessionId, const runtime::PeerIdentity& sender, Bytes);
  void on_wake();
  void drain_self();
  void fail(const Error&);
  void tell_failure();
  void expire(Time now);
  Time stalled_at() const;
  void watch_disk();
  void finish_append(std::uint64_t tag, Result<Position>);
  void serve_writers(const Leadership&);
  void feed(const std::shared_ptr<Tail>&);
  void feed_all();
  void tell(const std::shared_ptr<Watcher>&);
  void arm();
  void publish();
  void start_applier(DriverSnapshots);
  void keep_from(const SnapshotOffered&, Position first, std::uint64_t term);
  // None where it is not known before a repair.
  Result<std::optional<std::uint64_t>> term_before(Position end);
  // Up to the first entry that is damaged here; nothing when that is the first.
  Result<std::vector<LogEntry>> entries(Position from, Position to, std::size_t bytes_max);

  runtime::Host& host_;
  LogOptions options_;
  DriverLimits limits_;
  Logger log_;
  std::shared_ptr<Store> store_;
  std::function<void(const Snapshot&)> publish_;
  Snapshot snapshot_;
  Core core_;
  runtime::Committer<Change, Action> committer_;
  std::unique_ptr<runtime::Alarm> alarm_;
  std::deque<Message> self_messages_;
  bool is_draining_ = false;
  EncodedAccept last_accept_;
  Bytes last_accept_bytes_;

  // Open appends by tag: tags grow by one and time out in order, so a deque with holes serves. They
  // begin at a random number, so that no two incarnations of a member share any.
  std::uint64_t first_tag_;
  std::deque<std::optional<OpenAppend>> open_appends_;
  std::size_t open_bytes_ = 0;
  std::uint64_t next_catch_up_;  // Begin at random too: an old answer must not end a new question.
  std::vector<OpenCatchUp> catch_ups_;
  std::uint64_t next_command_;  // For the same reason.
  std::deque<OpenCommand> commands_;
  std::deque<OpenChange> changes_;
  std::deque<OpenTransfer> transfers_;
  std::deque<OpenWriter> writers_;
  std::deque<OpenRead> reads_;  // Wait for a repair.
  Position forget_before_;      // So does the forgetting of what is before it.
  enum class Campaign : std::uint8_t { none, asked, running } campaign_ = Campaign::none;
  std::uint64_t last_term_ = 0;       // The latest that was heard of.
  std::uint64_t campaign_above_ = 0;  // A campaign's term is a newer one.

  std::unique_ptr<Applier> applier_;  // Of a log with a state machine, like `transfer_`.
  std::unique_ptr<SnapshotTransfer> transfer_;
  std::vector<std::shared_ptr<Tail>> tails_;
  std::vector<std::shared_ptr<Watcher>> watchers_;
  runtime::Lifeline lifeline_;
  std::uint64_t garbage_ = 0;
  std::unique_ptr<runtime::PeerLinks> links_;
};

template <class F>
void Driver::step(F input) {
  if (has_failed()) return;
  Effects effects;
  input(effects);
  perform(std::move(effects));
  drain_self();
  arm();
}

}  // namespace cluster::replog
