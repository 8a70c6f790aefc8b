#include "scheduler/client_driver.hpp"

namespace cluster::scheduler {

ClientDriver::ClientDriver(runtime::Host& host, SchedulerOptions options, Logger logger,
                           Listener listener, ClientLimits limits)
    : host_(host),
      logger_(logger),
      listener_(std::move(listener)),
      core_(std::move(options), host.random_seed(), std::move(logger), limits),
      alarm_(host.make_alarm([this] { feed(Wake{}); })) {
  ClientEffects effects;
  core_.start(host_.now(), effects);
  perform(effects);
  alarm_->set(core_.deadline());
}

ClientDriver::~ClientDriver() { hang_up(); }

void ClientDriver::call(ClientCall call) { feed(std::move(call)); }

void ClientDriver::on_open(runtime::SessionId session, const Endpoint&) {
  if (session == session_) feed(SessionInput{SessionOpened{}});
}

void ClientDriver::on_message(runtime::SessionId session, Bytes bytes) {
  if (session != session_) return;
  auto message = wire::decode_scheduler_message(bytes.view());
  if (message) return feed(SessionInput{SessionMessage{std::move(*message)}});
  logger_.warning("master speaks garbage", "why", message.error().message());
  hang_up();
  feed(SessionInput{SessionClosed{message.error()}});
}

void ClientDriver::on_close(runtime::SessionId session, const Error& why) {
  if (session != session_) return;
  session_ = {};
  feed(SessionInput{SessionClosed{why}});
}

void ClientDriver::feed(Input input) {
  inputs_.push_back(std::move(input));
  if (busy_) return;
  busy_ = true;
  while (!inputs_.empty()) {
    Input next = std::move(inputs_.front());
    inputs_.pop_front();
    ClientEffects effects;
    handle(std::move(next), effects);
    perform(effects);
  }
  busy_ = false;
  alarm_->set(core_.deadline());
}

void ClientDriver::handle(Input input, ClientEffects& effects) {
  if (const auto* session = std::get_if<SessionInput>(&input)) {
    core_.on(host_.now(), *session, effects);
  } else if (const auto* call = std::get_if<ClientCall>(&input)) {
    core_.on(host_.now(), host_.wall_now(), *call, effects);
  } else {
    core_.on_time(host_.now(), effects);
  }
}

void ClientDriver::perform(ClientEffects& effects) {
  for (ClientEffects::Action& action : effects.now) {
    if (const auto* dial = std::get_if<Dial>(&action)) {
      hang_up();
      logger_.debug("dialing", "master", dial->endpoint);
      session_ = host_.transport().dial(dial->endpoint, runtime::Lane::scheduler, *this);
    } else if (const auto* send = std::get_if<Send>(&action)) {
      // Where it cannot be sent the session's end is on its way to us.
      if (session_) host_.transport().send(session_, wire::encode(send->message));
    } else if (std::holds_alternative<Hangup>(action)) {
      hang_up();
    } else {
      listener_(std::get<ClientTell>(action));
    }
  }
}

void ClientDriver::hang_up() {
  if (session_) host_.transport().close(session_);
  session_ = {};
}

}  // namespace cluster::scheduler
