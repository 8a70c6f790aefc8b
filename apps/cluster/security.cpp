#include "security.hpp"

#include "certificate_store.hpp"
#include "net/certificates.hpp"

namespace cluster::app {
namespace {

Result<Security> checked(const CertificateFiles& files, const std::string& option) {
  auto source = certificate_files(files);
  auto read = source->certificates();
  if (!read) return Error{Errc::invalid_argument, option + ": " + read.error().context};
  auto good = net::check_certificates(**read);
  if (!good) {
    return Error{Errc::invalid_argument, option + ": " + good.error().context + " (" + files.chain +
                                             ", " + files.key + ", " + files.authorities + ")"};
  }
  return Security(Tls{std::move(source)});
}

}  // namespace

Security tls_in(const std::string& folder) { return Tls{certificate_files(files_of(folder))}; }

Result<Security> named_security(const SecurityOptions& options) {
  bool has_files = !options.chain.empty() || !options.key.empty() || !options.authorities.empty();
  int named =
      (options.directory.empty() ? 0 : 1) + (has_files ? 1 : 0) + (options.insecure ? 1 : 0);
  if (named > 1) {
    return Error{Errc::invalid_argument,
                 "--certs, --cert with --key and --ca, and --insecure are three ways to say one "
                 "thing; choose one"};
  }
  if (options.insecure) return Security(Insecure{});
  if (!options.directory.empty()) return checked(files_of(options.directory), "--certs");
  if (!has_files) return Security();
  if (options.chain.empty() || options.key.empty() || options.authorities.empty()) {
    return Error{Errc::invalid_argument, "--cert, --key and --ca go together"};
  }
  return checked({.chain = options.chain, .key = options.key, .authorities = options.authorities},
                 "--cert");
}

Result<Security> daemon_security(const SecurityOptions& options) {
  auto named = named_security(options);
  if (!named || !std::holds_alternative<std::monostate>(*named)) return named;
  return Error{Errc::invalid_argument,
               "connections need certificates: --certs DIR (`cluster certs --help` makes them); or "
               "plain text by name: --insecure"};
}

}  // namespace cluster::app
