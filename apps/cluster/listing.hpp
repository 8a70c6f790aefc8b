// A list of like things, printed as an aligned table for people or as JSON for programs.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace cluster::app {

// One value. `text` is what the table shows; where empty, it shows the value.
struct Cell {
  using Value = std::variant<std::monostate, std::string, std::int64_t, double, bool>;

  Cell() = default;
  Cell(std::string v, std::string shown = {}) : value(std::move(v)), text(std::move(shown)) {}
  Cell(const char* v) : value(std::string(v)) {}
  static Cell number(std::int64_t v, std::string shown = {}) {
    return Cell(Value(v), std::move(shown));
  }
  static Cell real(double v, std::string shown = {}) { return Cell(Value(v), std::move(shown)); }
  static Cell truth(bool v, std::string shown = {}) { return Cell(Value(v), std::move(shown)); }
  static Cell none(std::string shown = "-") { return Cell(Value(), std::move(shown)); }

  Value value;
  std::string text;

 private:
  Cell(Value v, std::string shown) : value(std::move(v)), text(std::move(shown)) {}
};

// `key` names the value in JSON. A column without heading is in JSON only.
struct Column {
  std::string key;
  std::string heading;
};

class Listing {
 public:
  explicit Listing(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<Cell> row);  // One cell per column.

  std::string table() const;
  std::string json() const;  // An array of objects.
  void print(bool as_json) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace cluster::app
