#include "node/master_node.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "replog/open.hpp"

namespace cluster::node {
namespace {

constexpr std::size_t pending_rows_max = 10'000;
constexpr Duration look_interval = std::chrono::seconds(1);

Duration ping_interval_of(const NodeOptions::Master& options) {
  if (options.ping_interval > Duration{}) return options.ping_interval;
  return std::min<Duration>(options.agent_timeout / 5, std::chrono::seconds(1));
}

LogOptions log_options(const NodeOptions::Master& options, StateMachine& state_machine) {
  LogOptions log;
  log.state_machine = &state_machine;
  log.snapshots = options.snapshots;
  log.directory = options.directory;
  log.cluster = options.cluster;
  log.self = options.self;
  log.members = options.members;
  log.join = options.join;
  log.listen = options.listen;
  log.election_timeout = options.election_timeout;
  log.heartbeat_interval = options.heartbeat_interval;
  log.seed = options.seed;
  return log;
}

// Where this process reaches its own listener.
Endpoint own_endpoint(Endpoint bound) {
  if (bound.host == "0.0.0.0") bound.host = "127.0.0.1";
  if (bound.host == "::") bound.host = "::1";
  return bound;
}

}  // namespace

Result<std::unique_ptr<MasterNode>> MasterNode::start(runtime::Host& host,
                                                      const NodeOptions::Master& options,
                                                      const std::string& version,
                                                      RegistryLimits limits) {
  bool delivers_here = false;
  runtime::run_on_node(host, [&] { delivers_here = host.delivery()->is_current(); });
  if (!delivers_here) {
    return Error{Errc::invalid_argument,
                 "a master needs a runtime that delivers on its node thread"};
  }
  auto registry = std::make_unique<registry::RegistryDriver>(host, limits);
  auto log = replog::open_listening(host, log_options(options, *registry));
  if (!log) return std::move(log).error();
  auto node = std::make_unique<MasterNode>(host, std::move(registry), *std::move(log));
  master::MasterOptions master{.self = node->log_->self(),
                               .cluster = replog::cluster_of(*node->log_),
                               .members = options.members,
                               .ping_interval = ping_interval_of(options),
                               .agent_timeout = options.agent_timeout,
                               .version = version,
                               .process = ::getpid()};
  DigestWatchOptions digests{
      .interval = options.digest_interval, .directory = options.directory, .version = version};
  runtime::run_on_node(host, [&] { node->begin(std::move(master), std::move(digests)); });
  return node;
}

MasterNode::MasterNode(runtime::Host& host, std::unique_ptr<registry::RegistryDriver> registry,
                       Log log)
    : host_(host),
      listener_(replog::listener_of(log)),
      registry_(std::move(registry)),
      log_(std::move(log)) {
  runtime::run_on_node(host_, [this] { endpoint_ = host_.transport().endpoint(listener_); });
}

MasterNode::~MasterNode() {
  runtime::run_on_node(host_, [this] {
    alarm_.reset();
    lifeline_ = {};
    jobs_.reset();
    master_.reset();
    key_service_.reset();
    log_reader_.reset();
    digest_watch_.reset();
  });
  log_.reset();  // Its listener with it.
  registry_.reset();
}

void MasterNode::begin(master::MasterOptions options, DigestWatchOptions digests) {
  master_ = std::make_unique<master::MasterDriver>(host_, listener_, *log_, *registry_,
                                                   std::move(options));
  master_->set_pending_tasks([this] {
    return jobs_ ? jobs_->pending({}, pending_rows_max).rows : std::vector<wire::TaskRow>();
  });
  master_->set_process_metrics([this] {
    Metrics all = host_.metrics();
    Metrics own = metrics();
    all.insert(all.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
    return all;
  });
  digest_watch_ = std::make_unique<DigestWatch>(host_, *log_, *registry_, std::move(digests));
  log_reader_ = std::make_unique<LogReader>(
      *log_, [this](const wire::ReadSnapshot& asked, std::function<void(Result<Bytes>)> done) {
        digest_watch_->read_state(asked, std::move(done));
      });
  master_->set_log_reader([this](const wire::AdminBody& question, auto done) {
    log_reader_->answer(question, std::move(done));
  });
  key_service_ = std::make_unique<KeyService>(host_, *log_, *registry_);
  master_->set_key_service([this](const wire::AdminBody& question, auto done) {
    key_service_->answer(question, std::move(done));
  });
  registry_->subscribe([this](Position at, const std::vector<RegistryEvent>& events) {
    if (jobs_) jobs_->on_applied(at, events);
  });
  master_->on_leading([this](bool leading) { lead(leading); });
  registry_->on_unreadable([this](const Error& why) {
    // Not within the log's own call.
    host_.post(lifeline_.guard([this, why] {
      replog::stop_for_good(*log_, why);
      fail(why);
    }));
  });
  alarm_ = host_.make_alarm([this] { look_at_log(); });
  look_at_log();
}

// Why this member's work is done, once its removal is settled: a leader that removes itself leads
// until then, and those who asked for it are to hear its answer.
std::optional<Error> MasterNode::settled_removal() {
  const Members now = log_->members();
  bool is_member = std::any_of(now.members.begin(), now.members.end(),
                               [this](const MemberInfo& m) { return m.id == log_->self(); });
  bool is_settled = !now.members.empty() && !is_member && now.since < log_->range().end &&
                    !log_->leadership().is_self;
  if (!std::exchange(was_removed_, is_settled) || !is_settled) return std::nullopt;
  return Error{Errc::closed, "master " + std::to_string(log_->self().value()) +
                                 " was removed from the cluster by entry " +
                                 std::to_string(now.since.value()) +
                                 "; its directory is of no use any more"};
}

// A replica that has stopped for good fails every read, also that of nothing.
void MasterNode::look_at_log() {
  if (auto removal = settled_removal()) return fail(*removal);
  Position end = log_->range().end;
  log_->read(end, end).then(lifeline_.guard([this](Result<std::vector<Entry>> entries) {
    if (entries || !is_of_disk(entries.error().code)) {
      return alarm_->set(host_.now() + look_interval);
    }
    fail(entries.error());
  }));
}

void MasterNode::fail(const Error& error) {
  failure_ = error;
  if (on_failed_) std::exchange(on_failed_, nullptr)(*failure_);
}

void MasterNode::on_failed(std::function<void(const Error&)> observer) {
  runtime::run_on_node(host_, [&] {
    if (failure_) return observer(*failure_);
    on_failed_ = std::move(observer);
  });
}

// Jobs are run by a scheduler of the leader's own process. The next leader's goes on from the
// registry, so nothing is handed over.
void MasterNode::lead(bool leading) {
  jobs_.reset();
  if (!leading) return;
  jobs_ =
      std::make_unique<scheduler::JobScheduler>(host_, registry_->state(), own_endpoint(endpoint_));
}

NodeStatus::Master MasterNode::status() const {
  return {.endpoint = endpoint_,
          .leadership = log_->leadership(),
          .leading = master_->is_leading(),
          .log = log_->range(),
          .applied = registry_->applied()};
}

Metrics MasterNode::metrics() const {
  Metrics all = log_->metrics();
  auto add = [&all](Metrics more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
  };
  add(registry_->metrics());
  add(master_->metrics());
  add(digest_watch_->metrics());
  add(key_service_->metrics());
  if (jobs_) add(jobs_->metrics());
  return all;
}

}  // namespace cluster::node
