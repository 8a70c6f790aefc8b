#include "sim/key_clients.hpp"

#include <algorithm>

namespace cluster::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int accounts = 5;
constexpr int balance = 100;
constexpr Duration delivery_max = milliseconds(1);
const std::string bank = "bank/";
const std::string queue = "q/";
const std::string lock_key = "lock";

Bytes bytes(const std::string& text) { return Bytes(ByteView(text)); }
std::string text_of(const KeyValue& key) { return std::string(key.value.view()); }
int number_of(const KeyValue& key) { return std::stoi(text_of(key)); }

}  // namespace

KeyClients::KeyClients(LogCluster& cluster, KeyHosts& hosts, const KeyPlan& plan)
    : cluster_(cluster),
      hosts_(hosts),
      plan_(plan),
      random_(cluster.random().next()),
      sessions_(plan.users),
      holders_(plan.holders),
      watchers_(plan.watchers) {
  for (std::size_t i = 0; i < plan.users; ++i) soon([this, i] { use(i); });
  for (std::size_t i = 0; i < plan.holders; ++i) soon([this, i] { hold(i); });
  for (std::size_t i = 0; i < plan.watchers; ++i) {
    if (i % 3 == 2) watchers_[i].prefix = "set/";
    soon([this, i] { start_watch(i); });
  }
  hosts_.truth().on_expiry([this](LeaseId lease) { on_expiry(lease); });
}

KeyClients::~KeyClients() { hosts_.truth().on_expiry(nullptr); }

void KeyClients::soon(std::function<void()> what) {
  cluster_.world().after(between(random_, Duration(100), plan_.think_max), std::move(what));
}

KeyCallOptions KeyClients::patience() {
  KeyCallOptions options;
  options.call.timeout = between(random_, milliseconds(50), seconds(2));
  return options;
}

template <class T, class Call>
void KeyClients::ask(std::size_t at, Call call, Then<T> then) {
  operations_ += 1;
  LogMember& asked = member(at);
  auto open = std::make_shared<Then<T>>(std::move(then));
  auto end = [open](std::optional<Result<T>> result) {
    if (*open) std::exchange(*open, nullptr)(std::move(result));
  };
  // A crash takes the answer along.
  cluster_.world().after(seconds(3), [end] { end(std::nullopt); });
  if (asked.is_down) return;
  asked.host->post([this, &asked, call = std::move(call), end]() mutable {
    Registry* registry = hosts_.registry(asked);
    if (!registry) return;
    Op<T> op = call(*registry);
    std::move(op).then([end](Result<T> result) { end(std::move(result)); });
  });
}

void KeyClients::note_read(const RangeResult& range, Revision floor, const std::string& prefix,
                           std::string what) {
  KeyTruth::Seen seen{
      .at = range.revision, .floor = floor, .prefix = prefix, .keys = {}, .what = std::move(what)};
  for (const KeyValue& key : range.keys) seen.keys.emplace_back(key.key, text_of(key));
  hosts_.truth().on_seen(std::move(seen));
  saw(range.revision);
}

void KeyClients::note_write(const TransactionResult& done, Revision floor,
                            std::vector<std::pair<std::string, std::string>> keys,
                            std::string what) {
  if (done.succeeded) {
    hosts_.truth().on_seen({.at = done.revision,
                            .floor = floor,
                            .is_write = true,
                            .prefix = {},
                            .keys = std::move(keys),
                            .what = std::move(what)});
  }
  saw(done.revision);
}

void KeyClients::note_failure(const Error& error, const std::string& value) {
  cluster_.coverage().count("a call failed: " + std::string(to_string(error.code)));
  if (error.outcome == Outcome::not_applied) never_.push_back(value);
}

// --- Users.

