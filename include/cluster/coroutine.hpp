// Lets a function that returns an `Op` be a coroutine:
//
//   cluster::Op<Position> append_twice(cluster::Log& log, cluster::Bytes data) {
//     auto first = co_await log.append(data);
//     if (!first) co_return first;
//     auto second = co_await log.append(data);
//     co_return second;
//   }
//
// It runs at once, to its first `co_await`, and goes on where the runtime delivers. What it refers
// to must live until its `Op` has ended; it takes its data by value. An exception that leaves it
// ends its `Op` with `Errc::failed`. (gcc 12: no temporary with a destructor, no `{}` and no lambda
// inside a `co_await` expression, or it is destroyed twice: name it on the line before.)
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "cluster/op.hpp"
#include "cluster/result.hpp"

namespace cluster::detail {

template <class T>
class OpCoroutine {
 public:
  Op<T> get_return_object() { return promise_.op(); }
  std::suspend_never initial_suspend() const noexcept { return {}; }
  // What the coroutine holds has ended by now; whoever waits for it may rely on that.
  std::suspend_never final_suspend() noexcept {
    promise_.complete(*std::move(result_));
    return {};
  }

  void return_value(Result<T> result) { result_.emplace(std::move(result)); }
  void unhandled_exception() {
    try {
      throw;
    } catch (const std::exception& thrown) {
      result_.emplace(Error{Errc::failed, thrown.what(), Outcome::maybe});
    } catch (...) {
      result_.emplace(Error{Errc::failed, "an exception left the coroutine", Outcome::maybe});
    }
  }

 private:
  Promise<T> promise_;
  std::optional<Result<T>> result_;
};

}  // namespace cluster::detail

template <class T, class... Arguments>
struct std::coroutine_traits<cluster::Op<T>, Arguments...> {
  using promise_type = cluster::detail::OpCoroutine<T>;
};
