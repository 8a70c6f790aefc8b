#include "sim/key_hosts.hpp"

namespace cluster::sim {
namespace {

// Of the registry's entries; what else is in the log is text. A number follows, since no two
// appends of a simulated log are the same, and a session's retries are.
constexpr char entry_mark = '\x02';
constexpr std::size_t head_size = 1 + 16;

using registry::RegistryAccess;

}  // namespace

// What of the log is the registry's.
class KeyHosts::Machine final : public StateMachine {
 public:
  Machine(KeyHosts& hosts, std::shared_ptr<RegistryAccess::Core> core)
      : hosts_(hosts), core_(std::move(core)) {}

  void apply(const std::vector<Entry>& batch) override {
    std::vector<Entry> ours;
    for (const Entry& entry : batch) {
      ByteView text = entry.data.view();
      if (!text.starts_with(entry_mark)) continue;
      text.remove_prefix(head_size);
      hosts_.truth_.on_entry(entry.position, text, hosts_.cluster_->world().now());
      ours.push_back({entry.position, Bytes(text)});
    }
    if (!ours.empty()) core_->apply(ours);
  }
  Result<SnapshotJob> begin_snapshot() override { return core_->begin_snapshot(); }
  Result<void> restore(SnapshotReader& reader) override { return core_->restore(reader); }

 private:
  KeyHosts& hosts_;
  std::shared_ptr<RegistryAccess::Core> core_;
};

class KeyHosts::OnDriver final : public registry::KeyLog {
 public:
  OnDriver(KeyHosts& hosts, LogMember& member) : hosts_(hosts), member_(member) {}

  Op<Position> append(Bytes entry, const CallOptions& options) override {
    auto promise = std::make_shared<Promise<Position>>(member_.host->delivery());
    auto op = promise->op();
    std::string number = std::to_string(++hosts_.entries_);
    std::string text = entry_mark + std::string(16 - number.size(), '0') + number;
    text += entry.view();
    hosts_.cluster_->append(
        member_, std::move(text), 0,
        [promise](const Result<Position>& at) { promise->complete(at); }, options);
    return op;
  }
  Op<Position> read_barrier(const CallOptions& options) override {
    Promise<Position> promise(member_.host->delivery());
    auto op = promise.op();
    member_.host->post([&member = member_, options, promise = std::move(promise)]() mutable {
      member.driver->read_barrier(std::move(promise), options);
    });
    return op;
  }

 private:
  KeyHosts& hosts_;
  LogMember& member_;
};

struct KeyHosts::Hosted {
  std::shared_ptr<RegistryAccess::Core> core;
  std::unique_ptr<Machine> machine;
  std::unique_ptr<OnDriver> log;
  std::optional<Registry> registry;
};

KeyHosts::KeyHosts() = default;
KeyHosts::~KeyHosts() = default;

StateMachine* KeyHosts::arrive(LogMember& member) {
  auto hosted = std::make_unique<Hosted>();
  RegistryOptions options;
  options.log.clock_drift_permille_max = 62;
  options.progress_interval = std::chrono::milliseconds(300);
  hosted->core = std::make_shared<RegistryAccess::Core>(*member.host, options);
  hosted->machine = std::make_unique<Machine>(*this, hosted->core);
  hosted->log = std::make_unique<OnDriver>(*this, member);
  auto& held = hosted_[&member];
  held = std::move(hosted);
  return held->machine.get();
}

void KeyHosts::started(LogMember& member) {
  Hosted& hosted = *hosted_.at(&member);
  hosted.core->start_on(*hosted.log);
  hosted.registry.emplace(RegistryAccess::make(hosted.core));
  auto weak = std::weak_ptr(hosted.core);
  member.driver->watch_leadership([weak](const Leadership& leadership) {
    if (auto core = weak.lock()) core->on_leadership(leadership);
  });
  member.driver->watch_health([weak](const Health& health) {
    if (auto core = weak.lock()) core->on_health(health);
  });
}

void KeyHosts::leave(LogMember& member) { hosted_.at(&member)->registry.reset(); }

Registry* KeyHosts::registry(const LogMember& member) {
  auto found = hosted_.find(&member);
  if (found == hosted_.end() || !found->second->registry) return nullptr;
  return &*found->second->registry;
}

std::string KeyHosts::compare() {
  for (const auto& [member, hosted] : hosted_) {
    if (!hosted->registry || hosted->core->state.applied() != truth_.state().applied()) continue;
    if (hosted->core->state.digest() != truth_.state().digest()) {
      return name_of(*member) + " has another state than the entries come to";
    }
  }
  return "";
}

}  // namespace cluster::sim
