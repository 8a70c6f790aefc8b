// The client's public face, and the host of its core on the node thread.
#include "cluster/log_client.hpp"

#include <functional>
#include <map>
#include <mutex>
#include <stop_token>
#include <utility>

#include "replog/client_core.hpp"
#include "runtime/host.hpp"
#include "runtime/transport.hpp"

namespace cluster {
namespace {

using replog::ClientActions;
using replog::ClientBody;

// Node thread only.
class ClientDriver final : private runtime::SessionHandler {
 public:
  ClientDriver(runtime::Host& host, LogClientOptions options)
      : host_(host),
        core_(std::move(options), host.random_seed(), host.logger().with_part("log client"),
              host.now()),
        alarm_(host.make_alarm([this] {
          step([this](ClientActions& actions) { core_.on_time(host_.now(), actions); });
        })) {
    alarm_->set(core_.deadline());
  }

  ~ClientDriver() override {
    if (session_) host_.transport().close(session_);
  }
  ClientDriver(const ClientDriver&) = delete;
  ClientDriver& operator=(const ClientDriver&) = delete;

  struct Call {
    ClientBody body;
    Promise<ClientBody> promise;
    CallOptions options;
  };

  void call(std::vector<Call> calls) {
    step([&](ClientActions& actions) {
      for (Call& call : calls) {
        if (call.options.cancel.stop_requested()) {
          call.promise.complete(Error{Errc::cancelled, "the caller cancelled it"});
          continue;
        }
        Open& open = open_.emplace_hint(open_.end(), ++tag_, std::move(call.promise))->second;
        if (call.options.cancel.stop_possible()) watch(call.options.cancel, tag_, open);
        core_.on_call(host_.now(), tag_, std::move(call.body), actions, call.options.timeout);
      }
    });
  }

  Metrics metrics() const { return core_.metrics(); }

 private:
  using OnStop = std::stop_callback<std::function<void()>>;
  struct Open {
    explicit Open(Promise<ClientBody> p) : promise(std::move(p)) {}
    Promise<ClientBody> promise;
    std::unique_ptr<OnStop> on_stop;  // None: it can't be cancelled.
  };

  void watch(const std::stop_token& cancel, std::uint64_t tag, Open& open) {
    auto give_up = lifeline_.guard(
        [this, tag] { step([&](ClientActions& actions) { core_.on_cancel(tag, actions); }); });
    open.on_stop =
        std::make_unique<OnStop>(cancel, [&host = host_, give_up] { host.post(give_up); });
  }

  void on_open(runtime::SessionId session, const Endpoint&) override {
    if (session == session_) step([this](ClientActions& actions) { core_.on_open(actions); });
  }

  void on_message(runtime::SessionId session, Bytes bytes) override {
    if (session != session_) return;
    step([&](ClientActions& actions) {
      auto message = replog::decode_client_message(bytes);
      if (message) return core_.on_message(host_.now(), *std::move(message), actions);
      hang_up();
      core_.on_close(host_.now(), message.error(), actions);
    });
  }

  void on_close(runtime::SessionId session, const Error& why) override {
    if (session != session_) return;
    session_ = {};
    step([&](ClientActions& actions) { core_.on_close(host_.now(), why, actions); });
  }

  template <class F>
  void step(F input) {
    ClientActions actions;
    input(actions);
    for (auto& action : actions) {
      std::visit([this](auto&& one) { act(std::move(one)); }, std::move(action));
    }
    alarm_->set(core_.deadline());
  }

  void act(replog::ClientDial&& dial) {
    session_ = host_.transport().dial(dial.to, runtime::Lane::log_client, *this);
  }
  void act(replog::ClientHangUp&&) { hang_up(); }
  void act(replog::ClientSend&& send) { host_.transport().send(session_, std::move(send.message)); }
  void act(replog::ClientDone&& done) {
    auto node = open_.extract(done.tag);
    node.mapped().promise.complete(std::move(done.answer));
  }

  void hang_up() {
    if (session_) host_.transport().close(std::exchange(session_, {}));
  }

