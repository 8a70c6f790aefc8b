#include "history_file.hpp"

#include "tests/catch.hpp"

using namespace cluster;
using namespace cluster::app;
using Kind = sim::HistoryVerdict::Kind;

namespace {

HistoryReport report_of(std::string_view text) {
  Result<HistoryFile> file = parse_history(text);
  REQUIRE(file.has_value());
  return check_history(*file);
}

std::string error_of(std::string_view text) {
  Result<HistoryFile> file = parse_history(text);
  return file ? "" : file.error().message();
}

}  // namespace

TEST_CASE("a history in a file is checked, and the shortest failing beginning is told",
          "[app][wgl]") {
  std::string history = R"({"type":"invoke","client":1,"call":"put","key":"x","value":"1","time":1}
{"type":"return","client":1,"time":2}
{"type":"invoke","client":2,"call":"get","key":"x","time":3}
{"type":"return","client":2,"value":"1","time":4}
)";
  CHECK(report_of(history).verdict == Kind::linearizable);

  HistoryReport report = report_of(history + R"(
{"type":"invoke","client":2,"call":"get","key":"x","time":5}
{"type":"return","client":2,"value":null,"time":6}
{"type":"invoke","client":2,"call":"get","key":"x","time":7}
{"type":"return","client":2,"value":"1","time":8})");
  CHECK(report.verdict == Kind::not_linearizable);
  CHECK(report.lines == std::vector<std::string>{"line 1: put x \"1\"", "line 3: get x = \"1\"",
                                                 "line 6: get x = nothing   <- cannot be"});
}

TEST_CASE("lines of several clients may stand in any order; their times count", "[app][wgl]") {
  CHECK(report_of(R"({"type":"invoke","client":"a","call":"get","key":"x","time":3}
{"type":"return","client":"a","value":"1","time":4}
{"type":"invoke","client":"b","call":"put","key":"x","value":"1","time":1}
{"type":"return","client":"b","time":2})")
            .verdict == Kind::linearizable);
}

TEST_CASE("what failed never takes effect, and what is unknown may", "[app][wgl]") {
  std::string end = R"(
{"type":"invoke","client":"b","call":"get","key":"x"}
{"type":"return","client":"b","value":"1"})";
  std::string put = R"({"type":"invoke","client":"a","call":"put","key":"x","value":"1"})";
  CHECK(report_of(put + end).verdict == Kind::linearizable);
  CHECK(report_of(put + R"(
{"type":"unknown","client":"a"})" +
                  end)
            .verdict == Kind::linearizable);
  CHECK(report_of(put + R"(
{"type":"failed","client":"a"})" +
                  end)
            .verdict == Kind::not_linearizable);
}

TEST_CASE("a log's history is checked beside registers", "[app][wgl]") {
  std::string text = R"({"type":"invoke","client":"a","call":"append","value":"v"}
{"type":"return","client":"a","position":4}
{"type":"invoke","client":"a","call":"catch_up"}
{"type":"return","client":"a","end":5}
{"type":"invoke","client":"a","call":"read"}
{"type":"return","client":"a","entries":["v"]})";
  CHECK(report_of(text).verdict == Kind::linearizable);
  text.replace(text.find("[\"v\"]"), 5, "[]");
  CHECK(report_of(text).verdict == Kind::not_linearizable);
}

TEST_CASE("a file that is no history is refused with the line", "[app][wgl]") {
  CHECK(error_of("{}\n").find("line 1: there is no \"client\"") != std::string::npos);
  CHECK(error_of("\n[1]\n").find("line 2: this is no JSON object") != std::string::npos);
  CHECK(error_of(R"({"type":"return","client":1})").find("asked for nothing") != std::string::npos);
  CHECK(error_of(R"({"type":"invoke","client":1,"call":"mul"})").find("it can be put, get") !=
        std::string::npos);
  CHECK(error_of(R"({"type":"invoke","client":1,"call":"put","key":"x"})")
            .find("needs a \"value\"") != std::string::npos);
  CHECK(error_of(R"({"type":"invoke","client":1,"call":"get","key":"x"}
{"type":"return","client":1})")
            .find("line 2: a get's return needs") != std::string::npos);
}
