// `cluster recover`: what can be done when most masters are gone for good, or one's disk was saved
// as a copy. Looks and explains; changes something only where a flag says what.
#include <cstdio>

#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "options.hpp"
#include "replog/force_new_cluster.hpp"
#include "replog/inspection.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using replog::Inspection;

std::string number(Position position) { return std::to_string(position.value()); }

// What a person decides by.
void describe(const std::string& path, const Inspection& found) {
  const auto& recovered = found.recovered;
  auto members = recovered.configuration.all();
  std::size_t voters = 0;
  std::printf("%s: member %llu of cluster %s%s\n", path.c_str(),
              static_cast<unsigned long long>(found.directory.identity.member.value()),
              to_hex(found.directory.identity.cluster).c_str(),
              found.directory.is_copy ? ", a COPY of its directory" : "");
  std::printf("  decided, as far as it knows: everything before %s\n",
              number(recovered.chosen_end).c_str());
  std::printf("  heard, and perhaps decided:  to %s\n",
              number(std::max(found.end, recovered.chosen_end)).c_str());
  std::printf("  the members were:\n");
  for (const auto& member : members) {
    if (member.role != MemberRole::learner) ++voters;
    std::printf("    %llu  %-7s  %s\n", static_cast<unsigned long long>(member.id.value()),
                std::string(to_string(member.role)).c_str(), to_string(member.endpoint).c_str());
  }
  if (members.empty()) return;
  std::printf(
      "\nWhile %s of these that vote can come back with their disks, start those and nothing is "
      "lost.\n"
      "Where they never can, see `cluster recover --help`.\n",
      std::to_string(voters / 2 + 1).c_str());
}

int look(const RecoverOptions& options) {
  auto found = replog::inspect_directory(options.survivor, replog::Look::quick);
  if (!found) return fail(found.error());
  describe(options.survivor, *found);
  if (found->fatal) return fail(*found->fatal);
  return 0;
}

int adopt(const RecoverOptions& options) {
  auto found = replog::read_directory(options.survivor);
  if (!found) return fail(found.error());
  if (!found->is_copy) {
    return fail(Error{Errc::invalid_argument,
                      options.survivor + " is no copy: start the master on it as it is"});
  }
  auto adopted = replog::adopt_directory(options.survivor);
  if (!adopted) return fail(adopted.error());
  std::printf(
      "%s is member %llu's directory now. If the original ever starts again, or promised anything\n"
      "after this copy was taken, two leaders may decide differently: see that neither is so.\n",
      options.survivor.c_str(), static_cast<unsigned long long>(adopted->member.value()));
  return 0;
}

int force_new_cluster(const RecoverOptions& options) {
  auto listen = parse_endpoint(options.listen);
  if (!listen) return fail(Error{Errc::invalid_argument, "--listen: " + listen.error().context});
  if (listen->port == 0) {
    return fail(Error{Errc::invalid_argument, "--listen: a master's port cannot be 0"});
  }
  auto forced = replog::force_new_cluster(options.survivor, options.directory,
                                          ClusterUid(system_random() | 1), *listen, system_random(),
                                          LogOptions{}.store_bytes_max);
  if (!forced) return fail(forced.error());
  std::printf(
      "%s is the only member, %llu, of the NEW cluster %s.\n"
      "  kept: everything before %s, and what the survivor had heard of, to %s\n"
      "  LOST: whatever was decided without this survivor having heard of it\n\n"
      "Start it, and let others join with new, empty directories:\n"
      "  cluster master --dir %s --certs ...\n"
      "  cluster members add HOST:PORT\n\n"
      "Masters of the old cluster must stay off: agents and callers would go on with them.\n"
      "%s was left as it is; keep it until you are sure.\n",
      options.directory.c_str(), static_cast<unsigned long long>(forced->identity.member.value()),
      to_hex(forced->identity.cluster).c_str(), number(forced->chosen_end).c_str(),
      number(forced->end).c_str(), options.directory.c_str(), options.survivor.c_str());
  return 0;
}

}  // namespace

int cmd_recover(const RecoverOptions& options) {
  if (options.force_new_cluster) return force_new_cluster(options);
  if (options.adopt_copy) return adopt(options);
  return look(options);
}

}  // namespace cluster::app
