#include "cluster/table.hpp"

#include <map>
#include <string>

#include "base/random.hpp"
#include "tests/catch.hpp"

using namespace cluster;

namespace {

struct TableRow {
  int key = 0;
  std::string text;
  friend bool operator==(const TableRow&, const TableRow&) = default;
};
struct TableKey {
  const int& operator()(const TableRow& row) const { return row.key; }
};
using Rows = Table<TableRow, TableKey>;
using Model = std::map<int, std::string>;

template <class Like>
Model rows_of(const Like& table) {
  Model rows;
  int last = -1;
  for (const auto& [key, row] : table) {
    REQUIRE(key > last);
    last = key;
    rows[key] = row.text;
  }
  REQUIRE(rows.size() == table.size());
  return rows;
}

}  // namespace

TEST_CASE("a table is an ordered map, whatever is done to it, and its views stay as it was",
          "[registry][table]") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    const int keys = 1 + static_cast<int>(random.below(2000));
    Rows table;
    Model model;
    std::vector<std::pair<Rows::View, Model>> views;
    for (int step = 0; step < 4000; ++step) {
      const int key = static_cast<int>(random.below(static_cast<std::uint64_t>(keys)));
      const std::string text = std::to_string(step);
      switch (random.below(random.chance(1, 2) ? 3 : 8)) {
        case 0: CHECK(table.erase(key).has_value() == (model.erase(key) == 1)); break;
        case 1:
          if (TableRow* row = table.change(key)) row->text = model.at(key) = text;
          break;
        case 2:
          if (random.chance(1, 100)) views.emplace_back(table.view(), model);
          break;
        default:
          if (model.emplace(key, text).second) CHECK(table.insert({key, text}).text == text);
      }
      REQUIRE(table.size() == model.size());
      CHECK((table.get(key) != nullptr) == model.contains(key));
      const auto bound = table.lower_bound(key);
      const auto expected = model.lower_bound(key);
      REQUIRE((bound == table.end()) == (expected == model.end()));
      if (expected != model.end()) CHECK(bound->first == expected->first);
      if (random.chance(1, 200)) CHECK(rows_of(table) == model);
    }
    CHECK(rows_of(table) == model);
    for (const auto& [view, then] : views) CHECK(rows_of(view) == then);
  }
}

TEST_CASE("copies of a table share nothing", "[registry][table]") {
  Rows table;
  for (int i = 0; i < 500; ++i) table.insert({i, "before"});
  auto view = table.view();
  Rows copy = table;
  copy.change(7)->text = "changed";
  table.change(8)->text = "changed";

  CHECK(table.at(7).text == "before");
  CHECK(copy.at(8).text == "before");
  CHECK(rows_of(view).at(7) == "before");
  CHECK_FALSE(copy == table);
  Rows moved = std::move(copy);
  CHECK(moved.size() == 500);
  CHECK(moved.at(7).text == "changed");
}
