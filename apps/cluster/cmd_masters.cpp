// `cluster masters`: each master's own word about itself.
#include "client.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {

int cmd_masters(const ListOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto answers =
      ask_all_members(*client, std::min<Duration>(options.client.timeout, std::chrono::seconds(3)));

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
  if (!any) complain(no_leader_text(0, answers.size()));
  return any ? 0 : 1;
}

}  // namespace cluster::app
