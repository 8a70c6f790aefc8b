// `cluster masters`: each master's own word about itself.
#include "client.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

// Masters that another one knows of but that the caller did not name are asked too.
Result<std::unique_ptr<Client>> client_of_all(std::unique_ptr<Client> client, Duration timeout) {
  auto known =
      node::expect<wire::MasterStatus>(client->admin().ask(wire::GetStatus{}, timeout).get());
  if (!known) return std::move(known).error();
  std::vector<Endpoint> all;
  for (const auto& member : known->members) all.push_back(member.endpoint);
  if (all.empty()) return client;
  return std::make_unique<Client>(std::move(all), timeout);
}

}  // namespace

int cmd_masters(const ListOptions& options) {
  auto named = Client::open(options.client);
  if (!named) return fail(named.error());
  auto client = client_of_all(*std::move(named), options.client.timeout);
  if (!client) return fail(client.error());
  auto answers = ask_all_masters(**client, std::chrono::seconds(3));

  Listing list({{"id", "MASTER"},
                {"endpoint", "ENDPOINT"},
                {"role", "ROLE"},
                {"term", "TERM"},
                {"leader", "LEADER"},
                {"log_end", "LOG END"},
                {"applied", "APPLIED"},
                {"digest", "DIGEST"},
                {"pid", "PID"},
                {"version", "VERSION"},
                {"problem", "PROBLEM"}});
  bool any = false;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    Cell endpoint = to_string((*client)->masters()[i]);
    if (!answers[i]) {
      list.add({Cell::none(), endpoint, "silent", Cell::none(), Cell::none(), Cell::none(),
                Cell::none(), Cell::none(), Cell::none(), Cell::none(),
                answers[i].error().context});
      continue;
    }
    any = true;
    const wire::MasterStatus& status = *answers[i];
    auto number = [](std::uint64_t n) { return Cell::number(static_cast<std::int64_t>(n)); };
    list.add({number(status.self.value()), endpoint,
              status.leader == status.self && status.self ? "leader" : "follower",
              number(status.term), status.leader ? number(status.leader.value()) : Cell::none(),
              number(status.log_end), number(status.applied), to_hex(ClusterUid(status.digest)),
              Cell::number(status.process), status.version, Cell::none("")});
  }
  list.print(options.json);
  return any ? 0 : 1;
}

}  // namespace cluster::app
