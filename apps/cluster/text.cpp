#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "base/random.hpp"

namespace cluster::app {
namespace {

struct Unit {
  std::string_view name;
  double microseconds;
};
constexpr std::array<Unit, 5> duration_units{
    {{"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}}};

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value < 10 && value != std::floor(value) ? "%.1f" : "%.0f",
                value);
  return text;
}

// Levenshtein's distance, in which two neighbours that change places count once.
std::size_t distance_of(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> at(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        at[i][j] = i + j;
        continue;
      }
      std::size_t changed = at[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      at[i][j] = std::min({at[i - 1][j] + 1, at[i][j - 1] + 1, changed});
      bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (is_swap) at[i][j] = std::min(at[i][j], at[i - 2][j - 2] + 1);
    }
  }
  return at[a.size()][b.size()];
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  Error wrong{Errc::invalid_argument, "'" + std::string(text) +
                                          "' is no duration; write a number and a unit: 500ms, "
                                          "15s, 2m, 1h"};
  double value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || !std::isfinite(value) || value < 0) return wrong;
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& known : duration_units) {
    if (unit != known.name) continue;
    double microseconds = value * known.microseconds;
    if (microseconds > 1e15) return wrong;
    return Duration(static_cast<Duration::rep>(std::llround(microseconds)));
  }
  return wrong;
}

std::string to_text(Duration duration) {
  auto n = duration.count();
  for (auto at = duration_units.rbegin(); at != duration_units.rend(); ++at) {
    auto unit = static_cast<Duration::rep>(at->microseconds);
    if (n != 0 && n % unit == 0) return std::to_string(n / unit) + std::string(at->name);
  }
  return "0s";
}

std::string age_text(Duration age) {
  double seconds = std::max(0.0, static_cast<double>(age.count()) / 1e6);
  if (seconds < 100)
    return short_number(seconds < 10 ? std::floor(seconds * 10) / 10 : seconds) + "s";
  if (seconds < 100 * 60) return short_number(seconds / 60) + "m";
  if (seconds < 48 * 3600) return short_number(seconds / 3600) + "h";
  return short_number(seconds / 86400) + "d";
}

Duration age_of(WallTime since) {
  auto age = std::chrono::system_clock::now() - since;
  return std::max(Duration{}, std::chrono::duration_cast<Duration>(age));
}

std::string iso_text(WallTime at) {
  if (at == WallTime{}) return "";
  auto milliseconds = at.time_since_epoch().count();
  std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  auto size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%03dZ", static_cast<int>(milliseconds % 1000));
  return text;
}

std::string to_hex(ClusterUid id) {
  char text[24];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(id.value()));
  return text;
}

Result<ClusterUid> parse_cluster_uid(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (failure != std::errc{} || end != text.data() + text.size() || value == 0) {
    return Error{Errc::invalid_argument,
                 "'" + std::string(text) +
                     "' is no cluster id; it is 1 to 16 hexadecimal digits, not all zero"};
  }
  return ClusterUid(value);
}

JobId new_job_id(std::string_view name) {
  std::string id;
  for (char c : name.substr(0, 100)) {
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_plain || c == '.' || c == '_' || c == '-') {
      id += c;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  while (id.ends_with('-')) id.pop_back();
  char suffix[16];
  std::snprintf(suffix, sizeof suffix, "%08x", static_cast<unsigned>(system_random() >> 32));
  return JobId((id.empty() ? "job" : id) + "-" + suffix);
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    auto distance = distance_of(word, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string count_of(std::size_t n, std::string_view noun) {
  return std::to_string(n) + " " + std::string(noun) + (n == 1 ? "" : "s");
}

void complain(std::string_view text) {
  std::string line = "cluster: " + std::string(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

int fail(const Error& error) {
  complain(error.context.empty() ? error.message() : error.context);
  return error.code == Errc::invalid_argument ? 2 : 1;
}

}  // namespace cluster::app
