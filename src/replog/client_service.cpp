#include "replog/client_service.hpp"

#include <algorithm>

namespace cluster::replog {

using runtime::SessionId;

ClientService::ClientService(runtime::Host& host, runtime::ListenerId listener, Driver& driver)
    : host_(host), listener_(listener), driver_(driver), log_(host.logger().with_part("clients")) {
  host_.transport().serve(listener_, runtime::Lane::log_client, this);
  // Clients that are here already move when the leader does.
  driver_.watch_leadership([&host = host_, tell = lifeline_.guard([this] {
    for (const auto& [session, is_welcome] : sessions_) {
      if (is_welcome) welcome(session);
    }
  })](const Leadership&) { host.post(tell); });
}

ClientService::~ClientService() {
  host_.transport().serve(listener_, runtime::Lane::log_client, nullptr);
}

void ClientService::on_open(SessionId session, const Endpoint&) { sessions_[session] = false; }

void ClientService::on_close(SessionId session, const Error&) { sessions_.erase(session); }

void ClientService::on_message(SessionId session, Bytes bytes) {
  auto message = decode_client_message(bytes);
  if (!message) return refuse(session, std::move(message).error());
  bool is_welcome = sessions_[session] || std::holds_alternative<ClientHello>(message->body);
  if (!is_welcome) return refuse(session, Error{Errc::protocol, "a client says Hello first"});
  const Asked asked{session, message->tag, std::chrono::milliseconds(message->timeout_ms)};
  std::visit([&](auto&& body) { take(asked, std::move(body)); }, std::move(message->body));
}

void ClientService::take(const Asked& asked, ClientHello&& hello) {
  ClusterUid ours = driver_.cluster();
  if (hello.cluster != ours) {
    return refuse(asked.session, Error{Errc::wrong_cluster, "this is a member of another cluster"});
  }
  sessions_[asked.session] = true;
  welcome(asked.session);
}

void ClientService::take(const Asked& asked, ClientAppend&& append) {
  auto promise =
      answer_later<Position>(asked, [](Position at) -> ClientBody { return ClientAppended{at}; });
  AppendCall call{std::move(append.data), 0, std::move(promise)};
  call.options.timeout = asked.timeout;
  gathered_.push_back(std::move(call));
  if (gathered_.size() == 1) host_.post(lifeline_.guard([this] { hand_on(); }));
}

void ClientService::take(const Asked& asked, ClientRead&& read) {
  std::size_t bytes = std::min<std::size_t>(read.bytes_max, client_read_bytes_max);
  auto promise = answer_later<std::vector<Entry>>(
      asked,
      [](std::vector<Entry> entries) -> ClientBody { return ClientEntries{std::move(entries)}; });
  driver_.read(read.from, read.to, bytes, std::move(promise), {.timeout = asked.timeout});
}

void ClientService::take(const Asked& asked, ClientCatchUp&&) {
  auto promise = answer_later<LogRange>(
      asked, [](LogRange range) -> ClientBody { return ClientRange{range}; });
  driver_.catch_up(std::move(promise), {.timeout = asked.timeout});
}

// What only members say.
template <class Other>
void ClientService::take(const Asked& asked, Other&&) {
  refuse(asked.session, Error{Errc::protocol, "a client does not say this"});
}

template <class T, class Answer>
Promise<T> ClientService::answer_later(const Asked& asked, Answer to_body) {
  Promise<T> promise;
  promise.op().then(
      lifeline_.guard([this, session = asked.session, tag = asked.tag, to_body](Result<T> result) {
        answer(session, tag,
               result ? to_body(*std::move(result)) : ClientFailed{std::move(result).error()});
      }));
  return promise;
}

void ClientService::hand_on() { driver_.append(std::exchange(gathered_, {})); }

void ClientService::welcome(SessionId session) {
  const Leadership& leadership = driver_.snapshot().leadership;
  ClientWelcome welcome{.leader = {}, .leads = leadership.is_self};
  if (!welcome.leads) {
    const Member* leader = driver_.core().configuration().find(leadership.leader);
    if (leader != nullptr) welcome.leader = leader->endpoint;
  }
  answer(session, 0, std::move(welcome));
}

void ClientService::answer(SessionId session, std::uint64_t tag, ClientBody body) {
  if (!sessions_.contains(session)) return;
  host_.transport().send(session, encode(ClientMessage{tag, std::move(body)}));
}

void ClientService::refuse(SessionId session, Error why) {
  log_.warning("refused a client", "why", why.message());
  answer(session, 0, ClientFailed{std::move(why)});
  sessions_.erase(session);
  host_.transport().close(session);
}

}  // namespace cluster::replog
