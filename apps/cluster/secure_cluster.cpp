#include "secure_cluster.hpp"

#include <algorithm>

#include "certificate_store.hpp"

namespace cluster::app {
namespace {

constexpr Days authority_days{3650};
constexpr Days days{365};
constexpr Days soon{30};

}  // namespace

Result<void> secure_cluster(LocalCluster& cluster) {
  if (!cluster.insecure && !has_authority(cluster.certificates())) {
    auto made = make_authority(cluster.certificates(), authority_days);
    if (!made) return made;
  }
  auto give = [&](LocalDaemon& daemon, CertificateOwner::Kind kind) -> Result<void> {
    auto& arguments = daemon.arguments;
    bool is_told = std::find(arguments.begin(), arguments.end(), "--insecure") != arguments.end() ||
                   std::find(arguments.begin(), arguments.end(), "--certs") != arguments.end();
    std::vector<std::string> told{"--insecure"};
    if (!cluster.insecure) {
      CertificateOwner owner{
          .kind = kind, .name = std::to_string(daemon.number), .hosts = {"127.0.0.1", "localhost"}};
      auto folder = ensure_certificate(cluster.certificates(), owner, days, soon);
      if (!folder) return std::move(folder).error();
      told = {"--certs", *folder};
    }
    // After the command's name: addresses stand at the end, where they can be renewed.
    if (!is_told) arguments.insert(arguments.begin() + 1, told.begin(), told.end());
    return {};
  };
  for (auto& master : cluster.masters) {
    if (auto given = give(master, CertificateOwner::Kind::member); !given) return given;
  }
  for (auto& agent : cluster.agents) {
    if (auto given = give(agent, CertificateOwner::Kind::agent); !given) return given;
  }
  if (cluster.insecure) return {};
  CertificateOwner user{.kind = CertificateOwner::Kind::client, .name = "local", .hosts = {}};
  auto folder = ensure_certificate(cluster.certificates(), user, days, soon);
  return folder ? Result<void>() : Result<void>(folder.error());
}

}  // namespace cluster::app
