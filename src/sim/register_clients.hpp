// Clients of a replicated map of registers whose commands are a log's entries, and the history of
// what they saw. Writers put and swap through any member; readers stay with a member, and go on
// asking it when it is cut off or was stopped for a while: that is where a stale read would come
// from.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/log_cluster.hpp"
#include "sim/models.hpp"
#include "sim/workload.hpp"

namespace cluster::sim {

struct RegisterPlan {
  std::size_t writers = 4;
  std::size_t readers = 2;
  std::size_t keys = 3;
  Duration think_max = std::chrono::milliseconds(40);
};

class RegisterClients final : public Workload {
 public:
  RegisterClients(LogCluster& cluster, const RegisterPlan& plan);

  // Those who are waiting for an answer take it; nobody asks again.
  void stop() override { is_stopped_ = true; }
  bool is_settled() override { return true; }

  // When all is over: what is wrong with the history, as lines; empty when nothing is.
  std::string check() override;
  std::size_t operations() const override { return history_.size(); }

 private:
  using Registers = std::map<std::string, std::string>;
  struct Client {
    std::uint64_t waits_for = 0;  // The number of its question; 0: none.
    std::size_t member = 0;       // A reader's.
    std::uint64_t stays = 0;      // For so many reads.
  };
  // What a member's process has applied.
  struct Machine {
    std::uint64_t incarnation = 0;
    Position next{1};
    Registers registers;
  };

  void write_soon(std::size_t client);
  void write(std::size_t client);
  void read_soon(std::size_t client);
  void read(std::size_t client);
  // Calls `then` when the question is answered or its asker has lost patience, whichever is first.
  std::uint64_t ask(Client&, Duration patience, std::function<void()> then);
  bool apply_until(LogMember&, Position end);  // False: not all can be read now.
  std::string any_key();

  LogCluster& cluster_;
  RegisterPlan plan_;
  Random random_;
  std::vector<Client> writers_, readers_;
  std::vector<Machine> machines_;
  Registers last_read_;  // By anybody: what the next swap expects.
  std::vector<Operation<RegisterModel>> history_;
  std::uint64_t point_ = 0;
  std::uint64_t question_ = 0;
  bool is_stopped_ = false;
};

}  // namespace cluster::sim
