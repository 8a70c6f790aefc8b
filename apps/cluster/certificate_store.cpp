#include "certificate_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "net/certificates.hpp"

namespace cluster::app {
namespace {

namespace fs = std::filesystem;

constexpr mode_t secret = 0600;
constexpr mode_t open_to_all = 0644;

Error system_error(const std::string& what) {
  Errc code = errno == EEXIST   ? Errc::already_exists
              : errno == ENOENT ? Errc::not_found
              : errno == EACCES ? Errc::permission
                                : Errc::failed;
  return Error{code, what + ": " + std::strerror(errno)};
}

Result<void> write_new(const std::string& path, const std::string& text, mode_t mode) {
  int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return system_error("cannot write " + path);
  bool is_written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  Error failure = system_error("cannot write " + path);
  if (::close(file) == 0 && is_written) return {};
  ::unlink(path.c_str());
  return failure;
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path);
  if (!file) return system_error("cannot read " + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

WallTime now() { return std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now()); }

// Clocks of machines differ a little.
net::Validity from_now(Days valid) {
  return {.begin = now() - std::chrono::hours(1), .end = now() + valid};
}

Result<net::KeyAndCertificate> read_authority(const std::string& directory) {
  auto certificate = read_text(directory + "/ca.pem");
  auto key = read_text(directory + "/ca.key");
  if (!certificate || !key) {
    const Error& why = certificate ? key.error() : certificate.error();
    return Error{why.code, "no authority in " + directory + " (" + why.context +
                               "); `cluster certs init " + directory + "` makes one"};
  }
  return net::KeyAndCertificate{.certificate = *std::move(certificate), .key = *std::move(key)};
}

std::string folder_name_of(const CertificateOwner& owner) {
  switch (owner.kind) {
    case CertificateOwner::Kind::member: return "member-" + owner.name;
    case CertificateOwner::Kind::agent: return "agent-" + owner.name;
    case CertificateOwner::Kind::client: break;
  }
  return "client-" + owner.name;
}

std::string uri_of(const CertificateOwner& owner) {
  std::string name = folder_name_of(owner);
  name[name.find('-')] = ':';
  return "cluster:" + name;
}

bool ends_soon(const std::string& folder, Days soon) {
  auto text = read_text(files_of(folder).chain);
  if (!text) return true;
  auto facts = net::describe_certificate(*text);
  return !facts || facts->validity.end < now() + soon;
}

}  // namespace

bool has_authority(const std::string& directory) { return fs::exists(directory + "/ca.pem"); }

CertificateFiles files_of(const std::string& folder) {
  return {
      .chain = folder + "/cert.pem", .key = folder + "/key.pem", .authorities = folder + "/ca.pem"};
}

Result<void> make_authority(const std::string& directory, Days valid) {
  std::error_code failure;
  fs::create_directories(directory, failure);
  if (failure) {
    return Error{Errc::permission, "cannot create " + directory + ": " + failure.message()};
  }
  for (const char* name : {"/ca.pem", "/ca.key"}) {
    if (!fs::exists(directory + name)) continue;
    return Error{Errc::already_exists, directory + name +
                                           " is there already; what it certified would be void "
                                           "with another. Choose another directory"};
  }
  auto made = net::make_authority("cluster " + std::to_string(now().time_since_epoch().count()),
                                  from_now(valid));
  if (!made) return std::move(made).error();
  if (auto written = write_new(directory + "/ca.key", made->key, secret); !written) return written;
  return write_new(directory + "/ca.pem", made->certificate, open_to_all);
}

Result<std::string> add_certificate(const std::string& directory, const CertificateOwner& owner,
                                    Days valid) {
  auto authority = read_authority(directory);
  if (!authority) return std::move(authority).error();
  auto about = net::describe_certificate(authority->certificate);
  if (!about) return Error{Errc::invalid_argument, directory + "/ca.pem: " + about.error().context};
  net::CertificateRequest request{.common_name = folder_name_of(owner),
                                  .uris = {uri_of(owner)},
                                  .hosts = owner.hosts,
                                  .serves = owner.kind != CertificateOwner::Kind::client,
                                  .validity = from_now(valid)};
  request.validity.end = std::min(request.validity.end, about->validity.end);
  auto issued = net::issue(*authority, request);
  if (!issued) return std::move(issued).error();
  std::string folder = directory + "/" + folder_name_of(owner);
  if (::mkdir(folder.c_str(), 0700) != 0) {
    if (errno != EEXIST) return system_error("cannot create " + folder);
    return Error{Errc::already_exists,
                 folder + " is there already; remove it first to make another"};
  }
  CertificateFiles files = files_of(folder);
  for (auto& written : {write_new(files.key, issued->key, secret),
                        write_new(files.chain, issued->certificate, open_to_all),
                        write_new(files.authorities, authority->certificate, open_to_all)}) {
    if (!written) return written.error();
  }
  return folder;
}

Result<std::string> ensure_certificate(const std::string& directory, const CertificateOwner& owner,
                                       Days valid, Days soon) {
  std::string folder = directory + "/" + folder_name_of(owner);
  if (!ends_soon(folder, soon)) return folder;
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return add_certificate(directory, owner, valid);
}

}  // namespace cluster::app
