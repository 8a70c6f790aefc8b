// What a commit of the journal costs beside the raw write and sync under it, in the same run.
//
//   journal_bench [DIR] [COMMITS]
//
// One JSON line per figure; rounds of each kind take turns, so that a busy machine hits all alike.
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "replog/stores.hpp"

namespace {

using namespace cluster;
using Clock = std::chrono::steady_clock;

constexpr std::size_t file_bytes = 64 << 20;
constexpr int rounds = 20;

struct Figure {
  std::string what;
  std::size_t bytes;
  std::function<void()> once;
  std::vector<double> micros;
};

void must(bool is_done, const char* what) {
  if (is_done) return;
  std::perror(what);
  std::exit(1);
}

struct RawFile {
  RawFile(const std::string& path, int flags)
      : file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600)) {
    must(file >= 0, "open");
    buffer = static_cast<char*>(std::aligned_alloc(4096, 1 << 20));
    std::memset(buffer, 0, 1 << 20);
    for (std::size_t done = 0; done < file_bytes; done += 1 << 20) {
      must(::pwrite(file, buffer, 1 << 20, static_cast<off_t>(done)) > 0, "pwrite");
    }
    must(::fsync(file) == 0, "fsync");
    std::memset(buffer, 'x', 1 << 20);
  }
  off_t next(std::size_t bytes) {
    at = (at + bytes) % (file_bytes - (1 << 20)) / 4096 * 4096;
    return static_cast<off_t>(at);
  }
  int file;
  char* buffer = nullptr;
  std::size_t at = 0;
};

}  // namespace

int main(int argc, char** argv) {
  std::string folder = argc > 1 ? argv[1] : "/tmp/journal_bench." + std::to_string(::getpid());
  int commits = argc > 2 ? std::atoi(argv[2]) : 4000;
  std::filesystem::create_directories(folder);
  RawFile direct(folder + "/direct", O_DIRECT);
  RawFile buffered(folder + "/buffered", 0);
  replog::Identity identity{ClusterUid(1), NodeId(1), 1};
  auto store =
      replog::open_store(folder + "/log", identity, StoreKind::journal, std::uint64_t{2} << 30);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message().c_str());
    return 1;
  }
  std::uint64_t position = 1;
  std::vector<Figure> figures;
  for (std::size_t entries : {1, 24, 384}) {
    std::vector<replog::Change> changes;
    Bytes data(std::string(128, 'x'));
    std::size_t bytes = (512 + entries * (40 + 128) + 4095) / 4096 * 4096;
    figures.push_back({"direct write and sync",
                       bytes,
                       [&direct, bytes] {
                         iovec piece{direct.buffer, bytes};
                         must(::pwritev2(direct.file, &piece, 1, direct.next(bytes), RWF_DSYNC) > 0,
                              "pwritev2");
                       },
                       {}});
    figures.push_back(
        {"write, fdatasync",
         bytes,
         [&buffered, bytes] {
           must(::pwrite(buffered.file, buffered.buffer, bytes, buffered.next(bytes)) > 0,
                "pwrite");
           must(::fdatasync(buffered.file) == 0, "fdatasync");
         },
         {}});
    figures.push_back(
        {"commit of " + std::to_string(entries) + " x 128 B",
         bytes,
         [&store, &position, entries, data] {
           std::vector<replog::Change> group;
           for (std::size_t i = 0; i < entries; ++i) {
             group.push_back(replog::PutEntry{
                 {Position(position++), {1, NodeId(1)}, {replog::Kind::data, data, 1}}});
           }
           if (position % 512 < entries) {
             group.push_back(replog::SetBase{Position(position / 2), 1});
           }
           auto done = (*store)->commit(group);
           if (!done) std::fprintf(stderr, "%s\n", done.error().message().c_str());
           must(done.has_value(), "commit");
         },
         {}});
  }
  for (int round = 0; round < rounds; ++round) {
    for (Figure& figure : figures) {
      for (int i = 0; i < commits / rounds; ++i) {
        auto begin = Clock::now();
        figure.once();
        figure.micros.push_back(
            std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
      }
    }
  }
  for (Figure& figure : figures) {
    std::sort(figure.micros.begin(), figure.micros.end());
    auto at = [&](double q) {
      return figure
          .micros[static_cast<std::size_t>(q * static_cast<double>(figure.micros.size() - 1))];
    };
    std::printf(
        "{\"bench\":\"journal\",\"what\":\"%s\",\"bytes\":%zu,\"p10_us\":%.0f,\"p50_us\":%.0f,"
        "\"p90_us\":%.0f,\"p99_us\":%.0f}\n",
        figure.what.c_str(), figure.bytes, at(0.1), at(0.5), at(0.9), at(0.99));
  }
  store = Error{};
  std::filesystem::remove_all(folder);
  return 0;
}
