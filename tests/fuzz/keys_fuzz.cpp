// link: cluster::registry cluster::wire
// Whatever the log or a snapshot holds, the keys answer it and keep their invariants.
#include "tests/fuzz/keys_fuzz.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cluster::test::run_keys_input({reinterpret_cast<const char*>(data), size});
  return 0;
}

std::vector<std::string> fuzz_corpus() { return cluster::test::keys_fuzz_corpus(); }
