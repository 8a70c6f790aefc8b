// The checker of histories against histories whose verdict is known, and against one that tries
// every order.
#include "sim/linearizability.hpp"

#include <algorithm>

#include "base/random.hpp"
#include "sim/models.hpp"
#include "tests/catch.hpp"

using namespace cluster::sim;

namespace {

using Register = Operation<RegisterModel>;
using Log = Operation<LogModel>;
using Text = std::optional<std::string>;
using Kind = HistoryVerdict::Kind;

Register put(std::string value, std::uint64_t from, std::uint64_t to, std::string key = "x") {
  return {{RegisterModel::Call::Kind::put, std::move(key), std::move(value), {}},
          RegisterModel::Answer{},
          from,
          to};
}
Register lost_put(std::string value, std::uint64_t from) {
  Register operation = put(std::move(value), from, never_answered);
  operation.answer.reset();
  return operation;
}
Register get(Text value, std::uint64_t from, std::uint64_t to, std::string key = "x") {
  return {{RegisterModel::Call::Kind::get, std::move(key), {}, {}},
          RegisterModel::Answer{std::move(value), false},
          from,
          to};
}
Register cas(Text expected, std::string value, bool swapped, std::uint64_t from, std::uint64_t to) {
  return {{RegisterModel::Call::Kind::cas, "x", std::move(value), std::move(expected)},
          RegisterModel::Answer{{}, swapped},
          from,
          to};
}
Log append(std::string value, std::uint64_t position, std::uint64_t from, std::uint64_t to) {
  return {{LogModel::Call::Kind::append, "", std::move(value)},
          LogModel::Answer{position, {}},
          from,
          to};
}
Log read(std::vector<std::string> entries, std::uint64_t from, std::uint64_t to) {
  return {{LogModel::Call::Kind::read, "", {}}, LogModel::Answer{0, std::move(entries)}, from, to};
}
Log catch_up(std::uint64_t end, std::uint64_t from, std::uint64_t to) {
  return {{LogModel::Call::Kind::catch_up, "", {}}, LogModel::Answer{end, {}}, from, to};
}

Kind verdict(const std::vector<Register>& history) { return check_linearizable(history).kind; }
Kind verdict(const std::vector<Log>& history) { return check_linearizable(history).kind; }

// Tries every order there is: slow, and plainly right.
bool is_explained(const std::vector<Register>& history, std::vector<bool>& done,
                  const RegisterModel::State& state) {
  bool is_complete = true;
  std::uint64_t first_answer = never_answered;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (done[i] || !history[i].answer) continue;
    is_complete = false;
    first_answer = std::min(first_answer, history[i].answered_at);
  }
  if (is_complete) return true;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (done[i] || history[i].called_at > first_answer) continue;
    RegisterModel::State next = state;
    if (!RegisterModel::apply(next, history[i].call,
                              history[i].answer ? &*history[i].answer : nullptr))
      continue;
    done[i] = true;
    bool found = is_explained(history, done, next);
    done[i] = false;
    if (found) return true;
  }
  return false;
}

