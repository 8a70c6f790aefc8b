#include "node/admin_client.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "runtime/transport.hpp"

namespace cluster::node {
namespace {

using runtime::SessionId;

constexpr Duration attempt_max = std::chrono::seconds(3);  // Then the next master is asked.
constexpr Duration retry_pause = std::chrono::milliseconds(100);
constexpr Duration attempt_min = std::chrono::milliseconds(500);
constexpr Duration commit_max = std::chrono::seconds(4);  // Of a command that a master hands on.

// How long a living peer may think about it, beyond what any question may take.
Duration patience_of(const wire::AdminBody& question) {
  if (auto* get_job = std::get_if<wire::GetJob>(&question)) return get_job->wait;
  if (auto* read = std::get_if<wire::ReadTaskLog>(&question)) return read->wait;
  if (auto* watch = std::get_if<wire::WatchKeys>(&question)) return watch->wait + commit_max;
  return {};
}

// How long one master is waited for. A command is handed on to whoever leads; where there is little
// time, half of what is left is another master's.
Duration attempt_of(const wire::AdminBody& question, Duration left) {
  if (!std::holds_alternative<wire::AskKeys>(question)) return attempt_max + patience_of(question);
  return std::clamp<Duration>(left / 2, attempt_min, attempt_max + commit_max);
}

// The leader has changed or is about to: asking again finds the new one.
bool is_passing(Errc code) {
  return code == Errc::no_leader || code == Errc::fenced || code == Errc::closed ||
         code == Errc::overloaded || code == Errc::timed_out || code == Errc::unreachable;
}

}  // namespace

// Lives on the node thread.
class AdminClient::Impl final : public runtime::SessionHandler {
 public:
  Impl(runtime::Host& host, std::vector<Endpoint> masters)
      : host_(host), masters_(std::move(masters)) {}

  ~Impl() override {
    for (const auto& [endpoint, link] : links_) host_.transport().close(link.session);
  }

  void start(std::optional<Endpoint> only, wire::AdminBody body, Duration timeout,
             Promise<wire::AdminBody> promise) {
    if (!only && masters_.empty()) {
      return promise.complete(Error{Errc::invalid_argument, "no master's address is known"});
    }
    if (!alarm_) alarm_ = host_.make_alarm([this] { wake(); });
    std::uint64_t id = ++last_id_;
    Question& question = questions_[id];
    question.only = std::move(only);
    question.body = std::move(body);
    question.promise = std::move(promise);
    question.deadline = host_.now() + timeout;
    attempt(id);
    set_alarm();
  }

  void on_open(SessionId session, const Endpoint&) override {
    Link* link = find(session);
    if (link == nullptr) return;
    link->open = true;
    for (auto& [id, question] : questions_) {
      if (question.session == session) send(id, question);
    }
  }

  void on_message(SessionId session, Bytes bytes) override {
    auto message = wire::decode_admin_message(bytes.view());
    if (!message) {
      drop(session);
      return lose(session, std::move(message).error());
    }
    auto at = questions_.find(message->id);
    if (at == questions_.end() || at->second.session != session) return;  // Its time was over.
    answer(at->first, at->second, std::move(message->body));
    set_alarm();
  }

  void on_close(SessionId session, const Error& why) override {
    std::erase_if(links_, [&](const auto& link) { return link.second.session == session; });
    lose(session, why);
  }

 private:
  struct Link {
    SessionId session;
    bool open = false;
  };
  struct Question {
    std::optional<Endpoint> only;
    wire::AdminBody body;
    Promise<wire::AdminBody> promise;
    Time deadline;
    Endpoint at;        // Where it was asked last.
    SessionId session;  // None while it waits for its next attempt.
    Time attempt_ends = time_never;
    Time retry_at = time_never;
    std::string last_problem;
  };

  void attempt(std::uint64_t id) {
    Question& question = questions_.at(id);
    question.retry_at = time_never;
    question.at = question.only ? *question.only : next_master(question);
    question.attempt_ends =
        question.only ? time_never
                      : host_.now() + attempt_of(question.body, question.deadline - host_.now());
    auto at = links_.find(question.at);
    if (at == links_.end()) {
      auto session = host_.transport().dial(question.at, runtime::Lane::admin, *this);
      at = links_.emplace(question.at, Link{.session = session}).first;
    }
    question.session = at->second.session;
    if (at->second.open) send(id, question);
  }

  Endpoint next_master(const Question& question) {
    bool of_leader = !std::holds_alternative<wire::GetStatus>(question.body);
    if (of_leader && leader_) return *leader_;
    return masters_[next_master_++ % masters_.size()];
  }

  void send(std::uint64_t id, Question& question) {
    // A session that is closed in this moment says so by `on_close`.
    host_.transport().send(question.session,
                           wire::encode(wire::AdminMessage{.id = id, .body = question.body}));
  }

