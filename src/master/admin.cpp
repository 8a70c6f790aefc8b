// Tools' questions: answered from the registry's state and what is known of the living, at once or
// when what they wait for has happened.

#include <algorithm>
#include <utility>

#include "master/core.hpp"
#include "master/saturating.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::master {

void Core::answer(SessionId session, std::uint64_t question, wire::AdminBody body,
                  Effects& effects) {
  effects.send(session, wire::AdminMessage{question, std::move(body)});
}

void Core::fail(SessionId session, std::uint64_t question, Errc code, std::string why,
                Effects& effects) {
  answer(session, question, wire::Failure{Error{code, std::move(why)}}, effects);
}

void Core::on(Moment at, SessionId id, const wire::AdminMessage& message, Effects& effects) {
  Session* session = find_session(id);
  if (!session) return;
  session->heard = at.now;
  const std::uint64_t question = message.id;
  const wire::AdminBody& body = message.body;
  if (std::holds_alternative<wire::GetAgents>(body)) {
    answer(id, question, agent_rows(), effects);
  } else if (std::holds_alternative<wire::GetFrameworks>(body)) {
    answer(id, question, framework_rows(), effects);
  } else if (const auto* get_tasks = std::get_if<wire::GetTasks>(&body)) {
    answer(id, question, task_rows(*get_tasks), effects);
  } else if (std::holds_alternative<wire::GetJobs>(body)) {
    wire::JobRows rows;
    for (const auto& [job, record] : state_.jobs()) rows.jobs.push_back(record);
    answer(id, question, std::move(rows), effects);
  } else if (const auto* get_job = std::get_if<wire::GetJob>(&body)) {
    ask(at, id, question, *get_job, effects);
  } else if (const auto* submit = std::get_if<wire::SubmitJobRequest>(&body)) {
    ask(at, id, question, *submit, effects);
  } else if (const auto* stop_job = std::get_if<wire::StopJobRequest>(&body)) {
    ask(at, id, question, *stop_job, effects);
  } else if (const auto* kill_task = std::get_if<wire::KillTaskRequest>(&body)) {
    ask(at, id, question, *kill_task, effects);
  } else if (std::holds_alternative<wire::ReadTaskLog>(body) ||
             std::holds_alternative<wire::StopAgent>(body)) {
    fail(id, question, Errc::invalid_argument, "this is a question for an agent; here is a master",
         effects);
  } else {
    garbage(at, id, Error{Errc::protocol, "an answer, where a question was expected"}, effects);
  }
  finish(at, effects);
}

void Core::ask(Moment at, SessionId session, std::uint64_t question, const wire::GetJob& get,
               Effects& effects) {
  const JobRecord* job = state_.find(get.job);
  if (!job) return fail(session, question, Errc::not_found, "no job " + get.job.value(), effects);
  const Duration wait = std::min(get.wait, options_.limits.job_wait_max);
  if (job->revision > get.after || wait <= Duration::zero()) {
    return answer(session, question, wire::JobAnswer{*job}, effects);
  }
  add_waiter(Waiter{.session = session,
                    .question = question,
                    .wait = Wait::job_change,
                    .job = get.job,
                    .after = get.after,
                    .until = saturating_add(at.now, wait)},
             effects);
}

void Core::ask(Moment at, SessionId session, std::uint64_t question,
               const wire::SubmitJobRequest& submit, Effects& effects) {
  const JobSpec& spec = submit.job;
  if (std::string problem = problem_of(spec); !problem.empty()) {
    return fail(session, question, Errc::invalid_argument, std::move(problem), effects);
  }
  if (const std::size_t size = wire::encode(spec).size(); size > options_.limits.job_size_max) {
    ++counters_.limits_hit;
    return fail(session, question, Errc::too_large,
                "the job has " + std::to_string(size) + " bytes, the limit is " +
                    std::to_string(options_.limits.job_size_max),
                effects);
  }
  if (const JobRecord* known = state_.find(spec.id)) {
    if (known->spec == spec) return answer(session, question, wire::Done{}, effects);
    return fail(session, question, Errc::already_exists,
                "job " + spec.id.value() + " exists with another spec", effects);
  }
  if (!add_waiter(Waiter{.session = session,
                         .question = question,
                         .wait = Wait::job_submitted,
                         .job = spec.id,
                         .spec = spec},
                  effects)) {
    return;
  }
  effects.propose(SubmitJob{.job = spec, .at = at.wall});
}

