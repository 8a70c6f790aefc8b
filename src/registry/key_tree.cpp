#include "registry/key_tree.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace cluster::registry {

struct KeyTree::Leaf final : Node {
  static constexpr std::size_t first = 0;  // The first item that has a key.
  Leaf() : Node(true) {}
  std::array<RecordRef, fanout> items;
};

// Child `i` holds the keys from `items[i]` on and before `items[i + 1]`; `items[0]` is null and
// stands for whatever is before.
struct KeyTree::Inner final : Node {
  static constexpr std::size_t first = 1;
  Inner() : Node(false) {}
  std::array<Ref<const Separator>, fanout> items;
  std::array<Ref<Node>, fanout> children;
  std::array<std::uint64_t, fanout> sizes;  // Records below each child.
};

void KeyTree::Node::destroy(const Node* node) {
  if (node->is_leaf) {
    delete static_cast<const Leaf*>(node);
  } else {
    delete static_cast<const Inner*>(node);
  }
}

namespace {

std::uint64_t head_of(ByteView key, std::size_t prefix_size) {
  key.remove_prefix(prefix_size);
  unsigned char bytes[8] = {};
  std::copy_n(key.begin(), std::min<std::size_t>(8, key.size()), bytes);
  std::uint64_t head = 0;
  for (unsigned char byte : bytes) head = head << 8 | byte;
  return head;
}

std::size_t shared_size(ByteView a, ByteView b) {
  auto apart = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(apart.first - a.begin());
}

// The number of items whose key is before `key` (or, with `upper`, not after it), with those that
// have no key.
template <class N>
std::size_t search(const N& node, ByteView key, bool upper) {
  const std::size_t count = std::max<std::size_t>(node.count, N::first);
  const std::size_t shared = std::min<std::size_t>(node.prefix_size, key.size());
  const int order = shared == 0 ? 0 : std::memcmp(key.data(), node.prefix.data(), shared);
  if (order < 0 || (order == 0 && key.size() < node.prefix_size)) return N::first;
  if (order > 0) return count;

  const std::uint64_t head = head_of(key, node.prefix_size);
  const std::uint64_t* heads = node.heads.data();
  std::size_t low = N::first;
  for (std::size_t n = count - low; n > 0;) {
    const std::size_t half = n / 2;
    const bool is_before = heads[low + half] < head;
    low = is_before ? low + half + 1 : low;
    n = is_before ? n - half - 1 : half;
  }
  // Among those whose eight bytes are the same, their keys decide.
  std::size_t end = low;
  while (end < count && heads[end] == head) ++end;
  while (low < end) {
    const std::size_t middle = low + (end - low) / 2;
    const int its_order = node.items[middle]->key().compare(key);
    if (its_order < 0 || (upper && its_order == 0)) {
      low = middle + 1;
    } else {
      end = middle;
    }
  }
  return low;
}

template <class N>
void refresh_heads(N& node) {
  for (std::size_t i = N::first; i < node.count; ++i) {
    node.heads[i] = head_of(node.items[i]->key(), node.prefix_size);
  }
}

template <class N>
void set_prefix(N& node, ByteView prefix) {
  node.prefix_size = static_cast<std::uint16_t>(std::min(prefix.size(), node.prefix.size()));
  std::copy_n(prefix.begin(), node.prefix_size, node.prefix.data());
}

// After many items have come or gone.
template <class N>
void refresh(N& node) {
  node.prefix_size = 0;
  if (node.count <= N::first) return;
  ByteView low = node.items[N::first]->key();
  ByteView high = node.items[node.count - 1u]->key();
  set_prefix(node, low.substr(0, shared_size(low, high)));
  refresh_heads(node);
}

// Makes the prefix fit `key`, which is about to come in.
template <class N>
void admit(N& node, ByteView key) {
  if (node.count <= N::first) return set_prefix(node, key);
  const std::size_t shared = shared_size({node.prefix.data(), node.prefix_size}, key);
  if (shared == node.prefix_size) return;
  node.prefix_size = static_cast<std::uint16_t>(shared);
  refresh_heads(node);
}

template <class T>
void open_gap(T& items, std::size_t index, std::size_t count) {
  auto at = items.begin();
  std::move_backward(at + static_cast<std::ptrdiff_t>(index),
                     at + static_cast<std::ptrdiff_t>(count),
                     at + static_cast<std::ptrdiff_t>(count + 1));
}
template <class T>
void close_gap(T& items, std::size_t index, std::size_t count) {
  auto at = items.begin();
  std::move(at + static_cast<std::ptrdiff_t>(index + 1), at + static_cast<std::ptrdiff_t>(count),
            at + static_cast<std::ptrdiff_t>(index));
}

template <class N, class Item>
void insert_item(N& node, std::size_t index, Item item) {
  admit(node, item->key());
  open_gap(node.heads, index, node.count);
  open_gap(node.items, index, node.count);
  node.heads[index] = head_of(item->key(), node.prefix_size);
  node.items[index] = std::move(item);
}

template <class N>
void copy_keys(const N& from, N& to) {
  to.count = from.count;
  to.prefix_size = from.prefix_size;
  to.prefix = from.prefix;
  std::copy_n(from.heads.begin(), from.count, to.heads.begin());
  std::copy_n(from.items.begin(), from.count, to.items.begin());
}

template <class Inner, class Separator, class Child>
void insert_into(Inner& inner, std::size_t index, Separator separator, Child child,
                 std::uint64_t size) {
  insert_item(inner, index, std::move(separator));
  open_gap(inner.children, index, inner.count);
  open_gap(inner.sizes, index, inner.count);
  inner.children[index] = std::move(child);
  inner.sizes[index] = size;
  ++inner.count;
}

template <class Inner>
void remove_child(Inner& inner, std::size_t index) {
  // The first child has no key: the second's goes with it.
  const std::size_t item = std::max<std::size_t>(index, 1);
  if (inner.count > 1) {
    close_gap(inner.heads, item, inner.count);
    close_gap(inner.items, item, inner.count);
    inner.items[inner.count - 1u] = {};
  }
  close_gap(inner.children, index, inner.count);
  close_gap(inner.sizes, index, inner.count);
  inner.children[inner.count - 1u] = {};
  --inner.count;
}

// A search looks at several lines of a node, each of which depends on the one before: all of them
// are on their way while the first is waited for.
void fetch_ahead(const void* node, std::size_t size) {
  for (std::size_t offset = 0; offset < size; offset += 64) {
    __builtin_prefetch(static_cast<const char*>(node) + offset);
  }
}

// The shortest text that is after `left` and not after `right`.
ByteView between(ByteView left, ByteView right) {
  return right.substr(0, shared_size(left, right) + 1);
}

template <class N>
void check_keys(const N& node) {
  for (std::size_t i = N::first; i < node.count; ++i) {
    ByteView key = node.items[i]->key();
    CLUSTER_CHECK(key.starts_with(ByteView(node.prefix.data(), node.prefix_size)),
                  "keys begin with their node's prefix");
    CLUSTER_CHECK(node.heads[i] == head_of(key, node.prefix_size), "heads are of their keys");
    CLUSTER_CHECK(i == N::first || node.items[i - 1]->key() < key, "keys are in order");
  }
}

}  // namespace