void KeyClients::use(std::size_t user) {
  if (is_stopped_) return;
  switch (random_.below(12)) {
    case 0:
    case 1:
    case 2:
    case 3: return use_register(user);
    case 4: return add_to_set(user);
    case 5: return read_prefix(user);
    case 6:
    case 7: return transfer(user);
    case 8: return take_from_queue(user);
    case 9: return random_.chance(1, 4) ? compact(user) : add_to_set(user);
    default: return put_in_session(user);
  }
}

void KeyClients::use_register(std::size_t user) {
  const std::string key = "r/" + std::to_string(random_.below(plan_.keys));
  const auto kind = static_cast<Kind>(random_.below(3));
  RegisterModel::Call call{.kind = kind, .key = key, .value = {}, .expected = {}};
  if (kind != Kind::get) call.value = new_value();
  for (auto known = registers_.rbegin(); known != registers_.rend(); ++known) {
    // What a swap expects is what somebody has read or put.
    if (kind != Kind::cas || known->call.key != key || !known->answer) continue;
    call.expected = known->call.kind == Kind::get ? known->answer->value : known->call.value;
    break;
  }
  const std::size_t operation = registers_.size();
  registers_.push_back({.call = call, .answer = {}, .called_at = ++points_});
  const std::size_t at = random_.below(cluster_.members().size());
  const Revision floor = floor_;
  auto options = patience();
  auto go_on = [this, user] { soon([this, user] { use(user); }); };
  if (kind == Kind::get) {
    ask<std::optional<KeyValue>>(
        at, [key, options](Registry& registry) { return registry.get(key, options); },
        [this, operation, go_on](auto found) {
          if (found && *found) {
            RegisterModel::Answer answer;
            if (**found) answer.value = text_of(***found);
            if (**found) saw((**found)->modified);
            end_register(operation, answer);
          }
          go_on();
        });
    return;
  }
  Transaction write{
      .when = {}, .then = {PutKey{.key = key, .value = bytes(call.value)}}, .otherwise = {}};
  if (kind == Kind::cas && call.expected) {
    write.when.push_back(Compare::to_value(key, Compare::Is::equal, bytes(*call.expected)));
  } else if (kind == Kind::cas) {
    write.when.push_back(Compare::missing(key));
  }
  ask<TransactionResult>(
      at, [write, options](Registry& registry) { return registry.transact(write, options); },
      [this, operation, go_on, floor, call](auto done) {
        if (done && *done) {
          note_write(**done, floor, {{call.key, call.value}}, "a write of " + call.value);
          if ((*done)->succeeded) acknowledged_.push_back(call.value);
          RegisterModel::Answer answer;
          answer.swapped = (*done)->succeeded;
          end_register(operation, answer);
        } else if (done) {
          note_failure(done->error(), call.value);
        }
        go_on();
      });
}

void KeyClients::end_register(std::size_t operation, std::optional<RegisterModel::Answer> answer) {
  registers_[operation].answer = std::move(answer);
  registers_[operation].answered_at = ++points_;
}

void KeyClients::add_to_set(std::size_t user) {
  const std::string value = new_value();
  const std::string key = (random_.chance(1, 2) ? "set/" : queue) + value;
  const Revision floor = floor_;
  ask<Revision>(
      random_.below(cluster_.members().size()),
      [key, value, options = patience()](Registry& registry) {
        return registry.put(key, bytes(value), options);
      },
      [this, user, key, value, floor](auto done) {
        if (done && *done) {
          note_write({.revision = **done, .succeeded = true, .results = {}}, floor, {{key, value}},
                     "an addition of " + value);
          acknowledged_.push_back(value);
        } else if (done) {
          note_failure(done->error(), value);
        }
        soon([this, user] { use(user); });
      });
}

