#include "replog/stores.hpp"

#include <utility>

#include "replog/journal_store.hpp"
#include "replog/lmdb_store.hpp"

namespace cluster::replog {

Result<std::unique_ptr<Store>> open_store(const std::string& directory, const Identity& expected,
                                          StoreKind kind, std::uint64_t bytes_max,
                                          std::function<void(Callback)> prepare_on) {
  if (auto checked = check_one_log(directory, kind); !checked) return std::move(checked).error();
  auto opened = Directory::open(directory, expected, kind);
  if (!opened) return std::move(opened).error();
  if (kind == StoreKind::lmdb) return open_lmdb_store(*std::move(opened), bytes_max);
  JournalOptions options;
  options.bytes_max = bytes_max;
  options.prepare_on = std::move(prepare_on);
  return open_journal_store(*std::move(opened), options);
}

}  // namespace cluster::replog
