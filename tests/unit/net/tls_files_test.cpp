// Certificates: made, read from files, read again; and peers that are OpenSSL without us.
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "net/openssl.hpp"
#include "tests/unit/net/tls_support.hpp"

using namespace net_test;
using Catch::Contains;

namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/cluster-tls-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() {
    for (const char* name : {"/cert.pem", "/key.pem", "/ca.pem"}) {
      std::remove((path_ + name).c_str());
    }
    ::rmdir(path_.c_str());
  }
  // As one does under a running process: beside it, then renamed.
  void write(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/new") << text;
    std::rename((path_ + "/new").c_str(), (path_ + name).c_str());
  }
  void write(const Certificates& all) {
    write("/cert.pem", all.chain);
    write("/key.pem", all.key);
    write("/ca.pem", all.authorities);
  }
  cluster::CertificateFiles files() const {
    return {
        .chain = path_ + "/cert.pem", .key = path_ + "/key.pem", .authorities = path_ + "/ca.pem"};
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct Handshake {
  bool is_done = false;
  std::string version;
};

// A TLS client that is none of ours; without certificates it shows none.
Handshake shake_hands(const Endpoint& endpoint, int version_max, const Certificates* shown) {
  using namespace cluster::net;
  RawPeer peer(endpoint);
  SslContextPointer context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), version_max);
  SSL_CTX_set_cipher_list(context.get(), "ALL:@SECLEVEL=0");
  if (shown != nullptr) {
    auto chain = open_pem(shown->chain);
    auto key = open_pem(shown->key);
    SSL_CTX_use_certificate(context.get(), read_certificate(chain.get()).get());
    SSL_CTX_use_PrivateKey(context.get(), read_key(key.get()).get());
  }
  SslPointer ssl(SSL_new(context.get()));
  SSL_set_fd(ssl.get(), peer.get());
  Handshake handshake;
  if (SSL_connect(ssl.get()) != 1) return handshake;
  handshake.version = SSL_get_version(ssl.get());
  // In TLS 1.3 the client is done first; what the server thinks comes with its first byte.
  SSL_write(ssl.get(), "CLU1\x01\x01\x00\x00", 8);
  char answer[8];
  handshake.is_done = SSL_read(ssl.get(), answer, sizeof answer) == 8;
  return handshake;
}

}  // namespace

TEST_CASE("TLS 1.2 is the least that is spoken, and a certificate is a must", "[net][tls]") {
  Authority authority;
  Recorder server;
  KeptLines lines;
  World world({}, with_tls(authority.member(1), &lines));
  auto endpoint = world.serve(Lane::log, server);
  auto own = authority.client();

  auto newest = shake_hands(endpoint, TLS1_3_VERSION, &own);
  CHECK(newest.is_done);
  CHECK(newest.version == "TLSv1.3");
  auto older = shake_hands(endpoint, TLS1_2_VERSION, &own);
  CHECK(older.is_done);
  CHECK(older.version == "TLSv1.2");
  CHECK_FALSE(shake_hands(endpoint, TLS1_1_VERSION, &own).is_done);
  CHECK_FALSE(shake_hands(endpoint, TLS1_3_VERSION, nullptr).is_done);
  CHECK(eventually([&] { return world.metric("cluster_net_tls_failed_total") == 2; }));
  CHECK(eventually([&] { return server.wait([&] { return server.opened.size() == 2; }); }));
  CHECK_THAT(lines.text(), Contains("no version of TLS suits both ends; 1.2 is the least"));
}

TEST_CASE("a peer without a certificate is told from others in the log", "[net][tls]") {
  Authority authority;
  Recorder server;
  KeptLines lines;
  World world({}, with_tls(authority.member(1), &lines));
  auto endpoint = world.serve(Lane::log, server);
  CHECK_FALSE(shake_hands(endpoint, TLS1_3_VERSION, nullptr).is_done);
  CHECK(eventually(
      [&] { return lines.text().find("it showed no certificate") != std::string::npos; }));
  CHECK(server.opened.empty());
}

