#include "cluster/resources.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "base/check.hpp"

namespace cluster {
namespace {

constexpr std::int64_t thousandths_max = Scalar::max().in_thousandths();

// Sorts, drops what is empty and merges what overlaps or touches.
Ranges normalised(Ranges ranges) {
  std::erase_if(ranges, [](const Interval& interval) { return interval.first >= interval.end; });
  std::sort(ranges.begin(), ranges.end(),
            [](const Interval& a, const Interval& b) { return a.first < b.first; });
  std::size_t kept = 0;
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i].first <= ranges[kept].end) {
      ranges[kept].end = std::max(ranges[kept].end, ranges[i].end);
    } else {
      ranges[++kept] = ranges[i];
    }
  }
  if (!ranges.empty()) ranges.resize(kept + 1);
  return ranges;
}

Items normalised(Items items) {
  std::erase_if(items, [](const std::string& item) { return item.empty(); });
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return items;
}

Scalar normalised(Scalar scalar) { return std::max(scalar, Scalar()); }

bool is_empty(const ResourceValue& value) {
  if (const auto* scalar = std::get_if<Scalar>(&value)) return *scalar <= Scalar();
  if (const auto* ranges = std::get_if<Ranges>(&value)) return ranges->empty();
  return std::get<Items>(value).empty();
}

bool covers(Scalar whole, Scalar part) { return part <= whole; }

bool covers(const Ranges& whole, const Ranges& part) {
  // Each interval of `part` lies inside a single one of `whole`, as those that touch are merged.
  auto at = whole.begin();
  for (const Interval& interval : part) {
    while (at != whole.end() && at->end < interval.end) ++at;
    if (at == whole.end() || at->first > interval.first) return false;
  }
  return true;
}

bool covers(const Items& whole, const Items& part) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

void add(Scalar& to, Scalar more) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(to.in_thousandths(), more.in_thousandths(), &sum)) {
    sum = std::numeric_limits<std::int64_t>::max();
  }
  to = Scalar::thousandths(sum);
}

void add(Ranges& to, const Ranges& more) {
  to.insert(to.end(), more.begin(), more.end());
  to = normalised(std::move(to));
}

void add(Items& to, const Items& more) {
  Items united;
  united.reserve(to.size() + more.size());
  std::set_union(to.begin(), to.end(), more.begin(), more.end(), std::back_inserter(united));
  to = std::move(united);
}

void subtract(Scalar& from, Scalar part) { from = normalised(from - part); }

void subtract(Ranges& from, const Ranges& part) {
  Ranges rest;
  auto cut = part.begin();
  for (Interval interval : from) {
    while (cut != part.end() && cut->end <= interval.first) ++cut;
    for (auto at = cut; at != part.end() && at->first < interval.end; ++at) {
      if (interval.first < at->first) rest.push_back({interval.first, at->first});
      interval.first = std::min(at->end, interval.end);
    }
    if (interval.first < interval.end) rest.push_back(interval);
  }
  from = std::move(rest);
}

void subtract(Items& from, const Items& part) {
  Items rest;
  std::set_difference(from.begin(), from.end(), part.begin(), part.end(), std::back_inserter(rest));
  from = std::move(rest);
}

void append_text(std::string& text, const ResourceValue& value) {
  if (const auto* scalar = std::get_if<Scalar>(&value)) {
    text += scalar->to_string();
  } else if (const auto* ranges = std::get_if<Ranges>(&value)) {
    const char* separator = "[";
    for (const Interval& interval : *ranges) {
      text += separator + std::to_string(interval.first) + '-' + std::to_string(interval.end - 1);
      separator = ",";
    }
    text += ']';
  } else {
    const char* separator = "{";
    for (const std::string& item : std::get<Items>(value)) {
      text += separator + item;
      separator = ",";
    }
    text += '}';
  }
}

// One pass over the text; the first error stays, and everything after it yields nothing.
class ResourceParser {
 public:
  explicit ResourceParser(std::string_view text) : text_(text) {}

  Result<Resources> run() {
    Resources resources;
    skip_spaces();
    while (!failed() && at_ < text_.size()) {
      entry(resources);
      skip_spaces();
      if (!failed() && at_ < text_.size() && !take(';')) fail("';' or the end");
      skip_spaces();
    }
    if (failed()) return Error{Errc::invalid_argument, std::move(error_)};
    return resources;
  }

