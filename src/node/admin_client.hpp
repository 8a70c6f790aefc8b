// Asks masters and agents the questions of operators' tools.
//
// `ask` finds the leader from any list of masters: it follows redirects, goes on to the next master
// when one is silent or gone, and repeats until the deadline. Every question on the admin lane may
// be asked twice without harm, so repeating is safe. `ask_at` asks exactly one process, once.
//
// Threads: any; the continuations run where the host delivers.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "cluster/op.hpp"
#include "cluster/types.hpp"
#include "runtime/host.hpp"
#include "wire/admin_messages.hpp"

namespace cluster::node {

class AdminClient {
 public:
  // `host` must outlive this. `masters` may be empty when only `ask_at` is used.
  AdminClient(runtime::Host& host, std::vector<Endpoint> masters);
  AdminClient(const AdminClient&) = delete;
  AdminClient& operator=(const AdminClient&) = delete;
  ~AdminClient();  // What is open ends as `closed`.

  // The leader's answer; to GetStatus, that of the first master that answers. A `Failure` comes
  // back as its error, `no_leader` when the time is over and nobody led, with what was tried.
  Op<wire::AdminBody> ask(wire::AdminBody question, Duration timeout);

  // The answer of the process at this endpoint. `unreachable` when it cannot be connected to, or
  // the session ends before the answer.
  Op<wire::AdminBody> ask_at(const Endpoint& at, wire::AdminBody question, Duration timeout);

 private:
  class Impl;
  runtime::Host& host_;
  std::shared_ptr<Impl> impl_;
};

// The answer as the type that the question has; anything else is a `protocol` error.
template <class Answer>
Result<Answer> expect(Result<wire::AdminBody> body) {
  if (!body) return std::move(body).error();
  if (auto* answer = std::get_if<Answer>(&*body)) return std::move(*answer);
  return Error{Errc::protocol, "the answer is of another kind than the question"};
}

}  // namespace cluster::node
