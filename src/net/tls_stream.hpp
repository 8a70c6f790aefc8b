// One end of a TLS connection: turns ciphertext into plaintext and back. It touches no socket.
//
// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE in the host; ours reads from
// the bytes that a session received, and writes into a buffer that the session sends.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cluster/result.hpp"
#include "cluster/types.hpp"
#include "net/openssl.hpp"
#include "net/send_queue.hpp"
#include "net/tls_context.hpp"
#include "net/tls_peer.hpp"

namespace cluster::net {

class TlsStream {
 public:
  // `spare` lends its memory while there is something to send, so that an idle stream needs none.
  TlsStream(std::shared_ptr<TlsContext>, std::string& spare);              // Accepts.
  TlsStream(std::shared_ptr<TlsContext>, std::string& spare, WantedPeer);  // Dials.
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  struct Received {
    std::size_t plain_size = 0;    // At the beginning of the buffer.
    bool has_more = false;         // It was too small: call again, with no new ciphertext.
    std::optional<Error> failure;  // Comes after that plaintext; the stream is over.
  };
  // Goes on with the handshake, and decrypts what is whole.
  Received receive(ByteView cipher, std::span<char> plain);

  // The handshake is over: `encrypt` may be called, and the peer is known.
  bool is_ready() const { return is_ready_; }
  bool is_over() const { return is_over_; }
  // Between records too: the stream is busy, and must not allocate for each.
  void keep_buffers() { SSL_clear_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS); }
  bool is_resumed() const { return SSL_session_reused(ssl_.get()) == 1; }
  const runtime::PeerIdentity& peer() const { return peer_; }

  // Moves what is queued to what is unsent, up to a batch, in records as large as may be.
  Result<void> encrypt(SendQueue&);
  void end();              // Says that nothing follows.
  void say_raw(ByteView);  // To a peer that does not speak TLS.

  ByteView unsent() const { return ByteView(unsent_).substr(sent_); }
  void sent(std::size_t bytes);  // Of `unsent`.

  // OpenSSL's callbacks.
  static int on_verify(int is_good, X509_STORE_CTX*);
  static int on_new_session(SSL*, SSL_SESSION*);

 private:
  friend struct StreamBio;

  void begin();
  bool shake_hands(Received&);  // False when it has to wait, or failed.
  std::string problem_of_peer(X509*) const;
  Error take_failure();

  std::shared_ptr<TlsContext> context_;
  std::string& spare_;
  std::optional<WantedPeer> wanted_;  // None: it accepts.
  std::string place_;                 // Where a session is remembered.
  SslPointer ssl_;
  ByteView incoming_;  // Ciphertext, during a call.
  std::string unsent_;
  std::size_t sent_ = 0;  // Of `unsent_`.
  std::string refusal_;   // What was wrong with the peer's certificate.
  runtime::PeerIdentity peer_;
  bool is_ready_ = false;
  bool is_over_ = false;
};

}  // namespace cluster::net