  runtime::Host& host_;
  replog::ClientCore core_;
  std::unique_ptr<runtime::Alarm> alarm_;
  runtime::SessionId session_;
  std::uint64_t tag_ = 0;
  std::map<std::uint64_t, Open> open_;
  runtime::Lifeline lifeline_;
};

}  // namespace

struct LogClient::Impl : std::enable_shared_from_this<LogClient::Impl> {
  explicit Impl(runtime::Host& h) : host(h) {}

  runtime::Host& host;
  std::unique_ptr<ClientDriver> driver;  // Node thread.
  std::mutex mutex;
  std::vector<ClientDriver::Call> inbox;  // Guarded: gathers until the node thread comes by.

  template <class T, class Answer>
  Op<T> call(const CallOptions& options, ClientBody body, Answer from_body) {
    if (host.is_forked()) return Op<T>::ready(runtime::forked_error());
    Promise<T> promise(host.delivery());
    Op<T> op = promise.op();
    Promise<ClientBody> inner;
    inner.op().then([promise = std::move(promise), from_body](Result<ClientBody> answer) mutable {
      if (!answer) return promise.complete(std::move(answer).error());
      promise.complete(from_body(*std::move(answer)));
    });
    bool is_first = false;
    {
      std::lock_guard lock(mutex);
      is_first = inbox.empty();
      inbox.push_back({std::move(body), std::move(inner), options});
    }
    if (is_first) {
      host.post([weak = weak_from_this()] {
        if (auto self = weak.lock()) self->drain();
      });
    }
    return op;
  }

  void drain() {
    std::vector<ClientDriver::Call> calls;
    {
      std::lock_guard lock(mutex);
      calls.swap(inbox);
    }
    if (driver) driver->call(std::move(calls));
  }
};

LogClient::LogClient(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogClient::LogClient(LogClient&&) noexcept = default;

LogClient::~LogClient() {
  if (!impl_) return;
  if (impl_->host.is_forked()) {
    runtime::leave_to_parent(std::move(impl_));
    return;
  }
  runtime::run_on_node(impl_->host, [impl = impl_.get()] { impl->driver.reset(); });
  std::vector<ClientDriver::Call> dropped;
  std::lock_guard lock(impl_->mutex);
  dropped.swap(impl_->inbox);
}

Result<LogClient> LogClient::open(Runtime& runtime, LogClientOptions options) {
  if (runtime.host().is_forked()) return runtime::forked_error();
  if (!options.cluster) {
    return Error{Errc::invalid_argument, "LogClientOptions::cluster is 0; every cluster has an id"};
  }
  if (options.members.empty()) {
    return Error{Errc::invalid_argument, "LogClientOptions::members names no member to ask"};
  }
  auto impl = std::make_shared<Impl>(runtime.host());
  runtime::run_on_node(impl->host, [&] {
    impl->driver = std::make_unique<ClientDriver>(impl->host, std::move(options));
  });
  return LogClient(std::move(impl));
}

Op<Position> LogClient::append(Bytes data, const CallOptions& options) {
  return impl_->call<Position>(
      options, replog::ClientAppend{std::move(data)},
      [](ClientBody answer) { return std::get<replog::ClientAppended>(answer).position; });
}

Op<std::vector<Entry>> LogClient::read(Position from, Position to, std::size_t bytes_max,
                                       const CallOptions& options) {
  return impl_->call<std::vector<Entry>>(
      options, replog::ClientRead{from, to, bytes_max},
      [](ClientBody answer) { return std::move(std::get<replog::ClientEntries>(answer).entries); });
}

Op<LogRange> LogClient::catch_up(const CallOptions& options) {
  return impl_->call<LogRange>(options, replog::ClientCatchUp{}, [](ClientBody answer) {
    return std::get<replog::ClientRange>(answer).range;
  });
}

Metrics LogClient::metrics() const {
  Metrics metrics;
  runtime::run_on_node(impl_->host, [&] { metrics = impl_->driver->metrics(); });
  return metrics;
}

}  // namespace cluster
