// Formats of the cluster's state: which commands its entries hold, and which parts its snapshots.
//
//   1  the first
//   2  the state knows its format (`RaiseFormat`), and its snapshots say it
//
// A version reads all formats up to its newest. Masters of several versions write the state in the
// format that all of them read, which only an entry raises: docs/registry.md, "Formats".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cluster/result.hpp"

namespace cluster::registry {

// That this program reads. Alone in format.cpp: tests build a program of an earlier version by
// compiling that file anew.
std::uint32_t format_newest();

// Whoever meets `format` and does not read it hears this. `by` is the version that raised it.
inline Error newer_format(std::uint32_t format, std::string_view by) {
  const std::string start = by.empty() ? "a newer version" : "version " + std::string(by);
  return {Errc::unsupported, "the cluster's state is of format " + std::to_string(format) +
                                 ", and this program reads up to format " +
                                 std::to_string(format_newest()) + ": start " + start +
                                 (by.empty() ? "" : " or a later one") + " here"};
}

}  // namespace cluster::registry