TEST_CASE("files are read again when they have changed, and only then", "[net][tls]") {
  Authority authority;
  Folder folder;
  auto first = authority.member(1);
  folder.write(first);
  auto source = cluster::certificate_files(folder.files());

  auto read = source->certificates().value();
  CHECK(*read == first);
  CHECK(source->certificates().value() == read);
  auto second = authority.member(1);
  folder.write(second);
  CHECK(*source->certificates().value() == second);
}

TEST_CASE("a file that is missing is named", "[net][tls]") {
  Authority authority;
  Folder folder;
  folder.write(authority.member(1));
  std::remove(folder.files().key.c_str());
  auto asked = cluster::certificate_files(folder.files())->certificates();
  REQUIRE_FALSE(asked);
  CHECK(asked.error().code == Errc::not_found);
  CHECK_THAT(asked.error().context, Contains(folder.files().key));
}

TEST_CASE("a process whose files are replaced one by one never stops serving", "[net][tls]") {
  Authority before("before"), after("after");
  Folder folder;
  folder.write(before.member(1));
  Recorder server, old_client, new_client;
  KeptLines lines;
  World world({}, with_tls(cluster::certificate_files(folder.files()), &lines));
  World old_world({}, with_tls(before.member(2)));
  World new_world({}, with_tls(after.member(2)));
  auto endpoint = world.serve(Lane::log, server);

  auto next = after.member(1);
  folder.write("/cert.pem", next.chain);  // Does not fit the key that is still there.
  old_world.dial(endpoint, Lane::log, old_client);
  REQUIRE(old_client.wait_open());
  CHECK_THAT(lines.text(), Contains("the key is not that of the certificate"));
  folder.write(next);
  new_world.dial(endpoint, Lane::log, new_client);
  CHECK(new_client.wait_open());
  CHECK_THAT(lines.text(), Contains("new certificates in use"));
}

TEST_CASE("an issued certificate says what was asked for", "[net][tls]") {
  Authority authority("the authority");
  auto validity = an_hour();
  auto made = authority.issue({"cluster:member:3"}, {"db.example.com", "10.0.0.3", "fd00::1"}, true,
                              validity);
  auto facts = cluster::net::describe_certificate(made.chain).value();
  CHECK(facts.issuer == "the authority");
  CHECK(facts.names ==
        std::vector<std::string>{"cluster:member:3", "db.example.com", "10.0.0.3", "fd00::1"});
  CHECK_FALSE(facts.is_authority);
  CHECK(facts.validity.end == std::chrono::time_point_cast<std::chrono::seconds>(validity.end));
  CHECK(cluster::net::check_certificates(made));
  CHECK(cluster::net::describe_certificate(authority.certificate()).value().is_authority);
  CHECK_THAT(made.key, Contains("BEGIN PRIVATE KEY"));
}

TEST_CASE("names that make no sense are not certified", "[net][tls]") {
  auto authority = cluster::net::make_authority("ca", an_hour()).value();
  auto problem = [&](std::vector<std::string> uris, std::vector<std::string> hosts) {
    cluster::net::CertificateRequest request{.common_name = "x",
                                             .uris = std::move(uris),
                                             .hosts = std::move(hosts),
                                             .validity = an_hour()};
    auto made = cluster::net::issue(authority, request);
    return made ? std::string() : made.error().context;
  };
  CHECK_THAT(problem({}, {}), Contains("needs a name"));
  CHECK_THAT(problem({}, {"10.0.0.1:7001"}), Contains("without a port"));
  CHECK_THAT(problem({}, {"a,URI:cluster:member:1"}), Contains("is no host"));
  CHECK_THAT(problem({"cluster:agent:a b"}, {}), Contains("is no name"));
  auto stranger = cluster::net::make_authority("ca", an_hour()).value();
  authority.key = stranger.key;
  CHECK_THAT(problem({"cluster:agent:a"}, {}), Contains("do not fit together"));
}
