// One command's way through the registry's state. Total: a command that does not fit is answered
// with one `refused` event and changes nothing but the applied position; every other one tells what
// it changed, which of a `BeginTerm` is nothing.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "cluster/registry.hpp"
#include "registry/digest.hpp"
#include "registry/lifecycle.hpp"

namespace cluster {

// Lives for one command. `on` is called once.
struct RegistryApply {
  using Kind = RegistryEvent::Kind;

  RegistryApply(RegistryState& state, Position at) : state_(state), at_(at) {}

  void on(const RegisterAgent&);
  void on(const LoseAgent&);
  void on(const RegisterFramework&);
  void on(const RemoveFramework&);
  void on(const LaunchTask&);
  void on(const KillTask&);
  void on(const EndTask&);
  void on(const AcknowledgeTask&);
  void on(const SubmitJob&);
  void on(const StopJob&);
  void on(const BeginTerm&);
  void on(const RaiseFormat&);

  std::vector<RegistryEvent> take_events() { return std::move(events_); }

  // Puts a task's row where it belongs, but for the digest. The row shares what it has in common
  // with others, ids and what it asks for: there may be very many.
  static const TaskRecord& file(RegistryState&, TaskRecord&&, const FrameworkRecord&);

 private:
  // Events.
  void tell(Kind, const AgentId&);
  void tell(Kind, const FrameworkId&);
  void tell(Kind, const TaskRecord&);
  void tell(Kind, const JobId&);
  void refuse(RegistryEvent named, std::string message);

  void count_framework();

  // Tasks.
  registry::TaskPhase phase(const TaskRecord&) const;
  registry::TaskPhase phase(const TaskKey&) const;
  std::string problem_of_launch(const TaskRecord&) const;
  void end(const TaskKey&, registry::TaskEvent, const TaskStatus&);
  void to_history(const TaskKey&);

  // Jobs (apply_jobs.cpp).
  std::string problem_of_ref(const JobRef&) const;
  void piece_launched(const JobRef&, const TaskId&);
  void piece_ended(const TaskRecord&);
  void settle(const JobId&, WallTime);  // Ends a job that has come to its end.
  void change_job(const JobId&, auto change);

  // Limits.
  void trim_lost_agents();
  void trim_removed_frameworks();
  void trim_ended_jobs();

  // Changes a row that is there, and the digest with it.
  template <class Rows, class Change>
  void change(Rows& rows, const typename Rows::Key& key, Change body) {
    auto* row = rows.change(key);
    CLUSTER_CHECK(row != nullptr, "a row that is changed is there");
    registry::subtract(state_.digest_, registry::row_of(*row));
    body(*row);
    registry::add(state_.digest_, registry::row_of(*row));
  }
  template <class Rows, class Row>
  Row& insert(Rows& rows, Row row) {
    registry::add(state_.digest_, registry::row_of(row));
    return rows.insert(std::move(row));
  }
  template <class Rows>
  auto erase(Rows& rows, const typename Rows::Key& key) {
    auto row = rows.erase(key);
    CLUSTER_CHECK(row.has_value(), "a row that is erased is there");
    registry::subtract(state_.digest_, registry::row_of(*row));
    return *std::move(row);
  }

  RegistryState& state_;
  Position at_;
  std::vector<RegistryEvent> events_;
};

}  // namespace cluster
