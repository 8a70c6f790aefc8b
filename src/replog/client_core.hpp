// The log client's core: which member to talk to, what to send, and what became of the calls when a
// session ends. It owns no socket or clock.
//
//   resting -> dialing -> greeting -> open -> (session lost) -> resting
//
// On an open session that turns out not to be the leader's, no further call is sent until the open
// ones are answered; then the client moves.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "cluster/log_client.hpp"
#include "cluster/logger.hpp"
#include "replog/client_messages.hpp"

namespace cluster::replog {

struct ClientDial {
  Endpoint to;
};
struct ClientHangUp {};
struct ClientSend {
  Bytes message;
};
// The call `tag` is over.
struct ClientDone {
  std::uint64_t tag = 0;
  Result<ClientBody> answer;
};
using ClientAction = std::variant<ClientDial, ClientHangUp, ClientSend, ClientDone>;
using ClientActions = std::vector<ClientAction>;

class ClientCore {
 public:
  ClientCore(LogClientOptions, std::uint64_t seed, Logger, Time now);

  // Tags grow. `timeout` 0: `LogClientOptions::request_timeout`.
  void on_call(Time now, std::uint64_t tag, ClientBody call, ClientActions&,
               Duration timeout = Duration::zero());
  void on_cancel(std::uint64_t tag, ClientActions&);  // Maybe of a call that is over.
  void on_open(ClientActions&);
  void on_message(Time now, ClientMessage, ClientActions&);
  void on_close(Time now, const Error& why, ClientActions&);
  void on_time(Time now, ClientActions&);
  Time deadline() const;

  Metrics metrics() const;

 private:
  enum class State : std::uint8_t { resting, dialing, greeting, open };
  struct Call {
    ClientBody body;
    std::size_t bytes = 0;
    bool is_sent = false;
    Time deadline = time_never;
    bool is_in_order = true;  // Its deadline stands in `in_order_`; else in `out_of_order_`.
  };

  static std::uint32_t timeout_of(Time now, const Call&);
  void dial(ClientActions&);
  void on_welcome(Time now, const ClientWelcome&, ClientActions&);
  void on_refusal(Time now, const Error&, ClientActions&);
  void send_waiting(Time now, ClientActions&);
  void move_on(ClientActions&);
  void rest(Time now);
  void give_up(std::uint64_t tag, Errc why, ClientActions&);
  void finish(std::uint64_t tag, Result<ClientBody>, ClientActions&);

  LogClientOptions options_;
  Random random_;
  Logger log_;
  State state_ = State::resting;
  Time dial_at_;
  Duration backoff_;
  std::size_t next_member_;
  Endpoint at_;      // Where the session is, or is being made to.
  Endpoint better_;  // Where the leader is; none when it is here, or nobody knows.
  Error last_failure_{Errc::unreachable, "no member was reached yet"};

  std::map<std::uint64_t, Call> calls_;
  std::deque<std::pair<Time, std::uint64_t>> in_order_;  // Deadlines; may name calls that are over.
  std::set<std::pair<Time, std::uint64_t>> out_of_order_;  // Of calls with a timeout of their own.
  std::size_t bytes_ = 0;
  std::size_t sent_calls_ = 0;
  std::deque<std::uint64_t> waiting_;  // Not sent; may name calls that are over.
  std::uint64_t dials_ = 0, moves_ = 0, appends_ = 0;
};

}  // namespace cluster::replog
