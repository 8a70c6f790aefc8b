// What the logs of one host share: the sessions to its peers, the way to the disk, and the watch
// over each other's hosts that lets a log rest. Lives on the node thread.
//
// Every message names its log, and messages of all logs leave by the same sessions, as many as
// there are in one write. What all logs want durable goes to the disk together.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "cluster/log_host.hpp"
#include "replog/ports.hpp"
#include "runtime/committer.hpp"
#include "runtime/peer_links.hpp"

namespace cluster::replog {

// What one log asked to be made durable at once.
struct LogChanges {
  LogId log;
  const std::vector<Change>* changes;
};

struct SharedLogsOptions {
  Identity identity;
  Duration silence_max = std::chrono::milliseconds(600);
  Duration beat_interval = std::chrono::milliseconds(60);
  std::size_t group_bytes_max = 8u << 20;
};

class SharedLogs {
 public:
  // All of it durable when it returns, or nothing. Where the host has groups written; may be called
  // once more after this object's end.
  using Write = std::function<Result<void>(const std::vector<LogChanges>&)>;

  SharedLogs(runtime::Host&, runtime::ListenerId, SharedLogsOptions, Write);
  ~SharedLogs();
  SharedLogs(const SharedLogs&) = delete;
  SharedLogs& operator=(const SharedLogs&) = delete;

  // The log's own ports; it is open until they are destroyed. Each id once.
  std::unique_ptr<Ports> open(LogId, std::vector<Peer> members, PortUser&);
  bool is_open(LogId log) const { return seats_.contains(log); }

  // The process ends, as by a power cut: logs that are closed from now on tell nobody, and what
  // they had on its way to the disk may yet reach it. For simulations.
  void end() { is_ending_ = true; }

  Metrics metrics() const;

 private:
  class SeatPorts;

  // One log that is open.
  struct Seat {
    LogId log;
    PortUser* user;  // None: it was closed. Node thread.
    // What it submitted and is not on its way to the disk must not be written any more: the log may
    // be opened again meanwhile.
    std::atomic<bool> is_closed = false;
    std::map<NodeId, Endpoint> members;
    std::map<NodeId, NodeId> strangers;  // Ids that stand for an endpoint, and ours for the same.
    std::set<NodeId> without;            // Hosts that have not got this log.
  };
  struct Submission {
    std::shared_ptr<Seat> seat;
    std::vector<Change> changes;
  };
  struct Due {
    std::shared_ptr<Seat> seat;
    std::vector<Action> actions;
  };
  struct PeerHost {
    Endpoint endpoint;
    Time heard_at{};
    std::uint64_t life = 0;  // Of its process; 0: not told yet.
    bool is_reached = false;
  };

  static Result<void> write(const Write&, const std::vector<Submission>&);
  bool on_message(runtime::SessionId, const runtime::PeerIdentity& sender, const Bytes&);
  void on_beat(NodeId from, const HostBeat&);
  void on_envelope(runtime::SessionId, Envelope);
  void on_no_such_log(Seat&, NodeId from);
  void note_heard(NodeId);
  void lose(NodeId, std::string_view why);
  void tell_all(void (PortUser::*news)(NodeId), NodeId);
  void on_wake();
  void set_members(Seat&, std::vector<Peer>);
  void dial_members();
  void close(const std::shared_ptr<Seat>&);
  void send(NodeId to, LogId, Message);

  runtime::Host& host_;
  const SharedLogsOptions options_;
  Logger log_;
  Doorkeeper door_;
  const std::uint64_t life_;
  std::map<LogId, std::shared_ptr<Seat>> seats_;
  std::map<NodeId, PeerHost> peers_;
  std::map<Endpoint, NodeId> strangers_;  // Endpoints of which it is not known whose they are.
  std::set<LogId> missed_;                // Logs that were spoken to and are not open here.
  bool is_dialing_due_ = false;
  bool is_ending_ = false;
  runtime::Committer<Submission, Due> committer_;
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::Lifeline lifeline_;
  std::unique_ptr<runtime::PeerLinks> links_;
};

}  // namespace cluster::replog
