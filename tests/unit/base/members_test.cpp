#include "cluster/members.hpp"
#include "tests/catch.hpp"

using namespace cluster;

TEST_CASE("a join token survives being printed and typed", "[members]") {
  JoinToken token{
      ClusterUid(0xc0ffee), NodeId(4), 0x1234567890abcdef, {{"10.0.0.1", 5050}, {"::1", 7}}};
  auto again = parse_join_token(to_string(token));
  REQUIRE(again.has_value());
  CHECK(*again == token);
}

TEST_CASE("a join token with any letter changed or cut off is refused", "[members]") {
  std::string text =
      to_string(JoinToken{ClusterUid(0xc0ffee), NodeId(4), 77, {{"10.0.0.1", 5050}}});
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string wrong = text;
    wrong[i] = wrong[i] == '7' ? '8' : '7';
    INFO(wrong);
    CHECK_FALSE(parse_join_token(wrong).has_value());
    CHECK_FALSE(parse_join_token(text.substr(0, i)).has_value());
  }
}
