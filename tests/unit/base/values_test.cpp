// The small values that every part speaks: random numbers, endpoints, bytes, ids, results.
#include "base/endpoint.hpp"
#include "base/random.hpp"
#include "cluster/result.hpp"
#include "cluster/types.hpp"
#include "tests/catch.hpp"

using namespace cluster;

TEST_CASE("a seed gives the numbers of SplitMix64, on every machine", "[base][random]") {
  // As the reference implementation prints them (Steele, Lea, Flood 2014; Vigna's splitmix64.c).
  Random random(1234567);
  CHECK(random.next() == 6457827717110365317u);
  CHECK(random.next() == 3203168211198807973u);
  CHECK(random.next() == 9817491932198370423u);
}

TEST_CASE("random numbers stay in the range asked for and reach both of its ends",
          "[base][random]") {
  Random random(3);
  bool low = false, high = false;
  for (int i = 0; i < 1000; ++i) {
    std::uint64_t n = random.between(10, 14);
    if (n < 10 || n >= 14) FAIL("out of range: " << n);
    low = low || n == 10;
    high = high || n == 13;
  }
  CHECK(low);
  CHECK(high);
  CHECK(random.chance(1, 1));
  CHECK_FALSE(random.chance(0, 1));
}

TEST_CASE("two seeds from the system differ", "[base][random]") {
  CHECK(system_random() != system_random());
}

TEST_CASE("an endpoint survives being printed and parsed", "[base][endpoint]") {
  for (const Endpoint& endpoint : {Endpoint{"127.0.0.1", 5050}, Endpoint{"::1", 1},
                                   Endpoint{"host.example", 65535}, Endpoint{"localhost", 0}}) {
    Result<Endpoint> parsed = parse_endpoint(to_string(endpoint));
    REQUIRE(parsed);
    CHECK(*parsed == endpoint);
  }
  CHECK(to_string(Endpoint{"::1", 5050}) == "[::1]:5050");
}

TEST_CASE("what is wrong with an address is said", "[base][endpoint]") {
  auto complaint = [](std::string_view text) {
    Result<Endpoint> parsed = parse_endpoint(text);
    return parsed ? std::string("(none)") : parsed.error().context;
  };
  CHECK_THAT(complaint("10.0.0.1"), Catch::Contains("the port is missing"));
  CHECK_THAT(complaint(":5050"), Catch::Contains("the host is missing"));
  CHECK_THAT(complaint("[]:5050"), Catch::Contains("the host is missing"));
  CHECK_THAT(complaint("::1:5050"), Catch::Contains("an IPv6 host stands in brackets"));
  for (const char* text : {"a:", "a:65536", "a:-1", "a:1x", "a: 1"}) {
    CHECK_THAT(complaint(text), Catch::Contains("a port is a number from 0 to 65535"));
  }
}

TEST_CASE("a list of addresses is separated by commas and complains about one by name",
          "[base][endpoint]") {
  Result<std::vector<Endpoint>> two = parse_endpoints("a:1,[::1]:2");
  REQUIRE(two);
  CHECK(*two == std::vector<Endpoint>{{"a", 1}, {"::1", 2}});

  CHECK_FALSE(parse_endpoints(""));
  CHECK_FALSE(parse_endpoints("a:1,"));
  CHECK_THAT(parse_endpoints("a:1,b").error().context, Catch::Contains("'b' is no address"));
}

TEST_CASE("loopback is this machine only", "[base][endpoint]") {
  CHECK(is_loopback({"127.0.0.1", 1}));
  CHECK(is_loopback({"127.8.9.1", 1}));
  CHECK(is_loopback({"::1", 1}));
  CHECK(is_loopback({"localhost", 1}));
  CHECK_FALSE(is_loopback({"0.0.0.0", 1}));
  CHECK_FALSE(is_loopback({"10.0.0.1", 1}));
  CHECK_FALSE(is_loopback({"128.0.0.1", 1}));
  CHECK_FALSE(is_loopback({"::", 1}));
}

