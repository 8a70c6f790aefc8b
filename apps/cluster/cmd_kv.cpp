// `cluster kv`: users' keys, read and changed through any master.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <utility>

#include "key_session.hpp"
#include "key_text.hpp"
#include "options.hpp"
#include "registry/keys_state.hpp"
#include "text.hpp"

namespace cluster::app {
namespace {

using Json = nlohmann::ordered_json;
using registry::KeyAnswer;

Result<std::string> read_all(const std::string& file) {
  if (file == "-") {
    return std::string(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  }
  std::ifstream in(file, std::ios::binary);
  if (!in) return Error{Errc::not_found, "cannot read " + file};
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

void print_json(const Json& json) { std::printf("%s\n", json.dump(2).c_str()); }
void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// The one range that was read; `answer` is one of a transaction with one operation carried out.
Result<RangeResult> range_of(Result<KeyAnswer> answer) {
  if (!answer) return std::move(answer).error();
  const bool is_range =
      answer->results.size() == 1 && std::holds_alternative<RangeResult>(answer->results[0]);
  if (!is_range) return Error{Errc::protocol, "the answer is of another kind than the question"};
  return std::get<RangeResult>(std::move(answer->results[0]));
}

int no_key(const std::string& key, std::uint64_t revision = 0) {
  complain("there is no key " + word_of(key) +
           (revision != 0 ? " at revision " + std::to_string(revision) : ""));
  return 1;
}

std::string line_of(const KeyValue& one, bool keys_only) {
  return word_of(one.key) + (keys_only ? "" : "\t" + word_of(one.value.view())) + "\n";
}

}  // namespace

int cmd_kv_put(const PutKeyOptions& options) {
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  node::KeyClient& keys = (*session)->keys();
  PutKey put{.key = options.key, .value = Bytes(ByteView(options.value))};
  if (options.value == "-") {
    auto value = read_all("-");
    if (!value) return fail(value.error());
    put.value = Bytes(*std::move(value));
  }
  if (options.lease > Duration{}) {
    put.lease = node::KeyClient::draw_lease();
    auto granted = keys.grant(put.lease, options.lease);
    if (!granted) return fail(granted.error());
    keys.use_session(put.lease);  // Where it ends, the put is refused anyway.
  }
  const LeaseId lease = put.lease;
  Transaction transaction{.then = {std::move(put)}};
  if (options.if_version) {
    transaction.when = {Compare::to_version(options.key, Compare::Is::equal, *options.if_version)};
    transaction.otherwise = {
        ReadKeys{.range = KeyRange::key(options.key), .options = {.keys_only = true}}};
  }
  auto answer = keys.change(std::move(transaction));
  if (!answer) return fail(answer.error());
  if (!answer->succeeded) {
    if (lease) static_cast<void>(keys.revoke(lease, options.keys.client.timeout));
    auto found = range_of(std::move(answer));
    if (!found) return fail(found.error());
    complain("nothing was put: " +
             (found->keys.empty() ? "there is no key " + word_of(options.key)
                                  : "the key " + word_of(options.key) + " is there, at version " +
                                        std::to_string(found->keys[0].version)));
    return 1;
  }
  if (options.keys.json) {
    Json json = {{"revision", answer->revision.value()}};
    if (lease) json["lease"] = lease_text(lease);
    print_json(json);
    return 0;
  }
  print("revision " + std::to_string(answer->revision.value()) +
        (lease ? ", lease " + lease_text(lease) + " of " + to_text(options.lease) : "") + "\n");
  return 0;
}

int cmd_kv_get(const GetKeyOptions& options) {
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  auto found = (*session)->keys().range(KeyRange::key(options.key),
                                        {.at = Revision(options.revision), .limit = 1});
  if (!found) return fail(found.error());
  if (found->keys.empty()) return no_key(options.key, options.revision);
  const KeyValue& one = found->keys.front();
  if (options.keys.json) {
    Json json = json_of(one);
    json["revision"] = found->revision.value();
    print_json(json);
  } else {
    print(std::string(one.value.view()) + (options.raw ? "" : "\n"));
  }
  return 0;
}

int cmd_kv_range(const RangeKeysOptions& options) {
  KeyRange range = options.prefix ? KeyRange::prefix(*options.prefix)
                   : options.to   ? KeyRange::between(options.from.value_or(""), *options.to)
                                  : KeyRange::from(options.from.value_or(""));
  if (range.is_empty()) {
    return fail(Error{Errc::invalid_argument, "--to is not after --from: no key is between them"});
  }
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  auto found = (*session)->keys().range(
      range,
      {.at = Revision(options.revision), .limit = options.limit, .keys_only = options.keys_only});
  if (!found) return fail(found.error());
  if (options.keys.json) {
    Json list = Json::array();
    for (const KeyValue& one : found->keys) list.push_back(json_of(one, !options.keys_only));
    print_json({{"revision", found->revision.value()},
                {"count", found->count},
                {"has_more", found->has_more},
                {"keys", std::move(list)}});
    return 0;
  }
  for (const KeyValue& one : found->keys) print(line_of(one, options.keys_only));
  return 0;
}

int cmd_kv_del(const DeleteKeysOptions& options) {
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  auto answer = (*session)->keys().change(DeleteKeys{
      .range = options.is_prefix ? KeyRange::prefix(options.key) : KeyRange::key(options.key)});
  if (!answer) return fail(answer.error());
  const auto* result =
      answer->results.empty() ? nullptr : std::get_if<DeleteResult>(&answer->results.front());
  if (!result) return fail(Error{Errc::protocol, "a deletion was answered with something else"});
  if (options.keys.json) {
    print_json({{"revision", answer->revision.value()}, {"deleted", result->deleted}});
  } else if (result->deleted > 0) {
    print(count_of(result->deleted, "key") + " deleted, revision " +
          std::to_string(answer->revision.value()) + "\n");
  }
  if (result->deleted > 0) return 0;
  if (!options.is_prefix) return no_key(options.key);
  complain("no key begins with " + word_of(options.key));
  return 1;
}

// Transactions.

namespace {

Json json_of(const OperationResult& result) {
  if (std::holds_alternative<PutResult>(result)) return {{"put", true}};
  if (const auto* deletion = std::get_if<DeleteResult>(&result)) {
    return {{"deleted", deletion->deleted}};
  }
  const auto& range = std::get<RangeResult>(result);
  Json list = Json::array();
  for (const KeyValue& one : range.keys) list.push_back(app::json_of(one));
  return {{"keys", std::move(list)}, {"has_more", range.has_more}};
}

std::string text_of(const OperationResult& result) {
  if (std::holds_alternative<PutResult>(result)) return "put\n";
  if (const auto* deletion = std::get_if<DeleteResult>(&result)) {
    return "deleted " + std::to_string(deletion->deleted) + "\n";
  }
  const auto& range = std::get<RangeResult>(result);
  std::string text = "read " + std::to_string(range.keys.size()) +
                     (range.has_more ? ", and there are more" : "") + "\n";
  for (const KeyValue& one : range.keys) text += "  " + line_of(one, false);
  return text;
}

}  // namespace

int cmd_kv_txn(const TransactOptions& options) {
  auto text = read_all(options.file);
  if (!text) return fail(text.error());
  auto transaction = parse_transaction(*text);
  if (!transaction) return fail(transaction.error());
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  node::KeyClient& keys = (*session)->keys();
  auto answer = registry::KeysState::is_read_only(*transaction)
                    ? keys.read(*std::move(transaction))
                    : keys.change(*std::move(transaction));
  if (!answer) return fail(answer.error());
  if (options.keys.json) {
    Json list = Json::array();
    for (const OperationResult& result : answer->results) list.push_back(json_of(result));
    print_json({{"succeeded", answer->succeeded},
                {"revision", answer->revision.value()},
                {"results", std::move(list)}});
  } else {
    print(std::string(answer->succeeded ? "then" : "else") + ", revision " +
          std::to_string(answer->revision.value()) + "\n");
    for (const OperationResult& result : answer->results) print(text_of(result));
  }
  return answer->succeeded ? 0 : 1;
}

// What the keys are kept by.

int cmd_kv_compact(const CompactKeysOptions& options) {
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  auto answer = (*session)->keys().change(registry::Compact{Revision(options.revision)});
  return answer ? 0 : fail(answer.error());
}

int cmd_kv_namespace(const KeySpaceOptions& options) {
  auto session = KeySession::open(options.keys);
  if (!session) return fail(session.error());
  registry::KeyCommandBody body = registry::SetNamespace{
      .name = options.name, .quota = {.keys = options.keys_max, .bytes = options.bytes_max}};
  if (options.remove) body = registry::RemoveNamespace{options.name};
  auto answer = (*session)->keys().change(std::move(body));
  return answer ? 0 : fail(answer.error());
}

}  // namespace cluster::app
