#include "scheduler/job_driver.hpp"

#include <algorithm>

namespace cluster::scheduler {

namespace {

constexpr Duration connect_again_after = std::chrono::seconds(1);

SchedulerOptions job_client_options(const Endpoint& master) {
  return SchedulerOptions{.masters = {master},
                          .name = jobs_framework().value(),
                          .role = "*",
                          .failover_timeout = Duration::max(),
                          .framework = jobs_framework(),
                          .acknowledge_automatically = false};
}

// The master is in this very process: what takes long is not the network but an election.
constexpr ClientLimits job_client_limits{.backoff_min = std::chrono::milliseconds(20),
                                         .backoff_max = std::chrono::milliseconds(500),
                                         .follow_leader = false};

}  // namespace

JobScheduler::JobScheduler(runtime::Host& host, const RegistryState& registry, Endpoint master,
                           JobTuning tuning)
    : host_(host),
      master_(std::move(master)),
      logger_(host.logger().with_part("jobs")),
      core_(registry, host.now(), host.wall_now(), logger_, tuning),
      alarm_(host.make_alarm([this] { wake(); })) {
  connect();
}

JobScheduler::~JobScheduler() = default;

void JobScheduler::connect() {
  connect_at_ = time_never;
  client_.reset();
  client_ = std::make_unique<ClientDriver>(
      host_, job_client_options(master_), logger_, [this](const ClientTell& news) { hear(news); },
      job_client_limits);
}

void JobScheduler::hear(const ClientTell& news) {
  if (const auto* refusal = std::get_if<TellError>(&news)) {
    logger_.warning("call refused", "why", refusal->error.message(), "fatal", refusal->fatal);
    return;
  }
  if (std::holds_alternative<TellEnded>(news)) {
    // As long as this master leads, nobody else may run jobs: try again. Not from in here, where
    // the client that speaks would be destroyed.
    connect_at_ = host_.now() + connect_again_after;
    JobEffects effects;
    core_.on(host_.now(), host_.wall_now(), TellDisconnected{}, effects);
    perform(effects);
    return;
  }
  JobEffects effects;
  core_.on(host_.now(), host_.wall_now(), news, effects);
  if (const auto* update = std::get_if<TellUpdate>(&news)) {
    const TaskStatus& status = update->status;
    if (status.sequence > 0)
      effects.now.emplace_back(AcknowledgeCall{status.task, status.sequence});
  }
  perform(effects);
}

void JobScheduler::on_applied(Position, const std::vector<RegistryEvent>& events) {
  JobEffects effects;
  core_.on(host_.now(), host_.wall_now(), events, effects);
  perform(effects);
}

void JobScheduler::wake() {
  if (host_.now() >= connect_at_) connect();
  JobEffects effects;
  core_.on_time(host_.now(), effects);
  perform(effects);
}

void JobScheduler::perform(JobEffects& effects) {
  for (ClientCall& call : effects.now) client_->call(std::move(call));
  alarm_->set(std::min(core_.deadline(), connect_at_));
}

PendingPieces JobScheduler::pending(const JobId& only, std::size_t limit) const {
  return core_.pending(host_.now(), only, limit);
}

Metrics JobScheduler::metrics() const {
  Metrics all = core_.metrics();
  Metrics client = client_->metrics();
  all.insert(all.end(), std::make_move_iterator(client.begin()),
             std::make_move_iterator(client.end()));
  return all;
}

}  // namespace cluster::scheduler
