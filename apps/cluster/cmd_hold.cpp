// `cluster lock` and `cluster elect`: a command that runs while this process holds a place at the
// head of a queue, by the keys and in the order of the library's locks and elections.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <set>
#include <utility>

#include "child_process.hpp"
#include "key_session.hpp"
#include "key_text.hpp"
#include "lease_keeper.hpp"
#include "options.hpp"
#include "registry/recipe_places.hpp"
#include "signals.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using Clock = LeaseKeeper::Clock;
using State = LeaseKeeper::State;

// How late a signal is heard while waiting for one's turn.
constexpr Duration poll_wait = std::chrono::seconds(1);
constexpr Duration release_timeout = std::chrono::seconds(5);
// For a command whose lease has ended without warning.
constexpr Duration kill_grace = std::chrono::seconds(2);

std::string own_value(const HoldOptions& options) {
  if (!options.is_election || !options.value.empty()) return options.value;
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

class Hold {
 public:
  Hold(const HoldOptions& options, node::KeyClient& keys, SignalWait& signals)
      : options_(options),
        keys_(keys),
        signals_(signals),
        what_((options.is_election ? "the leadership of " : "the lock ") + word_of(options.name)),
        prefix_(options.is_election ? registry::election_prefix(options.name)
                                    : registry::lock_prefix(options.name)),
        mark_(options.shared ? registry::shared_mark : registry::exclusive_mark) {}

  int run() {
    const auto begun = Clock::now();
    for (;;) {
      auto turn = wait_for_turn(begun);
      if (!turn) return leave(), fail(turn.error());
      if (signal_ != 0) return leave(), 128 + signal_;
      if (*turn) break;
      complain("the place in the queue for " + what_ + " was lost: " + keeper_->why() +
               "; asking again");
      leave();
    }
    const int code = run_command();
    leave();
    return code;
  }

 private:
  // False: the place in the queue is lost. A signal ends it too.
  Result<bool> wait_for_turn(Clock::time_point begun) {
    if (auto taken = take_place(); !taken) return std::move(taken).error();
    auto seen = look();
    if (!seen || !*seen) return seen;
    bool has_complained = false;
    while (!before_.empty()) {
      if (signal_ = signals_.wait(Duration{}); signal_ != 0) return true;
      if (keeper_->state() != State::kept) return false;
      if (options_.wait > Duration{} && Clock::now() - begun >= options_.wait) {
        return Error{Errc::timed_out, "the time to wait for " + what_ + " is over"};
      }
      auto batch = keys_.changes({.space = keys_.space(),
                                  .range = KeyRange::prefix(prefix_),
                                  .from = next_,
                                  .puts = false},
                                 poll_wait);
      if (batch) {
        for (const KeyEvent& event : batch->events) {
          if (event.now.key == key_) return false;
          before_.erase(event.now.key);
        }
        next_ = std::max(next_, batch->upto.next());
        has_complained = false;
      } else if (batch.error().code == Errc::truncated) {
        seen = look();
        if (!seen || !*seen) return seen;
      } else if (!is_worth_waiting(batch.error())) {
        return std::move(batch).error();
      } else if (!std::exchange(has_complained, true)) {
        complain(batch.error().context + "; still trying");
      }
    }
    return keeper_->state() == State::kept;
  }

  Result<void> take_place() {
    lease_ = node::KeyClient::draw_lease();
    key_ = prefix_ + registry::place_of(mark_, lease_);
    const auto sent_at = Clock::now();
    if (auto granted = keys_.grant(lease_, options_.ttl); !granted) return granted;
    keeper_.emplace(keys_, lease_, options_.ttl, sent_at, [this] { signals_.wake(); });
    keys_.use_session(lease_);
    auto put =
        keys_.change(PutKey{.key = key_, .value = Bytes(own_value(options_)), .lease = lease_});
    return put ? Result<void>() : std::move(put).error();
  }

  // Who is before this one. False: it is not there itself.
  Result<bool> look() {
    auto all = keys_.range(KeyRange::prefix(prefix_), {.keys_only = true});
    if (!all) return std::move(all).error();
    next_ = all->revision.next();
    for (const KeyValue& one : all->keys) {
      if (one.key != key_) continue;
      token_ = one.created;
      before_ = registry::places_before(all->keys, prefix_, mark_, token_);
      return true;
    }
    return false;
  }

  int run_command() {
    auto child =
        ChildProcess::start(options_.command, {{"CLUSTER_FENCE", std::to_string(token_.value())}},
                            [this] { signals_.wake(); });
    if (!child) {
      complain(child.error().context);
      return child.error().code == Errc::not_found ? 127 : 126;
    }
    bool was_told = false;  // By a signal of ours to end.
    State seen = State::kept;
    auto kill_at = Clock::time_point::max();
    while (!(*child)->has_ended()) {
      if (const State state = keeper_->state(); state != seen) {
        if (seen == State::kept) {
          complain(what_ + " is not kept: " + keeper_->why() + "; ending the command");
          (*child)->signal(SIGTERM);
        }
        // In doubt it is ours yet; over after a doubt, there has been time to end.
        kill_at = Clock::now() + (state == State::doubtful  ? options_.ttl
                                  : seen == State::doubtful ? Duration{}
                                                            : kill_grace);
        seen = state;
      }
      if (Clock::now() >= kill_at) {
        (*child)->signal(SIGKILL);
        kill_at = Clock::time_point::max();
      }
      std::optional<Duration> patience;
      if (kill_at != Clock::time_point::max()) {
        patience = std::max(Duration{}, std::chrono::ceil<Duration>(kill_at - Clock::now()));
      }
      const int signal = signals_.wait(patience);
      if (signal != 0) (*child)->signal(std::exchange(was_told, true) ? SIGKILL : signal);
    }
    return seen == State::kept ? (*child)->exit_code() : 1;
  }

  void leave() {
    const bool is_over = keeper_ && keeper_->state() == State::over;
    keeper_.reset();
    if (lease_ && !is_over) static_cast<void>(keys_.revoke(lease_, release_timeout));
    lease_ = {};
  }

  const HoldOptions& options_;
  node::KeyClient& keys_;
  SignalWait& signals_;
  const std::string what_;
  const std::string prefix_;
  const char mark_;
  LeaseId lease_;
  std::string key_;
  Revision token_;
  Revision next_;
  std::set<std::string> before_;
  std::optional<LeaseKeeper> keeper_;
  int signal_ = 0;
};

}  // namespace

int cmd_hold(const HoldOptions& options) {
  SignalWait signals;
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  return Hold(options, (*session)->keys(), signals).run();
}

}  // namespace cluster::app