// Clients that each do one thing after another at a register that takes effect at once, somewhere
// between call and answer; some hear nothing, of which some took effect.
std::vector<Register> generated(std::uint64_t seed, std::size_t clients, std::size_t each,
                                std::size_t keys, bool are_distinct) {
  cluster::Random random(seed);
  std::vector<Register> history;
  std::map<std::string, RegisterModel::State> registers;
  struct Client {
    std::optional<std::size_t> operation;
    bool is_done = false;
    std::size_t left;
  };
  std::vector<Client> all(clients, Client{.operation = {}, .is_done = false, .left = each});
  for (std::uint64_t at = 1; std::any_of(all.begin(), all.end(),
                                         [](const Client& c) { return c.left > 0 || c.operation; });
       ++at) {
    Client& client = all[random.below(clients)];
    if (!client.operation) {
      if (client.left == 0) continue;
      client.left -= 1;
      client.operation = history.size();
      client.is_done = false;
      std::string key = "k" + std::to_string(random.below(keys));
      Register operation = get({}, at, never_answered, key);
      operation.answer.reset();
      std::uint64_t kind = random.below(3);
      auto value = [&] { return std::to_string(are_distinct ? at : random.below(3)); };
      Text expected = value();
      if (are_distinct && random.chance(1, 2)) expected = registers[key];
      if (kind == 1) operation.call = {RegisterModel::Call::Kind::put, key, value(), {}};
      if (kind == 2) operation.call = {RegisterModel::Call::Kind::cas, key, value(), expected};
      history.push_back(operation);
      continue;
    }
    Register& operation = history[*client.operation];
    if (!client.is_done) {
      client.is_done = true;
      if (random.chance(1, 40)) {  // Lost on the way there.
        client.operation.reset();
        continue;
      }
      auto& state = registers[operation.call.key];
      RegisterModel::Answer answer{state, state == operation.call.expected};
      RegisterModel::apply(state, operation.call, nullptr);
      operation.answer = answer;
      continue;
    }
    if (random.chance(1, 40)) {  // Lost on the way back.
      operation.answer.reset();
    } else {
      operation.answered_at = at;
    }
    client.operation.reset();
  }
  return history;
}

}  // namespace

TEST_CASE("operations one after another are linearizable as the register does them", "[sim][wgl]") {
  CHECK(verdict({put("1", 1, 2), get("1", 3, 4), cas("1", "2", true, 5, 6), get("2", 7, 8)}) ==
        Kind::linearizable);
  CHECK(verdict({get({}, 1, 2), cas({}, "1", true, 3, 4), cas({}, "2", false, 5, 6)}) ==
        Kind::linearizable);
  CHECK(verdict({put("1", 1, 2), get({}, 3, 4)}) == Kind::not_linearizable);
  CHECK(verdict({put("1", 1, 2), cas("2", "3", true, 3, 4)}) == Kind::not_linearizable);
}

TEST_CASE("operations that overlap may have happened in either order", "[sim][wgl]") {
  CHECK(verdict({put("1", 1, 10), get({}, 2, 3), get("1", 4, 5)}) == Kind::linearizable);
  CHECK(verdict({put("1", 1, 10), put("2", 1, 10), get("1", 11, 12)}) == Kind::linearizable);
  CHECK(verdict({put("1", 1, 10), put("2", 1, 10), get("2", 11, 12)}) == Kind::linearizable);
  CHECK(verdict({put("1", 1, 2), get({}, 2, 3)}) == Kind::linearizable);  // They meet at 2.
}

TEST_CASE("what one reader has seen, a later one does not miss", "[sim][wgl]") {
  CHECK(verdict({put("1", 1, 10), get("1", 2, 3), get({}, 4, 5)}) == Kind::not_linearizable);
  // Herlihy and Wing's register: two writers overlap, two readers disagree about who was last.
  CHECK(verdict({put("1", 1, 9), put("2", 1, 9), get("1", 10, 11), get("2", 12, 13)}) ==
        Kind::not_linearizable);
}

TEST_CASE("an operation of unknown outcome may take effect late, or never, but not early",
          "[sim][wgl]") {
  CHECK(verdict({lost_put("1", 1), get({}, 2, 3), get({}, 4, 5)}) == Kind::linearizable);
  CHECK(verdict({lost_put("1", 1), get({}, 2, 3), get("1", 400, 500)}) == Kind::linearizable);
  CHECK(verdict({put("0", 1, 2), lost_put("1", 3), put("2", 4, 5), get("1", 6, 7),
                 get("2", 8, 9)}) == Kind::not_linearizable);
  CHECK(verdict({get("1", 1, 2), lost_put("1", 3)}) == Kind::not_linearizable);
  CHECK(verdict({lost_put("1", 1), get("1", 2, 3), get({}, 4, 5)}) == Kind::not_linearizable);
}

