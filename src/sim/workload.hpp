// What runs on a simulated log and what its users see; asked in the end whether that can be.
#pragma once

#include <cstddef>
#include <string>

namespace cluster::sim {

class Workload {
 public:
  virtual ~Workload() = default;
  // Those who are waiting for an answer take it; nobody asks again.
  virtual void stop() = 0;
  // Once stopped: what was to come by itself has come.
  virtual bool is_settled() = 0;
  // When all is over: what is wrong, as lines; empty when nothing is.
  virtual std::string check() = 0;
  virtual std::size_t operations() const = 0;
};

}  // namespace cluster::sim
