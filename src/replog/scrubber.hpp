// Looks after what stands on the disk while nobody asks for it: reads the store from end to end at
// a low rate, has repaired what is damaged, and compares its copy with the other members', which
// finds what a disk gives back wrong under a right checksum. docs/PROTOCOL.md, "Comparing stores".
//
// Lives on the node thread; reads on the background thread, a slice at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "cluster/metrics.hpp"
#include "replog/messages.hpp"
#include "replog/store.hpp"
#include "runtime/host.hpp"

namespace cluster::replog {

struct ScrubberOptions {
  std::size_t bytes_per_second = 0;  // 0: answers others, and begins nothing itself.
  std::size_t slice_bytes = 1u << 20;
  Duration first_after = std::chrono::minutes(1);
  Duration rest = std::chrono::hours(1);        // Between two passes.
  Duration patience = std::chrono::seconds(5);  // With a member that was asked.
};

class Scrubber {
 public:
  struct Log {
    // Calls `check` with what comes from there on, now or later.
    std::function<void(Position from)> choose;
    std::function<Position()> kept_from;
    std::function<void(Position)> on_damage;
    // Most members have another entry there, whose part of a sum is `checksum`.
    std::function<void(Position, std::uint32_t checksum)> on_odd_copy;
    std::function<std::vector<NodeId>()> peers;  // Those with whole copies.
    std::function<void(NodeId, Message)> send;
  };

  Scrubber(runtime::Host&, std::shared_ptr<Store>, ScrubberOptions, Log);
  Scrubber(const Scrubber&) = delete;
  Scrubber& operator=(const Scrubber&) = delete;

  // All of the range is chosen and durable here. Empty: the log ends there.
  void check(PositionRange);
  // The same, for another member.
  void answer(NodeId, PositionRange);
  void on(NodeId, const RangeSummed&);
  void stop();
  bool is_reading() const { return reading_ != 0; }  // On the background thread.

  Metrics metrics() const;

 private:
  struct Answer {
    NodeId peer;
    std::optional<std::uint32_t> checksum;  // None: it cannot tell.
  };
  // A range whose sum others are asked for, one after another.
  struct Comparison {
    PositionRange range;
    std::uint32_t checksum = 0;
    std::vector<NodeId> to_ask;  // The next one last.
    std::vector<Answer> answers;
    // Where this copy is the odd one: the range in which the wrong entry lies, of which the present
    // one is the first half; and who is asked, and told right.
    std::optional<PositionRange> whole;
  };
  enum class State : std::uint8_t { resting, choosing, reading, asking };

  void on_wake();
  void go_on_after(Duration);
  void read(PositionRange, std::size_t bytes_max, std::function<void(Result<RangeCheck>)> done);
  void on_checked(PositionRange, Result<RangeCheck>);
  void ask_next();
  void conclude();
  void narrow(PositionRange, NodeId peer);
  void on_narrowed(const Answer&);
  Duration time_for(std::size_t bytes) const;

  runtime::Host& host_;
  std::shared_ptr<Store> store_;
  ScrubberOptions options_;
  Log log_;
  Logger logger_;
  std::unique_ptr<runtime::Alarm> alarm_;
  State state_ = State::resting;
  bool is_stopped_ = false;
  Position next_{1};
  Duration pause_{};  // After what is being done.
  Comparison comparison_;
  std::map<NodeId, Time> silent_until_;  // Not asked before.
  std::set<NodeId> answering_;
  std::size_t reading_ = 0;

  std::uint64_t bytes_ = 0;
  std::uint64_t passes_ = 0;
  std::uint64_t found_ = 0;
  std::uint64_t differences_ = 0;
  runtime::Lifeline lifeline_;
};

}  // namespace cluster::replog