KeyTree& KeyTree::operator=(KeyTree other) noexcept {
  std::swap(root_, other.root_);
  std::swap(size_, other.size_);
  return *this;
}

const RecordRef* KeyTree::find(ByteView key) const {
  const Node* node = root_.get();
  if (!node) return nullptr;
  while (!node->is_leaf) {
    const auto& inner = static_cast<const Inner&>(*node);
    node = inner.children[search(inner, key, true) - 1].get();
    fetch_ahead(node, sizeof(Node));
  }
  const auto& leaf = static_cast<const Leaf&>(*node);
  const std::size_t index = search(leaf, key, false);
  if (index == leaf.count || leaf.items[index]->key() != key) return nullptr;
  return &leaf.items[index];
}

std::size_t KeyTree::count_before(ByteView key) const {
  const Node* node = root_.get();
  if (!node) return 0;
  std::size_t before = 0;
  while (!node->is_leaf) {
    const auto& inner = static_cast<const Inner&>(*node);
    const std::size_t child = search(inner, key, true) - 1;
    for (std::size_t i = 0; i < child; ++i) before += inner.sizes[i];
    node = inner.children[child].get();
  }
  return before + search(static_cast<const Leaf&>(*node), key, false);
}

std::size_t KeyTree::count(const KeyRange& range) const {
  if (range.is_empty()) return 0;
  if (range.is_single_key()) return find(range.begin) != nullptr ? 1 : 0;
  const std::size_t end = range.is_endless ? size_ : count_before(range.end);
  return end - count_before(range.begin);
}

KeyTree::Leaf* KeyTree::own_leaf(ByteView key, Path& path) {
  if (!root_) root_ = Ref<Node>::adopt(new Leaf);
  Ref<Node>* at = &root_;
  for (;;) {
    const bool is_leaf = (*at)->is_leaf;
    if (at->is_shared()) {
      if (is_leaf) {
        auto* copy = new Leaf;
        copy_keys(static_cast<const Leaf&>(**at), *copy);
        *at = Ref<Node>::adopt(copy);
      } else {
        const auto& from = static_cast<const Inner&>(**at);
        auto* copy = new Inner;
        copy_keys(from, *copy);
        std::copy_n(from.children.begin(), from.count, copy->children.begin());
        std::copy_n(from.sizes.begin(), from.count, copy->sizes.begin());
        *at = Ref<Node>::adopt(copy);
      }
    }
    if (is_leaf) return static_cast<Leaf*>(at->get());
    auto* inner = static_cast<Inner*>(at->get());
    const std::size_t child = search(*inner, key, true) - 1;
    CLUSTER_CHECK(path.depth < path.steps.size(), "the tree is not deeper than memory allows");
    path.steps[path.depth++] = {inner, child};
    at = &inner->children[child];
    fetch_ahead(at->get(), sizeof(Node));
  }
}

