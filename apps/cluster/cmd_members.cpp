// `cluster members ...`: who keeps the log, and how that changes.
//
// Any master takes these questions and the log carries them to its leader. A change is asked for
// once: asked again it would be carried out again. Where its answer is lost, the error says that it
// may have been carried out, and `members list` tells.
#include <algorithm>
#include <cstdio>
#include <thread>

#include "base/endpoint.hpp"
#include "client.hpp"
#include "listing.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

constexpr Duration look_patience = std::chrono::seconds(3);
constexpr auto promote_again_after = std::chrono::milliseconds(200);

// The leader's endpoint, else that of any master that answers.
Result<Endpoint> find_master(std::unique_ptr<Client>& client) {
  auto answers = ask_all_members(client, std::min(client->timeout(), look_patience));
  const wire::MasterStatus* leader = leader_of(answers);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i] && (leader == nullptr || &*answers[i] == leader)) return client->masters()[i];
  }
  return Error{Errc::unreachable, "no master answers; name one that runs with --master HOST:PORT"};
}

template <class Answer>
Result<Answer> ask_once(std::unique_ptr<Client>& client, wire::AdminBody question) {
  auto master = find_master(client);
  if (!master) return std::move(master).error();
  return node::expect<Answer>(
      client->admin().ask_at(*master, std::move(question), client->timeout()).get());
}

std::string ids_text(const std::vector<std::uint64_t>& ids) {
  std::string text;
  for (std::uint64_t id : ids) text += (text.empty() ? "" : ", ") + std::to_string(id);
  return text;
}

// What was done, in words, and the members that remain.
void print_members(const wire::MembersAnswer& answer, bool json) {
  Position leaders_end;
  for (const MemberInfo& member : answer.members.members) {
    if (member.id == answer.leader) leaders_end = member.chosen_end;
  }
  Listing list({{"id", "MEMBER"},
                {"endpoint", "ENDPOINT"},
                {"role", "ROLE"},
                {"leads", ""},
                {"joined", ""},
                {"heard", ""},
                {"state", "STATE"},
                {"chosen_end", "LOG END"},
                {"behind", "BEHIND"}});
  for (const MemberInfo& member : answer.members.members) {
    bool leads = member.id == answer.leader;
    std::string state = !member.has_joined ? "has not joined"
                        : leads            ? "leads"
                        : member.is_heard  ? "up"
                                           : "silent";
    Cell behind = Cell::none();
    if (member.chosen_end && leaders_end && member.chosen_end <= leaders_end) {
      behind = Cell::number(static_cast<std::int64_t>(distance(member.chosen_end, leaders_end)));
    }
    Cell end = member.chosen_end
                   ? Cell::number(static_cast<std::int64_t>(member.chosen_end.value()))
                   : Cell::none();
    list.add({Cell::number(static_cast<std::int64_t>(member.id.value())),
              to_string(member.endpoint), std::string(to_string(member.role)), Cell::truth(leads),
              Cell::truth(member.has_joined), Cell::truth(member.is_heard), state, end, behind});
  }
  list.print(json);
}

std::vector<MemberEdit> edits_of(const ChangeMembersOptions& options, const Endpoint& endpoint) {
  std::vector<MemberEdit> edits;
  for (std::uint64_t id : options.promote) {
    edits.push_back(SetMemberRole{.id = NodeId(id), .role = MemberRole::voter});
  }
  for (std::uint64_t id : options.remove) edits.push_back(RemoveMember{.id = NodeId(id)});
  if (options.move != 0) {
    edits.push_back(SetMemberEndpoint{.id = NodeId(options.move), .endpoint = endpoint});
  }
  return edits;
}

// Whether all that are to be promoted are learners: what is refused now may be granted later.
bool are_learners(const wire::MembersAnswer& answer, const std::vector<std::uint64_t>& ids) {
  return std::all_of(ids.begin(), ids.end(), [&](std::uint64_t id) {
    return std::any_of(answer.members.members.begin(), answer.members.members.end(),
                       [&](const MemberInfo& member) {
                         return member.id == NodeId(id) && member.role == MemberRole::learner;
                       });
  });
}