  void answer(std::uint64_t id, Question& question, wire::AdminBody body) {
    if (auto* redirect = std::get_if<wire::AdminRedirect>(&body)) {
      bool is_news = redirect->leader && redirect->leader != question.at;
      leader_ = is_news ? redirect->leader : std::nullopt;
      question.last_problem = to_string(question.at) + " does not lead";
      return retry(question, is_news ? Duration{} : retry_pause);
    }
    if (auto* failure = std::get_if<wire::Failure>(&body)) {
      if (!question.only && is_passing(failure->error.code)) {
        question.last_problem = failure->error.message();
        leader_.reset();
        return retry(question, retry_pause);
      }
      return finish(id, std::move(failure->error));
    }
    if (!question.only && !std::holds_alternative<wire::MasterStatus>(body)) leader_ = question.at;
    finish(id, std::move(body));
  }

  void finish(std::uint64_t id, Result<wire::AdminBody> result) {
    auto node = questions_.extract(id);
    node.mapped().promise.complete(std::move(result));
  }

  void retry(Question& question, Duration pause) {
    question.session = {};
    question.attempt_ends = time_never;
    question.retry_at = host_.now() + pause;
  }

  // The session is over: its questions go elsewhere, or fail.
  void lose(SessionId session, const Error& why) {
    std::vector<std::uint64_t> failed;
    for (auto& [id, question] : questions_) {
      if (question.session != session) continue;
      if (leader_ == question.at) leader_.reset();
      std::string place = to_string(question.at);
      question.last_problem =
          why.context.find(place) != std::string::npos ? why.context : place + ": " + why.message();
      if (question.only) {
        failed.push_back(id);
      } else {
        retry(question, retry_pause);
      }
    }
    for (auto id : failed) {
      auto at = questions_.find(id);
      if (at != questions_.end()) {
        finish(id, Error{Errc::unreachable, at->second.last_problem, Outcome::maybe});
      }
    }
    set_alarm();
  }

  void drop(SessionId session) {
    std::erase_if(links_, [&](const auto& link) { return link.second.session == session; });
    host_.transport().close(session);
  }

  Link* find(SessionId session) {
    for (auto& [endpoint, link] : links_) {
      if (link.session == session) return &link;
    }
    return nullptr;
  }

  void wake() {
    Time now = host_.now();
    std::vector<SessionId> silent;
    std::vector<std::uint64_t> late, again;
    for (auto& [id, question] : questions_) {
      if (question.deadline <= now) {
        late.push_back(id);
      } else if (question.attempt_ends <= now) {
        question.last_problem = to_string(question.at) + " does not answer";
        silent.push_back(question.session);
      } else if (question.retry_at <= now) {
        again.push_back(id);
      }
    }
    for (auto session : silent) {
      drop(session);
      lose(session, Error{Errc::timed_out, "no answer"});
    }
    for (auto id : again) {
      if (questions_.contains(id)) attempt(id);
    }
    for (auto id : late) give_up(id);
    set_alarm();
  }

  void give_up(std::uint64_t id) {
    auto at = questions_.find(id);
    if (at == questions_.end()) return;
    const Question& question = at->second;
    if (question.only) {
      return finish(id, Error{Errc::timed_out, to_string(question.at) + " did not answer in time",
                              Outcome::maybe});
    }
    std::string tried;
    for (const Endpoint& master : masters_)
      tried += (tried.empty() ? "" : ", ") + to_string(master);
    std::string problem = question.last_problem.empty()
                              ? to_string(question.at) + " does not answer"
                              : question.last_problem;
    finish(id, Error{Errc::no_leader,
                     "no leading master answered (tried " + tried + "; last: " + problem + ")",
                     Outcome::maybe});
  }

  void set_alarm() {
    Time next = time_never;
    for (const auto& [id, question] : questions_) {
      next = std::min({next, question.deadline, question.attempt_ends, question.retry_at});
    }
    if (alarm_) alarm_->set(next);
  }

  runtime::Host& host_;
  std::vector<Endpoint> masters_;
  std::size_t next_master_ = 0;
  std::optional<Endpoint> leader_;
  std::map<Endpoint, Link> links_;
  std::map<std::uint64_t, Question> questions_;
  std::uint64_t last_id_ = 0;
  std::unique_ptr<runtime::Alarm> alarm_;
};

AdminClient::AdminClient(runtime::Host& host, std::vector<Endpoint> masters)
    : host_(host), impl_(std::make_shared<Impl>(host, std::move(masters))) {}

AdminClient::~AdminClient() {
  // Questions of other threads that are still in the queue run before, and find it alive.
  runtime::run_on_node(host_, [this] { impl_.reset(); });
}

Op<wire::AdminBody> AdminClient::ask(wire::AdminBody question, Duration timeout) {
  Promise<wire::AdminBody> promise(host_.delivery());
  auto op = promise.op();
  host_.post(
      [impl = impl_, body = std::move(question), timeout, promise = std::move(promise)]() mutable {
        impl->start(std::nullopt, std::move(body), timeout, std::move(promise));
      });
  return op;
}

Op<wire::AdminBody> AdminClient::ask_at(const Endpoint& at, wire::AdminBody question,
                                        Duration timeout) {
  Promise<wire::AdminBody> promise(host_.delivery());
  auto op = promise.op();
  host_.post([impl = impl_, at, body = std::move(question), timeout,
              promise = std::move(promise)]() mutable {
    impl->start(at, std::move(body), timeout, std::move(promise));
  });
  return op;
}

}  // namespace cluster::node
