// What the keys' state must be, computed without a thought for speed: every state that there ever
// was is kept whole. Only what succeeds is modelled; what is refused must leave it as it is.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "registry/keys_command.hpp"

namespace cluster::test {

class KeysModel {
 public:
  using Keys = std::map<std::string, KeyValue>;
  using Spaces = std::map<std::string, Keys>;
  struct Event {
    std::string space;
    KeyEvent event;
  };
  struct Lease {
    Duration ttl{};
    std::uint64_t renewals = 0;
  };

  const Spaces& newest() const { return states_.back(); }
  const Spaces& at(Revision revision) const { return states_.at(revision.value()); }
  Revision revision() const { return Revision(states_.size() - 1); }
  const std::vector<Event>& events(Revision revision) const { return events_.at(revision.value()); }
  const std::map<LeaseId, Lease>& leases() const { return leases_; }

  // What a command that is not refused does. No session: that is the caller's.
  registry::KeyAnswer apply(const registry::KeyCommand& command) {
    now_ = states_.back();
    changes_.clear();
    registry::KeyAnswer answer;
    std::visit([&](const auto& body) { on(command.space, body, answer); }, command.body);
    if (!changes_.empty()) {
      states_.push_back(now_);
      events_.push_back(changes_);
    }
    answer.revision = revision();
    return answer;
  }

  static bool holds(const Keys& keys, const Compare& compare) {
    auto found = keys.find(compare.key);
    const KeyValue* one = found == keys.end() ? nullptr : &found->second;
    int order = 0;
    if (compare.target == Compare::Target::value) {
      if (!one) return false;
      order = std::string(one->value.view()).compare(std::string(compare.value.view()));
    } else {
      std::uint64_t number = 0;
      if (one && compare.target == Compare::Target::version) number = one->version;
      if (one && compare.target == Compare::Target::created) number = one->created.value();
      if (one && compare.target == Compare::Target::modified) number = one->modified.value();
      if (one && compare.target == Compare::Target::lease) number = one->lease.value();
      if (one && compare.target == Compare::Target::exists) number = 1;
      order = number < compare.number ? -1 : number > compare.number ? 1 : 0;
    }
    switch (compare.is) {
      case Compare::Is::equal: return order == 0;
      case Compare::Is::not_equal: return order != 0;
      case Compare::Is::less: return order < 0;
      case Compare::Is::greater: return order > 0;
    }
    return false;
  }

  static RangeResult range(const Keys& keys, const ReadKeys& read, Revision revision) {
    RangeResult result{.revision = revision};
    std::size_t bytes = 0;
    for (const auto& [key, one] : keys) {
      if (!read.range.contains(key)) continue;
      ++result.count;
      if (read.options.count_only || result.has_more) continue;
      KeyValue shown = one;
      if (read.options.keys_only) shown.value = {};
      bytes += key.size() + shown.value.size();
      if ((read.options.limit != 0 && result.keys.size() == read.options.limit) ||
          (!result.keys.empty() && bytes > read.options.bytes_max)) {
        result.has_more = true;
      } else {
        result.keys.push_back(std::move(shown));
      }
    }
    return result;
  }

 private:
  Revision next() const { return Revision(states_.size()); }

  void change(const std::string& space, KeyEvent::Kind kind, KeyValue now,
              std::optional<KeyValue> before) {
    changes_.push_back({space, {kind, std::move(now), std::move(before)}});
  }

  OperationResult carry_out(const std::string& space, const PutKey& put) {
    PutResult result;
    Keys& keys = now_[space];
    auto found = keys.find(put.key);
    std::optional<KeyValue> before;
    if (found != keys.end()) before = found->second;
    KeyValue now{.key = put.key,
                 .value = put.value,
                 .created = before ? before->created : next(),
                 .modified = next(),
                 .version = before ? before->version + 1 : 1,
                 .lease = put.keeps_lease && before ? before->lease : put.lease};
    keys[put.key] = now;
    change(space, KeyEvent::Kind::put, now, before);
    if (put.wants_previous) result.previous = before;
    return result;
  }