RecordRef* KeyTree::slot(Leaf* leaf, ByteView key, std::size_t& index) {
  index = search(*leaf, key, false);
  if (index == leaf->count || leaf->items[index]->key() != key) return nullptr;
  return &leaf->items[index];
}

void KeyTree::insert(Path& path, Leaf* leaf, std::size_t index, RecordRef record) {
  ++size_;
  for (std::size_t i = 0; i < path.depth; ++i) ++path.steps[i].node->sizes[path.steps[i].child];
  if (leaf->count < fanout) {
    insert_item(*leaf, index, std::move(record));
    ++leaf->count;
    return;
  }
  // Keys that come in order leave full leaves behind.
  const std::size_t kept = index == fanout ? fanout : fanout / 2;
  auto* right = new Leaf;
  std::move(leaf->items.begin() + kept, leaf->items.end(), right->items.begin());
  leaf->count = static_cast<std::uint16_t>(kept);
  right->count = static_cast<std::uint16_t>(fanout - kept);
  refresh(*leaf);
  refresh(*right);
  Leaf* home = index <= kept && kept < fanout ? leaf : right;
  insert_item(*home, home == leaf ? index : index - kept, std::move(record));
  ++home->count;
  auto separator = Ref<const Separator>::adopt(
      new Separator(between(leaf->items[leaf->count - 1u]->key(), right->items[0]->key())));
  insert_child(path, std::move(separator), Ref<Node>::adopt(right));
}

void KeyTree::insert_child(Path& path, Ref<const Separator> separator, Ref<Node> child) {
  auto size_of = [](const Node& node) -> std::uint64_t {
    if (node.is_leaf) return node.count;
    const auto& inner = static_cast<const Inner&>(node);
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < inner.count; ++i) size += inner.sizes[i];
    return size;
  };
  while (path.depth > 0) {
    auto [inner, left] = path.steps[--path.depth];
    inner->sizes[left] = size_of(*inner->children[left]);
    const std::size_t index = left + 1;
    const std::uint64_t size = size_of(*child);
    if (inner->count < fanout) {
      return insert_into(*inner, index, std::move(separator), std::move(child), size);
    }
    auto* right = new Inner;
    Ref<const Separator> up;
    if (index == fanout) {
      right->children[0] = std::move(child);
      right->sizes[0] = size;
      right->count = 1;
      up = std::move(separator);
    } else {
      constexpr std::size_t kept = fanout / 2;
      up = std::move(inner->items[kept]);
      std::move(inner->items.begin() + kept + 1, inner->items.end(), right->items.begin() + 1);
      std::move(inner->children.begin() + kept, inner->children.end(), right->children.begin());
      std::copy(inner->sizes.begin() + kept, inner->sizes.end(), right->sizes.begin());
      inner->count = kept;
      right->count = fanout - kept;
      refresh(*inner);
      refresh(*right);
      Inner& home = index <= kept ? *inner : *right;
      insert_into(home, index <= kept ? index : index - kept, std::move(separator),
                  std::move(child), size);
    }
    separator = std::move(up);
    child = Ref<Node>::adopt(right);
  }
  auto* root = new Inner;
  root->count = 1;
  root->sizes[0] = size_of(*root_);
  root->children[0] = std::move(root_);
  const std::uint64_t size = size_of(*child);
  insert_into(*root, 1, std::move(separator), std::move(child), size);
  root_ = Ref<Node>::adopt(root);
}

RecordRef KeyTree::erase(ByteView key) {
  if (!find(key)) return {};
  Path path;
  Leaf* leaf = own_leaf(key, path);
  std::size_t index = 0;
  RecordRef old = std::move(*slot(leaf, key, index));
  close_gap(leaf->heads, index, leaf->count);
  close_gap(leaf->items, index, leaf->count);
  --leaf->count;
  leaf->items[leaf->count] = {};
  --size_;
  for (std::size_t i = 0; i < path.depth; ++i) --path.steps[i].node->sizes[path.steps[i].child];
  if (leaf->count == 0) {
    remove_empty(path);
  } else if (leaf->count < fanout / 4) {
    merge_leaf(path, leaf);
  }
  while (root_ && !root_->is_leaf && root_->count == 1) {
    Ref<Node> only = static_cast<Inner&>(*root_).children[0];
    root_ = std::move(only);
  }
  return old;
}