TEST_CASE("registers of different keys do not meet, and the wrong one is named", "[sim][wgl]") {
  std::vector<Register> history{put("1", 1, 2, "a"), put("1", 1, 2, "b"), get("1", 3, 4, "a"),
                                get("0", 5, 6, "b"), get("1", 7, 8, "b")};
  HistoryVerdict found = check_linearizable(history);
  CHECK(found.kind == Kind::not_linearizable);
  CHECK(found.operations == std::vector<std::size_t>{1, 3});
  CHECK(found.end == 6);
}

TEST_CASE("a log's appends stand in the order of time, and its readers see them", "[sim][wgl]") {
  CHECK(verdict({append("a", 3, 1, 2), append("b", 7, 3, 4), read({"a", "b"}, 5, 6),
                 catch_up(8, 5, 6)}) == Kind::linearizable);
  CHECK(verdict({append("a", 7, 1, 9), append("b", 3, 2, 8), read({"b", "a"}, 10, 11)}) ==
        Kind::linearizable);
  CHECK(verdict({append("a", 7, 1, 2), append("b", 3, 3, 4)}) == Kind::not_linearizable);
  CHECK(verdict({append("a", 3, 1, 2), append("b", 4, 3, 4), read({"a"}, 5, 6)}) ==
        Kind::not_linearizable);
  CHECK(verdict({append("a", 3, 1, 2), catch_up(3, 3, 4)}) == Kind::not_linearizable);
  CHECK(verdict({catch_up(9, 1, 2), append("a", 5, 3, 4)}) == Kind::not_linearizable);
  Log lost{{LogModel::Call::Kind::append, "", "b"}, {}, 1, never_answered};
  CHECK(verdict({lost, append("a", 3, 2, 3), read({"a"}, 4, 5), read({"a", "b"}, 6, 7)}) ==
        Kind::linearizable);
  CHECK(verdict({lost, append("a", 3, 2, 3), read({"a", "b"}, 4, 5), read({"a"}, 6, 7)}) ==
        Kind::not_linearizable);
}

TEST_CASE("small histories get the verdict that trying every order gives", "[sim][wgl]") {
  std::size_t wrong = 0;
  for (std::uint64_t seed = 1; seed <= 2000; ++seed) {
    std::vector<Register> history = generated(seed, 3, 3, 1, false);
    cluster::Random random(seed);
    // Every second one is bent: an answer that the register did not give.
    for (Register& operation : history) {
      if (seed % 2 == 0 || !operation.answer || random.below(4) != 0) continue;
      operation.answer->value = std::to_string(random.below(3));
      operation.answer->swapped = !operation.answer->swapped;
    }
    std::vector<bool> done(history.size());
    bool is_right = is_explained(history, done, {});
    INFO("seed " << seed);
    CHECK(verdict(history) == (is_right ? Kind::linearizable : Kind::not_linearizable));
    if (seed % 2 == 0) CHECK(is_right);
    wrong += is_right ? 0 : 1;
  }
  CHECK(wrong > 200);
}

TEST_CASE(
    "some thousand operations are checked in a moment, and one stale read among them is found",
    "[sim][wgl]") {
  std::vector<Register> history = generated(7, 10, 500, 5, true);
  REQUIRE(history.size() == 5000);
  HistoryVerdict whole = check_linearizable(history);
  CHECK(whole.kind == Kind::linearizable);
  CHECK(whole.configurations < 200'000);

  std::size_t bent = 4000;
  while (history[bent].call.kind != RegisterModel::Call::Kind::get || !history[bent].answer)
    bent += 1;
  history[bent].answer->value = "never put";
  HistoryVerdict found = check_linearizable(history);
  CHECK(found.kind == Kind::not_linearizable);
  CHECK(found.end == history[bent].answered_at);
}

TEST_CASE("a search that grows too large says so and gives no verdict", "[sim][wgl]") {
  std::vector<Register> history = generated(7, 10, 50, 1, true);
  CHECK(check_linearizable(history, 10).kind == Kind::too_hard);
}
