#include "cluster/keys.hpp"

namespace cluster {

KeyRange KeyRange::key(std::string key) {
  KeyRange range{.begin = std::move(key)};
  range.end = range.begin;
  range.end += '\0';
  return range;
}

KeyRange KeyRange::prefix(ByteView prefix) {
  KeyRange range{.begin = std::string(prefix)};
  range.end = range.begin;
  while (!range.end.empty() && range.end.back() == '\xff') range.end.pop_back();
  if (range.end.empty()) {
    range.is_endless = true;
  } else {
    range.end.back() = static_cast<char>(static_cast<unsigned char>(range.end.back()) + 1);
  }
  return range;
}

KeyRange KeyRange::from(std::string begin) {
  return {.begin = std::move(begin), .is_endless = true};
}

KeyRange KeyRange::between(std::string begin, std::string end) {
  return {.begin = std::move(begin), .end = std::move(end)};
}

bool KeyRange::is_single_key() const {
  return !is_endless && end.size() == begin.size() + 1 && end.back() == '\0' &&
         end.starts_with(begin);
}

KeyRange KeyRange::after(ByteView key) const {
  KeyRange rest = *this;
  if (key < begin) return rest;
  rest.begin = std::string(key);
  rest.begin += '\0';
  return rest;
}

Compare Compare::exists(std::string key) { return {.key = std::move(key), .number = 1}; }

Compare Compare::missing(std::string key) { return {.key = std::move(key), .number = 0}; }

Compare Compare::to_value(std::string key, Is is, Bytes value) {
  return {.key = std::move(key), .target = Target::value, .is = is, .value = std::move(value)};
}

Compare Compare::to_version(std::string key, Is is, std::uint64_t version) {
  return {.key = std::move(key), .target = Target::version, .is = is, .number = version};
}

Compare Compare::to_created(std::string key, Is is, Revision created) {
  return {.key = std::move(key), .target = Target::created, .is = is, .number = created.value()};
}

Compare Compare::to_modified(std::string key, Is is, Revision modified) {
  return {.key = std::move(key), .target = Target::modified, .is = is, .number = modified.value()};
}

Compare Compare::to_lease(std::string key, LeaseId lease) {
  return {.key = std::move(key), .target = Target::lease, .number = lease.value()};
}

}  // namespace cluster
