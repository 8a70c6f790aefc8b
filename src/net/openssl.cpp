#include "net/openssl.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <cstdio>
#include <ctime>

namespace cluster::net {

std::string take_openssl_error() {
  unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "OpenSSL does not say why" : reason;
}

BioPointer open_pem(const std::string& text) {
  return BioPointer(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

CertificatePointer read_certificate(BIO* pem) {
  return CertificatePointer(PEM_read_bio_X509(pem, nullptr, nullptr, nullptr));
}

KeyPointer read_key(BIO* pem) {
  // OpenSSL's own way to ask for a password reads the terminal of whoever embeds us.
  auto no_password = [](char*, int, int, void*) { return -1; };
  return KeyPointer(PEM_read_bio_PrivateKey(pem, nullptr, no_password, nullptr));
}

std::string to_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return "a time that cannot be read";
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d UTC", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return text;
}

}  // namespace cluster::net