TEST_CASE("a name that begins like a loopback address is not one", "[base][endpoint]") {
  CHECK_FALSE(is_loopback({"127.example.com", 1}));
  CHECK_FALSE(is_loopback({"localhost.example.com", 1}));
}

TEST_CASE("slices share the bytes that they are cut from", "[base][bytes]") {
  Bytes whole(std::string("hello, log"));
  Bytes part = whole.slice(7, 3);
  CHECK(part.view() == "log");
  CHECK(part.data() == whole.data() + 7);
  CHECK(part.slice(1, 2).view() == "og");
  CHECK(whole.slice(10, 0).empty());
}

TEST_CASE("a slice outlives what it was cut from", "[base][bytes]") {
  Bytes part;
  {
    Bytes whole(ByteView("a copy of these bytes"));
    part = whole.slice(2, 4);
  }
  CHECK(part == Bytes(ByteView("copy")));
}

TEST_CASE("bytes are equal by content, zero bytes included", "[base][bytes]") {
  CHECK(Bytes(ByteView("a\0b", 3)) == Bytes(std::string("a\0b", 3)));
  CHECK_FALSE(Bytes(ByteView("a\0b", 3)) == Bytes(ByteView("a\0c", 3)));
  CHECK(Bytes() == Bytes(ByteView("")));
  CHECK(Bytes().view().empty());
}

TEST_CASE("positions step, compare and measure", "[base][types]") {
  CHECK_FALSE(Position{});
  CHECK(Position{1}.next() == Position{2});
  CHECK(Position{1}.plus(4) == Position{5});
  CHECK(distance(Position{2}, Position{5}) == 3);
  CHECK(Position{2} < Position{10});
}

TEST_CASE("a result holds a value or an error, and says which", "[base][result]") {
  Result<int> value = 7;
  REQUIRE(value);
  CHECK(*value == 7);
  CHECK(value.value() == 7);

  Result<int> failed(Errc::not_found, "no task 'a'");
  CHECK_FALSE(failed.has_value());
  CHECK(failed.error() == Error{Errc::not_found, "no task 'a'"});
  CHECK(failed.error().message() == "not found: no task 'a'");
}

TEST_CASE("an error says whether the action may have been applied", "[base][result]") {
  Error error{Errc::timed_out, "no answer in 5 s", Outcome::maybe};
  CHECK(error.message() == "timed out: no answer in 5 s (may have been applied)");
  CHECK(Error{Errc::closed, ""}.message() == "closed");
}

TEST_CASE("the value of an error throws, for programs that prefer exceptions", "[base][result]") {
  Result<std::string> failed(Errc::fenced, "by term 8");
  try {
    failed.value();
    FAIL("nothing was thrown");
  } catch (const Exception& thrown) {
    CHECK(thrown.error().code == Errc::fenced);
    CHECK(std::string(thrown.what()) == "fenced: by term 8");
  }
}

TEST_CASE("a result gives its move-only value away", "[base][result]") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  std::unique_ptr<int> taken = *std::move(result);
  CHECK(*taken == 5);
}

TEST_CASE("a result without value is success until told otherwise", "[base][result]") {
  Result<void> done;
  CHECK(done);
  Result<void> failed = Error{Errc::storage, "EIO"};
  CHECK_FALSE(failed);
}

TEST_CASE("every error code has words of its own", "[base][result]") {
  std::vector<std::string_view> words;
  for (std::uint16_t code = 0; code <= static_cast<std::uint16_t>(errc_last); ++code) {
    std::string_view text = to_string(static_cast<Errc>(code));
    CHECK(text != "unknown error");
    CHECK(std::find(words.begin(), words.end(), text) == words.end());
    words.push_back(text);
  }
  CHECK(to_string(static_cast<Errc>(9999)) == "unknown error");
}
