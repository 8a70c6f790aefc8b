// Questions and answers about keys as bytes.
#include "registry/remote_keys.hpp"

#include "tests/catch.hpp"

using namespace cluster;
using registry::decode_answer;
using registry::decode_key_watch_question;
using registry::decode_watch_batch;
using registry::KeyAnswer;
using registry::KeyWatchQuestion;

TEST_CASE("a question for changes is read as it was written", "[registry][remote]") {
  for (const KeyRange& range :
       {KeyRange::key("a"), KeyRange::prefix(""), KeyRange::between("a", std::string("b\0c", 3))}) {
    const KeyWatchQuestion question{
        .space = "s", .range = range, .from = Revision(7), .puts = false};
    auto again = decode_key_watch_question(registry::encode(question).view());
    REQUIRE(again);
    CHECK(*again == question);
  }
  const KeyWatchQuestion of_nothing{.range = KeyRange::all()};
  CHECK_FALSE(decode_key_watch_question(registry::encode(of_nothing).view()));
}

TEST_CASE("changes are read as they were written", "[registry][remote]") {
  WatchBatch batch{.upto = Revision(9)};
  batch.events.push_back({.now = {.key = "a",
                                  .value = Bytes(ByteView("1\0", 2)),
                                  .created = Revision(3),
                                  .modified = Revision(8),
                                  .version = 2,
                                  .lease = LeaseId(77)}});
  batch.events.push_back(
      {.kind = KeyEvent::Kind::deleted, .now = {.key = "b", .modified = Revision(9)}});
  auto again = decode_watch_batch(registry::encode(batch).view());
  REQUIRE(again);
  CHECK(*again == batch);
  auto nothing = decode_watch_batch(registry::encode(WatchBatch{.upto = Revision(4)}).view());
  REQUIRE(nothing);
  CHECK(nothing->is_progress);
}

TEST_CASE("answers and refusals of the state are both answers", "[registry][remote]") {
  const KeyAnswer answer{.revision = Revision(5), .succeeded = false, .ended = {LeaseId(3)}};
  auto read = decode_answer(registry::encode_answer(answer).view());
  REQUIRE(read);
  REQUIRE(*read);
  CHECK(**read == answer);

  auto refused =
      decode_answer(registry::encode_answer(Result<KeyAnswer>(Errc::overloaded, "no more")).view());
  REQUIRE(refused);
  REQUIRE_FALSE(*refused);
  CHECK(refused->error() == Error{Errc::overloaded, "no more"});
}

TEST_CASE("what is no message about keys is refused with a reason", "[registry][remote]") {
  auto is_refused = [](const auto& result, Errc code) {
    CHECK_FALSE(result.has_value());
    if (!result) CHECK(result.error().code == code);
    if (!result) CHECK_FALSE(result.error().context.empty());
  };
  for (const std::string& bytes : {std::string(), std::string("\0", 1), std::string("\1"),
                                   std::string("\1\xff\xff\xff\xff\xff")}) {
    is_refused(decode_key_watch_question(bytes), Errc::protocol);
    is_refused(decode_watch_batch(bytes), Errc::protocol);
    is_refused(decode_answer(bytes), Errc::protocol);
  }
  is_refused(decode_key_watch_question("\2"), Errc::unsupported);
  is_refused(decode_watch_batch("\2"), Errc::unsupported);
  is_refused(decode_answer("\2"), Errc::unsupported);
}
