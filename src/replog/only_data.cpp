#include "replog/only_data.hpp"

#include <utility>

#include "base/compression.hpp"

namespace cluster::replog {

Result<std::vector<Entry>> only_data(std::vector<LogEntry> entries) {
  std::vector<Entry> shown;
  shown.reserve(entries.size());
  for (LogEntry& entry : entries) {
    Value& value = entry.value;
    if (!is_data(value.kind) || value.is_bare) continue;
    if (value.kind == Kind::packed) {
      auto whole = decompress(value.data.view(), entry_size_limit);
      if (!whole) return std::move(whole).error();
      value.data = *std::move(whole);
    }
    shown.push_back(Entry{entry.position, std::move(value.data)});
  }
  return shown;
}

}  // namespace cluster::replog
