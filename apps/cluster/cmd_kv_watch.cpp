// `cluster kv watch`: changes as they happen, each once, until Ctrl-C.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <utility>

#include "key_session.hpp"
#include "key_text.hpp"
#include "options.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using Json = nlohmann::ordered_json;

// A master that is asked says at least so often that nothing has happened.
constexpr Duration poll_wait = std::chrono::seconds(5);

std::string text_of(const KeyEvent& event, bool json) {
  const bool is_put = event.kind == KeyEvent::Kind::put;
  if (json) {
    Json line = {{"revision", event.now.modified.value()}, {"event", is_put ? "put" : "deleted"}};
    set_bytes(line, "key", event.now.key);
    if (is_put) {
      set_bytes(line, "value", event.now.value.view());
      line["created"] = event.now.created.value();
      line["version"] = event.now.version;
      if (event.now.lease) line["lease"] = lease_text(event.now.lease);
    }
    return line.dump() + "\n";
  }
  return std::to_string(event.now.modified.value()) + "\t" + (is_put ? "put" : "deleted") + "\t" +
         word_of(event.now.key) + (is_put ? "\t" + word_of(event.now.value.view()) : "") + "\n";
}

// All of a batch, or nothing is known of how far it came.
int print(const WatchBatch& batch, bool json) {
  std::string text;
  for (const KeyEvent& event : batch.events) text += text_of(event, json);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) == 0) return 0;
  if (errno == EPIPE) return 128 + SIGPIPE;  // Who reads has enough: `| head`.
  complain(std::string("cannot write: ") + std::strerror(errno));
  return 1;
}

}  // namespace

int cmd_kv_watch(const WatchKeysOptions& options) {
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  node::KeyClient& keys = (*session)->keys();
  registry::KeyWatchQuestion question{
      .space = keys.space(),
      .range = options.is_prefix ? KeyRange::prefix(options.key) : KeyRange::key(options.key),
      .from = Revision(options.from)};
  if (options.from == 0) {
    // "From now on" is after everything that was acknowledged, whichever master is asked.
    auto now = keys.range(question.range, {.limit = 1, .keys_only = true});
    if (!now) return fail(now.error());
    question.from = now->revision.next();
  }
  bool has_begun = false;
  bool is_waiting = false;
  for (;;) {
    auto batch = keys.changes(question, poll_wait);
    if (!batch) {
      // Whoever watches waits for the cluster to come back, once it was there.
      if (!has_begun || !is_worth_waiting(batch.error())) return fail(batch.error());
      if (!std::exchange(is_waiting, true)) complain(batch.error().context + "; still trying");
      continue;
    }
    has_begun = true;
    if (std::exchange(is_waiting, false)) complain("the cluster answers again");
    if (int code = print(*batch, options.keys.json); code != 0) return code;
    question.from = std::max(question.from, batch->upto.next());
  }
}

}  // namespace cluster::app
