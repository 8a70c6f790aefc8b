// Hosts the log's core: feeds it messages, appends and time, performs its effects, and hands
// entries to those who follow. Lives on the node thread; src/replog/log.cpp is its face for every
// other thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/log.hpp"
#include "replog/applier.hpp"
#include "replog/core.hpp"
#include "replog/founding.hpp"
#include "replog/open_calls.hpp"
#include "replog/ports.hpp"
#include "replog/scrubber.hpp"
#include "replog/snapshot_transfer.hpp"
#include "replog/store.hpp"
#include "runtime/host.hpp"

namespace cluster::replog {

// What the other threads may know without asking.
struct Snapshot {
  LogRange range{Position(1), Position(1)};
  Leadership leadership;
  std::optional<Error> failure;  // This replica has stopped for good.
  std::shared_ptr<const Health> health = std::make_shared<const Health>();
};

// Several appends as one call.
struct AppendBatch {
  struct Entry {
    Bytes data;
    bool is_packed = false;
  };
  std::vector<Entry> entries;
  Promise<std::vector<Position>> promise;
};

struct AppendCall {
  Bytes data;
  std::uint64_t term = 0;  // 0: under any leader.
  Promise<Position> promise;
  bool is_packed = false;  // `data` is compressed.
  CallOptions options;
  std::unique_ptr<AppendBatch> batch;  // Instead of `data` and `promise`.
};

// Sizes that nobody but a simulation has reason to change: small ones take every path that large
// logs take.
struct DriverLimits {
  std::size_t window_bytes = 4u << 20;
  std::size_t answer_bytes_max = 1u << 20;
  std::size_t snapshot_chunk_bytes = 512u << 10;
  std::uint64_t witness_entries = 1u << 16;  // Kept where no snapshot says what may go.
  PipelineLimits pipeline;
  // What others send to be written is not taken while so much waits for the disk: they send it
  // again. A leader proposes nothing then.
  std::size_t unsynced_bytes_max = 64u << 20;
  std::size_t group_bytes_max = 8u << 20;         // Written at once; one submission may be larger.
  ScrubberOptions scrubber;                       // The rate is LogOptions'.
  Duration rest_probe = std::chrono::minutes(5);  // See `Core::probe`.
};

// Of a log with a state machine: where its snapshots are, and those that are sound, the newest
// first.
struct DriverSnapshots {
  std::shared_ptr<SnapshotFiles> files;
  std::vector<SnapshotOffered> sound;
};

// What an open append costs beside its data.
inline constexpr std::size_t append_overhead = 128;

class SharedLogs;

// Where a log is one of several.
struct SharedPlace {
  SharedLogs* logs = nullptr;  // None: the log is alone. Must outlive the driver.
  LogId log;
};

class Driver final : private PortUser {
 public:
  // `publish` is called with each new snapshot. The listener is for a log that is alone.
  Driver(runtime::Host&, runtime::ListenerId, std::shared_ptr<Store>, Recovered, LogOptions,
         std::function<void(const Snapshot&)> publish, DriverLimits limits = {},
         DriverSnapshots snapshots = {}, SharedPlace place = {});
  ~Driver() override;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void append(std::vector<AppendCall> calls);
  // `overloaded` where an entry is damaged here and not repaired yet.
  Result<std::vector<Entry>> read(Position from, Position to, std::size_t bytes_max);
  // Waits for repairs.
  void read(Position from, Position to, std::size_t bytes_max, Promise<std::vector<Entry>>,
            const CallOptions& = {});
  void catch_up(Promise<LogRange> promise, const CallOptions& = {});
  void follow(Position from, std::function<void(const std::vector<Entry>&)> observer);
  void watch_leadership(std::function<void(const Leadership&)> observer);
  void watch_health(std::function<void(const Health&)> observer);
  void truncate(Position to, Promise<Position> promise, const CallOptions& = {});
  void take_snapshot(Promise<Position> promise, const CallOptions& = {});
  void read_barrier(Promise<Position> promise, const CallOptions& = {});
  // For good, as when its disk fails: whoever built on this replica found it wrong.
  void stop(const Error& why) { fail(why); }
  // The newest that is durable here; none without a state machine.
  const std::optional<SnapshotOffered>& newest_snapshot() const { return core_.snapshot(); }
  // A part of one that is kept, which then stays for a while. `done` is called here.
  void read_snapshot(std::uint64_t id, std::uint64_t offset, std::size_t bytes_max,
                     std::function<void(Result<Bytes>)> done);
  Members members() const { return core_.members(host_.now()); }
  void change_members(std::vector<MemberEdit>, Promise<Members>, const CallOptions& = {});
  void add_member(AddMember, Promise<JoinToken>, const CallOptions& = {});
  void transfer_leadership(NodeId to, Promise<Leadership>, const CallOptions& = {});
  // Completes with the term.
  void start_writer(Promise<std::uint64_t> promise, const CallOptions& = {});

