// An `Op` as an operation of Asio, for programs that have Asio (standalone, 1.22 or later) already.
//
//   cluster::async_wait(log.append(bytes), [](cluster::Result<cluster::Position> at) { ... });
//   auto op = log.append(bytes);
//   auto at = co_await cluster::async_wait(std::move(op), asio::use_awaitable);
//
// The handler runs on its associated executor, which stays busy until then; it is never called
// inside `async_wait`. Header only: the library itself shows no Asio type to anybody.
#pragma once

#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <type_traits>
#include <utility>

#include "cluster/op.hpp"
#include "cluster/result.hpp"

namespace cluster {

template <class T, class Token>
auto async_wait(Op<T> op, Token&& token) {
  auto start = [](auto handler, Op<T> waited) {
    auto work = asio::make_work_guard(handler);
    waited.then([handler = std::move(handler), work = std::move(work)](Result<T> result) mutable {
      auto executor = work.get_executor();
      asio::post(executor, [handler = std::move(handler), result = std::move(result)]() mutable {
        std::move(handler)(std::move(result));
      });
      work.reset();
    });
  };
  return asio::async_initiate<Token, void(Result<T>)>(std::move(start), token, std::move(op));
}

}  // namespace cluster
