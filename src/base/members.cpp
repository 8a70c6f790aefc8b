// The words and the token of `cluster/members.hpp`.
#include "cluster/members.hpp"

#include <array>
#include <charconv>

#include "base/crc32c.hpp"
#include "base/endpoint.hpp"

namespace cluster {
namespace {

constexpr std::string_view token_prefix = "cluster-join:";

std::string hex(std::uint64_t number) {
  std::array<char, 16> text;
  auto end = std::to_chars(text.data(), text.data() + text.size(), number, 16).ptr;
  return std::string(text.data(), end);
}

Error bad_token(const std::string& why) {
  return Error{Errc::invalid_argument,
               "a join token looks like \"" + std::string(token_prefix) +
                   "CLUSTER/ID/SECRET/HOST:PORT,.../CHECKSUM\", as `cluster members add` prints "
                   "it: " +
                   why};
}

// What stands before the next `/`; takes it off `text`.
std::string_view next_field(std::string_view& text) {
  std::size_t end = text.find('/');
  std::string_view field = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return field;
}

bool parse_hex(std::string_view text, std::uint64_t& number) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number, 16);
  return failure == std::errc{} && end == text.data() + text.size() && number != 0;
}

}  // namespace

std::string_view to_string(MemberRole role) {
  switch (role) {
    case MemberRole::voter: return "voter";
    case MemberRole::witness: return "witness";
    case MemberRole::learner: return "learner";
  }
  return "unknown";
}

std::string to_string(const JoinToken& token) {
  std::string text =
      hex(token.cluster.value()) + '/' + hex(token.id.value()) + '/' + hex(token.secret) + '/';
  for (std::size_t i = 0; i < token.members.size(); ++i) {
    if (i > 0) text += ',';
    text += to_string(token.members[i]);
  }
  return std::string(token_prefix) + text + '/' + hex(crc32c(text));
}

Result<JoinToken> parse_join_token(std::string_view text) {
  if (!text.starts_with(token_prefix)) return bad_token("it does not begin so");
  text.remove_prefix(token_prefix.size());
  std::size_t last = text.rfind('/');
  if (last == std::string_view::npos) return bad_token("it is cut short");
  if (hex(crc32c(text.substr(0, last))) != text.substr(last + 1)) {
    return bad_token("its checksum does not match; copy it whole");
  }
  text = text.substr(0, last);
  std::uint64_t cluster = 0;
  std::uint64_t id = 0;
  JoinToken token;
  if (!parse_hex(next_field(text), cluster) || !parse_hex(next_field(text), id) ||
      !parse_hex(next_field(text), token.secret)) {
    return bad_token("a number in it is not one");
  }
  token.cluster = ClusterUid(cluster);
  token.id = NodeId(id);
  while (!text.empty()) {
    std::size_t end = text.find(',');
    auto endpoint = parse_endpoint(text.substr(0, end));
    if (!endpoint) return std::move(endpoint).error();
    token.members.push_back(*std::move(endpoint));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  if (token.members.empty()) return bad_token("it names no member to ask");
  return token;
}

}  // namespace cluster
