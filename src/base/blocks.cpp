// The memory of operations: see `cluster/op.hpp`.
#include <cstddef>
#include <new>

#include "cluster/op.hpp"

namespace cluster::detail {
namespace {

constexpr std::size_t block_size = 256;  // An operation that yields a number or two.
constexpr std::size_t blocks_max = 1024;

struct Block {
  Block* next;
};
struct Spares {
  Block* first = nullptr;
  std::size_t count = 0;
  bool is_over = false;  // The thread ends; what its last objects give back is freed.
};
thread_local Spares spares;

struct Cleaner {
  ~Cleaner() {
    for (Block* block = spares.first; block != nullptr;) {
      Block* next = block->next;
      ::operator delete(block);
      block = next;
    }
    spares = {.first = nullptr, .count = 0, .is_over = true};
  }
};

// A sanitizer is to see each operation's end.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_keeping = false;
#else
constexpr bool is_keeping = true;
#endif

}  // namespace

void* take_block(std::size_t size) {
  if (!is_keeping || size > block_size) return ::operator new(size);
  Block* block = spares.first;
  if (block == nullptr) return ::operator new(block_size);
  spares.first = block->next;
  spares.count -= 1;
  return block;
}

void give_block(void* memory, std::size_t size) noexcept {
  if (!is_keeping || size > block_size || spares.is_over || spares.count == blocks_max) {
    return ::operator delete(memory);
  }
  thread_local Cleaner cleaner;
  static_cast<void>(cleaner);
  spares.first = new (memory) Block{spares.first};
  spares.count += 1;
}

}  // namespace cluster::detail
