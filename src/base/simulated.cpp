#include "cluster/op.hpp"

namespace cluster::detail {
namespace {

thread_local int simulations = 0;

}  // namespace

bool is_simulated_thread() { return simulations > 0; }
void enter_simulation() { simulations += 1; }
void leave_simulation() { simulations -= 1; }

}  // namespace cluster::detail
