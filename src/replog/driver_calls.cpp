// The driver's part in calls that end by themselves: their time is over, or their caller gave up.
// Each leaves the queue that it stands in, and its caller hears whether it may have been carried
// out.
#include <algorithm>

#include "replog/driver.hpp"

namespace cluster::replog {
namespace {

// Takes the first that `is_it` out of a list.
template <class List, class Is>
std::optional<typename List::value_type> take_out(List& list, Is is_it) {
  auto at = std::find_if(list.begin(), list.end(), is_it);
  if (at == list.end()) return std::nullopt;
  std::optional<typename List::value_type> taken(std::move(*at));
  list.erase(at);
  return taken;
}

}  // namespace

CallTerms Driver::terms_of(const CallOptions& options) const {
  return replog::terms_of(options, host_.now(), options_.request_timeout);
}

Error Driver::given_up(Errc why, Outcome outcome) const {
  if (why == Errc::cancelled) return Error{why, "the caller cancelled it", outcome};
  if (snapshot_.leadership.leader) return Error{why, "no majority answered in time", outcome};
  return Error{Errc::no_leader, "no leader was found in time; a majority of the members must be up",
               outcome};
}

void Driver::give_up_catch_up(std::uint64_t tag, Errc why) {
  auto open = take_out(catch_ups_, [&](const auto& one) { return one.tag == tag; });
  if (!open) return;
  core_.forget_catch_up(tag);
  open->promise.complete(given_up(why, Outcome::not_applied));
}

void Driver::give_up_command(std::uint64_t tag, Errc why) {
  auto open = take_out(commands_, [&](const auto& one) { return one.tag == tag; });
  if (open) open->promise.complete(given_up(why, core_.forget_command(tag)));
}

// An election that runs goes on, for whoever is next or for nobody.
void Driver::give_up_writer(std::uint64_t call, Errc why) {
  bool is_first = !writers_.empty() && writers_.front().call.id() == call;
  auto open = take_out(writers_, [&](const auto& one) { return one.call.id() == call; });
  if (!open) return;
  bool has_begun = is_first && campaign_ == Campaign::running;
  if (has_begun) campaign_ = Campaign::none;
  open->promise.complete(given_up(why, has_begun ? Outcome::maybe : Outcome::not_applied));
  serve_writers(snapshot_.leadership);
}

void Driver::give_up_read(std::uint64_t call, Errc why) {
  auto open = take_out(reads_, [&](const auto& one) { return one.call.id() == call; });
  if (!open) return;
  if (why == Errc::cancelled) {
    return open->promise.complete(given_up(why, Outcome::not_applied));
  }
  open->promise.complete(
      Error{Errc::timed_out, "an entry from " + std::to_string(open->from.value()) +
                                 " on is damaged here, and no member gave it back in time"});
}

void Driver::give_up_at_applier(std::uint64_t call, Errc why) {
  auto withdrawn = applier_->withdraw(call);
  if (!withdrawn) return;
  Outcome outcome = withdrawn->has_begun ? Outcome::maybe : Outcome::not_applied;
  Error error = given_up(why, outcome);
  if (why != Errc::cancelled) {
    error = Error{Errc::timed_out, "the state machine did not get there in time", outcome};
  }
  withdrawn->promise.complete(std::move(error));
}

void Driver::give_up_change(std::uint64_t call, Errc why) {
  auto open = take_out(changes_, [&](const auto& one) { return one.call.id() == call; });
  if (open) open->done(given_up(why, Outcome::maybe));
}

void Driver::give_up_transfer(std::uint64_t call, Errc why) {
  auto open = take_out(transfers_, [&](const auto& one) { return one.call.id() == call; });
  if (!open) return;
  // Its command asks for nothing any more, where it still can be held back.
  auto command = take_out(commands_, [&](const auto& one) { return one.tag == open->command; });
  Outcome outcome = command ? core_.forget_command(command->tag) : Outcome::maybe;
  open->promise.complete(given_up(why, outcome));
}

// --- Appends.

std::optional<Error> Driver::refusal_of_append(const AppendCall& call) const {
  if (has_failed()) return snapshot_.failure;
  if (call.options.cancel.stop_requested()) {
    return given_up(Errc::cancelled, Outcome::not_applied);
  }
  std::size_t bytes = 0;
  auto is_too_large = [&](const Bytes& data) {
    bytes += data.size() + append_overhead;
    return data.size() > options_.entry_size_max;
  };
  auto too_large = [&](const Bytes& data) {
    return Error{Errc::too_large, "an entry of " + std::to_string(data.size()) +
                                      " bytes is over the limit of " +
                                      std::to_string(options_.entry_size_max)};
  };
  if (!call.batch && is_too_large(call.data)) return too_large(call.data);
  if (call.batch) {
    for (const AppendBatch::Entry& entry : call.batch->entries) {
      if (is_too_large(entry.data)) return too_large(entry.data);
    }
  }
  if (open_bytes_ + bytes <= options_.queue_bytes_max || open_bytes_ == 0) return std::nullopt;
  return Error{Errc::overloaded, "too many appends are under way; try again"};
}

void Driver::append(std::vector<AppendCall> calls) {
  std::vector<Proposal> proposals;
  proposals.reserve(calls.size());
  for (AppendCall& call : calls) {
    auto refusal = refusal_of_append(call);
    if (!refusal) {
      admit(std::move(call), proposals);
    } else if (call.batch) {
      call.batch->promise.complete(*std::move(refusal));
    } else {
      call.promise.complete(*std::move(refusal));
    }
  }
  if (proposals.empty()) return;
  append_deadlines_.push_back(
      {host_.now() + options_.request_timeout, first_tag_ + open_appends_.size()});
  step([&](Effects& effects) { core_.on_append(std::move(proposals), effects); });
}

void Driver::admit(AppendCall&& call, std::vector<Proposal>& proposals) {
  std::uint64_t first = first_tag_ + open_appends_.size();
  bool has_terms = call.options.timeout > Duration::zero() || call.options.cancel.stop_possible();
  auto add = [&](Bytes&& data, bool is_packed, Promise<Position>&& promise) {
    std::uint64_t tag = first_tag_ + open_appends_.size();
    std::size_t bytes = data.size() + append_overhead;
    open_bytes_ += bytes;
    open_appends_.push_back(OpenAppend{std::move(promise), bytes, has_terms});
    proposals.push_back(Proposal{tag, std::move(data), call.term, is_packed});
  };
  std::size_t count = 1;
  if (call.batch) {
    count = call.batch->entries.size();
    append_batches_.emplace(first, OpenBatch{std::vector<Position>(count), count, std::nullopt,
                                             false, std::move(call.batch->promise)});
    for (AppendBatch::Entry& entry : call.batch->entries) {
      add(std::move(entry.data), entry.is_packed, Promise<Position>::none());
    }
  } else {
    add(std::move(call.data), call.is_packed, std::move(call.promise));
  }
  if (!has_terms) return;
  auto give_up = [this, first, count](std::uint64_t, Errc why) {
    std::vector<std::uint64_t> tags;
    for (std::uint64_t tag = first; tag < first + count; ++tag) tags.push_back(tag);
    give_up_appends(tags, why);
  };
  append_terms_.emplace(first, calls_.open(terms_of(call.options), std::move(give_up)));
}

// Given up at once, so that the core looks through its queues once.
void Driver::give_up_appends(const std::vector<std::uint64_t>& tags, Errc why) {
  std::vector<std::uint64_t> open;
  for (std::uint64_t tag : tags) {
    bool is_open = tag >= first_tag_ && open_appends_[tag - first_tag_].has_value();
    if (is_open) open.push_back(tag);
  }
  const std::vector<std::uint64_t> held_back = core_.forget_appends(open);
  for (std::uint64_t tag : open) {
    bool is_held_back = std::binary_search(held_back.begin(), held_back.end(), tag);
    finish_append(tag, given_up(why, is_held_back ? Outcome::not_applied : Outcome::maybe));
  }
}

void Driver::finish_append(std::uint64_t tag, Result<Position> result) {
  if (tag < first_tag_ || tag - first_tag_ >= open_appends_.size()) return;
  auto& slot = open_appends_[tag - first_tag_];
  if (!slot) return;
  open_bytes_ -= slot->bytes;
  Promise<Position> promise = std::move(slot->promise);
  bool has_terms = slot->has_terms;
  slot.reset();
  if (!promise.is_open()) return finish_in_batch(tag, std::move(result));
  if (has_terms) append_terms_.erase(tag);
  promise.complete(std::move(result));
}

void Driver::finish_in_batch(std::uint64_t tag, Result<Position> result) {
  auto at = std::prev(append_batches_.upper_bound(tag));
  OpenBatch& batch = at->second;
  if (result) {
    batch.positions[tag - at->first] = *result;
    batch.has_appended = true;
  } else if (!batch.error) {
    batch.error = std::move(result).error();
  } else if (result.error().outcome == Outcome::maybe) {
    batch.error->outcome = Outcome::maybe;
  }
  batch.missing -= 1;
  if (batch.missing > 0) return;
  OpenBatch done = std::move(batch);
  append_terms_.erase(at->first);
  append_batches_.erase(at);
  if (!done.error) return done.promise.complete(std::move(done.positions));
  if (done.has_appended) done.error->outcome = Outcome::maybe;
  done.promise.complete(*std::move(done.error));
}

Time Driver::appends_deadline() {
  while (!open_appends_.empty() && !open_appends_.front()) {
    open_appends_.pop_front();
    first_tag_ += 1;
  }
  while (!append_deadlines_.empty() && append_deadlines_.front().end <= first_tag_) {
    append_deadlines_.pop_front();
  }
  return append_deadlines_.empty() ? time_never : append_deadlines_.front().at;
}

void Driver::expire_appends(Time now) {
  std::vector<std::uint64_t> late;
  std::uint64_t next = first_tag_;
  for (; !append_deadlines_.empty() && append_deadlines_.front().at <= now;
       append_deadlines_.pop_front()) {
    for (; next < append_deadlines_.front().end; ++next) {
      const auto& slot = open_appends_[next - first_tag_];
      if (slot && !slot->has_terms) late.push_back(next);
    }
  }
  if (!late.empty()) give_up_appends(late, Errc::timed_out);
}

}  // namespace cluster::replog
