// link: cluster::replog cluster::agentlib
// runs: 30000
// What stands in a replica's or an agent's directory may be anything: it is refused, or means
// something that can be said again.
//
// The first byte of an input chooses what it is: a file of a snapshot, a snapshot with a checksum
// that is right, a directory's identity, a list of members, compressed bytes, or one of the files
// between an agent and a supervisor.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "agentlib/run_files.hpp"
#include "base/check.hpp"
#include "base/compression.hpp"
#include "base/crc32c.hpp"
#include "replog/configuration.hpp"
#include "replog/directory.hpp"
#include "replog/snapshot_files.hpp"

namespace {

using namespace cluster;
namespace fs = std::filesystem;

// In memory where the machine has a file system for that.
class Folder {
 public:
  Folder() {
    const std::string parent = fs::exists("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
    std::string name = parent + "/cluster_stored_fuzz.XXXXXX";
    CLUSTER_CHECK(::mkdtemp(name.data()) != nullptr, "there is room for a folder", name);
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string put(const char* name, ByteView bytes) const {
    std::ofstream file(path_ / name, std::ios::binary | std::ios::trunc);
    file << bytes;
    return path_ / name;
  }
  std::string path() const { return path_; }

 private:
  fs::path path_;
};

const Folder& folder() {
  static const Folder one;
  return one;
}

void read_snapshot(ByteView bytes) {
  fs::create_directories(folder().path() + "/snapshots");
  folder().put("snapshots/1.snapshot", bytes);
  auto files = replog::open_snapshot_files(folder().path() + "/snapshots");
  CLUSTER_CHECK(files.has_value(), "the folder is there");
  auto found = (*files)->recover();
  CLUSTER_CHECK(found.has_value(), "what is not whole is removed");
  for (const replog::SnapshotOffered& about : *found) {
    auto all = (*files)->read(about.id, 0, about.size);
    if (all) CLUSTER_CHECK(all->size() == about.size, "what is whole can be read whole");
  }
}

// A head that the checksum calls sound, behind a payload of one byte.
void read_snapshot_head(ByteView head) {
  std::string file = "x" + std::string(head);
  std::uint32_t block = crc32c(ByteView("x"));
  struct {
    std::uint64_t payload_size = 1;
    std::uint32_t head_size = 0;
    std::uint32_t blocks = 1;
    std::uint32_t checksum = 0;
    char magic[8] = {'c', 'l', 's', 'n', 'a', 'p', '0', '1'};
  } trailer;
  trailer.head_size = static_cast<std::uint32_t>(head.size());
  ByteView blocks(reinterpret_cast<const char*>(&block), sizeof block);
  ByteView fields(reinterpret_cast<const char*>(&trailer), offsetof(decltype(trailer), checksum));
  trailer.checksum = crc32c(fields, crc32c(blocks, crc32c(head)));
  file += blocks;
  file += ByteView(reinterpret_cast<const char*>(&trailer), sizeof trailer);
  read_snapshot(file);
}

void read_configuration(ByteView bytes) {
  auto read = replog::decode_configuration(bytes, Position(7));
  if (!read) return;
  auto again = replog::decode_configuration(encode(*read).view(), Position(7));
  CLUSTER_CHECK(again && *again == *read, "a list of members can be said again");
}

void read_compressed(ByteView bytes) {
  constexpr std::size_t size_max = 1u << 16;
  if (auto whole = decompress(bytes, size_max)) {
    CLUSTER_CHECK(whole->size() <= size_max, "the limit holds");
  }
  Bytes made = compress(bytes);
  if (made.empty()) return;
  auto whole = decompress(made.view(), bytes.size());
  CLUSTER_CHECK(whole && whole->view() == bytes, "what was compressed comes back");
}

template <class Decode>
void read_run_file(ByteView bytes, Decode decode) {
  auto read = decode(bytes);
  if (!read) return;
  auto again = decode(agentlib::encode(*read));
  CLUSTER_CHECK(again && *again == *read, "a run file can be said again");
}

std::string snapshot_bytes() {
  auto files = replog::open_snapshot_files(folder().path() + "/made");
  CLUSTER_CHECK(files.has_value(), "a folder can be made");
  auto sink = (*files)->create({.end = Position(9),
                                .term = 2,
                                .configuration = replog::Configuration::of_voters({NodeId(1)}),
                                .id = 5});
  CLUSTER_CHECK(sink && (*sink)->write("state") && (*sink)->finish(), "a snapshot can be made");
  for (const auto& entry : fs::directory_iterator(folder().path() + "/made")) {
    std::ifstream file(entry.path(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  return "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0: read_snapshot(bytes); break;
    case 1: read_snapshot_head(bytes); break;
    case 2:
      folder().put("identity", bytes);
      static_cast<void>(replog::read_directory(folder().path()));
      break;
    case 3: read_configuration(bytes); break;
    case 4: read_compressed(bytes); break;
    case 5: read_run_file(bytes, agentlib::decode_order); break;
    case 6: read_run_file(bytes, agentlib::decode_mark); break;
    default: read_run_file(bytes, agentlib::decode_exit); break;
  }
  return 0;
}

std::vector<std::string> fuzz_corpus() {
  std::vector<std::string> corpus;
  auto add = [&](char kind, std::string_view bytes) {
    corpus.push_back(kind + std::string(bytes));
  };
  add(0, snapshot_bytes());
  replog::Configuration members = replog::Configuration::of_voters({NodeId(1), NodeId(2)});
  replog::SnapshotOffered about{
      .end = Position(9), .term = 2, .configuration = members, .id = 5, .size = 1};
  replog::Envelope envelope{.cluster = ClusterUid(1), .from = NodeId(1), .message = about};
  add(1, encode(envelope).view());
  add(2, std::string(72, '\1'));
  add(3, encode(members).view());
  add(4, compress(std::string(500, 'x')).view());
  add(5, agentlib::encode(agentlib::LaunchOrder{"/s", {"run", "it"}, {"A=b"}, {"/c"}, "oom"}));
  add(6, agentlib::encode(agentlib::ProcessMark{12, 34, "boot"}));
  add(7, agentlib::encode(agentlib::ExitRecord{agentlib::ExitRecord::Kind::exited, 1, true, "m"}));
  return corpus;
}
