// What the tests of TLS share: authorities, sources that change, log lines that are kept.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/tls.hpp"
#include "net/certificates.hpp"
#include "tests/unit/net/support.hpp"

namespace net_test {

using cluster::Certificates;
using cluster::CertificateSource;
using cluster::NodeId;
using cluster::WallTime;
using cluster::net::KeyAndCertificate;

inline WallTime wall_now() {
  return std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
}

inline cluster::net::Validity an_hour() {
  return {.begin = wall_now() - std::chrono::hours(1), .end = wall_now() + std::chrono::hours(1)};
}
inline cluster::net::Validity an_hour_long_ago() {
  return {.begin = wall_now() - std::chrono::hours(3), .end = wall_now() - std::chrono::hours(2)};
}

class Authority {
 public:
  explicit Authority(const std::string& name = "test authority")
      : own_(cluster::net::make_authority(name, an_hour()).value()) {}

  Certificates issue(std::vector<std::string> uris, std::vector<std::string> hosts = {},
                     bool serves = true, cluster::net::Validity validity = an_hour()) const {
    cluster::net::CertificateRequest request{.common_name = "test",
                                             .uris = std::move(uris),
                                             .hosts = std::move(hosts),
                                             .serves = serves,
                                             .validity = validity};
    auto issued = cluster::net::issue(own_, request).value();
    return {.chain = issued.certificate, .key = issued.key, .authorities = own_.certificate};
  }
  Certificates member(int id, cluster::net::Validity validity = an_hour()) const {
    return issue({"cluster:member:" + std::to_string(id)}, {"127.0.0.1", "localhost"}, true,
                 validity);
  }
  Certificates client(cluster::net::Validity validity = an_hour()) const {
    return issue({"cluster:client:tester"}, {}, false, validity);
  }
  const std::string& certificate() const { return own_.certificate; }

 private:
  KeyAndCertificate own_;
};

// Gives what it was told last.
class HeldCertificates final : public CertificateSource {
 public:
  explicit HeldCertificates(Certificates first) { hold(std::move(first)); }

  void hold(Certificates next) {
    std::lock_guard lock(mutex_);
    held_ = std::make_shared<const Certificates>(std::move(next));
  }
  void fail(Error why) {
    std::lock_guard lock(mutex_);
    failure_ = std::move(why);
  }
  Result<std::shared_ptr<const Certificates>> certificates() override {
    std::lock_guard lock(mutex_);
    if (failure_) return *failure_;
    return held_;
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<const Certificates> held_;
  std::optional<Error> failure_;
};

class KeptLines final : public cluster::LogSink {
 public:
  void write(const cluster::LogLine& line) override {
    std::lock_guard lock(mutex_);
    text_ += to_text(line) + "\n";
  }
  std::string text() const {
    std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

inline cluster::RuntimeOptions with_tls(std::shared_ptr<CertificateSource> source,
                                        cluster::LogSink* sink = nullptr) {
  return {.security = cluster::Tls{std::move(source)}, .log_sink = sink};
}
inline cluster::RuntimeOptions with_tls(Certificates certificates,
                                        cluster::LogSink* sink = nullptr) {
  return with_tls(std::make_shared<HeldCertificates>(std::move(certificates)), sink);
}

}  // namespace net_test
