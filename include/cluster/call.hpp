// What a caller may say of one call: how long it waits, and that it gives up.
//
//   std::stop_source stop;
//   log.append(bytes, {.timeout = std::chrono::seconds(2), .cancel = stop.get_token()});
//
// A call whose time is over ends with `Errc::timed_out`, or `Errc::no_leader` where nobody was
// known to lead then; one that is cancelled ends with `Errc::cancelled`. In both cases `Outcome`
// says whether it may take effect all the same: what has not left its queue yet never will.
#pragma once

#include <stop_token>

#include "cluster/types.hpp"

namespace cluster {

struct CallOptions {
  Duration timeout{};      // 0: the `request_timeout` of what is called.
  std::stop_token cancel;  // May be stopped from any thread.
};

// Of a call that says nothing. An object, so that no such call makes a temporary: gcc 12 destroys
// some of those twice in a `co_await` expression.
inline const CallOptions default_call{};

}  // namespace cluster
