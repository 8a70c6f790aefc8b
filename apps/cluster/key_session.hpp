// One command's way to users' keys: its connection, and the keys behind it.
#pragma once

#include <memory>

#include "client.hpp"
#include "node/key_client.hpp"
#include "options.hpp"

namespace cluster::app {

class KeySession {
 public:
  static Result<std::unique_ptr<KeySession>> open(const KeyOptions&);

  node::KeyClient& keys() { return keys_; }
  Client& client() { return *client_; }

 private:
  KeySession(std::unique_ptr<Client> client, const KeyOptions& options);

  std::unique_ptr<Client> client_;
  node::KeyClient keys_;
};

// Nobody answers now, and somebody may later.
bool is_worth_waiting(const Error&);

}  // namespace cluster::app
