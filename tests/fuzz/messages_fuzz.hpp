// What the fuzz target and the unit tests do with one input: its first byte chooses the kind of
// message, the rest is the message. What is understood must be sayable again.
#pragma once

#include <string>
#include <vector>

#include "base/check.hpp"
#include "cluster/registry.hpp"
#include "tests/unit/wire/generators.hpp"
#include "wire/admin_messages.hpp"
#include "wire/agent_messages.hpp"
#include "wire/scheduler_messages.hpp"
#include "wire/spec_codec.hpp"

namespace cluster::test {

using cluster::encode;
using wire::encode;

template <class Decode>
bool decodes_to_itself(ByteView bytes, Decode decode) {
  auto value = decode(bytes);
  if (!value) {
    CLUSTER_CHECK(!value.error().context.empty(), "a refusal says why");
    return false;
  }
  Bytes said = encode(*value);
  auto again = decode(said.view());
  CLUSTER_CHECK(again.has_value(), "what was understood can be said again");
  CLUSTER_CHECK(encode(*again) == said, "and then means the same");
  return true;
}

// Whether the input was a message.
inline bool run_message_input(ByteView input) {
  if (input.empty()) return false;
  ByteView bytes = input.substr(1);
  switch (static_cast<unsigned char>(input[0]) % 6) {
    case 0: return decodes_to_itself(bytes, wire::decode_agent_message);
    case 1: return decodes_to_itself(bytes, wire::decode_scheduler_message);
    case 2: return decodes_to_itself(bytes, wire::decode_admin_message);
    case 3: return decodes_to_itself(bytes, decode_registry_command);
    case 4: {
      auto task = wire::decode_task_spec(bytes);
      if (task) static_cast<void>(wire::problem_of(*task));
      return decodes_to_itself(bytes, wire::decode_task_spec);
    }
    default: {
      auto job = wire::decode_job_spec(bytes);
      if (job) static_cast<void>(problem_of(*job));
      return decodes_to_itself(bytes, wire::decode_job_spec);
    }
  }
}

inline std::vector<std::string> message_fuzz_corpus() {
  std::vector<std::string> corpus;
  auto add = [&](int kind, const auto& value) {
    corpus.push_back(static_cast<char>(kind) + std::string(encode(value).view()));
  };
  Generator make(11);
  for (const auto& message : make.agent_messages()) add(0, message);
  for (const auto& message : make.scheduler_messages()) add(1, message);
  for (const auto& message : make.admin_messages()) add(2, message);
  for (const auto& command : make.commands()) add(3, command);
  for (int i = 0; i < 4; ++i) add(4, make.task_spec());
  for (int i = 0; i < 4; ++i) add(5, make.job_spec());
  return corpus;
}

}  // namespace cluster::test