void KeyClients::read_prefix(std::size_t user) {
  const std::string prefix =
      std::initializer_list<const char*>{"set/", "q/", "bank/", ""}.begin()[random_.below(4)];
  auto options = patience();
  RangeOptions what;
  options.is_local = random_.chance(1, 5);
  const bool is_old = random_.chance(1, 5) && floor_ > Revision(3);
  if (is_old) what.at = Revision(1 + random_.below(floor_.value()));
  const Revision floor = options.is_local || is_old ? Revision() : floor_;
  ask<RangeResult>(
      random_.below(cluster_.members().size()),
      [prefix, options, what](Registry& registry) {
        return registry.range(KeyRange::prefix(prefix), what, options);
      },
      [this, user, prefix, floor, is_old](auto found) {
        if (found && *found) {
          Revision before = floor_;
          note_read(**found, floor, prefix, "a read of \"" + prefix + "\"");
          if (is_old) floor_ = before;
          if (is_old) cluster_.coverage().count("an older revision was read");
        } else if (found && found->error().code == Errc::truncated) {
          cluster_.coverage().count("a read came after its revision was forgotten");
        }
        soon([this, user] { use(user); });
      });
}

// The sum stays what it was; and who reads them all at once sees it.
void KeyClients::transfer(std::size_t user) {
  const std::size_t at = random_.below(cluster_.members().size());
  const Revision floor = floor_;
  auto options = patience();
  auto go_on = [this, user] { soon([this, user] { use(user); }); };
  auto move = [this, at, options, go_on](const RangeResult& read) {
    Transaction change;
    std::vector<std::pair<std::string, std::string>> expected;
    auto put = [&](const std::string& key, int amount) {
      change.then.emplace_back(PutKey{.key = key, .value = bytes(std::to_string(amount))});
      expected.emplace_back(key, std::to_string(amount));
    };
    if (read.keys.empty()) {
      change.when.push_back(Compare::missing(bank + "0"));
      for (int i = 0; i < accounts; ++i) put(bank + std::to_string(i), balance);
    } else {
      const KeyValue& from = read.keys[random_.below(accounts)];
      const KeyValue& to = read.keys[random_.below(accounts)];
      if (from.key == to.key) return go_on();
      for (const KeyValue* key : {&from, &to}) {
        change.when.push_back(Compare::to_modified(key->key, Compare::Is::equal, key->modified));
      }
      const int amount = static_cast<int>(random_.below(30));
      put(from.key, number_of(from) - amount);
      put(to.key, number_of(to) + amount);
    }
    const Revision before = floor_;
    ask<TransactionResult>(
        at, [change, options](Registry& registry) { return registry.transact(change, options); },
        [this, go_on, before, expected](auto done) {
          if (done && *done) {
            note_write(**done, before, expected, "a transfer");
            cluster_.coverage().count((*done)->succeeded ? "a transfer was made"
                                                         : "a transfer came too late");
          }
          go_on();
        });
  };
  ask<RangeResult>(
      at,
      [options](Registry& registry) { return registry.range(KeyRange::prefix(bank), {}, options); },
      [this, move, go_on, floor](auto found) {
        if (!found || !*found) return go_on();
        const RangeResult& read = **found;
        note_read(read, floor, bank, "a look at the bank");
        int sum = 0;
        for (const KeyValue& key : read.keys) sum += number_of(key);
        if (!read.keys.empty() && sum != accounts * balance) {
          violated("the accounts come to " + std::to_string(sum));
        }
        move(read);
      });
}

void KeyClients::take_from_queue(std::size_t user) {
  const std::size_t at = random_.below(cluster_.members().size());
  auto options = patience();
  auto go_on = [this, user] { soon([this, user] { use(user); }); };
  auto take = [this, at, options, go_on](const KeyValue& first) {
    Transaction change{.when = {Compare::to_created(first.key, Compare::Is::equal, first.created)},
                       .then = {DeleteKeys{.range = KeyRange::key(first.key)}},
                       .otherwise = {}};
    const Revision floor = floor_;
    ask<TransactionResult>(
        at, [change, options](Registry& registry) { return registry.transact(change, options); },
        [this, go_on, floor, key = first.key](auto done) {
          if (done && *done) {
            note_write(**done, floor, {{key, ""}}, "a taking of " + key);
            if ((*done)->succeeded) cluster_.coverage().count("one was taken from the queue");
          }
          go_on();
        });
  };
  ask<RangeResult>(
      at,
      [options](Registry& registry) {
        return registry.range(KeyRange::prefix(queue), {.limit = 1}, options);
      },
      [take, go_on](auto found) {
        if (!found || !*found || (*found)->keys.empty()) return go_on();
        take((*found)->keys.front());
      });
}

