// A state machine of one's own under simulated faults: a bank, whose customers try again when they
// get no answer. With --buggy a deposit that was tried twice may count twice; some seed shows it.
// Run:  simulated_bank [--buggy] [--seed N] [--seeds COUNT]
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "cluster/testing.hpp"

using namespace std::chrono_literals;
using namespace cluster;

namespace {

bool is_buggy = false;

// What would run in production, and knows nothing of the simulation.
class Bank final : public StateMachine {
 public:
  void open(Runtime& runtime, LogOptions options) {
    log_.emplace(Log::open(runtime, std::move(options)).value());
  }

  Op<Position> deposit(const std::string& customer, std::uint64_t number) {
    return log_->append(Bytes(customer + " " + std::to_string(number)));
  }
  std::uint64_t balance(const std::string& customer) { return accounts_[customer].balance; }

  void apply(const std::vector<Entry>& entries) override {
    for (const Entry& entry : entries) {
      std::istringstream words{std::string(entry.data.view())};
      std::string customer;
      std::uint64_t number = 0;
      words >> customer >> number;
      Account& account = accounts_[customer];
      bool is_repeated = number <= account.last;
      if (is_repeated && !is_buggy) continue;
      account.last = number;
      account.balance += 1;
    }
  }
  Result<SnapshotJob> begin_snapshot() override {
    std::string text;
    for (const auto& [customer, account] : accounts_) {
      text += customer + " " + std::to_string(account.balance) + " " +
              std::to_string(account.last) + "\n";
    }
    return SnapshotJob([text](SnapshotWriter& to) { return to.write(text); });
  }
  Result<void> restore(SnapshotReader& from) override {
    std::string text;
    for (;;) {
      auto more = from.read(4096);
      if (!more) return std::move(more).error();
      if (more->empty()) break;
      text += more->view();
    }
    accounts_.clear();
    std::istringstream words(text);
    std::string customer;
    while (words >> customer) words >> accounts_[customer].balance >> accounts_[customer].last;
    return {};
  }

 private:
  struct Account {
    std::uint64_t balance = 0;
    std::uint64_t last = 0;  // The number of its last deposit.
  };
  std::map<std::string, Account> accounts_;
  std::optional<Log> log_;
};

// Deposits one coin after another, each at any node, and again until it is told that it is done.
struct Customer {
  std::string name;
  std::uint64_t deposits = 0;
  std::optional<Op<Position>> open;

  void look(testing::Cluster& sim, bool may_begin) {
    if (open && !open->is_done()) return;
    bool is_retry = open.has_value();
    if (open && open->get()) {
      deposits += 1;
      is_retry = false;
    }
    open.reset();
    if (!is_retry && !may_begin) return;
    // Whoever got no answer must try again: until then nobody knows what it has.
    Bank* bank = nullptr;
    for (std::size_t i = 0; bank == nullptr; ++i) {
      if (i == 100) return retry_later();
      bank = sim.running<Bank>(sim.below(sim.size()));
    }
    open = bank->deposit(name, deposits + 1);
  }
  void retry_later() { open = Op<Position>::ready(Error{Errc::unreachable, "no bank is open"}); }
};

void run(testing::Cluster& sim) {
  sim.start_all([](testing::Node& node) {
    auto bank = std::make_unique<Bank>();
    LogOptions options = node.log_options();
    options.request_timeout = 1s;
    options.state_machine = &node.checked(*bank);  // All nodes must come to the same accounts.
    bank->open(node.runtime(), options);
    return bank;
  });

  std::vector<Customer> customers(3);
  for (std::size_t i = 0; i < 3; ++i) customers[i].name = "customer" + std::to_string(i);
  while (sim.now() < Time(10s) && sim.run_for(5ms)) {
    for (Customer& customer : customers) customer.look(sim, true);
  }

  sim.end_faults();
  auto is_settled = [&] {
    for (Customer& customer : customers) {
      customer.look(sim, false);
      if (customer.open) return false;
      for (std::size_t i = 0; i < sim.size(); ++i) {
        Bank* bank = sim.running<Bank>(i);
        if (bank == nullptr || bank->balance(customer.name) < customer.deposits) return false;
      }
    }
    return true;
  };
  sim.check(sim.run_until(is_settled), "the bank does not come to serve all its customers");
  for (Customer& customer : customers) {
    std::uint64_t balance = sim.running<Bank>(0)->balance(customer.name);
    sim.check(balance == customer.deposits, customer.name + " made " +
                                                std::to_string(customer.deposits) +
                                                " deposits and has " + std::to_string(balance));
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t count = 300;
  for (int i = 1; i < argc; ++i) {
    bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--buggy") == 0) is_buggy = true;
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
