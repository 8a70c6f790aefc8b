// `cluster log inspect|verify|dump DIR`: what a replica's directory holds, without changing it.
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "options.hpp"
#include "replog/inspection.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using replog::Inspection;
using replog::LogEntry;
using Json = nlohmann::ordered_json;

constexpr std::size_t dump_bytes = 4 << 20;
constexpr std::size_t shown_bytes = 64;

std::string range_text(const replog::PositionRange& range) {
  if (range.first == range.end) return "none";
  std::uint64_t last = range.end.value() - 1;
  std::string text = std::to_string(range.first.value());
  return range.first.value() == last ? text : text + ".." + std::to_string(last);
}

std::string ranges_text(const std::vector<replog::PositionRange>& ranges) {
  constexpr std::size_t shown = 20;
  std::string text;
  for (std::size_t i = 0; i < ranges.size() && i < shown; ++i) {
    text += (i > 0 ? ", " : "") + range_text(ranges[i]);
  }
  if (ranges.size() > shown) text += " and " + count_of(ranges.size() - shown, "more range");
  return text.empty() ? "none" : text;
}

Json json_of(const std::vector<replog::PositionRange>& ranges) {
  Json list = Json::array();
  for (const auto& range : ranges) list.push_back({range.first.value(), range.end.value()});
  return list;
}

const char* kind_text(StoreKind kind) { return kind == StoreKind::lmdb ? "lmdb" : "journal"; }

const char* kind_text(replog::Kind kind) {
  static constexpr const char* names[] = {"data", "noop", "lead", "config", "truncate"};
  auto number = static_cast<std::size_t>(kind);
  return number < std::size(names) ? names[number] : "packed";
}

void print_text(const std::string& path, const Inspection& found) {
  const auto& identity = found.directory.identity;
  const auto& recovered = found.recovered;
  std::printf("%s\n", path.c_str());
  std::printf("  cluster      %s\n", to_hex(identity.cluster).c_str());
  std::printf("  member       %llu\n", static_cast<unsigned long long>(identity.member.value()));
  std::printf("  incarnation  %s\n", to_hex(ClusterUid(identity.incarnation)).c_str());
  std::printf("  store        %s, %llu bytes in %s\n", kind_text(found.directory.kind),
              static_cast<unsigned long long>(found.bytes), count_of(found.files, "file").c_str());
  std::printf("  promised     %s\n", to_field(recovered.promised).c_str());
  std::printf("  kept from    %llu\n",
              static_cast<unsigned long long>(recovered.kept_from.value()));
  std::printf("  chosen end   %llu, term %llu\n",
              static_cast<unsigned long long>(recovered.chosen_end.value()),
              static_cast<unsigned long long>(recovered.chosen_term));
  if (found.end) {
    std::printf("  entries      %s\n", range_text({found.first, found.end}).c_str());
  }
  std::printf("  members      %s\n", recovered.configuration.is_empty()
                                         ? "none set"
                                         : to_field(recovered.configuration).c_str());
  if (found.groups > 0) {
    std::printf("  groups read  %llu\n", static_cast<unsigned long long>(found.groups));
  }
  std::printf("  damaged      %s\n", ranges_text(recovered.damaged).c_str());
  if (found.directory.is_copy) std::printf("  this is a copy of another directory: never votes\n");
}

Json json_of(const Inspection& found) {
  const auto& identity = found.directory.identity;
  const auto& recovered = found.recovered;
  Json json = {{"cluster", to_hex(identity.cluster)},
               {"member", identity.member.value()},
               {"incarnation", to_hex(ClusterUid(identity.incarnation))},
               {"store", kind_text(found.directory.kind)},
               {"bytes", found.bytes},
               {"files", found.files},
               {"promised", {recovered.promised.round, recovered.promised.member.value()}},
               {"kept_from", recovered.kept_from.value()},
               {"chosen_end", recovered.chosen_end.value()},
               {"chosen_term", recovered.chosen_term},
               {"entries", {found.first.value(), found.end.value()}},
               {"is_copy", found.directory.is_copy},
               {"is_in_use", found.is_in_use},
               {"damaged", json_of(recovered.damaged)}};
  Json members = Json::array();
  for (const auto& member : recovered.configuration.all()) {
    members.push_back({{"id", member.id.value()},
                       {"role", to_string(member.role)},
                       {"endpoint", to_string(member.endpoint)}});
  }
  json["members"] = std::move(members);
  Json damage = Json::array();
  for (const auto& each : found.damage) {
    damage.push_back({{"file", each.file},
                      {"offset", each.offset},
                      {"bytes", each.bytes},
                      {"positions", json_of(each.positions)},
                      {"what", each.what}});
  }
  json["damage"] = std::move(damage);
  if (found.fatal) json["fatal"] = found.fatal->context;
  return json;
}

