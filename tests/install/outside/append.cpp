// A log of one member: append three entries, close, open again, find them.
#include <cluster/log.hpp>

#include <cstdio>
#include <string>

namespace {

int fail(const char* what, const cluster::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message().c_str());
  return 1;
}

}  // namespace

int main(int, char** argv) {
  cluster::LogOptions options;
  options.directory = argv[1];
  options.self = cluster::NodeId{1};
  options.cluster = cluster::ClusterUid{42};
  options.members = {{options.self, {"127.0.0.1", 0}}};  // Alone, it may listen anywhere.

  cluster::Position last;
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  {
    auto log = cluster::Log::open(runtime, options);
    if (!log) return fail("open", log.error());
    for (const char* text : {"one", "two", "three"}) {
      auto at = log->append(cluster::Bytes(cluster::ByteView(text))).get();
      if (!at) return fail("append", at.error());
      last = *at;
    }
  }
  auto log = cluster::Log::open(runtime, options);
  if (!log) return fail("open again", log.error());
  auto range = log->catch_up().get();
  if (!range) return fail("catch up", range.error());
  auto entries = log->read(range->first, range->end).get();
  if (!entries) return fail("read", entries.error());
  std::string found;
  for (const cluster::Entry& entry : *entries) found += std::string(entry.data.view()) + " ";
  std::printf("%s\n", found.c_str());
  return found == "one two three " && entries->back().position == last ? 0 : 1;
}
