#include "local_cluster.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "security.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint16_t port_min = 20'000;
constexpr std::uint16_t port_end = 31'000;  // Tasks' ports begin here, the kernel's own later.

std::string file_of(const std::string& directory) { return directory + "/cluster.json"; }

Error system_error(const std::string& what) {
  return Error{errno == EACCES || errno == EPERM ? Errc::permission : Errc::failed,
               what + ": " + std::strerror(errno)};
}

json to_json(const LocalDaemon& daemon) {
  return {{"name", daemon.name},
          {"number", daemon.number},
          {"endpoint", to_string(daemon.endpoint)},
          {"pid", daemon.process.pid},
          {"start_time", daemon.process.start_time},
          {"arguments", daemon.arguments}};
}

std::optional<LocalDaemon> daemon_from(const json& object) {
  if (!object.is_object()) return std::nullopt;
  for (const char* key : {"number", "pid", "start_time"}) {
    if (!object.contains(key) || !object[key].is_number_unsigned()) return std::nullopt;
  }
  for (const char* key : {"name", "endpoint"}) {
    if (!object.contains(key) || !object[key].is_string()) return std::nullopt;
  }
  LocalDaemon daemon;
  daemon.name = object["name"].get<std::string>();
  daemon.number = object["number"].get<std::uint64_t>();
  daemon.process = {.pid = object["pid"].get<pid_t>(),
                    .start_time = object["start_time"].get<std::uint64_t>()};
  auto endpoint = parse_endpoint(object["endpoint"].get<std::string>());
  if (!endpoint) return std::nullopt;
  daemon.endpoint = *std::move(endpoint);
  if (object.contains("arguments") && object["arguments"].is_array()) {
    for (const auto& argument : object["arguments"]) {
      if (!argument.is_string()) return std::nullopt;
      daemon.arguments.push_back(argument.get<std::string>());
    }
  }
  return daemon;
}

// A free port found by binding; the socket is closed again.
bool can_bind(std::uint16_t port) {
  int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return false;
  int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool bound = ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
               ::listen(descriptor, 1) == 0;
  ::close(descriptor);
  return bound;
}

}  // namespace

std::vector<Endpoint> LocalCluster::master_endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const auto& master : masters) endpoints.push_back(master.endpoint);
  return endpoints;
}

Security LocalCluster::security() const {
  if (insecure) return Insecure{};
  return tls_in(client_certificate());
}

std::string default_directory() {
  auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (auto directory = variable("CLUSTER_DIR"); !directory.empty()) return directory;
  if (auto state = variable("XDG_STATE_HOME"); !state.empty()) return state + "/cluster";
  if (auto home = variable("HOME"); !home.empty()) return home + "/.local/state/cluster";
  return "/tmp/cluster-" + std::to_string(::getuid());
}

std::string chosen_directory(const std::string& directory) {
  std::error_code ignored;
  fs::path path = fs::absolute(directory.empty() ? default_directory() : directory, ignored);
  std::string text = path.lexically_normal().string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

Result<std::optional<LocalCluster>> load_local_cluster(const std::string& directory) {
  std::string path = file_of(directory);
  std::ifstream file(path);
  if (!file) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<LocalCluster>();
    return system_error(path);
  }
  Error wrong{Errc::corrupt,
              path + " is not what `cluster up` writes; remove it if it is not needed"};
  json root = json::parse(file, nullptr, false);
  if (!root.is_object() || !root.contains("cluster") || !root["cluster"].is_string()) return wrong;
  LocalCluster cluster;
  cluster.directory = directory;
  auto uid = parse_cluster_uid(root["cluster"].get<std::string>());
  if (!uid) return wrong;
  cluster.cluster = *uid;
  cluster.keep = root.contains("keep") && root["keep"] == true;
  cluster.insecure = root.contains("insecure") && root["insecure"] == true;
  for (auto [key, list] :
       {std::pair{"masters", &cluster.masters}, std::pair{"agents", &cluster.agents}}) {
    if (!root.contains(key) || !root[key].is_array()) return wrong;
    for (const auto& object : root[key]) {
      auto daemon = daemon_from(object);
      if (!daemon) return wrong;
      list->push_back(*std::move(daemon));
    }
  }
  return std::optional(std::move(cluster));
}

Result<void> save_local_cluster(const LocalCluster& cluster) {
  json masters = json::array(), agents = json::array();
  for (const auto& daemon : cluster.masters) masters.push_back(to_json(daemon));
  for (const auto& daemon : cluster.agents) agents.push_back(to_json(daemon));
  json root{{"cluster", to_hex(cluster.cluster)},
            {"keep", cluster.keep},
            {"insecure", cluster.insecure},
            {"masters", std::move(masters)},
            {"agents", std::move(agents)}};
  std::string path = file_of(cluster.directory);
  std::string fresh = path + ".new";
  {
    std::ofstream file(fresh, std::ios::trunc);
    file << root.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
    file.close();
    if (!file) return system_error(fresh);
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) return system_error(path);
  return {};
}

Result<DirectoryLock> DirectoryLock::take(const std::string& directory) {
  std::error_code failure;
  fs::create_directories(directory, failure);
  if (failure) {
    return Error{Errc::permission, "cannot create " + directory + ": " + failure.message()};
  }
  std::string path = directory + "/.lock";
  int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return system_error(path);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor);
    return Error{Errc::already_exists,
                 "another `cluster up` or `cluster down` works on " + directory + " right now"};
  }
  return DirectoryLock(descriptor);
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool is_port_free(std::uint16_t port) { return can_bind(port); }

Result<std::uint16_t> free_port(const std::vector<std::uint16_t>& taken) {
  Random random(system_random());
  for (int attempt = 0; attempt < 2000; ++attempt) {
    auto port = static_cast<std::uint16_t>(random.between(port_min, port_end));
    if (std::find(taken.begin(), taken.end(), port) != taken.end()) continue;
    if (can_bind(port)) return port;
  }
  return Error{Errc::address_in_use, "no free port was found on 127.0.0.1"};
}

}  // namespace cluster::app