void print_damage(const Inspection& found) {
  for (const auto& each : found.damage) {
    std::printf("%s, offset %llu: %s (positions: %s)\n", each.file.c_str(),
                static_cast<unsigned long long>(each.offset), each.what.c_str(),
                ranges_text(each.positions).c_str());
  }
  if (found.fatal) std::printf("%s\n", found.fatal->context.c_str());
}

// Bytes for a terminal; the rest of a long value is left out.
std::string shown(ByteView data) {
  std::string text;
  for (char c : data.substr(0, shown_bytes)) {
    char hex[8];
    bool is_plain = c >= ' ' && c <= '~' && c != '\\';
    std::snprintf(hex, sizeof hex, is_plain ? "%c" : "\\x%02x", static_cast<unsigned char>(c));
    text += hex;
  }
  return data.size() > shown_bytes ? text + "..." : text;
}

std::string hex_of(ByteView data) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (char c : data) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

void print_entry(const LogEntry& entry, bool json) {
  const auto& value = entry.value;
  if (json) {
    Json line = {{"position", entry.position.value()},
                 {"ballot", {entry.ballot.round, entry.ballot.member.value()}},
                 {"kind", kind_text(value.kind)},
                 {"term", value.term},
                 {"bytes", value.data.size()},
                 {"bare", value.is_bare},
                 {"data", hex_of(value.data.view())}};
    std::printf("%s\n", line.dump().c_str());
    return;
  }
  std::printf("%llu  ballot %s  %s  term %llu  %zu bytes  %s\n",
              static_cast<unsigned long long>(entry.position.value()),
              to_field(entry.ballot).c_str(), kind_text(value.kind),
              static_cast<unsigned long long>(value.term), value.data.size(),
              value.is_bare ? "(withheld)" : shown(value.data.view()).c_str());
}

int dump(const LogCommand& command, Inspection& found) {
  Position to(command.to == 0 ? std::numeric_limits<std::uint64_t>::max() : command.to);
  bool is_whole = true;
  for (Position at(command.from); at < to;) {
    auto read = found.store->read(at, to, dump_bytes);
    if (!read) return fail(read.error());
    for (const LogEntry& entry : read->entries) print_entry(entry, command.json);
    if (!read->entries.empty()) at = read->entries.back().position.next();
    if (read->damaged) {
      is_whole = false;
      complain("position " + std::to_string(read->damaged.value()) + " is damaged");
      at = read->damaged.next();
    } else if (read->entries.empty()) {
      break;
    }
  }
  return is_whole ? 0 : 1;
}

}  // namespace

int cmd_log(const LogCommand& command) {
  bool is_verify = command.action == LogCommand::Action::verify;
  auto found = replog::inspect_directory(command.directory,
                                         is_verify ? replog::Look::complete : replog::Look::quick);
  if (!found) return fail(found.error());
  if (found->is_in_use) {
    complain(command.directory + " is in use: its end may be seen in the middle of a write");
  }
  if (command.action == LogCommand::Action::dump) return dump(command, *found);
  bool is_sound = found->damage.empty() && !found->fatal && found->recovered.damaged.empty();
  if (command.json) {
    std::printf("%s\n", json_of(*found).dump(2).c_str());
  } else if (is_verify) {
    print_damage(*found);
    std::printf("%s: %s\n", command.directory.c_str(), is_sound ? "sound" : "damaged");
  } else {
    print_text(command.directory, *found);
    print_damage(*found);
  }
  return is_sound || !is_verify ? 0 : 1;
}

}  // namespace cluster::app
