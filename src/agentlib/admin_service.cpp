#include "agentlib/admin_service.hpp"

#include <algorithm>
#include <utility>

#include "agentlib/log_reader.hpp"
#include "agentlib/model.hpp"
#include "agentlib/task_directory.hpp"

namespace cluster::agentlib {

namespace {

constexpr std::size_t readers_max = 256;
constexpr std::uint32_t chunk_size_max = 1 << 20;
constexpr Duration wait_max = std::chrono::seconds(60);
constexpr Duration look_interval = std::chrono::milliseconds(100);

}  // namespace

AdminService::AdminService(runtime::Host& host, std::string agent_directory,
                           std::function<bool(const TaskKey&)> is_open,
                           std::function<void(bool)> on_stop_requested,
                           std::function<Metrics()> metrics_of_all)
    : host_(host),
      directory_(std::move(agent_directory)),
      is_open_(std::move(is_open)),
      on_stop_requested_(std::move(on_stop_requested)),
      metrics_of_all_(std::move(metrics_of_all)),
      alarm_(host.make_alarm([this] { on_wake(); })) {}

AdminService::~AdminService() = default;

void AdminService::on_message(runtime::SessionId session, Bytes message) {
  auto decoded = wire::decode_admin_message(message.view());
  if (!decoded) {
    garbage_ += 1;
    host_.transport().close(session);
    return on_close(session, decoded.error());
  }
  questions_ += 1;
  std::uint64_t id = decoded->id;
  if (const auto* question = std::get_if<wire::ReadTaskLog>(&decoded->body)) {
    return begin_read(session, id, *question);
  }
  if (const auto* stop = std::get_if<wire::StopAgent>(&decoded->body)) {
    answer(session, id, wire::Done{});
    return on_stop_requested_(stop->kill_tasks);
  }
  if (std::holds_alternative<wire::GetMetrics>(decoded->body)) {
    return answer(session, id, wire::MetricsAnswer{metrics_of_all_()});
  }
  refuse(session, id, Errc::invalid_argument,
         "an agent answers for its tasks' logs and its metrics only; ask a master");
}

void AdminService::on_close(runtime::SessionId session, const Error&) {
  for (auto reader = readers_.begin(); reader != readers_.end();) {
    auto one = reader++;
    if (one->session != session) continue;
    if (one->again_at == time_never) {
      one->is_gone = true;
    } else {
      readers_.erase(one);
    }
  }
}

void AdminService::answer(runtime::SessionId session, std::uint64_t id, wire::AdminBody body) {
  host_.transport().send(session, wire::encode(wire::AdminMessage{id, std::move(body)}));
}

void AdminService::refuse(runtime::SessionId session, std::uint64_t id, Errc code,
                          std::string why) {
  answer(session, id, wire::Failure{Error{code, std::move(why)}});
}

void AdminService::begin_read(runtime::SessionId session, std::uint64_t id,
                              const wire::ReadTaskLog& question) {
  // Names that could lead out of the directory are no task's.
  if (!is_safe(TaskKey{question.framework, question.task})) {
    return refuse(session, id, Errc::invalid_argument,
                  "a framework's and a task's id are of letters, digits, '.', '_' and '-'");
  }
  if (readers_.size() >= readers_max) {
    return refuse(session, id, Errc::overloaded, "too many read logs of this agent; try again");
  }
  Duration wait = std::clamp(question.wait, Duration::zero(), wait_max);
  read(readers_.insert(
      readers_.end(),
      Reader{.session = session, .id = id, .question = question, .until = host_.now() + wait}));
}

void AdminService::read(Readers::iterator reader) {
  const wire::ReadTaskLog& question = reader->question;
  TaskKey key{question.framework, question.task};
  reader->again_at = time_never;
  // Asked before the file is read: a task that had ended by then wrote nothing more.
  bool was_open = is_open_(key);
  auto finish = lifeline_.guard([this, reader, was_open](Result<LogPart> part) {
    on_read(reader, was_open, std::move(part));
  });
  host_.post_disk([&host = host_, sandbox = sandbox_directory(directory_, key),
                   file = question.standard_error ? "stderr" : "stdout", offset = question.offset,
                   size_max = std::clamp<std::uint32_t>(question.size_max, 1, chunk_size_max),
                   finish = std::move(finish)]() mutable {
    auto part = read_log(sandbox, file, offset, size_max);
    host.post([finish = std::move(finish), part = std::move(part)]() mutable {
      finish(std::move(part));
    });
  });
}

void AdminService::on_read(Readers::iterator reader, bool was_open, Result<LogPart> part) {
  if (reader->is_gone) {
    readers_.erase(reader);
    return;
  }
  // A task that was told to start has no sandbox for a moment.
  if (!part && part.error().code == Errc::not_found && was_open) {
    part = LogPart{.offset = reader->question.offset, .reached_end = true};
  }
  Time now = host_.now();
  if (part && part->data.empty() && was_open && now < reader->until) {
    reader->again_at = std::min(now + look_interval, reader->until);
    return set_alarm();
  }
  if (part) {
    answer(reader->session, reader->id,
           wire::LogChunk{.data = std::move(part->data),
                          .offset = part->offset,
                          .ended = !was_open && part->reached_end});
  } else {
    answer(reader->session, reader->id, wire::Failure{part.error()});
  }
  readers_.erase(reader);
}

void AdminService::on_wake() {
  Time now = host_.now();
  for (auto reader = readers_.begin(); reader != readers_.end(); ++reader) {
    if (reader->again_at <= now) read(reader);
  }
  set_alarm();
}

void AdminService::set_alarm() {
  Time next = time_never;
  for (const Reader& reader : readers_) next = std::min(next, reader.again_at);
  alarm_->set(next);
}

Metrics AdminService::metrics() const {
  return {
      {"cluster_agent_questions_total", "Questions of operators' tools.", Metric::Kind::counter,
       static_cast<double>(questions_)},
      {"cluster_agent_questions_garbage_total", "Messages of tools that could not be read.",
       Metric::Kind::counter, static_cast<double>(garbage_)},
      {"cluster_agent_log_readers", "Log questions that wait for an answer.", Metric::Kind::gauge,
       static_cast<double>(readers_.size())},
  };
}

}  // namespace cluster::agentlib
