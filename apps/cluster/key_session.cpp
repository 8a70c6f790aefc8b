#include "key_session.hpp"

#include <utility>

namespace cluster::app {

Result<std::unique_ptr<KeySession>> KeySession::open(const KeyOptions& options) {
  auto client = Client::open(options.client);
  if (!client) return std::move(client).error();
  return std::unique_ptr<KeySession>(new KeySession(*std::move(client), options));
}

bool is_worth_waiting(const Error& error) {
  return error.code == Errc::no_leader || error.code == Errc::timed_out ||
         error.code == Errc::unreachable || error.code == Errc::closed;
}

KeySession::KeySession(std::unique_ptr<Client> client, const KeyOptions& options)
    : client_(std::move(client)),
      keys_(
          [client = client_.get()](wire::AdminBody question, Duration timeout) {
            return client->ask_any(std::move(question), timeout);
          },
          options.space, options.client.timeout) {}

}  // namespace cluster::app