void KeyClients::compact(std::size_t user) {
  const Revision upto(floor_.value() -
                      random_.below(std::min<std::uint64_t>(floor_.value(), 40) + 1));
  ask<Revision>(
      random_.below(cluster_.members().size()),
      [upto](Registry& registry) { return registry.compact(upto); },
      [this, user](auto) { soon([this, user] { use(user); }); });
}

// --- Sessions: what is sent in one is applied once.

void KeyClients::begin_session(std::size_t user, SessionUser& one, std::function<void()> then) {
  one.member = random_.below(cluster_.members().size());
  one.incarnation = member(one.member).incarnation;
  one.key = "own/" + std::to_string(user) + "/" + std::to_string(++session_names_);
  const Duration ttl = between(random_, milliseconds(500), milliseconds(2500));
  ask<Registry::Session>(
      one.member, [ttl](Registry& registry) { return registry.open_session(ttl); },
      [this, &one, then = std::move(then)](auto session) {
        if (session && *session && is_same(one) && !is_stopped_) {
          one.session = std::make_shared<Registry::Session>(*std::move(*session));
        }
        then();
      });
}

void KeyClients::put_in_session(std::size_t user) {
  SessionUser& one = sessions_[user];
  auto go_on = [this, user] { soon([this, user] { use(user); }); };
  if (one.session && !is_same(one)) one.session.reset();
  if (!one.session) return begin_session(user, one, go_on);
  const std::string value = new_value();
  const Revision floor = floor_;
  auto options = patience();
  ask<Revision>(
      one.member,
      [session = one.session, key = one.key, value, options](Registry&) {
        return session->put({.key = key, .value = bytes(value)}, options);
      },
      [this, &one, go_on, value, floor, key = one.key](auto done) {
        if (done && *done) {
          note_write({.revision = **done, .succeeded = true, .results = {}}, floor, {{key, value}},
                     "a session's put of " + value);
          acknowledged_.push_back(value);
        } else if (done) {
          cluster_.coverage().count("a session's command failed: " +
                                    std::string(to_string(done->error().code)));
          if (done->error().code == Errc::not_found) one.session.reset();
        }
        go_on();
      });
}

// --- Locks.

void KeyClients::hold(std::size_t holder) {
  if (is_stopped_) return;
  Holder& one = holders_[holder];
  one.turn += 1;
  one.believes = false;
  auto go_on = [this, holder] { soon([this, holder] { hold(holder); }); };
  if (one.session && (!is_same(one) || random_.chance(1, 10))) one.session.reset();
  if (!one.session) return begin_session(100 + holder, one, go_on);
  acquire(holder);
}

void KeyClients::acquire(std::size_t holder) {
  Holder& one = holders_[holder];
  Transaction take{
      .when = {Compare::missing(lock_key)},
      .then = {PutKey{
          .key = lock_key, .value = bytes(std::to_string(holder)), .lease = one.session->lease()}},
      .otherwise = {}};
  const Revision floor = floor_;
  ask<TransactionResult>(
      one.member,
      [session = one.session, take, options = patience()](Registry&) {
        return session->transact(take, options);
      },
      [this, holder, floor, turn = one.turn](auto done) {
        Holder& now = holders_[holder];
        auto again = [this, holder] { soon([this, holder] { hold(holder); }); };
        if (!done || !*done) {
          if (done && done->error().code == Errc::not_found) now.session.reset();
          return again();
        }
        note_write(**done, floor, {{lock_key, std::to_string(holder)}}, "a lock's acquisition");
        if (!(*done)->succeeded) return again();
        if (now.turn == turn && now.session && is_same(now)) {
          on_acquired(holder, (*done)->revision);
        } else {
          again();
        }
      });
}