 private:
  void entry(Resources& resources) {
    const std::size_t name_at = at_;
    std::string name(word(":;,[]{}"));
    if (name.empty()) return fail("a name");
    skip_spaces();
    if (!take(':')) return fail("':' after '" + name + "'");
    skip_spaces();
    ResourceValue value = this->value();
    if (failed()) return;
    // A value that is zero or empty is not kept, and still may be said only once.
    if (!names_.insert(name).second) return fail_at(name_at, "'" + name + "' is given twice");
    resources.set(std::move(name), std::move(value));
  }

  ResourceValue value() {
    if (take('[')) return ranges();
    if (take('{')) return items();
    return scalar();
  }

  Scalar scalar() {
    const std::size_t from = at_;
    if (peek() == '-') return fail("a number that is not negative"), Scalar();
    std::int64_t whole = 0;
    if (!digit()) return fail("a number, '[' or '{'"), Scalar();
    for (; digit(); ++at_) {
      whole = whole * 10 + (text_[at_] - '0');
      if (whole > thousandths_max / 1000) return too_large(from), Scalar();
    }
    std::int64_t thousandths = whole * 1000;
    if (take('.')) {
      if (!digit()) return fail("a digit after the point"), Scalar();
      constexpr std::array<std::int64_t, 3> units = {100, 10, 1};
      for (std::size_t place = 0; digit(); ++at_, ++place) {
        if (place < units.size()) thousandths += units[place] * (text_[at_] - '0');
        if (place == units.size() && text_[at_] >= '5')
          ++thousandths;  // Rounds; no digit after counts.
      }
    }
    if (thousandths > thousandths_max) return too_large(from), Scalar();
    return Scalar::thousandths(thousandths);
  }

  Ranges ranges() {
    Ranges ranges;
    std::map<std::uint64_t, std::uint64_t> seen;  // last -> first
    skip_spaces();
    if (take(']')) return ranges;
    do {
      skip_spaces();
      const std::size_t from = at_;
      const std::uint64_t first = integer();
      skip_spaces();
      if (!failed() && !take('-')) fail("'-' between the first and the last of a range");
      skip_spaces();
      const std::uint64_t last = integer();
      skip_spaces();
      if (failed()) return {};
      if (last < first) return fail_at(from, "a range that ends before it begins"), Ranges();
      const auto after = seen.lower_bound(first);  // By last, so the first that may overlap.
      if (after != seen.end() && after->second <= last) {
        return fail_at(from, "a range that overlaps an earlier one"), Ranges();
      }
      seen.emplace(last, first);
      ranges.push_back({first, last + 1});
    } while (take(','));
    if (!take(']')) fail("',' or ']'");
    return ranges;
  }

  Items items() {
    std::set<std::string> items;
    skip_spaces();
    if (take('}')) return {};
    do {
      skip_spaces();
      const std::size_t from = at_;
      std::string item(word(",;[]{}"));
      if (item.empty()) return fail("an item"), Items();
      skip_spaces();
      if (!items.insert(item).second) {
        return fail_at(from, "'" + item + "' is in the set twice"), Items();
      }
    } while (take(','));
    if (!take('}')) fail("',' or '}'");
    return Items(items.begin(), items.end());
  }

  // A whole number whose successor exists, as ranges are half-open inside.
  std::uint64_t integer() {
    if (failed()) return 0;
    if (!digit()) return fail("a whole number"), 0;
    constexpr std::uint64_t max = std::numeric_limits<std::uint64_t>::max() - 1;
    const std::size_t from = at_;
    std::uint64_t n = 0;
    for (; digit(); ++at_) {
      const auto next = static_cast<std::uint64_t>(text_[at_] - '0');
      if (n > (max - next) / 10) return fail_at(from, "a number too large for a range"), 0;
      n = n * 10 + next;
    }
    return n;
  }

