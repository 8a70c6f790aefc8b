// Which of many ranges hold a key, without looking at those that do not: a tree by where ranges
// begin, in which each node knows how far the ranges below it reach. Equal ranges share a node.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "cluster/keys.hpp"

namespace cluster::registry {

// `Item` is cheap to copy and compare.
template <class Item>
class IntervalIndex {
 public:
  void insert(const KeyRange& range, Item item) { insert(root_, range, item); }
  // An item that was inserted with this range.
  void erase(const KeyRange& range, Item item) { erase(root_, range, item); }
  bool empty() const { return !root_; }

  template <class Visit>
  void each_holding(ByteView key, Visit&& visit) const {
    stab(root_.get(), key, visit);
  }

 private:
  struct Node {
    KeyRange range;
    std::vector<Item> items;
    std::uint64_t priority = 0;  // Not before its children's: that keeps the tree flat.
    const KeyRange* farthest = nullptr;
    std::unique_ptr<Node> left;
    std::unique_ptr<Node> right;
  };
  using Link = std::unique_ptr<Node>;

  static bool reaches_farther(const KeyRange& a, const KeyRange& b) {
    if (a.is_endless || b.is_endless) return a.is_endless && !b.is_endless;
    return a.end > b.end;
  }
  static bool is_before(const KeyRange& a, const KeyRange& b) {
    if (a.begin != b.begin) return a.begin < b.begin;
    return reaches_farther(b, a);
  }
  static void update(Node& node) {
    node.farthest = &node.range;
    for (const Link* child : {&node.left, &node.right}) {
      if (*child && reaches_farther(*(*child)->farthest, *node.farthest)) {
        node.farthest = (*child)->farthest;
      }
    }
  }
  static void rotate(Link& at, Link Node::*from, Link Node::*to) {
    Link child = std::move((*at).*from);
    (*at).*from = std::move((*child).*to);
    update(*at);
    (*child).*to = std::move(at);
    at = std::move(child);
  }

  void insert(Link& at, const KeyRange& range, Item item) {
    if (!at) {
      at = std::make_unique<Node>();
      at->range = range;
      at->items.push_back(item);
      // Numbers that look random and are the same each time.
      const std::uint64_t mixed = ++made_ * 0x9e3779b97f4a7c15u;
      at->priority = (mixed ^ mixed >> 29) * 0x94d049bb133111ebu;
    } else if (is_before(range, at->range)) {
      insert(at->left, range, item);
      if (at->left->priority > at->priority) rotate(at, &Node::left, &Node::right);
    } else if (is_before(at->range, range)) {
      insert(at->right, range, item);
      if (at->right->priority > at->priority) rotate(at, &Node::right, &Node::left);
    } else {
      at->items.push_back(item);
      return;
    }
    update(*at);
  }

  void erase(Link& at, const KeyRange& range, Item item) {
    if (!at) return;
    if (is_before(range, at->range)) {
      erase(at->left, range, item);
    } else if (is_before(at->range, range)) {
      erase(at->right, range, item);
    } else {
      std::erase(at->items, item);
      if (at->items.empty()) return remove(at);
    }
    update(*at);
  }

  void remove(Link& at) {
    if (!at->left || !at->right) {
      Link child = std::move(at->left ? at->left : at->right);
      at = std::move(child);
      return;
    }
    if (at->left->priority > at->right->priority) {
      rotate(at, &Node::left, &Node::right);
      remove(at->right);
    } else {
      rotate(at, &Node::right, &Node::left);
      remove(at->left);
    }
    update(*at);
  }

  template <class Visit>
  static void stab(const Node* node, ByteView key, Visit& visit) {
    for (; node && (node->farthest->is_endless || key < node->farthest->end);
         node = node->right.get()) {
      stab(node->left.get(), key, visit);
      if (key < node->range.begin) return;
      if (node->range.contains(key)) {
        for (const Item& item : node->items) visit(item);
      }
    }
  }

  Link root_;
  std::uint64_t made_ = 0;
};

}  // namespace cluster::registry
