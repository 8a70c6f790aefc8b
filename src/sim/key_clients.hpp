// Users of a simulated registry: registers, a set, a bank, a queue, locks with fencing, sessions
// and watches, all on the same members at once.
//
// Answers are held against what the entries come to (`KeyTruth`), and those of the registers also
// against the checker that knows nothing of revisions.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/key_hosts.hpp"
#include "sim/models.hpp"
#include "sim/workload.hpp"

namespace cluster::sim {

struct KeyPlan {
  std::size_t users = 5;
  std::size_t watchers = 3;
  std::size_t holders = 3;
  std::size_t keys = 3;
  Duration think_max = std::chrono::milliseconds(40);
  bool has_pauses = false;  // Holders may act late: then only the fencing token protects.
};

class KeyClients final : public Workload {
 public:
  KeyClients(LogCluster&, KeyHosts&, const KeyPlan&);
  ~KeyClients() override;

  void stop() override;
  bool is_settled() override;
  std::string check() override;
  std::size_t operations() const override { return operations_; }

 private:
  using Kind = RegisterModel::Call::Kind;
  template <class T>
  using Then = std::function<void(std::optional<Result<T>>)>;
  struct Watcher {
    std::optional<Registry::Watch> watch;
    std::uint64_t incarnation = 0;
    std::size_t member = 0;
    std::string prefix;  // Of what it watches.
    Revision first;      // Whose changes it was to be told; none until it began.
    Revision upto;
    std::vector<std::pair<Revision, Revision>> gaps;  // Told to be forgotten: [from, to).
    std::vector<KeyTruth::Change> told;
  };
  struct SessionUser {
    std::shared_ptr<Registry::Session> session;
    std::size_t member = 0;
    std::uint64_t incarnation = 0;
    std::string key;
  };
  struct Holder : SessionUser {
    bool believes = false;
    Time believes_from{};
    Revision token;
    std::uint64_t turn = 0;  // What is on its way from an earlier one is not heard.
  };

  LogMember& member(std::size_t i) { return cluster_.member(i); }
  bool is_same(const SessionUser& user) {
    return !member(user.member).is_down && member(user.member).incarnation == user.incarnation;
  }
  // Asks the member's process; `then` hears the answer, or nothing when there is none in time.
  template <class T, class Call>
  void ask(std::size_t member, Call call, Then<T> then);
  void soon(std::function<void()> what);
  KeyCallOptions patience();
  std::string new_value() { return "#" + std::to_string(++values_); }
  void violated(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }
  void saw(Revision at) { floor_ = std::max(floor_, at); }
  void note_read(const RangeResult&, Revision floor, const std::string& prefix, std::string what);
  void note_write(const TransactionResult&, Revision floor,
                  std::vector<std::pair<std::string, std::string>> keys, std::string what);
  void note_failure(const Error&, const std::string& value);

  void use(std::size_t user);
  void use_register(std::size_t user);
  void end_register(std::size_t operation, std::optional<RegisterModel::Answer> answer);
  void add_to_set(std::size_t user);
  void read_prefix(std::size_t user);
  void transfer(std::size_t user);
  void take_from_queue(std::size_t user);
  void compact(std::size_t user);
  void begin_session(std::size_t user, SessionUser&, std::function<void()> then);
  void put_in_session(std::size_t user);
  void hold(std::size_t holder);
  void acquire(std::size_t holder);
  void on_acquired(std::size_t holder, Revision token);
  void on_expiry(LeaseId);
  void use_lock(std::size_t holder, std::uint64_t turn, Time until);
  void release(std::size_t holder);
  void start_watch(std::size_t watcher);
  void watch_soon(std::function<void()> what);
  void go_on_watching(std::size_t watcher);
  void on_batch(std::size_t watcher, const std::optional<Result<WatchBatch>>&);
  std::string check_registers();
  std::string check_watchers();

  LogCluster& cluster_;
  KeyHosts& hosts_;
  KeyPlan plan_;
  Random random_;
  bool is_stopped_ = false;
  std::size_t operations_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t points_ = 0;
  Revision floor_;  // The newest that was answered to anybody.
  std::string violation_;
  std::vector<Operation<RegisterModel>> registers_;
  std::vector<std::string> never_;  // Values whose writing was refused.
  std::vector<std::string> acknowledged_;
  std::vector<SessionUser> sessions_;
  std::vector<Holder> holders_;
  std::vector<Watcher> watchers_;
  Revision token_max_;  // That the resource behind the lock has seen.
  std::uint64_t session_names_ = 0;
};

}  // namespace cluster::sim
