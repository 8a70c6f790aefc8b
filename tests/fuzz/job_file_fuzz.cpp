// link: cluster_app
// Files that people write for the program: each is refused with a reason, or what was understood
// can be sent.
//
// The first byte of an input chooses: a job file, a duration, a cluster's id, a history of
// operations, or a transaction.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.hpp"
#include "history_file.hpp"
#include "job_file.hpp"
#include "key_text.hpp"
#include "registry/keys_command.hpp"
#include "text.hpp"
#include "wire/spec_codec.hpp"

namespace {

using namespace cluster;

// Whether it was understood.
template <class T>
bool is_good(const Result<T>& read) {
  if (!read) CLUSTER_CHECK(!read.error().context.empty(), "a refusal says why");
  return read.has_value();
}

void read_job(ByteView text) {
  auto job = app::parse_job(text, "a.toml");
  if (!is_good(job)) return;
  auto again = wire::decode_job_spec(wire::encode(*job).view());
  CLUSTER_CHECK(again && *again == *job, "a job can be sent");
}

void read_transaction(ByteView text) {
  auto transaction = app::parse_transaction(text);
  if (!is_good(transaction)) return;
  const registry::KeyCommand command{.body = *transaction};
  auto again = registry::decode_key_command(registry::encode(command));
  // More conditions than a transaction may have can be written, and are refused there.
  if (again) CLUSTER_CHECK(*again == command, "a transaction can be sent");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0: read_job(text); break;
    case 1: static_cast<void>(is_good(app::parse_duration(text))); break;
    case 2: static_cast<void>(is_good(app::parse_cluster_uid(text))); break;
    case 3: static_cast<void>(is_good(app::parse_history(text))); break;
    default: read_transaction(text); break;
  }
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  std::vector<std::string> corpus;
  auto add = [&](char kind, std::string_view text) { corpus.push_back(kind + std::string(text)); };
  add(0,
      "name = \"web\"\nkind = \"service\"\ninstances = 3\nshell = \"run\"\ncpus = 0.2\nmem = 64\n");
  add(0,
      "name = \"b\"\n[[stages]]\nname = \"map\"\ninstances = 2\ncommand = [\"a\", \"b\"]\n"
      "env = { INPUT = \"x\" }\n[[stages]]\nname = \"r\"\nafter = [\"map\"]\ncommand = [\"c\"]\n");
  add(1, "1.5s");
  add(2, "0123456789abcdef");
  add(3,
      "{\"type\":\"invoke\",\"client\":\"a\",\"call\":\"put\",\"key\":\"x\",\"value\":\"1\","
      "\"time\":17}\n{\"type\":\"return\",\"client\":\"a\",\"time\":19}\n");
  add(4,
      "when\n  version a = 3\n  value b != \"x y\"\nthen\n  put a 1 lease ff\nelse\n  range c/\n");
  return corpus;
}