void KeyTree::remove_empty(Path& path) {
  while (path.depth > 0) {
    auto [inner, child] = path.steps[--path.depth];
    remove_child(*inner, child);
    if (inner->count > 0) return;
  }
  root_ = {};
}

void KeyTree::merge_leaf(Path& path, Leaf* leaf) {
  if (path.depth == 0) return;
  auto [parent, child] = path.steps[path.depth - 1];
  if (parent->count < 2) return;
  const std::size_t left = child + 1 < parent->count ? child : child - 1;
  const std::size_t other = left == child ? child + 1 : left;
  auto& neighbour = static_cast<Leaf&>(*parent->children[other]);
  if (leaf->count + std::size_t{neighbour.count} > fanout * 3 / 4) return;
  // Into a leaf of our own; the neighbour may be a snapshot's too.
  const std::size_t at = left == child ? leaf->count : 0;
  if (at == 0) {
    std::move_backward(leaf->items.begin(), leaf->items.begin() + leaf->count,
                       leaf->items.begin() + leaf->count + neighbour.count);
  }
  std::copy_n(neighbour.items.begin(), neighbour.count,
              leaf->items.begin() + static_cast<std::ptrdiff_t>(at));
  leaf->count = static_cast<std::uint16_t>(leaf->count + neighbour.count);
  refresh(*leaf);
  parent->sizes[left] = parent->sizes[left] + parent->sizes[left + 1];
  if (left != child) parent->children[left] = parent->children[child];
  remove_child(*parent, left + 1);
}

const RecordRef& KeyTree::Cursor::operator*() const {
  const Step& step = path_[depth_ - 1];
  return static_cast<const Leaf*>(step.node)->items[step.index];
}

void KeyTree::Cursor::next() {
  for (++path_[depth_ - 1].index;;) {
    Step& step = path_[depth_ - 1];
    const auto* node = static_cast<const Node*>(step.node);
    if (step.index == node->count) {
      if (--depth_ == 0) return;
      ++path_[depth_ - 1].index;
      continue;
    }
    if (node->is_leaf) return;
    path_[depth_++] = {static_cast<const Inner*>(node)->children[step.index].get(), 0};
  }
}

KeyTree::Cursor KeyTree::lower_bound(ByteView key) const {
  Cursor cursor;
  if (!root_) return cursor;
  const Node* node = root_.get();
  while (!node->is_leaf) {
    const auto& inner = static_cast<const Inner&>(*node);
    const std::size_t child = search(inner, key, true) - 1;
    cursor.path_[cursor.depth_++] = {node, child};
    node = inner.children[child].get();
    fetch_ahead(node, sizeof(Node));
  }
  const auto& leaf = static_cast<const Leaf&>(*node);
  const std::size_t index = search(leaf, key, false);
  cursor.path_[cursor.depth_++] = {node, index};
  if (index == leaf.count) {
    --cursor.path_[cursor.depth_ - 1].index;
    cursor.next();
  }
  return cursor;
}

void KeyTree::check() const {
  struct Checker {
    std::size_t depth = 0;

    std::size_t check(const Node& node, std::size_t level, ByteView from, const ByteView* to) {
      CLUSTER_CHECK(node.count > 0, "no node is empty");
      if (!node.is_leaf) return check_inner(static_cast<const Inner&>(node), level, from, to);
      const auto& leaf = static_cast<const Leaf&>(node);
      CLUSTER_CHECK(depth == 0 || depth == level, "all leaves are equally deep");
      depth = level;
      check_keys(leaf);
      CLUSTER_CHECK(leaf.items[0]->key() >= from, "a leaf's keys are not before its separator");
      CLUSTER_CHECK(!to || leaf.items[leaf.count - 1u]->key() < *to,
                    "a leaf's keys are before the next separator");
      return leaf.count;
    }

    std::size_t check_inner(const Inner& inner, std::size_t level, ByteView from,
                            const ByteView* to) {
      check_keys(inner);
      std::size_t size = 0;
      for (std::size_t i = 0; i < inner.count; ++i) {
        ByteView low = i == 0 ? from : inner.items[i]->key();
        ByteView high = i + 1 < inner.count ? inner.items[i + 1]->key() : ByteView();
        const ByteView* end = i + 1 < inner.count ? &high : to;
        const std::size_t below = check(*inner.children[i], level + 1, low, end);
        CLUSTER_CHECK(below == inner.sizes[i], "a node knows how much is below", below);
        size += below;
      }
      return size;
    }
  };
  CLUSTER_CHECK((size_ == 0) == !root_, "an empty tree has no nodes");
  if (!root_) return;
  Checker checker;
  CLUSTER_CHECK(checker.check(*root_, 1, {}, nullptr) == size_, "the size is what is there");
}

}  // namespace cluster::registry
