// Code of one's own that holds a lock, under simulated faults: copies of a program write to one
// storage, which knows nothing of the cluster but the tokens that it is given. A copy that was
// paused in the middle goes on writing when another holds the lock already: the storage must refuse
// that, and with --unfenced it does not; some seed shows it.
// Run:  simulated_lock [--unfenced] [--seed N] [--seeds COUNT]
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "cluster/recipes.hpp"
#include "cluster/testing.hpp"

using namespace std::chrono_literals;
using namespace cluster;

namespace {

bool is_fenced = true;

// Outside of the cluster.
class Storage {
 public:
  explicit Storage(testing::Cluster& sim) : fencing_(sim, "the storage") {}
  bool write(std::size_t node, std::uint64_t token) {
    if (is_fenced && token < newest_) return false;
    newest_ = std::max(newest_, token);
    fencing_.accepted(node, token);
    writes_ += 1;
    return true;
  }
  std::size_t writes() const { return writes_; }

 private:
  testing::Fencing fencing_;
  std::uint64_t newest_ = 0;
  std::size_t writes_ = 0;
};

class Writer : public std::enable_shared_from_this<Writer> {
 public:
  Writer(testing::Node& node, Storage& storage)
      : node_(node),
        storage_(storage),
        registry_(Registry::open(node.runtime(), {.log = node.log_options()}).value()) {}

  void begin() {
    RecipeOptions options;
    options.ttl = 1s;
    options.patience = 5s;
    Lock::acquire(registry_, "storage", Lock::Kind::exclusive, options)
        .then([weak = weak_from_this()](Result<Lock> lock) {
          auto self = weak.lock();
          if (!self) return;
          if (!lock) return self->later(100ms, &Writer::begin);
          self->left_ = 10;
          self->lock_.emplace(*std::move(lock));
          self->lock_->lost().then([weak](const Result<LeaseLoss>&) {
            if (auto writer = weak.lock()) writer->left_ = 0;
          });
          self->write();
        });
  }

 private:
  void later(Duration wait, void (Writer::*what)()) {
    node_.after(wait, [weak = weak_from_this(), what] {
      if (auto self = weak.lock()) ((*self).*what)();
    });
  }
  void write() {
    bool may_go_on = left_ > 0 && storage_.write(node_.index(), lock_->token().value());
    if (may_go_on) {
      left_ -= 1;
      return later(30ms, &Writer::write);
    }
    lock_.reset();
    later(50ms, &Writer::begin);
  }

  testing::Node& node_;
  Storage& storage_;
  Registry registry_;
  std::optional<Lock> lock_;
  int left_ = 0;
};

void run(testing::Cluster& sim) {
  Storage storage(sim);
  sim.start_all([&storage](testing::Node& node) {
    auto writer = std::make_shared<Writer>(node, storage);
    writer->begin();
    return writer;
  });
  sim.run_for(20s);
  sim.end_faults();
  std::size_t before = storage.writes();
  bool goes_on = sim.run_until([&] { return storage.writes() > before + 20; });
  sim.check(goes_on, "nobody writes any more");
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t count = 100;
  for (int i = 1; i < argc; ++i) {
    bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--unfenced") == 0) is_fenced = false;
    if (std::strcmp(argv[i], "--seeds") == 0 && has_value) count = std::stoull(argv[i + 1]);
    if (std::strcmp(argv[i], "--seed") == 0 && has_value) {
      first = std::stoull(argv[i + 1]);
      count = 1;
    }
  }
  auto failure =
      testing::find_failure({.seed = first, .faults = testing::Faults::all()}, count, run);
  if (!failure) {
    std::printf("nothing wrong in %llu seeds\n", static_cast<unsigned long long>(count));
    return 0;
  }
  std::printf("%s\nagain: --seed %llu\n", failure->report.c_str(),
              static_cast<unsigned long long>(failure->seed));
  return 1;
}
