// One command's connection to a cluster: finds the masters, owns a runtime, asks and waits.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cluster/result.hpp"
#include "cluster/runtime.hpp"
#include "cluster/tls.hpp"
#include "node/admin_client.hpp"
#include "options.hpp"

namespace cluster::app {

struct FoundCluster {
  std::vector<Endpoint> masters;
  Security security;
};

// From --master, else --dir, else CLUSTER_MASTERS, else the cluster that `up` started in
// CLUSTER_DIR or the default directory. `not_found` says how to name one. The certificates are
// those that are named, else CLUSTER_CERTS', else those of the cluster that `up` started.
Result<FoundCluster> find_cluster(const ClientOptions&);

class Client {
 public:
  // Connects to nothing yet.
  static Result<std::unique_ptr<Client>> open(const ClientOptions&);
  Client(FoundCluster, Duration timeout);

  // Waits for the leader's answer. Where that takes more than a second, says once on standard
  // error what it waits for.
  Result<wire::AdminBody> ask_any(wire::AdminBody question) {
    return ask_any(std::move(question), timeout_);
  }
  Result<wire::AdminBody> ask_any(wire::AdminBody question, Duration timeout);
  template <class Answer>
  Result<Answer> ask(wire::AdminBody question) {
    return node::expect<Answer>(ask_any(std::move(question)));
  }

  const std::vector<Endpoint>& masters() const { return cluster_.masters; }
  const Security& security() const { return cluster_.security; }
  node::AdminClient& admin() { return admin_; }
  runtime::Host& host() { return runtime_.host(); }
  Duration timeout() const { return timeout_; }

 private:
  FoundCluster cluster_;
  Duration timeout_;
  Runtime runtime_;
  bool has_said_ = false;  // Node thread.
  node::AdminClient admin_;
};

// What each of these masters says of itself; `unreachable` in place of those that are silent.
std::vector<Result<wire::MasterStatus>> ask_all_masters(Client&, Duration timeout);
// The same of all members of the cluster that any of the named masters belongs to: where they are
// more than the client was told, it is replaced by one that knows them all.
std::vector<Result<wire::MasterStatus>> ask_all_members(std::unique_ptr<Client>&, Duration timeout);
// The status of the one that leads with the highest term; none when no answer claims to lead.
const wire::MasterStatus* leader_of(const std::vector<Result<wire::MasterStatus>>&);
// Why nobody leads, when so many of so many masters answer: too few, or an election goes on.
bool is_majority(std::size_t answering, std::size_t masters);
std::string no_leader_text(std::size_t answering, std::size_t masters);

}  // namespace cluster::app