  OperationResult carry_out(const std::string& space, const DeleteKeys& deletion) {
    DeleteResult result;
    Keys& keys = now_[space];
    for (auto at = keys.begin(); at != keys.end();) {
      if (!deletion.range.contains(at->first)) {
        ++at;
        continue;
      }
      ++result.deleted;
      if (deletion.wants_previous) result.previous.push_back(at->second);
      change(space, KeyEvent::Kind::deleted,
             {.key = at->first, .created = at->second.created, .modified = next()}, at->second);
      at = keys.erase(at);
    }
    return result;
  }

  OperationResult carry_out(const std::string& space, const ReadKeys& read) {
    const bool is_old = static_cast<bool>(read.options.at);
    const Keys& keys = is_old ? states_.at(read.options.at.value())[space] : now_[space];
    return range(keys, read, is_old ? read.options.at : changes_.empty() ? revision() : next());
  }

  void on(const std::string& space, const PutKey& put, registry::KeyAnswer& answer) {
    auto result = carry_out(space, put);
    if (put.wants_previous) answer.results.push_back(std::move(result));
  }
  void on(const std::string& space, const DeleteKeys& deletion, registry::KeyAnswer& answer) {
    answer.results.push_back(carry_out(space, deletion));
  }
  void on(const std::string& space, const Transaction& transaction, registry::KeyAnswer& answer) {
    const Keys before = now_[space];
    answer.succeeded = std::all_of(transaction.when.begin(), transaction.when.end(),
                                   [&](const Compare& compare) { return holds(before, compare); });
    for (const auto& operation : answer.succeeded ? transaction.then : transaction.otherwise) {
      answer.results.push_back(
          std::visit([&](const auto& one) { return carry_out(space, one); }, operation));
    }
  }
  void on(const std::string&, const registry::GrantLease& body, registry::KeyAnswer&) {
    auto [found, is_new] = leases_.try_emplace(body.lease, Lease{.ttl = body.ttl});
    if (!is_new) ++found->second.renewals;
  }
  void on(const std::string&, const registry::KeepAlive& body, registry::KeyAnswer& answer) {
    for (LeaseId lease : body.leases) {
      auto found = leases_.find(lease);
      if (found == leases_.end()) {
        answer.ended.push_back(lease);
      } else {
        ++found->second.renewals;
      }
    }
  }
  void end(LeaseId lease) {
    leases_.erase(lease);
    for (auto& [space, keys] : now_) {
      for (auto at = keys.begin(); at != keys.end();) {
        if (at->second.lease != lease) {
          ++at;
          continue;
        }
        change(space, KeyEvent::Kind::deleted,
               {.key = at->first, .created = at->second.created, .modified = next()}, at->second);
        at = keys.erase(at);
      }
    }
  }
  void on(const std::string&, const registry::RevokeLease& body, registry::KeyAnswer&) {
    end(body.lease);
  }
  void on(const std::string&, const registry::ExpireLease& body, registry::KeyAnswer&) {
    end(body.lease);
  }
  // How much is kept is the state's to say.
  void on(const std::string&, const registry::Compact&, registry::KeyAnswer&) {}
  void on(const std::string&, const registry::SetHistoryPolicy&, registry::KeyAnswer&) {}
  void on(const std::string&, const registry::SetNamespace&, registry::KeyAnswer&) {}
  // Whoever makes it again does not see what it held.
  void on(const std::string&, const registry::RemoveNamespace& body, registry::KeyAnswer&) {
    for (Spaces& state : states_) state.erase(body.name);
  }

  std::vector<Spaces> states_{Spaces{}};
  std::vector<std::vector<Event>> events_{{}};
  std::map<LeaseId, Lease> leases_;
  Spaces now_;
  std::vector<Event> changes_;
};

}  // namespace cluster::test
