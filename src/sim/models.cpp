#include "sim/models.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

namespace cluster::sim {
namespace {

std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
  return (seed ^ value) * 0x9e3779b97f4a7c15u + (seed >> 29);
}

void add(LogModel::State& state, std::string_view value) {
  state.entries += 1;
  state.content = mix(state.content, std::hash<std::string_view>{}(value) | 1);
}

}  // namespace

std::uint64_t RegisterModel::hash(const State& state) {
  return state ? std::hash<std::string>{}(*state) : 0;
}

bool RegisterModel::apply(State& state, const Call& call, const Answer* answer) {
  switch (call.kind) {
    case Call::Kind::get: return answer == nullptr || answer->value == state;
    case Call::Kind::put: state = call.value; return true;
    case Call::Kind::cas:
      bool swaps = state == call.expected;
      if (answer != nullptr && answer->swapped != swaps) return false;
      if (swaps) state = call.value;
      return true;
  }
  return false;
}

std::uint64_t LogModel::hash(const State& state) {
  return mix(mix(state.content, state.entries), state.end);
}

bool LogModel::apply(State& state, const Call& call, const Answer* answer) {
  switch (call.kind) {
    case Call::Kind::append:
      if (answer != nullptr && answer->position < state.end) return false;
      if (answer != nullptr) state.end = answer->position + 1;
      add(state, call.value);
      return true;
    case Call::Kind::read: {
      if (answer == nullptr) return true;
      State read{.end = state.end};
      for (const std::string& entry : answer->entries) add(read, entry);
      return read == state;
    }
    case Call::Kind::catch_up:
      // An entry that is appended later stands behind the end, and so do all that come after.
      if (answer != nullptr && answer->position < state.end) return false;
      if (answer != nullptr) state.end = answer->position;
      return true;
  }
  return false;
}

}  // namespace cluster::sim
