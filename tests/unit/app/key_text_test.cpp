// Keys and transactions in words.
#include "key_text.hpp"

#include "tests/catch.hpp"

using namespace cluster;
using namespace cluster::app;
using Catch::Contains;

namespace {

std::string problem_of(ByteView text) {
  auto parsed = parse_transaction(text);
  if (parsed) return "";
  CHECK(parsed.error().code == Errc::invalid_argument);
  return parsed.error().context;
}

// As a key, as a value, and in a comparison.
std::string through_words(const std::string& bytes) {
  const std::string word = word_of(bytes);
  auto parsed = parse_transaction("when\nvalue k = " + word + "\nthen\nput " + word + " " + word);
  if (!parsed) FAIL(parsed.error().context);
  const auto& put = std::get<PutKey>(parsed->then.at(0));
  CHECK(put.key == bytes);
  CHECK(parsed->when.at(0).value.view() == bytes);
  return std::string(put.value.view());
}

}  // namespace

TEST_CASE("any bytes can be said as one word, and are read from it", "[app][keys]") {
  CHECK(word_of("config/limit") == "config/limit");
  CHECK(word_of("") == "\"\"");
  CHECK(word_of("two words") == "\"two words\"");
  CHECK(word_of("line\nbreak\t\"q\"\\") == "\"line\\nbreak\\t\\\"q\\\"\\\\\"");
  CHECK(word_of("gr\xc3\xbc\xc3\x9f") == "\"gr\xc3\xbc\xc3\x9f\"");
  CHECK(word_of("\xff") == "\"\\xff\"");
  for (int c = 0; c < 256; ++c) {
    const std::string bytes{'a', static_cast<char>(c), 'z'};
    CHECK(through_words(bytes) == bytes);
  }
  CHECK(through_words("") == "");
  CHECK(through_words("then") == "then");
}

TEST_CASE("in JSON, bytes that are no UTF-8 have another name", "[app][keys]") {
  nlohmann::ordered_json json;
  set_bytes(json, "text", "gr\xc3\xbc\xc3\x9f");
  set_bytes(json, "one", "\xff");
  set_bytes(json, "two", "\xff\xfe");
  set_bytes(json, "three", "\xff\xfe\xfd");
  set_bytes(json, "long", "\xed\xa0\x80");  // Half of a pair of UTF-16.
  CHECK(json.dump() ==
        "{\"text\":\"gr\xc3\xbc\xc3\x9f\",\"one_base64\":\"/w==\",\"two_base64\":\"//4=\","
        "\"three_base64\":\"//79\",\"long_base64\":\"7aCA\"}");
}

TEST_CASE("a transaction is read with its conditions and both its parts", "[app][keys]") {
  auto parsed = parse_transaction(
      "# a transfer\r\n"
      "when\n"
      "  exists a\n"
      "  missing \"b c\"   # a comment\n"
      "  value a != \"x\"\n"
      "  version a = 3\n"
      "  created a < 12\n"
      "  modified a > 11\n"
      "  lease a = 00000000000000ff\n"
      "\n"
      "then\n"
      "  put a 1 lease ff\n"
      "  put exists then\n"
      "  del b\n"
      "  del-prefix c/\n"
      "else\n"
      "  get a\n"
      "  range d/");
  REQUIRE(parsed);
  CHECK(*parsed ==
        Transaction{.when = {Compare::exists("a"), Compare::missing("b c"),
                             Compare::to_value("a", Compare::Is::not_equal, Bytes("x")),
                             Compare::to_version("a", Compare::Is::equal, 3),
                             Compare::to_created("a", Compare::Is::less, Revision(12)),
                             Compare::to_modified("a", Compare::Is::greater, Revision(11)),
                             Compare::to_lease("a", LeaseId(255))},
                    .then = {PutKey{.key = "a", .value = Bytes("1"), .lease = LeaseId(255)},
                             PutKey{.key = "exists", .value = Bytes("then")},
                             DeleteKeys{.range = KeyRange::key("b")},
                             DeleteKeys{.range = KeyRange::prefix("c/")}},
                    .otherwise = {ReadKeys{.range = KeyRange::key("a")},
                                  ReadKeys{.range = KeyRange::prefix("d/")}}});
}

TEST_CASE("what is wrong in a transaction is told with its line and column", "[app][keys]") {
  CHECK_THAT(problem_of(""), Contains("nothing to do"));
  CHECK_THAT(problem_of("when\n exists a\n"), Contains("nothing to do"));
  CHECK_THAT(problem_of("put a 1"), Contains("line 1, column 1: it begins with"));
  CHECK_THAT(problem_of("then\n  put a"), Contains("line 2, column 8: more is expected: put KEY"));
  CHECK_THAT(problem_of("then\n  put a 1 2"), Contains("line 2, column 12: more is expected"));
  CHECK_THAT(problem_of("then\n  put a 1 for 7"), Contains("line 2, column 11: `lease`"));
  CHECK_THAT(problem_of("then\n  put a 1 lease x"), Contains("column 17: 'x' is no lease"));
  CHECK_THAT(problem_of("then\n  get a b"), Contains("line 2, column 9: nothing is expected"));
  CHECK_THAT(problem_of("then\n  take a"), Contains("line 2, column 3: 'take' is no operation"));
  CHECK_THAT(problem_of("when\n  has a"), Contains("line 2, column 3: 'has' is no condition"));
  CHECK_THAT(problem_of("when\n  version a ~ 3"), Contains("line 2, column 13: '~'"));
  CHECK_THAT(problem_of("when\n  version a = -3"),
             Contains("line 2, column 15: '-3' is no number"));
  CHECK_THAT(problem_of("then\n put a 1\nwhen\n"), Contains("line 3, column 1: the order"));
  CHECK_THAT(problem_of("then\n put a 1\nthen\n"), Contains("line 3, column 1: the order"));
  CHECK_THAT(problem_of("then\n put \"a 1"), Contains("line 2, column 6: the quote"));
  CHECK_THAT(problem_of("then\n put \"a\"1"), Contains("line 2, column 9: a space"));
  CHECK_THAT(problem_of("then\n put \"\\q\" 1"), Contains("line 2, column 7: known are"));
  CHECK_THAT(problem_of("then\n put \"\\x4\" 1"), Contains("line 2, column 7: \\x"));
  CHECK_THAT(problem_of("then\n put a#b 1"), Contains("line 2, column 7: a word with #"));
  CHECK_THAT(problem_of("then\n put a\1 1"), Contains("line 2, column 7: a control"));
}
