// CLUSTER_CHECK: our own state is impossible. Always on, in release too. Never for what came from a
// wire, a disk or a user: that is a `Result`.
#pragma once

#include <sstream>
#include <string>
#include <string_view>

#include "cluster/logger.hpp"

namespace cluster {

// Called before the process aborts, with the place, the condition and its meaning. A host that
// wants the words elsewhere than on standard error sets its own. Not thread-safe: set it before the
// first node.
using CheckHook = void (*)(std::string_view text);
void set_check_hook(CheckHook);

namespace detail {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               std::string_view meaning, std::string_view values);

template <class... Values>
std::string check_values(const Values&... values) {
  std::string text;
  ((text += ' ', text += to_field(values)), ...);
  return text;
}

}  // namespace detail
}  // namespace cluster

// CLUSTER_CHECK(condition, "what it means", values...)
#define CLUSTER_CHECK(condition, meaning, ...)                                    \
  (static_cast<bool>(condition)                                                   \
       ? static_cast<void>(0)                                                     \
       : ::cluster::detail::check_failed(__FILE__, __LINE__, #condition, meaning, \
                                         ::cluster::detail::check_values(__VA_ARGS__)))