void KeyClients::on_acquired(std::size_t holder, Revision token) {
  Holder& one = holders_[holder];
  const Time now = cluster_.world().now();
  cluster_.coverage().count("a lock was acquired");
  for (const Holder& other : holders_) {
    // Whoever loses its lease has to be told, which takes as long as a delivery.
    const bool holds = &other != &one && other.believes && is_same(other) &&
                       other.believes_from + delivery_max < now;
    if (!holds) continue;
    cluster_.coverage().count("two held a lock, and one of them was late to know");
    if (!plan_.has_pauses) {
      violated("holder " + std::to_string(holder) + " has the lock with token " +
               std::to_string(token.value()) + " while another holds it by token " +
               std::to_string(other.token.value()));
    }
  }
  one.believes = true;
  one.believes_from = now;
  one.token = token;
  const std::uint64_t turn = one.turn;
  auto lost = [this, holder, turn](const char* how) {
    Holder& holds = holders_[holder];
    if (holds.turn != turn || !holds.believes) return;
    holds.believes = false;
    cluster_.coverage().count(how);
    holds.session.reset();
  };
  member(one.member).host->post([this, &one, lost] {
    Registry* registry = hosts_.registry(member(one.member));
    if (!registry || !one.session) return lost("a lock was lost");
    registry->lease_loss(one.session->lease()).then([lost](const Result<LeaseLoss>& loss) {
      lost(loss && !loss->has_ended ? "a lock was given up in time" : "a lock was lost");
    });
  });
  // Some for longer than their lease would live if nobody renewed it.
  const Duration span = random_.chance(1, 2) ? seconds(8) : milliseconds(200);
  const Time until = now + between(random_, Duration(1), span);
  soon([this, holder, turn, until] { use_lock(holder, turn, until); });
}

// From here on another may have the lock. Whoever believes in it must have been told by its own
// clock, whether or not it hears of others.
void KeyClients::on_expiry(LeaseId lease) {
  for (Holder& one : holders_) {
    const bool holds = one.believes && is_same(one) && one.session && one.session->lease() == lease;
    if (!holds || plan_.has_pauses) continue;
    // What was told before is on its way for as long as a delivery takes.
    cluster_.world().after(delivery_max, [this, &one, turn = one.turn] {
      if (one.turn != turn || !one.believes || !is_same(one)) return;
      violated("a lease has ended, and its holder still believes that it has the lock by token " +
               std::to_string(one.token.value()));
    });
  }
}

// Whoever writes with an older token than has been seen is refused.
void KeyClients::use_lock(std::size_t holder, std::uint64_t turn, Time until) {
  Holder& one = holders_[holder];
  if (one.turn != turn) return;
  if (is_stopped_) return;
  if (!one.believes || !is_same(one)) return soon([this, holder] { hold(holder); });
  if (one.token < token_max_) cluster_.coverage().count("a stale holder was fenced");
  token_max_ = std::max(token_max_, one.token);
  if (cluster_.world().now() < until) {
    return soon([this, holder, turn, until] { use_lock(holder, turn, until); });
  }
  if (random_.chance(1, 3)) {
    // It forgets about it: its lease ends in its time.
    one.believes = false;
    one.session.reset();
    return soon([this, holder] { hold(holder); });
  }
  release(holder);
}

void KeyClients::release(std::size_t holder) {
  Holder& one = holders_[holder];
  one.believes = false;
  Transaction release{.when = {Compare::to_created(lock_key, Compare::Is::equal, one.token)},
                      .then = {DeleteKeys{.range = KeyRange::key(lock_key)}},
                      .otherwise = {}};
  ask<TransactionResult>(
      one.member,
      [session = one.session, release, options = patience()](Registry&) {
        return session->transact(release, options);
      },
      [this, holder](auto done) {
        if (!done || !*done) holders_[holder].session.reset();
        soon([this, holder] { hold(holder); });
      });
}

