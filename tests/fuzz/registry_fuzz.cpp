// link: cluster::registry cluster::wire
// Whatever the log holds, the registry answers each entry and keeps its invariants.
#include "tests/fuzz/registry_fuzz.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cluster::test::run_registry_input({reinterpret_cast<const char*>(data), size});
  return 0;
}

std::vector<std::string> fuzz_corpus() { return cluster::test::registry_fuzz_corpus(); }
