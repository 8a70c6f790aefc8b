// Threads as the library makes them: named, and deaf to signals.
#pragma once

#include <functional>
#include <thread>

namespace cluster::net {

// Starts a thread that runs `body`. Every signal stays blocked in it but those that a fault in the
// thread itself raises. `name` has at most 15 characters.
std::thread start_thread(const char* name, std::function<void()> body);

}  // namespace cluster::net
