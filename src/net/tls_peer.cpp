#include "net/tls_peer.hpp"

#include <arpa/inet.h>
#include <openssl/tls1.h>
#include <openssl/x509v3.h>

#include <charconv>

#include "net/openssl.hpp"

namespace cluster::net {
namespace {

constexpr ByteView member_prefix = "cluster:member:";

ByteView view_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::string address_text(const ASN1_OCTET_STRING* address) {
  int family = ASN1_STRING_length(address) == 4 ? AF_INET : AF_INET6;
  if (family == AF_INET6 && ASN1_STRING_length(address) != 16) return {};
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, ASN1_STRING_get0_data(address), text, sizeof text);
  return text;
}

// "cluster:member:7", with nothing more and nothing less.
NodeId member_of(ByteView name) {
  if (!name.starts_with(member_prefix)) return {};
  name.remove_prefix(member_prefix.size());
  std::uint64_t id = 0;
  auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), id);
  bool is_whole = failure == std::errc{} && end == name.data() + name.size();
  return is_whole && std::to_string(id) == name ? NodeId(id) : NodeId();
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "no name" : text;
}

bool is_of_host(X509* certificate, const std::string& host) {
  return X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
         X509_check_host(certificate, host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

}  // namespace

runtime::PeerIdentity identity_of(X509* certificate) {
  runtime::PeerIdentity identity;
  OpensslPointer<GENERAL_NAMES, GENERAL_NAMES_free> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  int count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::string text;
    if (name->type == GEN_URI) text = view_of(name->d.uniformResourceIdentifier);
    if (name->type == GEN_DNS) text = view_of(name->d.dNSName);
    if (name->type == GEN_IPADD) text = address_text(name->d.iPAddress);
    if (text.empty() || text.find('\0') != std::string::npos) continue;
    NodeId member = name->type == GEN_URI ? member_of(text) : NodeId();
    if (member) identity.members.push_back(member);
    identity.names.push_back(std::move(text));
  }
  return identity;
}

std::string problem_with(X509* certificate, const WantedPeer& wanted) {
  auto identity = identity_of(certificate);
  std::string shown = "its certificate is of " + list_of(identity.names);
  if (wanted.member) {
    if (identity.may_be(wanted.member)) return {};
    return shown + ", not of " + std::string(member_prefix) + std::to_string(wanted.member.value());
  }
  if (!identity.members.empty()) return {};
  if (wanted.lane != runtime::Lane::admin) return shown + ", and not of a member of the cluster";
  if (is_of_host(certificate, wanted.endpoint.host)) return {};
  return shown + ", not of a member or of the host '" + wanted.endpoint.host + "'";
}

std::string problem_of_time(X509* certificate) {
  const ASN1_TIME* begin = X509_get0_notBefore(certificate);
  const ASN1_TIME* end = X509_get0_notAfter(certificate);
  if (X509_cmp_current_time(end) < 0) return "its certificate expired at " + to_text(end);
  if (X509_cmp_current_time(begin) > 0) {
    return "its certificate is not valid before " + to_text(begin) + "; do the clocks agree?";
  }
  return {};
}

std::string describe_verification(int code, X509* certificate) {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return problem_of_time(certificate);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "its certificate is of an authority that we do not know";
    case X509_V_ERR_INVALID_PURPOSE:
      return "its certificate is not made for this end of a connection (a client's, shown by a "
             "server?)";
    default:
      return std::string("its certificate is refused: ") + X509_verify_cert_error_string(code);
  }
}

std::string describe_alert(int alert) {
  switch (alert) {
    case TLS1_AD_UNKNOWN_CA: return "it does not know the authority of our certificate";
    case SSL_AD_CERTIFICATE_EXPIRED: return "it says that our certificate has expired";
    case SSL_AD_BAD_CERTIFICATE: return "our certificate is not of whom it wanted to reach";
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
      return "it says that our certificate is not made for this end of a connection";
    case SSL_AD_CERTIFICATE_REQUIRED: return "it wants a certificate, and we showed none";
    case TLS1_AD_PROTOCOL_VERSION: return "no version of TLS suits both ends; 1.2 is the least";
    default: return std::string("it ends the connection: ") + SSL_alert_desc_string_long(alert);
  }
}

}  // namespace cluster::net
