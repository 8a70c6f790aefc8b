// What goes wrong by itself in a simulated cluster, and when.
#pragma once

#include <cstdint>

#include "cluster/testing.hpp"

namespace cluster::testing {

struct Machine;

class FaultPlan {
 public:
  // The rates of this seed.
  static Faults drawn(const Faults& most, std::uint64_t seed);

  explicit FaultPlan(Cluster::Impl& cluster) : cluster_(cluster) {}
  void begin(const Faults&);
  void end() { is_on_ = false; }

 private:
  template <class F>
  void repeat(Duration mean, F f);
  Machine& any_machine();
  void crash();
  void cut();
  void fail_disk();

  Cluster::Impl& cluster_;
  bool is_on_ = false;
};

}  // namespace cluster::testing
