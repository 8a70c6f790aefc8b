// What all sessions of one transport share: limits, counters, the buffer they read into, and the
// round in which they send.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "cluster/logger.hpp"
#include "cluster/metrics.hpp"
#include "cluster/tls.hpp"
#include "net/asio.hpp"
#include "net/tls_context.hpp"
#include "runtime/transport.hpp"
#include "wire/frame.hpp"

namespace cluster::net {

class TcpSession;

struct TcpOptions {
  std::size_t queue_bytes_max = 64u << 20;  // Of one session.
  std::size_t accepted_max = 15'000;        // Sessions; more wait in the system's backlog.
  Duration dial_timeout = std::chrono::seconds(3);
  Duration preamble_timeout = std::chrono::seconds(10);  // Of an accepted session.
  Duration linger_timeout = std::chrono::seconds(5);     // Without progress, after our `close`.
  Duration accept_pause = std::chrono::milliseconds(100);
};

// Written by the node thread, read by any.
class Counter {
 public:
  void add(std::uint64_t n = 1) { set(get() + n); }
  void subtract(std::uint64_t n = 1) { set(get() - n); }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::atomic<std::uint64_t> value_{0};
};

struct TcpCounters {
  Counter sessions;  // Connected, until the socket is closed.
  Counter accepted_sessions;
  Counter accepted;
  Counter dialed;
  Counter dials_failed;
  Counter bytes_received;
  Counter bytes_sent;
  Counter frames_received;
  Counter frames_sent;
  Counter garbage;
  Counter refused;
  Counter overloaded;
  Counter accept_pauses;
  Counter tls_handshakes;
  Counter tls_resumed;
  Counter tls_failed;

  Metrics metrics() const;
};

class SessionContext {
 public:
  using FindHandler = std::function<runtime::SessionHandler*(runtime::ListenerId, runtime::Lane)>;
  using Forget = std::function<void(runtime::SessionId)>;

  SessionContext(asio::io_context&, TcpOptions, const Security&, Logger, FindHandler, Forget);

  // How the next connection begins: with this context, or none for plain text. An error where no
  // security was chosen, or there are no certificates.
  Result<std::shared_ptr<TlsContext>> security();

  // The same bytes go to one peer after another: their checksum is computed for the first.
  const std::array<char, wire::frame_header_size>& frame_header(const Bytes& payload);

  // Sends what the session has queued once the callbacks that are due have run, so that what they
  // queue goes with it.
  void flush_later(std::shared_ptr<TcpSession>);
  void flush_now();

  // A warning about a peer, at most once a second: peers must not fill our log.
  void warn(std::string_view event, const Endpoint& peer, std::string_view why);

  asio::io_context& io;
  const TcpOptions options;
  const Logger logger;
  const FindHandler find_handler;
  const Forget forget;  // The session ends or is closed: its id means nothing any more.
  TcpCounters counters;
  std::vector<char> read_buffer;
  std::vector<char> plain_buffer;  // What was read, decrypted; empty without TLS.
  std::string cipher_spare;        // Memory for what is yet to be sent, encrypted.
  std::vector<Bytes> payloads;     // Of the read under way; here for its memory.

 private:
  bool is_chosen_;                    // What security there is.
  std::unique_ptr<TlsContexts> tls_;  // None: plain text.
  std::vector<std::shared_ptr<TcpSession>> to_flush_;
  std::vector<std::shared_ptr<TcpSession>> flushing_;
  Bytes framed_;  // Until it is sent.
  std::array<char, wire::frame_header_size> frame_header_{};
  Time warned_at_ = Time::min();
  std::uint64_t unsaid_ = 0;
};

}  // namespace cluster::net
