// An ordered map from keys to records: a B+tree whose nodes are shared by its copies, so that a
// copy costs nothing and stays as it was. A node is copied when it is changed and a copy of the
// tree holds it too.
//
// Nodes keep, of each key, the eight bytes that follow what all keys of the node begin with: a
// search reads the node and not the records, which are wherever the allocator put them. Inner nodes
// know how many records are below each child: counting a range takes two searches.
//
// Threads: a tree belongs to one thread; copies of it may be on others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.hpp"
#include "registry/key_record.hpp"

namespace cluster::registry {

class KeyTree {
 public:
  KeyTree() = default;
  KeyTree(const KeyTree&) = default;  // Shares every node.
  KeyTree(KeyTree&& other) noexcept
      : root_(std::move(other.root_)), size_(std::exchange(other.size_, 0)) {}
  KeyTree& operator=(KeyTree) noexcept;
  ~KeyTree() = default;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const RecordRef* find(ByteView key) const;
  // How many keys are before `key`.
  std::size_t count_before(ByteView key) const;
  std::size_t count(const KeyRange&) const;

  // Puts what `make(RecordRef* old)` gives under `key`; `old` is null when nothing is there, else
  // it may be moved from. What it gives has the key `key`.
  template <class Make>
  void update(ByteView key, Make make);
  // Returns what was there; nothing where there was nothing.
  RecordRef erase(ByteView key);

  // Records in order. Invalid once the tree is changed.
  class Cursor {
   public:
    bool at_end() const { return depth_ == 0; }
    const RecordRef& operator*() const;
    void next();

   private:
    friend class KeyTree;
    struct Step {
      const void* node;
      std::size_t index;
    };
    std::array<Step, 16> path_;
    std::size_t depth_ = 0;
  };
  Cursor begin() const { return lower_bound({}); }
  Cursor lower_bound(ByteView key) const;

  // Whether every node is as it must be. For tests.
  void check() const;

 private:
  struct Node;
  struct Leaf;
  struct Inner;
  struct Separator;
  struct Path;

  static constexpr std::size_t fanout = 64;

  // Finds the place of `key` in a leaf that this tree may change.
  Leaf* own_leaf(ByteView key, Path& path);
  // Where `key` is in the leaf, or null; `index` is where it is or would be.
  static RecordRef* slot(Leaf* leaf, ByteView key, std::size_t& index);
  void insert(Path& path, Leaf* leaf, std::size_t index, RecordRef record);
  void insert_child(Path& path, Ref<const Separator> separator, Ref<Node> child);
  void remove_empty(Path& path);
  void merge_leaf(Path& path, Leaf* leaf);

  Ref<Node> root_;
  std::size_t size_ = 0;
};

struct KeyTree::Separator : Counted {
  explicit Separator(ByteView key) : text(key) {}
  static void destroy(const Separator* one) { delete one; }
  ByteView key() const { return text; }
  std::string text;
};

struct KeyTree::Node : Counted {
  static void destroy(const Node*);

  explicit Node(bool leaf) : is_leaf(leaf) {}

  bool is_leaf;
  std::uint16_t count = 0;        // Records, or children.
  std::uint16_t prefix_size = 0;  // What all keys begin with, as far as it is kept.
  std::array<char, 44> prefix;
  std::array<std::uint64_t, fanout> heads;  // What follows it, most significant byte first.
};

struct KeyTree::Path {
  struct Step {
    Inner* node;
    std::size_t child;
  };
  std::array<Step, 16> steps;
  std::size_t depth = 0;
};

template <class Make>
void KeyTree::update(ByteView key, Make make) {
  Path path;
  Leaf* leaf = own_leaf(key, path);
  std::size_t index = 0;
  if (RecordRef* old = slot(leaf, key, index)) {
    *old = make(old);
  } else {
    insert(path, leaf, index, make(nullptr));
  }
}

}  // namespace cluster::registry
