#include "net/session_context.hpp"

#include <utility>

#include "net/alarm.hpp"
#include "net/tcp_session.hpp"

namespace cluster::net {
namespace {

constexpr std::size_t remembered_min = 4096;

}  // namespace

Metrics TcpCounters::metrics() const {
  auto counter = [](const char* name, const char* help, const Counter& value) {
    return Metric{name, help, Metric::Kind::counter, static_cast<double>(value.get())};
  };
  Metric open{"cluster_net_sessions", "Sessions that are connected now.", Metric::Kind::gauge,
              static_cast<double>(sessions.get())};
  return {
      open,
      counter("cluster_net_accepted_total", "Connections accepted.", accepted),
      counter("cluster_net_dialed_total", "Sessions dialed.", dialed),
      counter("cluster_net_dials_failed_total", "Dials that reached no peer.", dials_failed),
      counter("cluster_net_received_bytes_total", "Bytes received.", bytes_received),
      counter("cluster_net_sent_bytes_total", "Bytes sent.", bytes_sent),
      counter("cluster_net_received_frames_total", "Messages received.", frames_received),
      counter("cluster_net_sent_frames_total", "Messages queued to be sent.", frames_sent),
      counter("cluster_net_garbage_total", "Sessions dropped because they broke the protocol.",
              garbage),
      counter("cluster_net_refused_total", "Sessions refused: nobody serves their lane.", refused),
      counter("cluster_net_overloaded_total", "Sessions closed because their peer did not read.",
              overloaded),
      counter("cluster_net_accept_pauses_total", "Times that accepting had to pause.",
              accept_pauses),
      counter("cluster_net_tls_handshakes_total", "TLS handshakes that succeeded.", tls_handshakes),
      counter("cluster_net_tls_resumed_total", "Those that resumed an earlier session.",
              tls_resumed),
      counter("cluster_net_tls_failed_total",
              "Sessions that ended because their ends do not trust or understand each other.",
              tls_failed),
  };
}

SessionContext::SessionContext(asio::io_context& io_context, TcpOptions tcp_options,
                               const Security& chosen, Logger pen, FindHandler find,
                               Forget forget_session)
    : io(io_context),
      options(tcp_options),
      logger(std::move(pen)),
      find_handler(std::move(find)),
      forget(std::move(forget_session)),
      read_buffer(128 * 1024),
      is_chosen_(!std::holds_alternative<std::monostate>(chosen)) {
  const auto* tls = std::get_if<Tls>(&chosen);
  if (tls == nullptr) return;
  // What was read last may complete a record that began before.
  plain_buffer.resize(read_buffer.size() + 32 * 1024);
  if (tls->certificates == nullptr) {
    is_chosen_ = false;
  } else {
    tls_ = std::make_unique<TlsContexts>(tls->certificates, logger);
  }
}

Result<std::shared_ptr<TlsContext>> SessionContext::security() {
  if (tls_) return tls_->current();
  if (is_chosen_) return std::shared_ptr<TlsContext>();
  return Error{Errc::invalid_argument,
               "no security was chosen: connections need certificates (RuntimeOptions::security = "
               "cluster::Tls{...}; --certs DIR), or plain text by name (cluster::Insecure{}; "
               "--insecure)"};
}

const std::array<char, wire::frame_header_size>& SessionContext::frame_header(
    const Bytes& payload) {
  bool is_known = payload.data() == framed_.data() && payload.size() == framed_.size();
  if (is_known && !payload.empty()) return frame_header_;
  framed_ = payload.size() >= remembered_min ? payload : Bytes();
  frame_header_ = wire::encode_frame_header(payload.view());
  return frame_header_;
}

void SessionContext::flush_later(std::shared_ptr<TcpSession> session) {
  to_flush_.push_back(std::move(session));
  if (to_flush_.size() == 1) asio::post(io, [this] { flush_now(); });
}

void SessionContext::flush_now() {
  framed_ = {};
  flushing_.swap(to_flush_);
  for (auto& session : flushing_) session->flush();
  flushing_.clear();
}

void SessionContext::warn(std::string_view event, const Endpoint& peer, std::string_view why) {
  Time now = steady_now();
  if (warned_at_ != Time::min() && now - warned_at_ < std::chrono::seconds(1)) {
    ++unsaid_;
    return;
  }
  warned_at_ = now;
  logger.warning(event, "peer", peer, "why", why, "unsaid", std::exchange(unsaid_, 0));
}

}  // namespace cluster::net
