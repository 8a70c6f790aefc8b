// A replicated key-value server: three of these behind one another's backs are one store, and any
// of them takes any command:  kv_server 1 8001 7001 7002 7003,  kv_server 2 8002 7001 7002 7003,
// ...
//
//   $ nc 127.0.0.1 8001        set NAME VALUE | get NAME | del NAME | quit, one a line
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cluster/log.hpp>

#include <iostream>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

class Store final : public cluster::StateMachine {
 public:
  std::optional<std::string> get(const std::string& name) {
    std::lock_guard lock(mutex_);
    auto found = values_.find(name);
    return found == values_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  void apply(const std::vector<cluster::Entry>& entries) override {
    std::lock_guard lock(mutex_);
    for (auto& entry : entries) {
      std::istringstream command{std::string(entry.data.view())};
      std::string verb, name, value;
      command >> verb >> name;
      std::getline(command >> std::ws, value);
      if (verb == "set") values_[name] = value;
      if (verb == "del") values_.erase(name);
    }
  }
  cluster::Result<cluster::SnapshotJob> begin_snapshot() override {
    std::lock_guard lock(mutex_);
    return cluster::SnapshotJob([values = values_](cluster::SnapshotWriter& to) {
      for (auto& [name, value] : values) {
        if (auto written = to.write(name + ' ' + value + '\n'); !written) return written;
      }
      return cluster::Result<void>{};
    });
  }
  cluster::Result<void> restore(cluster::SnapshotReader& from) override {
    std::string text;
    for (;;) {
      auto bytes = from.read(1 << 20);
      if (!bytes) return std::move(bytes).error();
      if (bytes->empty()) break;
      text += bytes->view();
    }
    std::lock_guard lock(mutex_);
    values_.clear();
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::size_t space = line.find(' ');
      values_[line.substr(0, space)] = line.substr(space + 1);
    }
    return {};
  }

  std::mutex mutex_;
  std::map<std::string, std::string> values_;
};

std::string answer(cluster::Log& log, Store& store, const std::string& line) {
  std::istringstream command(line);
  std::string verb, name;
  command >> verb >> name;
  if (verb == "get" && !name.empty()) {
    if (auto read = log.read_barrier().get(); !read) return "error " + read.error().message();
    auto value = store.get(name);
    return value ? "value " + *value : "none";
  }
  if ((verb != "set" && verb != "del") || name.empty())
    return "error set NAME VALUE, get NAME, del NAME";
  auto at = log.append(cluster::Bytes(cluster::ByteView(line))).get();
  return at ? "ok" : "error " + at.error().message();
}

void serve(int client, cluster::Log& log, Store& store) {
  std::string input;
  char buffer[4096];
  for (ssize_t got; (got = ::recv(client, buffer, sizeof(buffer), 0)) > 0;) {
    input.append(buffer, static_cast<std::size_t>(got));
    for (std::size_t end; (end = input.find('\n')) != std::string::npos;) {
      std::string line = input.substr(0, end);
      input.erase(0, end + 1);
      if (line == "quit") return static_cast<void>(::close(client));
      std::string said = answer(log, store, line) + '\n';
      if (::send(client, said.data(), said.size(), MSG_NOSIGNAL) < 0) break;
    }
  }
  ::close(client);
}

int main(int argc, char** argv) {
  if (argc < 4) return std::cerr << "kv_server ID CLIENT_PORT MEMBER_PORT...\n", 2;
  Store store;
  cluster::LogOptions options;
  options.directory = std::string("kv.") + argv[1];
  options.cluster = cluster::ClusterUid(45);
  options.self = cluster::NodeId(std::stoul(argv[1]));
  options.state_machine = &store;
  for (int i = 3; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.members.push_back({cluster::NodeId(options.members.size() + 1), endpoint});
  }
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  auto log = cluster::Log::open(runtime, options);
  if (!log) return std::cerr << log.error().message() << "\n", 1;

  int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoul(argv[2])));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener, 16) != 0) {
    return std::cerr << "cannot listen on port " << argv[2] << "\n", 1;
  }
  std::cout << "ready" << std::endl;
  for (int client; (client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
    std::thread([client, &log, &store] { serve(client, *log, store); }).detach();
  }
}
