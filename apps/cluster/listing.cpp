#include "listing.hpp"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/check.hpp"

namespace cluster::app {
namespace {

std::string shown(const Cell& cell) {
  if (!cell.text.empty()) return cell.text;
  if (auto* text = std::get_if<std::string>(&cell.value)) return text->empty() ? "-" : *text;
  if (auto* number = std::get_if<std::int64_t>(&cell.value)) return std::to_string(*number);
  if (auto* truth = std::get_if<bool>(&cell.value)) return *truth ? "yes" : "no";
  if (auto* real = std::get_if<double>(&cell.value)) {
    char text[32];
    std::snprintf(text, sizeof text, "%g", *real);
    return text;
  }
  return "-";
}

nlohmann::ordered_json to_json(const Cell& cell) {
  if (auto* text = std::get_if<std::string>(&cell.value)) return *text;
  if (auto* number = std::get_if<std::int64_t>(&cell.value)) return *number;
  if (auto* real = std::get_if<double>(&cell.value)) return *real;
  if (auto* truth = std::get_if<bool>(&cell.value)) return *truth;
  return nullptr;
}

// One line and no control characters, so that a task's message cannot garble a terminal.
std::string tame(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

// Characters, not bytes.
std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

}  // namespace

void Listing::add(std::vector<Cell> row) {
  CLUSTER_CHECK(row.size() == columns_.size(), "a row has one cell per column", row.size());
  rows_.push_back(std::move(row));
}

std::string Listing::table() const {
  std::vector<std::vector<std::string>> lines(1 + rows_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    if (columns_[c].heading.empty()) continue;
    lines[0].push_back(columns_[c].heading);
    for (std::size_t r = 0; r < rows_.size(); ++r) lines[r + 1].push_back(tame(shown(rows_[r][c])));
  }
  std::vector<std::size_t> widths(lines[0].size());
  for (const auto& line : lines) {
    for (std::size_t c = 0; c < line.size(); ++c)
      widths[c] = std::max(widths[c], width_of(line[c]));
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t c = 0; c < line.size(); ++c) {
      text += line[c];
      if (c + 1 < line.size()) text.append(widths[c] - width_of(line[c]) + 2, ' ');
    }
    while (text.ends_with(' ')) text.pop_back();
    out += text + "\n";
  }
  return out;
}

std::string Listing::json() const {
  auto list = nlohmann::ordered_json::array();
  for (const auto& row : rows_) {
    auto object = nlohmann::ordered_json::object();
    for (std::size_t c = 0; c < columns_.size(); ++c) object[columns_[c].key] = to_json(row[c]);
    list.push_back(std::move(object));
  }
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void Listing::print(bool as_json) const {
  std::string text = as_json ? json() : table();
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace cluster::app
