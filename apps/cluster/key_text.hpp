// Keys and values, which are any bytes, as words for people and as JSON for programs; and the small
// language of `cluster kv txn`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "cluster/keys.hpp"
#include "cluster/result.hpp"

namespace cluster::app {

// As it is where that is one plain word; else in double quotes, with \n \t \r \" \\ and \xHH.
std::string word_of(ByteView bytes);

// Sets `name`, or `name_base64` where the bytes are no UTF-8.
void set_bytes(nlohmann::ordered_json& json, const std::string& name, ByteView bytes);
nlohmann::ordered_json json_of(const KeyValue& one, bool with_value = true);

// 16 hexadecimal digits, as in the keys of locks.
std::string lease_text(LeaseId lease);

// Lines of words, quoted as above; # begins a comment. See `cluster kv txn --help`:
//
//   when
//     version config/limit = 3
//   then
//     put config/limit 8
//   else
//     get config/limit
//
// `invalid_argument` says line and column.
Result<Transaction> parse_transaction(ByteView text);

}  // namespace cluster::app
