// Runs a fuzz target where there is no libFuzzer: over the files and folders named, or over seeded
// random inputs.
//
//   frame_fuzz crash-1a2b corpus/            each file once
//   frame_fuzz --seed 7 --runs 100000        inputs made from the seed; the same ones each time
//   frame_fuzz --write FOLDER                writes what the target offers as a start
//
// Inputs are made the way libFuzzer makes them, without its feedback: random bytes at first, then
// changes of earlier inputs (and of what the target itself offers as a start, see fuzz_corpus).
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Well-formed inputs that a target may offer, so that changes of them reach past the first check.
std::vector<std::string> fuzz_corpus() __attribute__((weak));

namespace {

constexpr std::size_t input_size_max = 4096;
constexpr std::size_t corpus_size_max = 64;

// For the last words, when the target dies of a signal.
std::uint64_t replay_seed = 1;
std::uint64_t replay_run = 0;

void say_where(int signal_number) {
  char text[128];
  int size = std::snprintf(text, sizeof text, "signal %d; replay with --seed %llu --runs %llu\n",
                           signal_number, static_cast<unsigned long long>(replay_seed),
                           static_cast<unsigned long long>(replay_run));
  [[maybe_unused]] ssize_t n = write(2, text, static_cast<std::size_t>(size));
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void run_once(const std::string& input) {
  // A copy of its exact size, so that sanitizers see one byte too many.
  std::vector<std::uint8_t> exact(input.begin(), input.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

std::string random_input(cluster::Random& random) {
  std::string input(random.below(random.chance(1, 10) ? input_size_max : 64), '\0');
  for (char& c : input) c = static_cast<char>(random.below(256));
  return input;
}

void change_once(cluster::Random& random, std::string& input, const std::string& other) {
  if (input.empty()) {
    input = other;
    return;
  }
  std::size_t at = random.below(input.size());
  switch (random.below(7)) {
    case 0: input[at] = static_cast<char>(input[at] ^ (1 << random.below(8))); break;
    case 1: input[at] = static_cast<char>(random.below(256)); break;
    case 2: input.resize(at); break;
    case 3: input.erase(at, 1 + random.below(8)); break;
    case 4: input.insert(at, random.below(9), static_cast<char>(random.below(256))); break;
    case 5: {  // Numbers at the edges are what lengths and offsets trip over.
      static constexpr std::uint64_t edges[] = {0, 1, 0x7f, 0xff, 0x7fffffff, ~0ull};
      std::uint64_t edge = edges[random.below(std::size(edges))];
      for (std::size_t i = 0; i < 8 && at + i < input.size(); ++i) {
        input[at + i] = static_cast<char>(edge >> (8 * i));
      }
      break;
    }
    default: input = input.substr(0, at) + other.substr(random.below(other.size() + 1)); break;
  }
  if (input.size() > input_size_max) input.resize(input_size_max);
}

void run_seeded(std::uint64_t seed, std::uint64_t runs) {
  cluster::Random random(seed);
  std::vector<std::string> corpus;
  if (fuzz_corpus != nullptr) corpus = fuzz_corpus();
  for (const std::string& input : corpus) run_once(input);
  const std::size_t given = corpus.size();  // Kept for ever; what grows from them is replaced.
  replay_seed = seed;
  for (replay_run = 1; replay_run <= runs; ++replay_run) {
    std::string input;
    if (corpus.empty() || random.chance(1, 10)) {
      input = random_input(random);
    } else {
      input = corpus[random.below(corpus.size())];
      const std::string& other = corpus[random.below(corpus.size())];
      for (std::uint64_t n = random.between(1, 6); n > 0; --n) change_once(random, input, other);
    }
    run_once(input);
    if (corpus.size() < given + corpus_size_max) {
      corpus.push_back(std::move(input));
    } else {
      corpus[given + random.below(corpus_size_max)] = std::move(input);
    }
  }
}

int run_files(const std::vector<std::string>& names) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  for (const std::string& name : names) {
    if (fs::is_directory(name)) {
      for (const auto& entry : fs::recursive_directory_iterator(name)) {
        if (entry.is_regular_file()) paths.push_back(entry.path());
      }
    } else {
      paths.emplace_back(name);
    }
  }
  std::sort(paths.begin(), paths.end());
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return 2;
    }
    std::fprintf(stderr, "%s\n", path.c_str());  // The last one is the one that did harm.
    run_once(std::string(std::istreambuf_iterator<char>(file), {}));
  }
  return 0;
}

int write_corpus(const std::string& folder) {
  std::filesystem::create_directories(folder);
  std::vector<std::string> corpus;
  if (fuzz_corpus != nullptr) corpus = fuzz_corpus();
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    std::ofstream file(folder + "/start-" + std::to_string(i), std::ios::binary);
    file << corpus[i];
    if (!file.flush()) return 2;
  }
  return 0;
}

bool parse_number(std::string_view text, std::uint64_t& number) {
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size();
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names;
  std::uint64_t seed = 1, runs = 100'000;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == "--write" && i + 1 < argc) return write_corpus(argv[i + 1]);
    if (argument == "--seed" || argument == "--runs") {
      std::uint64_t& number = argument == "--seed" ? seed : runs;
      if (++i == argc || !parse_number(argv[i], number)) {
        std::fprintf(stderr, "usage: %s [--seed N] [--runs N] [--write FOLDER] [FILE|FOLDER...]\n",
                     argv[0]);
        return 2;
      }
    } else {
      names.emplace_back(argument);
    }
  }
  if (!names.empty()) return run_files(names);
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(number, say_where);
  run_seeded(seed, runs);
  std::printf("%llu inputs from seed %llu, no harm\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(seed));
  return 0;
}
