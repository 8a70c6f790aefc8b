// The keys by which locks and elections are a place in a queue: the same for those who link the
// library and for those who ask the masters, so that they exclude each other.
#pragma once

#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/keys.hpp"

namespace cluster::registry {

inline constexpr char exclusive_mark = 'x';
inline constexpr char shared_mark = 's';
inline constexpr std::size_t place_size = 2 + 16;  // "x-0123456789abcdef"

inline std::string lock_prefix(const std::string& name) { return "lock/" + name + "/"; }
inline std::string election_prefix(const std::string& name) { return "election/" + name + "/"; }

inline std::string place_of(char mark, LeaseId lease) {
  char text[place_size + 1];
  std::snprintf(text, sizeof text, "%c-%016llx", mark,
                static_cast<unsigned long long>(lease.value()));
  return text;
}

// A name may hold slashes, so what begins with one name's prefix may be another's place.
inline bool is_place(std::string_view key, std::size_t prefix_size) {
  return key.size() == prefix_size + place_size && key[prefix_size + 1] == '-' &&
         (key[prefix_size] == exclusive_mark || key[prefix_size] == shared_mark);
}

// Whose going `own` waits for, which was made at `token`: an exclusive place for all before it, a
// shared one for the exclusive ones.
inline std::set<std::string> places_before(const std::vector<KeyValue>& all,
                                           const std::string& prefix, char own_mark,
                                           Revision token) {
  std::set<std::string> before;
  for (const KeyValue& one : all) {
    if (!is_place(one.key, prefix.size()) || one.created >= token) continue;
    if (own_mark == exclusive_mark || one.key[prefix.size()] == exclusive_mark) {
      before.insert(one.key);
    }
  }
  return before;
}

}  // namespace cluster::registry
