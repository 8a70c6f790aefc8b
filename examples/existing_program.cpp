// An existing program made highly available: a to-do list that lived in one process' memory.
//
// Everything of `TodoList` and of `answer` was there before, and is as it was. What changed:
//
//   -  std::cout << answer(list, line) << std::endl;         // main's loop
//   +  std::cout << replicated(line) << std::endl;
//
// and `Replicated` below is new: commands that change something go through the log, and come back
// in `apply` on every copy in the same order. Run three:  existing_program 1 7001 7002 7003, ...
#include <cluster/log.hpp>
#include <iostream>
#include <map>
#include <mutex>
#include <sstream>

// ---- what was there ----------------------------------------------------------------------------

struct TodoList {
  std::vector<std::string> items;
};

bool changes_something(const std::string& line) {
  return line.starts_with("add ") || line.starts_with("done ");
}

std::string answer(TodoList& list, const std::string& line) {
  if (line.starts_with("add ")) {
    list.items.push_back(line.substr(4));
    return "item " + std::to_string(list.items.size());
  }
  if (line.starts_with("done ")) {
    std::size_t number = std::strtoul(line.c_str() + 5, nullptr, 10);
    if (number == 0 || number > list.items.size()) return "there is no such item";
    list.items.erase(list.items.begin() + static_cast<std::ptrdiff_t>(number - 1));
    return "done";
  }
  if (line != "list") return "add TEXT, done NUMBER or list";
  std::string text = std::to_string(list.items.size()) + " to do";
  for (const std::string& item : list.items) text += "; " + item;
  return text;
}

// ---- what is new -------------------------------------------------------------------------------

class Replicated final : public cluster::StateMachine {
 public:
  Replicated(cluster::Runtime& runtime, cluster::LogOptions options) {
    options.state_machine = this;
    log_.emplace(cluster::Log::open(runtime, std::move(options)).value());
  }
  ~Replicated() override { log_.reset(); }  // Nothing is applied any more.

  std::string operator()(const std::string& line) {
    cluster::Position at;
    if (changes_something(line)) {
      auto appended = log_->append(cluster::Bytes(cluster::ByteView(line))).get();
      if (!appended) return appended.error().message();
      at = *appended;
    }
    if (auto read = log_->read_barrier().get(); !read) return read.error().message();
    std::lock_guard lock(mutex_);
    if (!at) return answer(list_, line);
    auto own = answers_.extract(at);
    return own ? own.mapped() : "done, long ago";
  }

 private:
  void apply(const std::vector<cluster::Entry>& entries) override {
    std::lock_guard lock(mutex_);
    for (auto& entry : entries) {
      answers_[entry.position] = answer(list_, std::string(entry.data.view()));
      if (answers_.size() > 1000) answers_.erase(answers_.begin());  // Of other copies' commands.
    }
  }
  cluster::Result<cluster::SnapshotJob> begin_snapshot() override {
    std::lock_guard lock(mutex_);
    return cluster::SnapshotJob([list = list_](cluster::SnapshotWriter& to) {
      for (const std::string& item : list.items) {
        if (auto written = to.write(item + '\n'); !written) return written;
      }
      return cluster::Result<void>{};
    });
  }
  cluster::Result<void> restore(cluster::SnapshotReader& from) override {
    std::string text;
    for (;;) {
      auto bytes = from.read(64 << 10);
      if (!bytes) return std::move(bytes).error();
      if (bytes->empty()) break;
      text += bytes->view();
    }
    std::lock_guard lock(mutex_);
    list_.items.clear();
    std::istringstream lines(text);
    for (std::string item; std::getline(lines, item);) list_.items.push_back(item);
    return {};
  }

  std::mutex mutex_;
  TodoList list_;                                     // Guarded, as the next.
  std::map<cluster::Position, std::string> answers_;  // Of the newest commands.
  std::optional<cluster::Log> log_;
};

int main(int argc, char** argv) {
  cluster::LogOptions options;
  options.directory = std::string("todo.") + argv[1];
  options.cluster = cluster::ClusterUid(44);
  options.self = cluster::NodeId(std::stoul(argv[1]));
  for (int i = 2; i < argc; ++i) {
    cluster::Endpoint endpoint{"127.0.0.1", static_cast<std::uint16_t>(std::stoul(argv[i]))};
    options.members.push_back({cluster::NodeId(options.members.size() + 1), endpoint});
  }
  cluster::Runtime runtime = cluster::Runtime::threads({.security = cluster::Insecure{}});
  Replicated replicated(runtime, options);
  for (std::string line; std::getline(std::cin, line);) std::cout << replicated(line) << std::endl;
}