// --- Watches.

void KeyClients::start_watch(std::size_t watcher) {
  Watcher& one = watchers_[watcher];
  one.watch.reset();
  one.member = random_.below(cluster_.members().size());
  // Nothing comes to one that was removed.
  const LogMember& at = member(one.member);
  const bool is_up = !at.is_down && cluster_.is_member(at);
  Registry* registry = is_up ? hosts_.registry(at) : nullptr;
  auto again = [this, watcher] { watch_soon([this, watcher] { start_watch(watcher); }); };
  if (!registry) return again();
  // Watchers take few at a time sometimes, and are dropped.
  WatchOptions options{.wants_progress = random_.chance(1, 2),
                       .queue_events_max = random_.chance(1, 3) ? 3u : 4096u};
  if (!one.first) one.first = Revision(1);
  options.from = std::max(one.first, one.upto.next());
  auto watch = registry->watch(KeyRange::prefix(one.prefix), options);
  if (!watch) return again();
  one.watch.emplace(*std::move(watch));
  one.incarnation = member(one.member).incarnation;
  go_on_watching(watcher);
}

// However long users think: in the end, watchers are to have been told everything.
void KeyClients::watch_soon(std::function<void()> what) {
  const Duration wait_max = std::min<Duration>(plan_.think_max, milliseconds(100));
  cluster_.world().after(between(random_, Duration(100), wait_max), std::move(what));
}

void KeyClients::go_on_watching(std::size_t watcher) {
  Watcher& one = watchers_[watcher];
  LogMember& at = member(one.member);
  if (at.is_down || at.incarnation != one.incarnation) return start_watch(watcher);
  // Alive or not is seen from time to time: a dead process completes nothing.
  auto open = std::make_shared<bool>(true);
  auto look = std::make_shared<std::function<void()>>();
  *look = [this, watcher, open, weak = std::weak_ptr(look)] {
    if (!*open) return;
    Watcher& watched = watchers_[watcher];
    LogMember& there = member(watched.member);
    const bool is_there = !there.is_down && cluster_.is_member(there);
    if (!is_there || there.incarnation != watched.incarnation) {
      *open = false;
      return start_watch(watcher);
    }
    cluster_.world().after(milliseconds(300), [keep = weak.lock()] { (*keep)(); });
  };
  one.watch->next().then([this, watcher, open](const Result<WatchBatch>& batch) {
    if (!std::exchange(*open, false)) return;
    on_batch(watcher, batch);
  });
  cluster_.world().after(milliseconds(300), [look] { (*look)(); });
}

void KeyClients::on_batch(std::size_t watcher, const std::optional<Result<WatchBatch>>& batch) {
  Watcher& one = watchers_[watcher];
  if (*batch) {
    for (const KeyEvent& event : (*batch)->events) {
      one.told.push_back({.at = event.now.modified,
                          .key = event.now.key,
                          .value = text_of(event.now),
                          .version = event.kind == KeyEvent::Kind::put ? event.now.version : 0});
    }
    if ((*batch)->upto < one.upto) violated("a watcher was told less than before");
    if ((*batch)->is_progress) cluster_.coverage().count("a watcher was told of progress");
    one.upto = std::max(one.upto, (*batch)->upto);
    if (random_.chance(1, 3)) return watch_soon([this, watcher] { go_on_watching(watcher); });
    return go_on_watching(watcher);
  }
  cluster_.coverage().count("a watch ended: " + std::string(to_string(batch->error().code)));
  if (auto end = one.watch->ended(); end && batch->error().code == Errc::truncated) {
    one.gaps.emplace_back(one.upto.next(), end->resume_from);
    one.upto = std::max(one.upto, Revision(end->resume_from.value() - 1));
  } else if (end) {
    // Nothing of its range happened in between: the comparison in the end shows it.
    one.upto = std::max(one.upto, Revision(end->resume_from.value() - 1));
  }
  watch_soon([this, watcher] { start_watch(watcher); });
}

