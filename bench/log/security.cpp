#include "bench/log/security.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "net/certificates.hpp"

namespace bench {
namespace {

class FixedCertificates final : public cluster::CertificateSource {
 public:
  explicit FixedCertificates(cluster::Certificates certificates)
      : certificates_(std::make_shared<const cluster::Certificates>(std::move(certificates))) {}
  cluster::Result<std::shared_ptr<const cluster::Certificates>> certificates() override {
    return certificates_;
  }

 private:
  std::shared_ptr<const cluster::Certificates> certificates_;
};

cluster::net::Validity today() {
  auto now = std::chrono::floor<cluster::WallTime::duration>(std::chrono::system_clock::now());
  return {now - std::chrono::hours(1), now + std::chrono::hours(24)};
}

cluster::net::KeyAndCertificate must(cluster::Result<cluster::net::KeyAndCertificate> made) {
  if (made) return *std::move(made);
  std::fprintf(stderr, "log_bench: %s\n", made.error().message().c_str());
  std::exit(1);
}

}  // namespace

void make_authority(Settings& settings) {
  auto made = must(cluster::net::make_authority("log_bench", today()));
  settings.authority_certificate = made.certificate;
  settings.authority_key = made.key;
}

cluster::Security security_of(const Settings& settings, const std::string& name) {
  if (!settings.tls) return cluster::Insecure{};
  auto own = must(cluster::net::issue({settings.authority_certificate, settings.authority_key},
                                      {.common_name = name,
                                       .uris = {name},
                                       .hosts = {"127.0.0.1"},
                                       .serves = true,
                                       .validity = today()}));
  return cluster::Tls{std::make_shared<FixedCertificates>(
      cluster::Certificates{own.certificate, own.key, settings.authority_certificate})};
}

}  // namespace bench
