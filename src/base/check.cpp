#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace cluster {
namespace {

CheckHook hook = nullptr;

}  // namespace

void set_check_hook(CheckHook h) { hook = h; }

namespace detail {

void check_failed(const char* file, int line, const char* condition, std::string_view meaning,
                  std::string_view values) {
  std::string text = std::string(file) + ":" + std::to_string(line) +
                     ": check failed: " + condition + " (" + std::string(meaning) + ")" +
                     std::string(values);
  if (hook != nullptr) {
    hook(text);
  } else {
    std::fprintf(stderr, "%s\n", text.c_str());
  }
  std::abort();
}

}  // namespace detail
}  // namespace cluster