void Core::ask(Moment at, SessionId session, std::uint64_t question,
               const wire::StopJobRequest& stop, Effects& effects) {
  const JobRecord* job = state_.find(stop.job);
  if (!job) return fail(session, question, Errc::not_found, "no job " + stop.job.value(), effects);
  if (job->state != JobState::active) return answer(session, question, wire::Done{}, effects);
  if (!add_waiter(
          Waiter{
              .session = session, .question = question, .wait = Wait::job_stopped, .job = stop.job},
          effects)) {
    return;
  }
  effects.propose(StopJob{.job = stop.job, .reason = "stopped by an operator", .at = at.wall});
}

void Core::ask(Moment, SessionId session, std::uint64_t question,
               const wire::KillTaskRequest& request, Effects& effects) {
  std::vector<TaskKey> found;
  for (const auto& [key, task] : tasks_) {
    const bool is_named = request.framework.empty() || request.framework == key.framework;
    if (key.task == request.task && is_named) found.push_back(key);
  }
  if (found.empty()) {
    return fail(session, question, Errc::not_found,
                "no task " + request.task.value() + " is running or about to", effects);
  }
  if (found.size() > 1) {
    std::string frameworks;
    for (const TaskKey& key : found) frameworks += " " + key.framework.value();
    return fail(
        session, question, Errc::invalid_argument,
        "several frameworks have a task " + request.task.value() + "; name one of" + frameworks,
        effects);
  }
  const TaskKey& key = found.front();
  if (const TaskRecord* record = state_.find(key); record && record->kill_requested) {
    send_kill(key, effects);
    return answer(session, question, wire::Done{}, effects);
  }
  if (!add_waiter(
          Waiter{.session = session, .question = question, .wait = Wait::task_kill, .task = key},
          effects)) {
    return;
  }
  kill(key, effects);
}

bool Core::add_waiter(Waiter waiter, Effects& effects) {
  if (waiters_.size() >= options_.limits.waiters_max) {
    ++counters_.limits_hit;
    fail(waiter.session, waiter.question, Errc::overloaded,
         "too many questions wait for an answer; try again later", effects);
    return false;
  }
  waiters_.push_back(std::move(waiter));
  return true;
}

void Core::job_event(const JobId& id, const std::string* refused, Effects& effects) {
  const JobRecord* job = state_.find(id);
  std::erase_if(waiters_, [&](const Waiter& waiter) {
    if (waiter.job != id) return false;
    const auto reply = [&](wire::AdminBody body) {
      answer(waiter.session, waiter.question, std::move(body), effects);
      return true;
    };
    switch (waiter.wait) {
      case Wait::job_change:
        if (!job) {
          return reply(wire::Failure{Error{Errc::not_found, "job " + id.value() + " is no more"}});
        }
        return job->revision > waiter.after && reply(wire::JobAnswer{*job});
      case Wait::job_submitted:
        if (job && job->spec == *waiter.spec) return reply(wire::Done{});
        if (job) {
          return reply(wire::Failure{
              Error{Errc::already_exists, "job " + id.value() + " exists with another spec"}});
        }
        return refused && reply(wire::Failure{Error{Errc::invalid_argument, *refused}});
      case Wait::job_stopped:
        return (!job || job->state != JobState::active) && reply(wire::Done{});
      case Wait::task_kill: return false;
    }
    return false;
  });
}

// The task was told to end, has ended, or was refused either.
void Core::kill_event(const TaskKey& key, const std::string* refused, Effects& effects) {
  std::erase_if(waiters_, [&](const Waiter& waiter) {
    if (waiter.wait != Wait::task_kill || waiter.task != key) return false;
    if (refused) {
      fail(waiter.session, waiter.question, Errc::failed, *refused, effects);
    } else {
      answer(waiter.session, waiter.question, wire::Done{}, effects);
    }
    return true;
  });
}

void Core::check_tools(Moment at, Effects& effects) {
  std::vector<SessionId> idle;
  for (const auto& [id, session] : sessions_) {
    if (session.lane == Lane::admin && session.heard + options_.admin_timeout <= at.now) {
      idle.push_back(id);
    }
  }
  for (SessionId id : idle) drop_session(at, id, effects);
}

void Core::check_waiters(Moment at, Effects& effects) {
  std::erase_if(waiters_, [&](const Waiter& waiter) {
    if (waiter.until > at.now) return false;
    if (const JobRecord* job = state_.find(waiter.job)) {
      answer(waiter.session, waiter.question, wire::JobAnswer{*job}, effects);
    } else {
      fail(waiter.session, waiter.question, Errc::not_found,
           "job " + waiter.job.value() + " is no more", effects);
    }
    return true;
  });
}

}  // namespace cluster::master