// --- The end.

void KeyClients::stop() {
  is_stopped_ = true;
  for (SessionUser& one : sessions_) one.session.reset();
  for (Holder& one : holders_) {
    one.session.reset();
    one.believes = false;
  }
}

bool KeyClients::is_settled() {
  const KeyTruth& truth = hosts_.truth();
  auto is_told = [&truth](const Watcher& one) {
    auto last =
        std::find_if(truth.changes().rbegin(), truth.changes().rend(),
                     [&](const auto& change) { return change.key.starts_with(one.prefix); });
    return last == truth.changes().rend() || one.upto >= last->at;
  };
  return truth.state().leases().empty() && std::all_of(watchers_.begin(), watchers_.end(), is_told);
}

std::string KeyClients::check_registers() {
  std::vector<Operation<RegisterModel>> history;
  for (const auto& operation : registers_) {
    const bool is_get = operation.call.kind == Kind::get;
    // What never happened is left out: the search is the shorter.
    if (!operation.answer && (is_get || !hosts_.truth().has_value(operation.call.value))) continue;
    history.push_back(operation);
  }
  HistoryVerdict verdict = check_linearizable(history, 1'000'000);
  if (verdict) return "";
  if (verdict.kind == HistoryVerdict::Kind::too_hard) {
    cluster_.coverage().count("a history too hard to check");
    return "";
  }
  std::string text = "what users saw of registers is not linearizable:";
  for (std::size_t index : verdict.operations) {
    const auto& operation = history[index];
    text += "\n    " + std::to_string(operation.called_at) + " " + operation.call.key + " " +
            operation.call.value;
  }
  return text;
}

std::string KeyClients::check_watchers() {
  for (std::size_t i = 0; i < watchers_.size(); ++i) {
    const Watcher& one = watchers_[i];
    const std::string name = "watcher " + std::to_string(i);
    auto is_in_gap = [&](Revision at) {
      return at < one.first || std::any_of(one.gaps.begin(), one.gaps.end(), [&](const auto& gap) {
               return gap.first <= at && at < gap.second;
             });
    };
    std::size_t next = 0;
    for (const KeyTruth::Change& change : hosts_.truth().changes()) {
      if (is_in_gap(change.at) || !change.key.starts_with(one.prefix)) continue;
      if (next == one.told.size()) {
        return name + " was not told of revision " + std::to_string(change.at.value()) +
               " and what came after, long after the faults were over";
      }
      const KeyTruth::Change& told = one.told[next++];
      if (told.at != change.at || told.key != change.key || told.value != change.value ||
          told.version != change.version) {
        return name + " was told of " + told.key + " at revision " +
               std::to_string(told.at.value()) + " where " + change.key + " at " +
               std::to_string(change.at.value()) + " came next";
      }
    }
    if (next != one.told.size()) return name + " was told more than happened";
  }
  return "";
}

std::string KeyClients::check() {
  if (!violation_.empty()) return violation_;
  KeyTruth& truth = hosts_.truth();
  if (std::string wrong = truth.check(); !wrong.empty()) return wrong;
  if (std::string wrong = hosts_.compare(); !wrong.empty()) return wrong;
  for (const std::string& value : never_) {
    if (truth.has_value(value)) return value + " was refused, and was put all the same";
  }
  for (const std::string& value : acknowledged_) {
    if (!truth.has_value(value)) return value + " was acknowledged, and was never put";
  }
  if (!truth.state().leases().empty()) {
    return std::to_string(truth.state().leases().size()) +
           " leases are there that nobody has renewed for long";
  }
  cluster_.coverage().count("leases that ended", truth.leases_ended());
  if (std::string wrong = check_watchers(); !wrong.empty()) return wrong;
  return check_registers();
}

}  // namespace cluster::sim
