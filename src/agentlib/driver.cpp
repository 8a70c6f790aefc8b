#include "agentlib/driver.hpp"

#include <utility>

namespace cluster::agentlib {

AgentDriver::AgentDriver(runtime::Host& host, Launcher& launcher,
                         std::shared_ptr<Checkpoint> checkpoint, CoreOptions options, Saved saved,
                         Observers observers)
    : host_(host),
      launcher_(launcher),
      logger_(host.logger().with_part("agent")),
      observers_(std::move(observers)),
      core_(std::move(options), std::move(saved.identity), saved.tasks, now(), logger_),
      committer_(
          host,
          [checkpoint = std::move(checkpoint)](const std::vector<Change>& changes) {
            return checkpoint->commit(changes);
          },
          [this](Action action) { perform(std::move(action)); },
          [this](const Error& error) { fail(error); }),
      alarm_(host.make_alarm([this] {
        feed([this](const Instant& at, Effects& effects) { core_.on_time(at, effects); });
      })) {
  launcher_.start(*this, saved.tasks);
  alarm_->set(core_.deadline());
}

AgentDriver::~AgentDriver() {
  if (session_) host_.transport().close(session_);
}

void AgentDriver::stop(bool kill_tasks) {
  if (is_over_) return observers_.on_stopped();
  feed([&](const Instant& at, Effects& effects) { core_.on_stop(at, kill_tasks, effects); });
}

template <class Input>
void AgentDriver::feed(Input input) {
  if (is_over_) return;
  Effects effects;
  input(now(), effects);
  for (Action& action : effects.now) perform(std::move(action));
  committer_.submit(std::move(effects.changes), std::move(effects.then));
  if (is_over_) return;
  alarm_->set(core_.deadline());
  if (core_.is_registered() == was_registered_) return;
  was_registered_ = core_.is_registered();
  observers_.on_registration(was_registered_);
}

void AgentDriver::on_open(runtime::SessionId session, const Endpoint&) {
  if (session != session_) return;
  feed([&](const Instant& at, Effects& effects) { core_.on_link_open(at, link_, effects); });
}

void AgentDriver::on_message(runtime::SessionId session, Bytes message) {
  if (session != session_) return;
  auto decoded = wire::decode_agent_message(message.view());
  if (!decoded) {
    garbage_ += 1;
    host_.transport().close(session);
    return on_close(session, decoded.error());
  }
  feed(
      [&](const Instant& at, Effects& effects) { core_.on_message(at, link_, *decoded, effects); });
}

void AgentDriver::on_close(runtime::SessionId session, const Error& why) {
  if (session != session_) return;
  session_ = runtime::SessionId();
  feed([&](const Instant& at, Effects& effects) {
    core_.on_link_close(at, std::exchange(link_, LinkId()), why, effects);
  });
}

void AgentDriver::on_task_started(const TaskKey& key) {
  feed([&](const Instant& at, Effects& effects) { core_.on_started(at, key, effects); });
}

void AgentDriver::on_task_ended(const TaskKey& key, const TaskEnd& end) {
  feed([&](const Instant& at, Effects& effects) { core_.on_ended(at, key, end, effects); });
}

void AgentDriver::perform(Action action) {
  if (is_over_) return;
  std::visit([this](const auto& one) { perform(one); }, action);
}

void AgentDriver::perform(const Dial& dial) {
  if (session_) host_.transport().close(session_);
  link_ = dial.link;
  session_ = host_.transport().dial(dial.master, runtime::Lane::agent, *this);
}

void AgentDriver::perform(const Hang& hang) {
  if (hang.link != link_) return;
  host_.transport().close(std::exchange(session_, runtime::SessionId()));
  link_ = LinkId();
}

void AgentDriver::perform(const Send& send) {
  // What was meant for an earlier link is told again on this one, where it still matters.
  if (send.link == link_ && session_) host_.transport().send(session_, wire::encode(send.message));
}

void AgentDriver::perform(const Launch& launch) { launcher_.launch(launch.key, launch.spec); }
void AgentDriver::perform(const Terminate& terminate) { launcher_.terminate(terminate.key); }
void AgentDriver::perform(const Destroy& destroy) { launcher_.destroy(destroy.key); }
void AgentDriver::perform(const Forget& forget) { launcher_.forget(forget.key); }

void AgentDriver::perform(const Stopped&) {
  is_over_ = true;
  alarm_->set(time_never);
  if (std::exchange(was_registered_, false)) observers_.on_registration(false);
  observers_.on_stopped();
}

void AgentDriver::fail(const Error& error) {
  logger_.error("the checkpoint failed; this agent does nothing more", "why", error.message());
  is_over_ = true;
  failure_ = error;
  alarm_->set(time_never);
  if (session_) host_.transport().close(std::exchange(session_, runtime::SessionId()));
  if (std::exchange(was_registered_, false)) observers_.on_registration(false);
  observers_.on_failed(error);
}

Metrics AgentDriver::metrics() const {
  const TaskCounters& tasks = core_.tasks().counters();
  using Kind = Metric::Kind;
  return {
      {"cluster_agent_tasks", "Tasks that have not ended.", Kind::gauge,
       static_cast<double>(core_.tasks().open())},
      {"cluster_agent_tasks_kept", "Tasks that may not be forgotten yet, ended ones too.",
       Kind::gauge, static_cast<double>(core_.tasks().size())},
      {"cluster_agent_tasks_launched_total", "Tasks launched by this process.", Kind::counter,
       static_cast<double>(tasks.launched)},
      {"cluster_agent_tasks_ended_total", "Tasks that ended.", Kind::counter,
       static_cast<double>(tasks.ended)},
      {"cluster_agent_tasks_failed_total", "Tasks that ended failed, lost or refused.",
       Kind::counter, static_cast<double>(tasks.failed)},
      {"cluster_agent_registered", "1 while a leading master knows this agent.", Kind::gauge,
       core_.is_registered() ? 1.0 : 0.0},
      {"cluster_agent_registrations_total", "Registrations with a leading master.", Kind::counter,
       static_cast<double>(core_.registrations())},
      {"cluster_agent_garbage_total", "Messages from masters that could not be read.",
       Kind::counter, static_cast<double>(garbage_)},
      {"cluster_agent_commits_total", "Groups of changes made durable.", Kind::counter,
       static_cast<double>(committer_.groups())},
  };
}

}  // namespace cluster::agentlib