  ClusterUid cluster() const { return store_->identity().cluster; }
  const Core& core() const { return core_; }
  const Applier* applier() const { return applier_.get(); }  // None without a state machine.
  const Snapshot& snapshot() const { return snapshot_; }
  // The background thread reads the store, or makes a snapshot.
  bool uses_background() const { return applier_ != nullptr || scrubber_->is_reading(); }
  bool has_failed() const { return snapshot_.failure.has_value(); }
  bool is_connected(NodeId peer) const { return ports_->is_connected(peer); }
  Metrics metrics() const;

 private:
  struct Tail;
  // Is told the latest of something, again when it has taken the last.
  template <class T>
  struct Watcher {
    std::function<void(const T&)> observer;
    const T* latest;
    bool is_busy = false;
    std::optional<T> told;
  };
  struct OpenAppend {
    Promise<Position> promise;  // None: it is of a batch.
    std::size_t bytes;
    bool has_terms = false;  // Of its own, in `append_terms_`.
  };
  // Appends before `end` time out with their batch of calls.
  struct AppendDeadline {
    Time at;
    std::uint64_t end;
  };
  struct OpenBatch {
    std::vector<Position> positions;
    std::size_t missing;
    std::optional<Error> error;
    bool has_appended = false;
    Promise<std::vector<Position>> promise;
  };
  struct OpenCatchUp {
    std::uint64_t tag;
    Promise<LogRange> promise;
    OpenCall call;
  };
  struct OpenCommand {
    std::uint64_t tag;
    Promise<Commanded> promise;
    OpenCall call;
  };
  struct OpenRead {
    Position from;
    Position to;
    std::size_t bytes_max;
    Promise<std::vector<Entry>> promise;
    OpenCall call;
  };
  struct OpenWriter {
    Promise<std::uint64_t> promise;
    OpenCall call;
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
    OpenCall call;
  };
  struct OpenTransfer {
    NodeId to;
    std::uint64_t command;  // Its tag.
    Promise<Leadership> promise;
    OpenCall call;
  };
  enum class Standing : std::uint8_t {
    ready,
    failed,
    forming,
    removed,
    leaderless,
    settling,
    lagging,
    stalled,
    damaged
  };

