#include "cluster/resources.hpp"

#include <cmath>
#include <limits>

#include "tests/unit/resources/printing.hpp"

namespace cluster {
namespace {

Resources parsed(std::string_view text) {
  Result<Resources> resources = Resources::parse(text);
  INFO((resources ? std::string(text) : resources.error().message()));
  REQUIRE(resources.has_value());
  return *resources;
}

std::string parse_error(std::string_view text) {
  const Result<Resources> resources = Resources::parse(text);
  REQUIRE_FALSE(resources.has_value());
  CHECK(resources.error().code == Errc::invalid_argument);
  return resources.error().context;
}

TEST_CASE("a double becomes the nearest thousandth", "[resources]") {
  CHECK(Scalar::from_double(0.1) + Scalar::from_double(0.2) == Scalar::from_double(0.3));
  CHECK(Scalar::from_double(0.0005).in_thousandths() == 1);
  CHECK(Scalar::from_double(0.00049).in_thousandths() == 0);
  CHECK(Scalar::from_double(-1.5).in_thousandths() == -1500);
  CHECK(Scalar::from_double(2.9999).in_thousandths() == 3000);
  const Scalar large = Scalar::thousandths((std::int64_t{1} << 51) + 1);
  CHECK(Scalar::from_double(large.to_double()) == large);
}

TEST_CASE("a double that no scalar can hold stops at the limit", "[resources]") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(Scalar::from_double(infinity) == Scalar::max());
  CHECK(Scalar::from_double(1e300) == Scalar::max());
  CHECK(Scalar::from_double(-infinity) == Scalar() - Scalar::max());
  CHECK(Scalar::from_double(std::nan("")) == Scalar());
}

TEST_CASE("a scalar prints without needless digits", "[resources]") {
  CHECK(Scalar::whole(4).to_string() == "4");
  CHECK(Scalar::thousandths(500).to_string() == "0.5");
  CHECK(Scalar::thousandths(1001).to_string() == "1.001");
  CHECK(Scalar::thousandths(-50).to_string() == "-0.05");
  CHECK(Scalar().to_string() == "0");
}

TEST_CASE("text has scalars, inclusive ranges and sets, with spaces around separators",
          "[resources]") {
  const Resources resources =
      parsed(" cpus : 4 ;mem:1024.5; ports:[ 31000 - 31005 , 31010-31010 ] ; racks:{ b , a } ");

  CHECK(resources.cpus() == Scalar::whole(4));
  CHECK(resources.mem() == Scalar::thousandths(1'024'500));
  CHECK(std::get<Ranges>(resources.values().at("ports")) == Ranges{{31000, 31006}, {31010, 31011}});
  CHECK(std::get<Items>(resources.values().at("racks")) == Items{"a", "b"});
  CHECK(resources.to_string() == "cpus:4;mem:1024.5;ports:[31000-31005,31010-31010];racks:{a,b}");
}

TEST_CASE("ranges that touch become one", "[resources]") {
  CHECK(parsed("ports:[5-6,1-2,3-4,9-9]") == parsed("ports:[1-6,9-9]"));
}

TEST_CASE("what is zero or empty is not kept", "[resources]") {
  CHECK(parsed("").empty());
  CHECK(parsed(" ").empty());
  CHECK(parsed("cpus:0;ports:[];racks:{}").empty());
  CHECK(parsed("cpus:0.0004").empty());
  CHECK(parsed("cpus:1;").to_string() == "cpus:1");
}

TEST_CASE("digits past the third round", "[resources]") {
  CHECK(parsed("cpus:0.1005") == parsed("cpus:0.101"));
  CHECK(parsed("cpus:0.10049999") == parsed("cpus:0.1"));
  CHECK(parsed("cpus:1.9995") == parsed("cpus:2"));
}

TEST_CASE("an error names the column and what was expected", "[resources]") {
  CHECK(parse_error("cpus") == "resources, column 5: expected ':' after 'cpus', found the end");
  CHECK(parse_error("cpus:four") ==
        "resources, column 6: expected a number, '[' or '{', found 'f'");
  CHECK(parse_error("cpus:-1") ==
        "resources, column 6: expected a number that is not negative, found '-'");
  CHECK(parse_error("cpus:1.") ==
        "resources, column 8: expected a digit after the point, found the end");
  CHECK(parse_error("cpus:1e3") == "resources, column 7: expected ';' or the end, found 'e'");
  CHECK(parse_error("cpus:1,mem:2") == "resources, column 7: expected ';' or the end, found ','");
  CHECK(parse_error("cpus:1;;") == "resources, column 8: expected a name, found ';'");
  CHECK(parse_error("cpus:1;mem:1;cpus:0") == "resources, column 14: 'cpus' is given twice");
  CHECK(parse_error("ports:[5]") ==
        "resources, column 9: expected '-' between the first and the last of a range, found ']'");
  CHECK(parse_error("ports:[5-x]") == "resources, column 10: expected a whole number, found 'x'");
  CHECK(parse_error("ports:[5-6") == "resources, column 11: expected ',' or ']', found the end");
  CHECK(parse_error("ports:[7-6]") == "resources, column 8: a range that ends before it begins");
  CHECK(parse_error("ports:[10-20,1-10]") ==
        "resources, column 14: a range that overlaps an earlier one");
  CHECK(parse_error("ports:[10-20,12-13]") ==
        "resources, column 14: a range that overlaps an earlier one");
  CHECK(parse_error("racks:{a,,b}") == "resources, column 10: expected an item, found ','");
  CHECK(parse_error("racks:{a b}") == "resources, column 10: expected ',' or '}', found 'b'");
  CHECK(parse_error("racks:{a,b,a}") == "resources, column 12: 'a' is in the set twice");
  CHECK(parse_error("cpus:\x01") ==
        "resources, column 6: expected a number, '[' or '{', found an unprintable character");
}

TEST_CASE("numbers over the limits are refused and not wrapped", "[resources]") {
  CHECK(parsed("mem:9007199254740.991").mem() == Scalar::max());
  CHECK(parse_error("mem:9007199254740.992") ==
        "resources, column 5: a number over 9007199254740.991");
  CHECK(parse_error("mem:99999999999999999999999999") ==
        "resources, column 5: a number over 9007199254740.991");
  CHECK(parsed("ids:[0-18446744073709551614]").to_string() == "ids:[0-18446744073709551614]");
  CHECK(parse_error("ids:[0-18446744073709551615]") ==
        "resources, column 8: a number too large for a range");
  CHECK(parse_error("ids:[0-99999999999999999999999]") ==
        "resources, column 8: a number too large for a range");
}

TEST_CASE("setting normalises, and an empty value removes the name", "[resources]") {
  Resources resources;
  resources.set("ports", Ranges{{10, 20}, {5, 5}, {15, 30}, {1, 3}, {3, 4}});
  resources.set("racks", Items{"b", "a", "", "b"});
  resources.set("cpus", Scalar::whole(1));
  CHECK(resources == parsed("ports:[1-3,10-29];racks:{a,b};cpus:1"));

  resources.set("ports", Ranges{});
  resources.set("racks", Items{});
  resources.set("cpus", Scalar::whole(-1));
  CHECK(resources.empty());
}

TEST_CASE("bags are compatible unless a name has two kinds of value", "[resources]") {
  CHECK(parsed("cpus:1").compatible(parsed("mem:1")));
  CHECK(parsed("ports:[1-2]").compatible(parsed("ports:[7-9]")));
  CHECK_FALSE(parsed("ports:[1-2]").compatible(parsed("ports:1")));
  CHECK_FALSE(parsed("ports:[1-2];cpus:1").compatible(parsed("cpus:1;ports:{1}")));
}

TEST_CASE("a bag contains what can be taken from it", "[resources]") {
  const Resources bag = parsed("cpus:2;ports:[1-10,20-30];racks:{a,b}");
  CHECK(bag.contains(bag));
  CHECK(bag.contains(Resources()));
  CHECK(bag.contains(parsed("cpus:2")));
  CHECK(bag.contains(parsed("ports:[2-3,9-10,20-30];racks:{b}")));
  CHECK_FALSE(bag.contains(parsed("cpus:2.001")));
  CHECK_FALSE(bag.contains(parsed("mem:0.001")));
  CHECK_FALSE(bag.contains(parsed("ports:[10-11]")));
  CHECK_FALSE(bag.contains(parsed("ports:[5-25]")));
  CHECK_FALSE(bag.contains(parsed("ports:[31-31]")));
  CHECK_FALSE(bag.contains(parsed("racks:{a,c}")));
  CHECK_FALSE(bag.contains(parsed("racks:1")));
  CHECK_FALSE(Resources().contains(parsed("cpus:1")));
}

TEST_CASE("ranges and sets are united and subtracted by their members", "[resources]") {
  CHECK(parsed("ports:[1-5];racks:{a}") + parsed("ports:[3-9,11-12];racks:{b,a}") ==
        parsed("ports:[1-9,11-12];racks:{a,b}"));
  CHECK(parsed("ports:[1-10]") - parsed("ports:[3-4,6-6,9-20]") == parsed("ports:[1-2,5-5,7-8]"));
  CHECK(parsed("ports:[1-3,5-7,9-11]") - parsed("ports:[2-10]") == parsed("ports:[1-1,11-11]"));
  CHECK(parsed("racks:{a,b,c}") - parsed("racks:{b,z}") == parsed("racks:{a,c}"));
}

TEST_CASE("subtraction ignores what is not there and stops at zero", "[resources]") {
  CHECK(parsed("cpus:1;mem:5") - parsed("cpus:3;disk:1;ports:[1-2]") == parsed("mem:5"));
  CHECK((parsed("ports:[1-2]") - parsed("ports:[0-9]")).empty());
}

TEST_CASE("a bag can be added to and taken from itself", "[resources]") {
  Resources bag = parsed("cpus:1;ports:[1-2]");
  bag += bag;
  CHECK(bag == parsed("cpus:2;ports:[1-2]"));
  bag -= bag;
  CHECK(bag.empty());
}

}  // namespace
}  // namespace cluster
