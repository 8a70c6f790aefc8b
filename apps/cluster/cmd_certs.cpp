// `cluster certs`: an authority for a cluster, and certificates for its members, agents and users.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "certificate_store.hpp"
#include "net/certificates.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

CertificateOwner owner_of(const CertsOptions& options) {
  CertificateOwner owner{
      .kind = CertificateOwner::Kind::client, .name = options.name, .hosts = options.hosts};
  if (options.action == CertsOptions::Action::agent) owner.kind = CertificateOwner::Kind::agent;
  if (options.action == CertsOptions::Action::member) {
    owner.kind = CertificateOwner::Kind::member;
    owner.name = std::to_string(options.id);
  }
  return owner;
}

int add(const CertsOptions& options) {
  auto folder = add_certificate(options.path, owner_of(options), Days(options.days));
  if (!folder) return fail(folder.error());
  bool is_client = options.action == CertsOptions::Action::client;
  std::printf("made %s\n", folder->c_str());
  if (is_client) {
    std::printf("use it with: --certs %s, or CLUSTER_CERTS=%s\n", folder->c_str(), folder->c_str());
  } else {
    std::printf("copy it to its machine, and start the %s there with --certs\n",
                options.action == CertsOptions::Action::member ? "master" : "agent");
  }
  return 0;
}

int show(const std::string& path) {
  std::string file = std::filesystem::is_directory(path) ? files_of(path).chain : path;
  if (!std::filesystem::exists(file)) file = path + "/ca.pem";
  std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream) return fail(Error{Errc::not_found, "cannot read " + path});
  auto facts = net::describe_certificate(text.str());
  if (!facts) return fail(Error{Errc::invalid_argument, file + ": " + facts.error().context});
  std::string names;
  for (const auto& name : facts->names) names += (names.empty() ? "" : ", ") + name;
  std::printf("file     %s\n", file.c_str());
  std::printf("name     %s%s\n", facts->common_name.c_str(),
              facts->is_authority ? " (an authority)" : "");
  if (!names.empty()) std::printf("for      %s\n", names.c_str());
  std::printf("issuer   %s\n", facts->issuer.c_str());
  std::printf("valid    %s to %s\n", iso_text(facts->validity.begin).c_str(),
              iso_text(facts->validity.end).c_str());
  return 0;
}

}  // namespace

int cmd_certs(const CertsOptions& options) {
  switch (options.action) {
    case CertsOptions::Action::init: {
      auto made = make_authority(options.path, Days(options.days));
      if (!made) return fail(made.error());
      std::printf("made %s/ca.pem, and its key %s/ca.key: keep that one where nobody else reads\n",
                  options.path.c_str(), options.path.c_str());
      return 0;
    }
    case CertsOptions::Action::show: return show(options.path);
    case CertsOptions::Action::member:
    case CertsOptions::Action::agent:
    case CertsOptions::Action::client: break;
  }
  return add(options);
}

}  // namespace cluster::app
