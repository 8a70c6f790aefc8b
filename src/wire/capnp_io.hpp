// Cap'n Proto at arm's length, for codecs only: building a message into Bytes, and reading one from
// bytes that anybody may have made. What a reader finds wrong is collected in a `Decoding`; what
// Cap'n Proto itself finds wrong comes as a kj::Exception, and `decode_as` is where that ends.
#pragma once

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "base/spec_rules.hpp"
#include "cluster/result.hpp"
#include "cluster/types.hpp"

namespace cluster::wire {

// The first thing that was wrong with a message that is being read. Readers go on after a failure,
// with harmless values, and the whole message is refused in the end.
class Decoding {
 public:
  void fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }
  const std::string& problem() const { return problem_; }

 private:
  std::string problem_;
};

// Calls `fill(Root::Builder)`, twice for a message of more than `words_expected`. The bytes are a
// flat, unpacked message in one segment: pointers between segments would take another word each.
template <class Root, class Fill>
Bytes encode_as(Fill fill, unsigned words_expected = capnp::SUGGESTED_FIRST_SEGMENT_WORDS) {
  auto to_bytes = [](capnp::MessageBuilder& message) {
    auto words = capnp::messageToFlatArray(message);
    return Bytes(ByteView(words.asChars().begin(), words.asChars().size()));
  };
  try {
    capnp::MallocMessageBuilder message(words_expected);
    fill(message.template initRoot<Root>());
    auto segments = message.getSegmentsForOutput();
    if (segments.size() == 1) return to_bytes(message);
    std::size_t words = 0;
    for (const auto& segment : segments) words += segment.size();
    capnp::MallocMessageBuilder whole(static_cast<capnp::uint>(words));
    fill(whole.template initRoot<Root>());
    return to_bytes(whole);
  } catch (const kj::Exception& e) {
    // Only a list of over half a gibibyte fails to build, and limits keep those out long before.
    CLUSTER_CHECK(false, "a message of ours can be encoded", e.getDescription().cStr());
    return {};
  }
}

// Calls `read(Root::Reader, Decoding&)`. Refuses, with `code`: what is not whole words, ends early,
// has bytes after its end, holds a bad pointer, refers to the same bytes again and again, or fails
// in `read`. `what` opens the error's context: "registry command".
template <class Root, class Read>
auto decode_as(ByteView bytes, Errc code, std::string_view what, Read read)
    -> Result<decltype(read(std::declval<typename Root::Reader>(), std::declval<Decoding&>()))> {
  auto refuse = [&](std::string_view problem) {
    return Error{code, std::string(what) + ": " + std::string(problem)};
  };
  if (bytes.empty() || bytes.size() % sizeof(capnp::word) != 0) {
    return refuse("its size of " + std::to_string(bytes.size()) + " bytes is not one of a message");
  }
  std::size_t size = bytes.size() / sizeof(capnp::word);
  kj::Array<capnp::word> aligned;  // Slices of frames begin anywhere.
  const auto* begin = reinterpret_cast<const capnp::word*>(bytes.data());
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(capnp::word) != 0) {
    aligned = kj::heapArray<capnp::word>(size);
    std::memcpy(aligned.begin(), bytes.data(), bytes.size());
    begin = aligned.begin();
  }
  try {
    capnp::ReaderOptions options;
    options.traversalLimitInWords = 8 * size + 64;  // Readers visit a pointer a few times at most.
    capnp::FlatArrayMessageReader message(kj::arrayPtr(begin, size), options);
    if (message.getEnd() != begin + size) return refuse("bytes follow its end");
    Decoding decoding;
    auto value = read(message.getRoot<Root>(), decoding);
    if (!decoding.problem().empty()) return refuse(decoding.problem());
    return value;
  } catch (const kj::Exception& e) {
    return refuse(std::string_view(e.getDescription().cStr(), e.getDescription().size()));
  }
}

inline capnp::Text::Reader to_text(const std::string& text) { return {text.data(), text.size()}; }
inline capnp::Data::Reader to_data(ByteView bytes) {
  return {reinterpret_cast<const capnp::byte*>(bytes.data()), bytes.size()};
}
inline std::string from_text(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
inline Bytes from_data(capnp::Data::Reader data) {
  return Bytes(ByteView(reinterpret_cast<const char*>(data.begin()), data.size()));
}

// An id of [A-Za-z0-9._-]; `what` names it in the error.
template <class T>
T read_id(Decoding& decoding, capnp::Text::Reader text, std::string_view what) {
  if (rules::is_id({text.begin(), text.size()})) return T(from_text(text));
  decoding.fail(
      rules::problem_of_id("the id of the " + std::string(what), {text.begin(), text.size()}));
  return {};
}

// The same, or none.
template <class T>
T read_optional_id(Decoding& decoding, capnp::Text::Reader text, std::string_view what) {
  return text.size() == 0 ? T() : read_id<T>(decoding, text, what);
}

// The same, shared with `known` where it is that.
template <class T>
T read_shared_id(Decoding& decoding, capnp::Text::Reader text, std::string_view what,
                 const T& known) {
  const bool is_known = std::string_view(text.begin(), text.size()) == known.value();
  return is_known ? known : read_optional_id<T>(decoding, text, what);
}

// An enum whose numbers are the same on both sides, up to `last`. Newer peers may know more.
template <class T, class Wire>
T read_enum(Decoding& decoding, Wire value, T last, std::string_view what) {
  auto number = static_cast<std::uint16_t>(value);
  if (number <= static_cast<std::uint16_t>(last)) return static_cast<T>(number);
  decoding.fail("its " + std::string(what) + " has the unknown value " + std::to_string(number));
  return {};
}

template <class List>
unsigned list_size(const List& list) {
  CLUSTER_CHECK(list.size() <= std::numeric_limits<unsigned>::max(), "a list fits into a message");
  return static_cast<unsigned>(list.size());
}

// Times that are far from any real one are cut to these, so that sums with them never overflow.
inline constexpr Duration duration_max = std::chrono::hours(24 * 365 * 30);

inline std::int64_t to_wire(Duration duration) { return duration.count(); }
inline std::int64_t to_wire(WallTime time) { return time.time_since_epoch().count(); }

inline Duration read_duration(Decoding& decoding, std::int64_t microseconds,
                              std::string_view what) {
  if (microseconds < 0) decoding.fail("its " + std::string(what) + " is negative");
  return std::min(Duration(microseconds), duration_max);
}

inline WallTime read_wall_time(Decoding& decoding, std::int64_t milliseconds) {
  constexpr std::int64_t latest = 100'000'000'000'000;  // In the year 5138.
  if (milliseconds < 0 || milliseconds > latest) {
    decoding.fail("a time of day is outside of 1970 to 5138");
    return {};
  }
  return WallTime(std::chrono::milliseconds(milliseconds));
}

}  // namespace cluster::wire
