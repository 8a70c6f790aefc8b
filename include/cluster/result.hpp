// What a call that can fail gives back: a value, or an `Error` that says what went wrong and
// whether the action may have taken effect all the same.
//
//   Result<Position> at = log.append(bytes).get();
//   if (!at) return std::move(at).error();
//
// Member names are those of std::expected, so that one day this is an alias. The library itself
// never throws; `value()` on an error throws `cluster::Exception` for programs that prefer
// exceptions.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cluster {

// One closed table: the numbers travel on the wire and through the C ABI. Never renumber.
enum class Errc : std::uint16_t {
  ok = 0,
  invalid_argument =
      1,               // The caller asked for something that makes no sense; the context says what.
  not_found = 2,       // The thing named does not exist.
  already_exists = 3,  // The thing named exists, with other contents.
  fenced = 4,          // A newer writer or leader has taken over.
  no_leader = 5,       // No leader could be reached before the deadline.
  timed_out = 6,       // The deadline passed.
  closed = 7,          // The object was closed or destroyed.
  overloaded = 8,      // A stated limit of queued work is reached; try again later.
  too_large = 9,       // Larger than a stated limit.
  truncated = 10,      // The positions asked for are no longer kept.
  corrupt = 11,        // Bytes from a disk or a peer contradict themselves.
  storage = 12,        // The disk failed; this replica has stopped, and is started again by hand.
  unreachable = 13,    // The peer cannot be reached.
  protocol = 14,       // The peer does not speak our protocol.
  wrong_cluster = 15,  // The peer or the directory belongs to another cluster.
  unsupported = 16,    // Known, and not offered by this build or on this machine.
  permission = 17,     // The operating system or a rule refused it.
  address_in_use = 18,  // Another process listens there.
  would_deadlock = 19,  // A blocking wait on the thread that must complete it.
  insufficient = 20,    // Not enough resources.
  failed = 21,          // The action was carried out and ended in failure.
  cancelled = 22,       // The caller gave it up.
  disk_full = 23,       // As `storage`: no room is left, or a stated limit is reached.
  read_only = 24,       // As `storage`: the file system is not to be written.
};
inline constexpr Errc errc_last = Errc::read_only;

// Errors that stop a replica until a person has seen to its disk.
constexpr bool is_of_disk(Errc code) {
  return code == Errc::storage || code == Errc::corrupt || code == Errc::disk_full ||
         code == Errc::read_only;
}

std::string_view to_string(Errc);

// Whether the action that failed can have taken effect. With `maybe`, to retry is the caller's
// choice.
enum class Outcome : std::uint8_t { not_applied = 0, maybe = 1 };

struct Error {
  Errc code = Errc::failed;
  std::string context;  // A sentence for a person: what was wrong, where, and what would be right.
  Outcome outcome = Outcome::not_applied;

  // "<code>: <context>", with "(may have been applied)" where that is so.
  std::string message() const;

  friend bool operator==(const Error&, const Error&) = default;
};

class Exception : public std::exception {
 public:
  explicit Exception(Error error);
  const Error& error() const { return error_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  Error error_;
  std::string message_;
};

namespace detail {
[[noreturn]] void throw_error(const Error&);
}

template <class T>
class [[nodiscard]] Result {
  using Stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

 public:
  using value_type = T;

  Result() requires std::is_void_v<T> : state_(std::in_place_index<0>) {}
  Result(Stored value) requires(!std::is_void_v<T>)
      : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Errc code, std::string context, Outcome outcome = Outcome::not_applied)
      : state_(std::in_place_index<1>, Error{code, std::move(context), outcome}) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // The value; on an error throws `Exception`.
  decltype(auto) value() & { return checked(), std::get<0>(state_); }
  decltype(auto) value() const& { return checked(), std::get<0>(state_); }
  Stored value() && { return checked(), std::get<0>(std::move(state_)); }

  // The value; the caller has made sure that there is one.
  Stored& operator*() & { return *std::get_if<0>(&state_); }
  const Stored& operator*() const& { return *std::get_if<0>(&state_); }
  Stored&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  Stored* operator->() { return std::get_if<0>(&state_); }
  const Stored* operator->() const { return std::get_if<0>(&state_); }

  // The error; the caller has made sure that there is one.
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  void checked() const {
    if (!has_value()) detail::throw_error(error());
  }

  std::variant<Stored, Error> state_;
};

}  // namespace cluster
