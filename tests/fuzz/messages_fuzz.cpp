// link: cluster::registry cluster::wire
// No bytes crash a codec, and what a codec understands it can say again.
#include "tests/fuzz/messages_fuzz.hpp"

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cluster::test::run_message_input({reinterpret_cast<const char*>(data), size});
  return 0;
}

std::vector<std::string> fuzz_corpus() { return cluster::test::message_fuzz_corpus(); }
