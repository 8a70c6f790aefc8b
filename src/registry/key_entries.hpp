// Entries of users' keys on a log that holds other entries too: those of the masters. They begin
// with a mark that no message of Cap'n Proto begins with, so that neither is taken for the other. A
// program that knows no keys skips them, and its state then has another digest than the others'.
#pragma once

#include <optional>
#include <string>

#include "cluster/log.hpp"
#include "registry/key_log.hpp"

namespace cluster::registry {

inline constexpr ByteView key_mark = "keys";

inline Bytes mark_key_entry(const Bytes& command) {
  std::string marked;
  marked.reserve(key_mark.size() + command.size());
  marked += key_mark;
  marked += command.view();
  return Bytes(std::move(marked));
}

// The command's bytes; nothing where it is an entry of another kind.
inline std::optional<Bytes> marked_key_entry(const Bytes& entry) {
  if (!entry.view().starts_with(key_mark)) return std::nullopt;
  return entry.slice(key_mark.size(), entry.size() - key_mark.size());
}

// A shared log as a registry of keys sees it.
class MarkedLog final : public KeyLog {
 public:
  explicit MarkedLog(Log& log) : log_(log) {}
  Op<Position> append(Bytes entry, const CallOptions& options) override {
    return log_.append(mark_key_entry(entry), options);
  }
  Op<Position> read_barrier(const CallOptions& options) override {
    return log_.read_barrier(options);
  }

 private:
  Log& log_;
};

}  // namespace cluster::registry
