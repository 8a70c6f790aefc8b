// Runs every script under this folder: a command, "----", and what happened, blocks apart by an
// empty line; lines that begin with '#' before the first block say what the script is about.
//
// CLUSTER_REWRITE_SCRIPTS=1 writes what happened into the files instead of comparing: the diff is
// then the review.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.hpp"
#include "tests/script/dialogue.hpp"

namespace {

struct ScriptBlock {
  std::string commands;  // Comments too, as they stand.
  std::string happened;
};

std::vector<ScriptBlock> read_script(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<ScriptBlock> blocks;
  bool is_output = false;
  bool is_fresh = true;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) {
      is_fresh = true;
      is_output = false;
      continue;
    }
    if (is_fresh) blocks.emplace_back();
    is_fresh = false;
    if (line == "----") {
      is_output = true;
    } else {
      (is_output ? blocks.back().happened : blocks.back().commands) += line + '\n';
    }
  }
  return blocks;
}

std::string run_block(cluster::replog::test::Dialogue& dialogue, const ScriptBlock& block) {
  std::string happened;
  std::istringstream lines(block.commands);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) happened += dialogue.run(line);
  }
  return happened.empty() ? "(nothing)\n" : happened;
}

std::vector<std::filesystem::path> scripts() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(CLUSTER_SCRIPTS)) {
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt") {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

TEST_CASE("every script's dialogue goes as it is written down", "[script]") {
  const char* rewrite = std::getenv("CLUSTER_REWRITE_SCRIPTS");
  const bool is_rewriting = rewrite != nullptr && std::string(rewrite) == "1";
  REQUIRE(scripts().size() >= 10);
  for (const auto& path : scripts()) {
    DYNAMIC_SECTION(path.filename().string()) {
      cluster::replog::test::Dialogue dialogue;
      std::string rewritten;
      for (const ScriptBlock& block : read_script(path)) {
        std::string happened = run_block(dialogue, block);
        if (!is_rewriting) {
          INFO(block.commands);
          CHECK(happened == block.happened);
        }
        if (!rewritten.empty()) rewritten += '\n';
        rewritten += block.commands + "----\n" + happened;
      }
      if (is_rewriting) std::ofstream(path) << rewritten;
    }
  }
}
