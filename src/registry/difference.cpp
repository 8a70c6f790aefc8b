#include "registry/difference.hpp"

#include <algorithm>
#include <utility>

namespace cluster::registry {
namespace {

std::string name_of(const AgentRecord& agent) { return "agent " + agent.id.value(); }
std::string name_of(const FrameworkRecord& framework) {
  return "framework " + framework.id.value();
}
std::string name_of(const TaskRecord& task) {
  return "task " + task.key.framework.value() + "/" + task.key.task.value();
}
std::string name_of(const JobRecord& job) { return "job " + job.spec.id.value(); }

std::string told(const std::string& name, const std::string& here, const std::string& there) {
  return name + "\nhere:  " + here + "\nthere: " + there + "\n";
}

template <class Row>
std::string told(const Row* here, const Row* there) {
  return told(name_of(here != nullptr ? *here : *there), row_text(here), row_text(there));
}

template <class Rows>
std::string first_of(const Rows& here, const Rows& there) {
  auto ours = here.begin();
  auto theirs = there.begin();
  for (; ours != here.end() && theirs != there.end(); ++ours, ++theirs) {
    if (ours->first < theirs->first) return told(&ours->second, decltype (&ours->second)(nullptr));
    if (theirs->first < ours->first)
      return told(decltype (&ours->second)(nullptr), &theirs->second);
    if (!(ours->second == theirs->second)) return told(&ours->second, &theirs->second);
  }
  if (ours != here.end()) return told(&ours->second, decltype (&ours->second)(nullptr));
  if (theirs != there.end()) return told(decltype (&theirs->second)(nullptr), &theirs->second);
  return {};
}

std::string first_of(const TaskHistory& here, const TaskHistory& there) {
  const std::size_t size = std::max(here.size(), there.size());
  for (std::size_t i = 0; i < size; ++i) {
    const TaskRecord* ours = i < here.size() ? &here[i] : nullptr;
    const TaskRecord* theirs = i < there.size() ? &there[i] : nullptr;
    if (ours != nullptr && theirs != nullptr && *ours == *theirs) continue;
    return "history row " + std::to_string(i) + ", " + told(ours, theirs);
  }
  return {};
}

std::string itself(const RegistryState& state) {
  return "cluster " + std::to_string(state.cluster().value()) + ", frameworks made " +
         std::to_string(state.frameworks_made());
}

}  // namespace

std::string first_difference(const RegistryState& here, const RegistryState& there) {
  if (itself(here) != itself(there)) return told("the state", itself(here), itself(there));
  std::string found = first_of(here.agents(), there.agents());
  if (found.empty()) found = first_of(here.frameworks(), there.frameworks());
  if (found.empty()) found = first_of(here.tasks(), there.tasks());
  if (found.empty()) found = first_of(here.history(), there.history());
  if (found.empty()) found = first_of(here.jobs(), there.jobs());
  return found;
}

}  // namespace cluster::registry
