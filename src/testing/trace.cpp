#include "testing/trace.hpp"

#include <cstdio>

namespace cluster::testing {
namespace {

constexpr std::size_t lines_max = 200;

}  // namespace

void Trace::add(std::string_view who, std::string_view what) {
  char time[32];
  double seconds = static_cast<double>(world_.now().time_since_epoch().count()) / 1e6;
  std::snprintf(time, sizeof time, "%11.6f  ", seconds);
  std::string line = time;
  line += who;
  line += who.empty() ? "" : "  ";
  line += what;
  for (char byte : line) mix(static_cast<unsigned char>(byte));
  lines_.push_back(std::move(line));
  if (lines_.size() > lines_max) lines_.pop_front();
}

}  // namespace cluster::testing
