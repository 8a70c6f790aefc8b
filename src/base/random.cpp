#include "base/random.hpp"

#include <random>

namespace cluster {

std::uint64_t system_random() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) ^ device();
}

}  // namespace cluster