Result<wire::MembersAnswer> change(std::unique_ptr<Client>& client, std::vector<MemberEdit> edits,
                                   const ChangeMembersOptions& options) {
  auto deadline = std::chrono::steady_clock::now() + options.wait;
  bool has_said = false;
  while (true) {
    auto answer = ask_once<wire::MembersAnswer>(client, wire::ChangeMembersRequest{edits});
    if (answer || options.promote.empty() || answer.error().outcome == Outcome::maybe ||
        std::chrono::steady_clock::now() >= deadline) {
      return answer;
    }
    bool is_worth_waiting = answer.error().code == Errc::overloaded;
    if (answer.error().code == Errc::invalid_argument) {
      auto now = ask_once<wire::MembersAnswer>(client, wire::GetMembers{});
      is_worth_waiting = now && are_learners(*now, options.promote);
    }
    if (!is_worth_waiting) return answer;
    if (!std::exchange(has_said, true)) {
      complain("waiting at most " + to_text(options.wait) + ": " + answer.error().context);
    }
    std::this_thread::sleep_for(promote_again_after);
  }
}

}  // namespace

int cmd_members(const ListOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto answer = ask_once<wire::MembersAnswer>(*client, wire::GetMembers{});
  if (!answer) return fail(answer.error());
  print_members(*answer, options.json);
  if (!answer->leader) complain("nobody leads: what is known of the others is old");
  return 0;
}

int cmd_add_member(const AddMemberOptions& options) {
  auto endpoint = parse_endpoint(options.endpoint);
  if (endpoint && endpoint->port == 0) {
    endpoint = Error{Errc::invalid_argument, options.endpoint + ": a master's port cannot be 0"};
  }
  if (!endpoint) return fail(endpoint.error());
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  MemberRole role = options.witness ? MemberRole::witness : MemberRole::learner;
  auto answer = ask_once<wire::JoinTokenAnswer>(
      *client, wire::AddMemberRequest{{.endpoint = *endpoint, .role = role}});
  if (!answer) return fail(answer.error());
  std::string token = to_string(answer->token);
  if (options.json) {
    Listing list({{"id", ""}, {"endpoint", ""}, {"role", ""}, {"token", ""}});
    list.add({Cell::number(static_cast<std::int64_t>(answer->token.id.value())),
              to_string(*endpoint), std::string(to_string(role)), token});
    list.print(true);
    return 0;
  }
  std::printf("%s\n", token.c_str());
  complain("member " + std::to_string(answer->token.id.value()) + " is a " +
           std::string(to_string(role)) + " at " + to_string(*endpoint) +
           ". Start it there, on an empty directory:\n  cluster master --join " + token +
           " --listen " + to_string(*endpoint) + " --dir /var/lib/cluster/master-" +
           std::to_string(answer->token.id.value()) +
           (options.witness ? ""
                            : "\nIt counts once it is promoted:\n  cluster members promote --wait "
                              "60s " +
                                  std::to_string(answer->token.id.value())));
  return 0;
}

int cmd_change_members(const ChangeMembersOptions& options) {
  Endpoint endpoint;
  if (options.move != 0) {
    auto parsed = parse_endpoint(options.endpoint);
    if (!parsed) return fail(parsed.error());
    endpoint = *std::move(parsed);
  }
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto answer = change(*client, edits_of(options, endpoint), options);
  if (!answer) return fail(answer.error());
  if (!options.promote.empty()) std::printf("promoted: %s\n", ids_text(options.promote).c_str());
  if (!options.remove.empty()) {
    std::printf("removed: %s. Its process may be stopped and its directory deleted.\n",
                ids_text(options.remove).c_str());
  }
  if (options.move != 0) {
    std::printf("%s is at %s from now on: start it there on its directory.\n",
                std::to_string(options.move).c_str(), to_string(endpoint).c_str());
  }
  print_members(*answer, false);
  return 0;
}

int cmd_transfer(const TransferOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return fail(client.error());
  auto answer = ask_once<wire::LeaderAnswer>(
      *client, wire::TransferLeadershipRequest{.to = NodeId(options.to)});
  if (!answer) return fail(answer.error());
  std::printf("%llu leads\n", static_cast<unsigned long long>(answer->leader.value()));
  return 0;
}

}  // namespace cluster::app
