// `cluster init`: what the founders of a new cluster are to be started with.
//
// Nothing is contacted and nothing is made: founding is what the founders do once all of them are
// up, and this only sees to it that they are told the same.
#include <algorithm>
#include <cstdio>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

Result<std::vector<Endpoint>> founders_of(const InitOptions& options) {
  std::vector<Endpoint> founders;
  for (const std::string& text : options.masters) {
    auto endpoints = parse_endpoints(text);
    if (!endpoints) return std::move(endpoints).error();
    founders.insert(founders.end(), endpoints->begin(), endpoints->end());
  }
  for (std::size_t i = 0; i < founders.size(); ++i) {
    if (founders[i].port == 0) {
      return Error{Errc::invalid_argument,
                   to_string(founders[i]) + ": a master's port cannot be 0; name a free one"};
    }
    if (std::find(founders.begin(), founders.begin() + static_cast<std::ptrdiff_t>(i),
                  founders[i]) != founders.begin() + static_cast<std::ptrdiff_t>(i)) {
      return Error{
          Errc::invalid_argument,
          to_string(founders[i]) + " is there twice; every master has an address of its own"};
    }
  }
  return founders;
}

}  // namespace

int cmd_init(const InitOptions& options) {
  auto founders = founders_of(options);
  if (!founders) return fail(founders.error());
  ClusterUid cluster(system_random() | 1);
  std::string members;
  for (std::size_t i = 0; i < founders->size(); ++i) {
    members += (i == 0 ? "" : ",") + std::to_string(i + 1) + "=" + to_string((*founders)[i]);
  }

  Listing list({{"id", "ID"}, {"endpoint", "MASTER"}, {"cluster_id", ""}, {"command", "COMMAND"}});
  for (std::size_t i = 0; i < founders->size(); ++i) {
    std::string id = std::to_string(i + 1);
    list.add({Cell::number(static_cast<std::int64_t>(i + 1)), to_string((*founders)[i]),
              to_hex(cluster),
              "cluster master --id " + id + " --members " + members + " --cluster-id " +
                  to_hex(cluster) + " --dir " + options.directory + "-" + id +
                  (options.insecure ? " --insecure" : " --certs " + options.certificates)});
  }
  if (!options.json) {
    std::printf(
        "cluster %s, founded by %s. Start each, on its own machine, with an empty directory:\n\n",
        to_hex(cluster).c_str(), count_of(founders->size(), "master").c_str());
  }
  list.print(options.json);
  if (!options.json) {
    std::printf(
        "\nThe cluster exists once all of them are up. From then on a master needs --dir alone,\n"
        "and others join by what `cluster members add` prints.\n");
    if (founders->size() % 2 == 0) {
      std::printf(
          "An even number of masters survives no more losses than one fewer: %zu of %zu must be "
          "up.\n",
          founders->size() / 2 + 1, founders->size());
    }
  }
  return 0;
}

}  // namespace cluster::app