  template <class F>
  void step(F input);
  CallTerms terms_of(const CallOptions&) const;
  // Of a call that is given up, `why` being timed_out or cancelled.
  Error given_up(Errc why, Outcome) const;
  void give_up_catch_up(std::uint64_t tag, Errc why);
  void give_up_command(std::uint64_t tag, Errc why);
  void give_up_writer(std::uint64_t call, Errc why);
  void give_up_read(std::uint64_t call, Errc why);
  void give_up_at_applier(std::uint64_t call, Errc why);
  void give_up_change(std::uint64_t call, Errc why);
  void give_up_transfer(std::uint64_t call, Errc why);
  void give_up_appends(const std::vector<std::uint64_t>& tags, Errc why);
  void begin_catch_up(Promise<LogRange>, const CallTerms&);
  // Carried out by the leader, whoever that is; completes with its answer, or why there is none.
  std::uint64_t command(CommandBody, Promise<Commanded>, const CallTerms&);
  void await_change(std::vector<MemberEdit>, const CallTerms&,
                    std::function<void(Result<void>)> done);
  void end_changes();
  void end_transfers();
  void fail_members(const Error& why);
  std::optional<Error> refusal_of_append(const AppendCall&) const;
  void admit(AppendCall&&, std::vector<Proposal>&);
  Time appends_deadline();
  void expire_appends(Time now);
  Standing standing() const;
  std::string reason_of(Standing) const;
  void note_health();
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
  void act_one(ScrubRange&&);
  void act_one(SumRange&&);
  void act_one(RangeCompared&&);
  void start_scrubber();
  void note_damage(Position);
  void go_on_after_repair();
  void retry_reads();
  void act_one(MembersChanged&&);
  void on_envelope(runtime::SessionId, Envelope) override;
  void on_lost(NodeId) override;
  void on_reached(NodeId) override;
  void perform(Action) override;
  void on_disk_failed(const Error& why) override { fail(why); }
  void on_wake();
  void drain_self();
  void fail(const Error&);
  void tell_failure();
  Time stalled_at() const;
  void watch_disk();
  void watch_backlog();
  void finish_append(std::uint64_t tag, Result<Position>);
  void finish_in_batch(std::uint64_t tag, Result<Position>);
  void serve_writers(const Leadership&);
  void feed(const std::shared_ptr<Tail>&);
  void feed_all();
  template <class T>
  void tell(const std::shared_ptr<Watcher<T>>&);
  void arm();
  void publish();
  void start_applier(DriverSnapshots);
  void stop_applier_of_witness();
  void forget_as_witness();
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
  std::unique_ptr<runtime::Alarm> alarm_;
  std::deque<Message> self_messages_;
  bool is_draining_ = false;
  EncodedAccept last_accept_;
  Bytes last_accept_bytes_;

  OpenCalls calls_;  // Before all that keep an `OpenCall`.
  // Open appends by tag: tags grow by one and as a rule time out in order, so a deque with holes
  // serves. They begin at a random number, so that no two incarnations of a member share any.
  std::uint64_t first_tag_;
  std::deque<std::optional<OpenAppend>> open_appends_;
  std::deque<AppendDeadline> append_deadlines_;        // Of those without terms of their own.
  std::map<std::uint64_t, OpenCall> append_terms_;     // By tag; of a batch, by its first.
  std::map<std::uint64_t, OpenBatch> append_batches_;  // By the tag of its first entry.
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
  std::uint64_t snapshot_reads_ = 0;  // That others than members asked for.
  std::unique_ptr<Scrubber> scrubber_;
  std::vector<std::shared_ptr<Tail>> tails_;
  std::vector<std::shared_ptr<Watcher<Leadership>>> leadership_watchers_;
  std::vector<std::shared_ptr<Watcher<Health>>> health_watchers_;
  Standing standing_ = Standing::forming;  // As of `health_`.
  Health health_;
  runtime::Lifeline lifeline_;
  std::uint64_t dropped_ = 0;
  LogId log_id_;
  std::unique_ptr<Ports> ports_;
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

template <class T>
void Driver::tell(const std::shared_ptr<Watcher<T>>& watcher) {
  if (watcher->is_busy || watcher->told == *watcher->latest) return;
  watcher->is_busy = true;
  watcher->told = *watcher->latest;
  auto alive = std::weak_ptr<Watcher<T>>(watcher);
  auto go_on = lifeline_.guard([this, alive] {
    auto held = alive.lock();
    held->is_busy = false;
    tell(held);
  });
  host_.delivery()->execute([&host = host_, alive = std::move(alive), news = *watcher->latest,
                             go_on = std::move(go_on)]() mutable {
    if (auto held = alive.lock()) held->observer(news);
    host.post(std::move(go_on));
  });
}

}  // namespace cluster::replog
