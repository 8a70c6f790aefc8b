// OpenSSL's objects with owners, and its error queue as words.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>
#include <string>

namespace cluster::net {

template <auto free_function>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
template <class T, auto free_function>
using OpensslPointer = std::unique_ptr<T, OpensslFree<free_function>>;

using BioPointer = OpensslPointer<BIO, BIO_free_all>;
using CertificatePointer = OpensslPointer<X509, X509_free>;
using KeyPointer = OpensslPointer<EVP_PKEY, EVP_PKEY_free>;
using SslContextPointer = OpensslPointer<SSL_CTX, SSL_CTX_free>;
using SslPointer = OpensslPointer<SSL, SSL_free>;
using SslSessionPointer = OpensslPointer<SSL_SESSION, SSL_SESSION_free>;

// The newest reason in this thread's queue, which it empties.
std::string take_openssl_error();

// What PEM text holds. None where the next block is not of that kind, or there is none; a key that
// is encrypted is none.
BioPointer open_pem(const std::string& text);
CertificatePointer read_certificate(BIO*);
KeyPointer read_key(BIO*);

// "2027-01-31 12:00:00 UTC".
std::string to_text(const ASN1_TIME*);

}  // namespace cluster::net
