// Certificates in a directory: an authority (ca.pem, ca.key), and beside it a folder for each that
// it certified, with all that one needs and nothing more (cert.pem, key.pem, ca.pem). That folder
// is copied to its machine and given to `--certs`; the authority's key stays at home.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/tls.hpp"

namespace cluster::app {

// Whom a certificate is for.
struct CertificateOwner {
  enum class Kind { member, agent, client } kind = Kind::client;
  std::string name;                // Of a member: its number.
  std::vector<std::string> hosts;  // Where it listens.
};

using Days = std::chrono::days;

// `already_exists` rather than overwrite anything.
Result<void> make_authority(const std::string& directory, Days valid);

// The folder that was made: DIRECTORY/member-1, agent-NAME, client-NAME. It ends with its authority
// where that ends earlier. `already_exists` likewise.
Result<std::string> add_certificate(const std::string& directory, const CertificateOwner&,
                                    Days valid);

// As `add_certificate` for what is not there or ends within `soon`; which then is made anew.
Result<std::string> ensure_certificate(const std::string& directory, const CertificateOwner&,
                                       Days valid, Days soon);

bool has_authority(const std::string& directory);

// The files in a folder of `add_certificate`.
CertificateFiles files_of(const std::string& folder);

}  // namespace cluster::app