  // The longest run without spaces, control characters and `ends`.
  std::string_view word(std::string_view ends) {
    const std::size_t from = at_;
    while (at_ < text_.size() && static_cast<unsigned char>(text_[at_]) > ' ' &&
           text_[at_] != '\x7f' && ends.find(text_[at_]) == std::string_view::npos) {
      ++at_;
    }
    return text_.substr(from, at_ - from);
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool digit() const { return peek() >= '0' && peek() <= '9'; }
  bool take(char c) { return at_ < text_.size() && text_[at_] == c ? (++at_, true) : false; }
  void skip_spaces() {
    while (peek() == ' ' || peek() == '\t') ++at_;
  }

  bool failed() const { return !error_.empty(); }
  void fail(const std::string& expected) {
    std::string found = "the end";
    if (at_ < text_.size()) {
      const bool printable = text_[at_] >= ' ' && text_[at_] <= '~';
      found = printable ? std::string("'") + text_[at_] + "'" : "an unprintable character";
    }
    fail_at(at_, "expected " + expected + ", found " + found);
  }
  void too_large(std::size_t at) { fail_at(at, "a number over " + Scalar::max().to_string()); }
  void fail_at(std::size_t at, const std::string& what) {
    if (!failed()) error_ = "resources, column " + std::to_string(at + 1) + ": " + what;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::set<std::string> names_;
  std::string error_;
};

}  // namespace

Scalar Scalar::from_double(double value) {
  if (std::isnan(value)) return {};
  const auto limit = static_cast<double>(thousandths_max);
  return Scalar(std::llround(std::clamp(value * 1000.0, -limit, limit)));
}

std::string Scalar::to_string() const {
  const bool negative = n_ < 0;
  const std::uint64_t size =
      negative ? 0 - static_cast<std::uint64_t>(n_) : static_cast<std::uint64_t>(n_);
  std::string text = (negative ? "-" : "") + std::to_string(size / 1000);
  if (size % 1000 != 0) {
    std::string fraction = std::to_string(1000 + size % 1000);
    fraction[0] = '.';
    fraction.erase(fraction.find_last_not_of('0') + 1);
    text += fraction;
  }
  return text;
}

Result<Resources> Resources::parse(std::string_view text) { return ResourceParser(text).run(); }

std::string Resources::to_string() const {
  std::string text;
  for (const auto& [name, value] : values_) {
    if (!text.empty()) text += ';';
    text += name + ':';
    append_text(text, value);
  }
  return text;
}

void Resources::set(std::string name, ResourceValue value) {
  std::visit([](auto& held) { held = normalised(std::move(held)); }, value);
  if (is_empty(value)) {
    values_.erase(name);
  } else {
    values_.insert_or_assign(std::move(name), std::move(value));
  }
}

Scalar Resources::scalar(std::string_view name) const {
  const auto at = values_.find(name);
  if (at == values_.end()) return {};
  const auto* scalar = std::get_if<Scalar>(&at->second);
  return scalar ? *scalar : Scalar();
}

bool Resources::compatible(const Resources& other) const {
  return std::all_of(other.values_.begin(), other.values_.end(), [&](const auto& named) {
    const auto at = values_.find(named.first);
    return at == values_.end() || at->second.index() == named.second.index();
  });
}

bool Resources::contains(const Resources& part) const {
  return std::all_of(part.values_.begin(), part.values_.end(), [&](const auto& named) {
    const auto at = values_.find(named.first);
    if (at == values_.end() || at->second.index() != named.second.index()) return false;
    return std::visit(
        [&](const auto& whole) {
          return covers(whole, std::get<std::decay_t<decltype(whole)>>(named.second));
        },
        at->second);
  });
}

Resources& Resources::operator+=(const Resources& other) {
  if (this == &other) return *this += Resources(other);
  for (const auto& [name, value] : other.values_) {
    const auto [at, is_new] = values_.try_emplace(name, value);
    if (is_new) continue;
    CLUSTER_CHECK(at->second.index() == value.index(), "a resource has one kind of value", name);
    std::visit(
        [&, &more = value](auto& held) { add(held, std::get<std::decay_t<decltype(held)>>(more)); },
        at->second);
  }
  return *this;
}

Resources& Resources::operator-=(const Resources& part) {
  if (this == &part) return *this = Resources();
  for (const auto& [name, value] : part.values_) {
    const auto at = values_.find(name);
    if (at == values_.end()) continue;
    CLUSTER_CHECK(at->second.index() == value.index(), "a resource has one kind of value", name);
    std::visit([&, &less = value](
                   auto& held) { subtract(held, std::get<std::decay_t<decltype(held)>>(less)); },
               at->second);
    if (is_empty(at->second)) values_.erase(at);
  }
  return *this;
}

}  // namespace cluster
