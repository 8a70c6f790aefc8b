#include "registry/key_tree.hpp"

#include <map>

#include "base/random.hpp"
#include "tests/catch.hpp"

using namespace cluster;
using registry::KeyRecord;
using registry::KeyTree;
using registry::RecordRef;

namespace {

using Model = std::map<std::string, std::string>;

void put(KeyTree& tree, const std::string& key, const std::string& value) {
  tree.update(key, [&](RecordRef*) { return KeyRecord::make({.version = 1}, key, value); });
}

// Keys that share beginnings, are beginnings of each other, and hold zeros.
std::string random_key(Random& random, int kind) {
  if (kind == 0) return "services/of/the/whole/cluster/" + std::to_string(random.below(900));
  std::string key;
  for (auto size = 1 + random.below(6); size > 0; --size) {
    key += static_cast<char>(kind == 1 ? random.below(3) : 254 + random.below(2));
  }
  return key;
}

std::string random_key(Random& random) {
  return random_key(random, static_cast<int>(random.below(3)));
}

Model contents(const KeyTree& tree) {
  Model all;
  for (auto at = tree.begin(); !at.at_end(); at.next()) {
    all.emplace((*at)->key(), (*at)->value());
  }
  return all;
}

void check_queries(const KeyTree& tree, const Model& model, Random& random) {
  for (int i = 0; i < 20; ++i) {
    std::string key = random_key(random);
    auto expected = model.lower_bound(key);
    auto found = tree.lower_bound(key);
    REQUIRE(found.at_end() == (expected == model.end()));
    if (!found.at_end()) REQUIRE((*found)->key() == expected->first);
    REQUIRE(tree.count_before(key) ==
            static_cast<std::size_t>(std::distance(model.begin(), expected)));
    REQUIRE((tree.find(key) != nullptr) == model.contains(key));
  }
}

}  // namespace

TEST_CASE("a key tree holds what an ordered map holds, whatever is put and erased",
          "[registry][keys][property]") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    KeyTree tree;
    Model model;
    for (int phase = 0; phase < 6; ++phase) {
      const std::uint64_t puts = phase % 2 == 0 ? 8 : 2;  // Of ten: it grows, then shrinks.
      for (int step = 0; step < 1500; ++step) {
        std::string key = random_key(random);
        if (random.chance(puts, 10)) {
          put(tree, key, std::to_string(step));
          model[key] = std::to_string(step);
        } else {
          auto old = tree.erase(key);
          REQUIRE(static_cast<bool>(old) == (model.erase(key) == 1));
        }
      }
      tree.check();
      REQUIRE(tree.size() == model.size());
      REQUIRE(contents(tree) == model);
      check_queries(tree, model, random);
    }
    while (!model.empty()) {
      REQUIRE(tree.erase(model.begin()->first));
      model.erase(model.begin());
    }
    tree.check();
    REQUIRE(tree.empty());
  }
}

TEST_CASE("a copy of a key tree stays as it was while the tree goes on", "[registry][keys]") {
  Random random(7);
  KeyTree tree;
  std::vector<std::pair<KeyTree, Model>> copies;
  for (int step = 0; step < 6000; ++step) {
    std::string key = random_key(random);
    if (random.chance(6, 10)) {
      put(tree, key, std::to_string(step));
    } else {
      tree.erase(key);
    }
    if (step % 500 == 0) copies.emplace_back(tree, contents(tree));
  }
  tree.check();
  for (const auto& [copy, model] : copies) {
    copy.check();
    CHECK(contents(copy) == model);
  }
}

TEST_CASE("keys that come in order fill their leaves", "[registry][keys]") {
  KeyTree tree;
  for (int i = 0; i < 20'000; ++i) {
    std::string key = "tasks/" + std::to_string(1'000'000 + i);
    put(tree, key, "");
  }
  tree.check();
  CHECK(tree.size() == 20'000);
  CHECK(tree.count(KeyRange::prefix("tasks/10000")) == 100);
  CHECK(tree.count(KeyRange::between("tasks/1000100", "tasks/1000200")) == 100);
  CHECK(tree.count(KeyRange::key("tasks/1000100")) == 1);
  CHECK(tree.count(KeyRange::from("tasks/1019990")) == 10);
}
