// The last of what happened in a simulated cluster, for people, and a digest of all of it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/logger.hpp"
#include "sim/world.hpp"

namespace cluster::testing {

class Trace {
 public:
  explicit Trace(const sim::World& world) : world_(world) {}

  void add(std::string_view who, std::string_view what);
  void on_event() { mix(static_cast<std::uint64_t>(world_.now().time_since_epoch().count())); }

  std::vector<std::string> lines() const { return {lines_.begin(), lines_.end()}; }
  std::uint64_t digest() const { return digest_; }

 private:
  void mix(std::uint64_t number) {
    digest_ = (digest_ ^ number) * 0x9e3779b97f4a7c15u;
    digest_ ^= digest_ >> 31;
  }

  const sim::World& world_;
  std::deque<std::string> lines_;
  std::uint64_t digest_ = 0;
};

// Where the library's lines of one node go: into the trace, and to the user's sink.
class NodeSink final : public LogSink {
 public:
  NodeSink(Trace& trace, std::string name, LogSink* next)
      : trace_(trace), name_(std::move(name)), next_(next) {}
  void write(const LogLine& line) override {
    trace_.add(name_, std::string(line.part) + ": " + to_text(line));
    if (next_ != nullptr) next_->write(line);
  }

 private:
  Trace& trace_;
  std::string name_;
  LogSink* next_;
};

}  // namespace cluster::testing
