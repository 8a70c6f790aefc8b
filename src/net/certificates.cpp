#include "net/certificates.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>

#include "net/openssl.hpp"
#include "net/tls_context.hpp"
#include "net/tls_peer.hpp"

namespace cluster::net {
namespace {

Error failed(const std::string& what) {
  return Error{Errc::failed, what + ": " + take_openssl_error()};
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  long size = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

Result<KeyAndCertificate> to_pem(X509* certificate, EVP_PKEY* key) {
  BioPointer certificate_text(BIO_new(BIO_s_mem()));
  BioPointer key_text(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(certificate_text.get(), certificate) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return failed("cannot write a certificate");
  }
  return KeyAndCertificate{.certificate = text_of(certificate_text.get()),
                           .key = text_of(key_text.get())};
}

bool set_time(ASN1_TIME* to, WallTime time) {
  return ASN1_TIME_set(to, std::chrono::system_clock::to_time_t(time)) != nullptr;
}

bool set_common_name(X509_NAME* to, const std::string& name) {
  return X509_NAME_add_entry_by_txt(to, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1;
}

bool add_extension(X509* to, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
  OpensslPointer<X509_EXTENSION, X509_EXTENSION_free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && X509_add_ext(to, extension.get(), -1) == 1;
}

// What certificates of every kind have: a random number, times, a name, and a new key.
Result<CertificatePointer> begin_certificate(const std::string& common_name, Validity validity,
                                             EVP_PKEY* key) {
  CertificatePointer made(X509_new());
  std::array<unsigned char, 16> number;
  if (!made || RAND_bytes(number.data(), number.size()) != 1) return failed("no randomness");
  number[0] = static_cast<unsigned char>((number[0] & 0x7f) | 0x40);  // Positive, and of full size.
  OpensslPointer<BIGNUM, BN_free> serial(BN_bin2bn(number.data(), number.size(), nullptr));
  bool is_set = X509_set_version(made.get(), X509_VERSION_3) == 1 && serial &&
                BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(made.get())) != nullptr &&
                set_time(X509_getm_notBefore(made.get()), validity.begin) &&
                set_time(X509_getm_notAfter(made.get()), validity.end) &&
                set_common_name(X509_get_subject_name(made.get()), common_name) &&
                X509_set_pubkey(made.get(), key) == 1;
  if (!is_set) return failed("cannot make a certificate for '" + common_name + "'");
  return made;
}

// Names go into OpenSSL's little language of extensions, so what means something there is refused.
bool is_plain_name(const std::string& name) {
  if (name.empty() || name.size() > 253) return false;
  for (char c : name) {
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_letter && std::string_view(".-_:*").find(c) == std::string_view::npos) return false;
  }
  return true;
}

bool is_address(const std::string& host) {
  OpensslPointer<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> address(a2i_IPADDRESS(host.c_str()));
  ERR_clear_error();
  return address != nullptr;
}

Result<std::string> alternative_names(const CertificateRequest& request) {
  std::string list;
  auto add = [&](const char* kind, const std::string& name) {
    list += (list.empty() ? "" : ",") + std::string(kind) + ":" + name;
    return is_plain_name(name);
  };
  for (const auto& uri : request.uris) {
    if (!add("URI", uri)) return Error{Errc::invalid_argument, "'" + uri + "' is no name"};
  }
  for (const auto& host : request.hosts) {
    bool is_numeric = is_address(host);
    bool has_colon = host.find(':') != std::string::npos;
    if (!add(is_numeric ? "IP" : "DNS", host) || (!is_numeric && has_colon)) {
      return Error{Errc::invalid_argument,
                   "'" + host + "' is no host: write a name or an address, without a port"};
    }
  }
  if (list.empty()) return Error{Errc::invalid_argument, "a certificate needs a name"};
  return list;
}

WallTime wall_time_of(const ASN1_TIME* time) {
  std::tm parts{};
  ASN1_TIME_to_tm(time, &parts);
  return std::chrono::floor<WallTime::duration>(
      std::chrono::system_clock::from_time_t(timegm(&parts)));
}

std::string common_name_of(const X509_NAME* name) {
  char text[256] = "";
  X509_NAME_get_text_by_NID(name, NID_commonName, text, sizeof text);
  return text;
}

}  // namespace

Result<KeyAndCertificate> make_authority(const std::string& common_name, Validity validity) {
  KeyPointer key(EVP_EC_gen("P-256"));
  if (!key) return failed("cannot make a key");
  auto made = begin_certificate(common_name, validity, key.get());
  if (!made) return std::move(made).error();
  X509* raw = made->get();
  bool is_signed = X509_set_issuer_name(raw, X509_get_subject_name(raw)) == 1 &&
                   add_extension(raw, raw, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
                   add_extension(raw, raw, NID_key_usage, "critical,keyCertSign,cRLSign") &&
                   add_extension(raw, raw, NID_subject_key_identifier, "hash") &&
                   X509_sign(raw, key.get(), EVP_sha256()) > 0;
  if (!is_signed) return failed("cannot sign the authority's certificate");
  return to_pem(raw, key.get());
}

Result<KeyAndCertificate> issue(const KeyAndCertificate& authority,
                                const CertificateRequest& request) {
  auto issuer_pem = open_pem(authority.certificate);
  auto issuer = read_certificate(issuer_pem.get());
  auto key_pem = open_pem(authority.key);
  auto issuer_key = read_key(key_pem.get());
  if (!issuer || !issuer_key || X509_check_private_key(issuer.get(), issuer_key.get()) != 1) {
    ERR_clear_error();
    return Error{Errc::invalid_argument, "the authority's key and certificate do not fit together"};
  }
  auto names = alternative_names(request);
  if (!names) return std::move(names).error();
  KeyPointer key(EVP_EC_gen("P-256"));
  if (!key) return failed("cannot make a key");
  auto made = begin_certificate(request.common_name, request.validity, key.get());
  if (!made) return std::move(made).error();
  X509* raw = made->get();
  const char* uses = request.serves ? "serverAuth,clientAuth" : "clientAuth";
  bool is_signed = X509_set_issuer_name(raw, X509_get_subject_name(issuer.get())) == 1 &&
                   add_extension(raw, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                   add_extension(raw, issuer.get(), NID_key_usage, "critical,digitalSignature") &&
                   add_extension(raw, issuer.get(), NID_ext_key_usage, uses) &&
                   add_extension(raw, issuer.get(), NID_subject_key_identifier, "hash") &&
                   add_extension(raw, issuer.get(), NID_authority_key_identifier, "keyid:always") &&
                   add_extension(raw, issuer.get(), NID_subject_alt_name, *names) &&
                   X509_sign(raw, issuer_key.get(), EVP_sha256()) > 0;
  if (!is_signed) return failed("cannot issue a certificate for '" + request.common_name + "'");
  return to_pem(raw, key.get());
}

Result<CertificateFacts> describe_certificate(const std::string& pem) {
  auto text = open_pem(pem);
  auto certificate = read_certificate(text.get());
  ERR_clear_error();
  if (!certificate) {
    return Error{Errc::invalid_argument, "it is no certificate as PEM text (BEGIN CERTIFICATE)"};
  }
  X509* raw = certificate.get();
  return CertificateFacts{.common_name = common_name_of(X509_get_subject_name(raw)),
                          .issuer = common_name_of(X509_get_issuer_name(raw)),
                          .names = identity_of(raw).names,
                          .is_authority = X509_check_ca(raw) > 0,
                          .validity = {.begin = wall_time_of(X509_get0_notBefore(raw)),
                                       .end = wall_time_of(X509_get0_notAfter(raw))}};
}

Result<void> check_certificates(const Certificates& certificates) {
  auto made = TlsContext::make(certificates);
  if (!made) return std::move(made).error();
  return {};
}

}  // namespace cluster::net
