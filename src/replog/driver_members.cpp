// The driver's part in changes of the members and of the leader.
#include <algorithm>

#include "replog/driver.hpp"

namespace cluster::replog {

std::optional<Error> Driver::refusal_of_calls() const {
  if (has_failed()) return snapshot_.failure;
  if (core_.is_removed()) return core_.removal();
  return std::nullopt;
}

std::optional<Error> Driver::refusal_to_read() const {
  if (has_failed()) return snapshot_.failure;
  if (!core_.acceptor().is_witness()) return std::nullopt;
  return Error{Errc::unsupported, "a witness keeps no entries; read at another member"};
}

std::optional<Error> Driver::refusal_to_lead() const {
  if (auto refusal = refusal_of_calls()) return refusal;
  const Member* self = core_.configuration().find(options_.self);
  if (self == nullptr || self->role == MemberRole::voter) return std::nullopt;
  return Error{Errc::unsupported,
               "a " + std::string(to_string(self->role)) + " does not lead; promote it first"};
}

void Driver::act_one(MembersChanged&& changed) {
  ports_->set_members(peers_of(changed.configuration));
  if (applier_) applier_->know_members(changed.configuration);
  stop_applier_of_witness();
  if (!core_.is_removed()) return;
  Error removal = core_.removal();
  for (OpenCatchUp& open : catch_ups_) {
    core_.forget_catch_up(open.tag);
    open.promise.complete(removal);
  }
  catch_ups_.clear();
  for (OpenWriter& open : writers_) open.promise.complete(removal);
  writers_.clear();
  campaign_ = Campaign::none;
}

void Driver::await_change(std::vector<MemberEdit> edits, const CallTerms& terms,
                          std::function<void(Result<void>)> done) {
  Promise<Commanded> commanded;
  commanded.op().then(
      lifeline_.guard([this, terms, done = std::move(done)](Result<Commanded> answer) mutable {
        if (!answer) return done(std::move(answer).error());
        auto give_up = [this](std::uint64_t call, Errc why) { give_up_change(call, why); };
        changes_.push_back(
            OpenChange{answer->position, std::move(done), calls_.open(terms, std::move(give_up))});
        end_changes();
      }));
  command(ChangeMembers{std::move(edits)}, std::move(commanded), terms);
}

void Driver::end_changes() {
  for (std::size_t i = 0; i < changes_.size();) {
    if (changes_[i].position >= core_.chosen_end()) {
      ++i;
      continue;
    }
    auto done = std::move(changes_[i].done);
    changes_.erase(changes_.begin() + static_cast<std::ptrdiff_t>(i));
    done({});
  }
}

void Driver::change_members(std::vector<MemberEdit> edits, Promise<Members> promise,
                            const CallOptions& options) {
  if (auto refusal = refusal_of_calls()) return promise.complete(*std::move(refusal));
  auto shared = std::make_shared<Promise<Members>>(std::move(promise));
  await_change(std::move(edits), terms_of(options), [this, shared](Result<void> done) {
    if (!done) return shared->complete(std::move(done).error());
    shared->complete(members());
  });
}

void Driver::add_member(AddMember newcomer, Promise<JoinToken> promise,
                        const CallOptions& options) {
  if (auto refusal = refusal_of_calls()) return promise.complete(*std::move(refusal));
  auto shared = std::make_shared<Promise<JoinToken>>(std::move(promise));
  Endpoint endpoint = newcomer.endpoint;
  auto answer = [this, shared, endpoint](Result<void> done) {
    if (!done) return shared->complete(std::move(done).error());
    JoinToken token{.cluster = store_->identity().cluster, .id = {}, .secret = 0, .members = {}};
    for (const Member& member : core_.configuration().all()) {
      if (member.endpoint == endpoint) {
        token.id = member.id;
        token.secret = member.join_secret;
      } else if (member.incarnation != 0) {
        token.members.push_back(member.endpoint);
      }
    }
    if (token.secret != 0) return shared->complete(std::move(token));
    shared->complete(
        Error{Errc::closed, "the newcomer was changed again meanwhile", Outcome::maybe});
  };
  await_change({std::move(newcomer)}, terms_of(options), std::move(answer));
}

void Driver::transfer_leadership(NodeId to, Promise<Leadership> promise,
                                 const CallOptions& options) {
  if (auto refusal = refusal_of_calls()) return promise.complete(*std::move(refusal));
  if (snapshot_.leadership.leader == to) return promise.complete(snapshot_.leadership);
  if (options.cancel.stop_requested()) {
    return promise.complete(given_up(Errc::cancelled, Outcome::not_applied));
  }
  std::uint64_t tag = next_command_;
  auto give_up = [this](std::uint64_t call, Errc why) { give_up_transfer(call, why); };
  transfers_.push_back(OpenTransfer{to, tag, std::move(promise),
                                    calls_.open(terms_of(options), std::move(give_up))});
  Promise<Commanded> commanded;
  commanded.op().then(lifeline_.guard([this, tag](Result<Commanded> answer) {
    // Where it may have been carried out, the leadership itself will tell.
    if (answer || answer.error().outcome == Outcome::maybe) return;
    for (std::size_t i = 0; i < transfers_.size(); ++i) {
      if (transfers_[i].command != tag) continue;
      Promise<Leadership> refused = std::move(transfers_[i].promise);
      transfers_.erase(transfers_.begin() + static_cast<std::ptrdiff_t>(i));
      return refused.complete(answer.error());
    }
  }));
  command(TransferLeadership{to}, std::move(commanded), CallTerms{});
}

void Driver::end_transfers() {
  for (std::size_t i = 0; i < transfers_.size();) {
    if (transfers_[i].to != snapshot_.leadership.leader) {
      ++i;
      continue;
    }
    Promise<Leadership> done = std::move(transfers_[i].promise);
    transfers_.erase(transfers_.begin() + static_cast<std::ptrdiff_t>(i));
    done.complete(snapshot_.leadership);
  }
}

void Driver::fail_members(const Error& why) {
  for (OpenChange& open : std::exchange(changes_, {})) open.done(why);
  for (OpenTransfer& open : std::exchange(transfers_, {})) open.promise.complete(why);
}

}  // namespace cluster::replog
