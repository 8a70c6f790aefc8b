// The values that every part speaks: ids, positions, bytes, time, endpoints.
#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cluster/shared.hpp"

namespace cluster {

// A number with a meaning. Ids start at 1; 0 means none. No arithmetic, no implicit conversion.
template <class Tag>
class Id {
 public:
  constexpr Id() = default;
  constexpr explicit Id(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }

  friend constexpr bool operator==(Id, Id) = default;
  friend constexpr auto operator<=>(Id, Id) = default;

 private:
  std::uint64_t value_ = 0;
};

using NodeId = Id<struct NodeTag>;         // A member of a cluster.
using ClusterUid = Id<struct ClusterTag>;  // A cluster; chosen at random when it is formed.

// A name with a meaning, for the ids that users see: agents, frameworks, tasks, jobs. Copies share
// the text: many records name the same things.
template <class Tag>
class Name {
 public:
  Name() = default;
  explicit Name(std::string value) : value_(std::move(value)) {}

  const std::string& value() const { return value_.get(); }
  bool empty() const { return value().empty(); }
  explicit operator bool() const { return !empty(); }

  friend bool operator==(const Name&, const Name&) = default;
  friend auto operator<=>(const Name&, const Name&) = default;

 private:
  Shared<std::string> value_;
};

using AgentId = Name<struct AgentTag>;
using FrameworkId = Name<struct FrameworkTag>;
using TaskId = Name<struct TaskTag>;  // Unique within its framework, chosen by the framework.
using JobId = Name<struct JobTag>;
using OfferId = Id<struct OfferTag>;

// A place in the log. Positions start at 1 and have no gaps.
class Position {
 public:
  constexpr Position() = default;
  constexpr explicit Position(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr explicit operator bool() const { return value_ != 0; }
  constexpr Position next() const { return Position(value_ + 1); }
  constexpr Position plus(std::uint64_t n) const { return Position(value_ + n); }

  friend constexpr bool operator==(Position, Position) = default;
  friend constexpr auto operator<=>(Position, Position) = default;
  // How many positions lie in [from, to); `from` is not after `to`.
  friend constexpr std::uint64_t distance(Position from, Position to) {
    return to.value_ - from.value_;
  }

 private:
  std::uint64_t value_ = 0;
};

using ByteView = std::string_view;

// Immutable bytes, cheap to copy: copies and slices share one allocation.
class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(ByteView view);  // Copies.
  explicit Bytes(const char* text) : Bytes(ByteView(text)) {}
  explicit Bytes(std::string&& value);  // Takes over.

  ByteView view() const { return {data_.get(), size_}; }
  const char* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The bytes at [offset, offset + size), shared with this. The range must lie inside.
  Bytes slice(std::size_t offset, std::size_t size) const;

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const char> data_;
  std::size_t size_ = 0;
};

// Time on the node's own clock: monotonic, comparable only inside one process, simulated in tests.
struct NodeClock {
  using duration = std::chrono::microseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<NodeClock, duration>;
  static constexpr bool is_steady = true;
};
using Time = NodeClock::time_point;
using Duration = NodeClock::duration;
inline constexpr Time time_never = Time::max();

// Time of day, at the edges only: what people read and what is recorded for them.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

// Where a process listens. `host` is a numeric address or a name; an IPv6 address is without
// brackets.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// "10.0.0.1:5050", "[::1]:5050".
std::string to_string(const Endpoint&);

}  // namespace cluster

template <class Tag>
struct std::hash<cluster::Id<Tag>> {
  std::size_t operator()(cluster::Id<Tag> id) const noexcept {
    return std::hash<std::uint64_t>{}(id.value());
  }
};
template <class Tag>
struct std::hash<cluster::Name<Tag>> {
  std::size_t operator()(const cluster::Name<Tag>& name) const noexcept {
    return std::hash<std::string>{}(name.value());
  }
};
template <>
struct std::hash<cluster::Position> {
  std::size_t operator()(cluster::Position at) const noexcept {
    return std::hash<std::uint64_t>{}(at.value());
  }
};
