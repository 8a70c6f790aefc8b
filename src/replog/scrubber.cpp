#include "replog/scrubber.hpp"

#include <algorithm>
#include <utility>

namespace cluster::replog {
namespace {

// A range is another member's slice, or part of one; a single entry may be larger than that.
constexpr std::size_t sum_bytes_max = 64u << 20;
constexpr std::size_t missing_told_max = 64;

}  // namespace

Scrubber::Scrubber(runtime::Host& host, std::shared_ptr<Store> store, ScrubberOptions options,
                   Log log)
    : host_(host),
      store_(std::move(store)),
      options_(options),
      log_(std::move(log)),
      logger_(host.logger().with_part("log")),
      alarm_(host.make_alarm([this] { on_wake(); })) {
  if (options_.bytes_per_second != 0) go_on_after(options_.first_after);
}

void Scrubber::stop() {
  is_stopped_ = true;
  alarm_->set(time_never);
}

void Scrubber::go_on_after(Duration pause) {
  state_ = State::resting;
  alarm_->set(host_.now() + std::max(pause, Duration(1000)));
}

Duration Scrubber::time_for(std::size_t bytes) const {
  return Duration(static_cast<std::int64_t>(bytes) * 1'000'000 /
                  static_cast<std::int64_t>(options_.bytes_per_second));
}

void Scrubber::on_wake() {
  if (is_stopped_) return;
  if (state_ == State::resting) {
    state_ = State::choosing;
    return log_.choose(next_);
  }
  if (state_ != State::asking) return;
  // It has not answered in time.
  Answer silence{comparison_.to_ask.back(), std::nullopt};
  comparison_.to_ask.pop_back();
  silent_until_[silence.peer] = host_.now() + options_.patience * 12;
  if (comparison_.whole) return on_narrowed(silence);
  ask_next();
}

void Scrubber::read(PositionRange range, std::size_t bytes_max,
                    std::function<void(Result<RangeCheck>)> done) {
  reading_ += 1;
  auto go_on = lifeline_.guard([this, done = std::move(done)](Result<RangeCheck> checked) {
    reading_ -= 1;
    done(std::move(checked));
  });
  host_.post_background(
      [&host = host_, store = store_, range, bytes_max, go_on = std::move(go_on)]() mutable {
        auto checked = store->check(range.first, range.end, bytes_max);
        host.post([checked = std::move(checked), go_on = std::move(go_on)]() mutable {
          go_on(std::move(checked));
        });
      });
}

void Scrubber::check(PositionRange range) {
  if (is_stopped_ || state_ != State::choosing) return;
  if (!(range.first < range.end)) {
    passes_ += 1;
    next_ = Position(1);
    return go_on_after(options_.rest);
  }
  state_ = State::reading;
  read(range, options_.slice_bytes, [this, range](Result<RangeCheck> checked) {
    if (!is_stopped_) on_checked(range, std::move(checked));
  });
}

void Scrubber::on_checked(PositionRange range, Result<RangeCheck> checked) {
  if (!checked) {
    logger_.warning("cannot look after the store", "why", checked.error().message());
    return go_on_after(options_.rest);
  }
  bytes_ += checked->bytes;
  range.end = checked->end;
  next_ = range.end;
  pause_ = time_for(checked->bytes);
  std::vector<Position> lost = checked->damaged;
  for (const PositionRange& gap : checked->missing) {
    Position end = std::min(gap.end, gap.first.plus(missing_told_max));
    for (Position at = gap.first; at < end; at = at.next()) lost.push_back(at);
  }
  // What was forgotten while it was being read is not lost.
  const Position kept_from = log_.kept_from();
  std::erase_if(lost, [&](Position at) { return at < kept_from; });
  for (Position at : lost) {
    found_ += 1;
    log_.on_damage(at);
  }
  bool is_whole = lost.empty() && kept_from <= range.first && range.first < range.end;
  if (!is_whole) return go_on_after(pause_);
  std::erase_if(silent_until_, [now = host_.now()](const auto& one) { return one.second <= now; });
  std::vector<NodeId> peers = log_.peers();
  std::erase_if(peers, [this](NodeId peer) { return silent_until_.contains(peer); });
  comparison_ = {.range = range,
                 .checksum = checked->checksum,
                 .to_ask = std::move(peers),
                 .answers = {},
                 .whole = {}};
  ask_next();
}

void Scrubber::ask_next() {
  if (comparison_.to_ask.empty()) return conclude();
  state_ = State::asking;
  const PositionRange& range = comparison_.range;
  log_.send(comparison_.to_ask.back(), RangeSum{range.first, range.end, comparison_.checksum});
  alarm_->set(host_.now() + options_.patience);
}

void Scrubber::on(NodeId from, const RangeSummed& told) {
  const PositionRange& range = comparison_.range;
  bool is_asked = !is_stopped_ && state_ == State::asking && comparison_.to_ask.back() == from &&
                  told.first == range.first && told.end == range.end;
  if (!is_asked) return;
  comparison_.to_ask.pop_back();
  Answer answer{from, told.is_known ? std::optional(told.checksum) : std::nullopt};
  if (comparison_.whole) return on_narrowed(answer);
  comparison_.answers.push_back(answer);
  ask_next();
}

// Whose copy is it that differs? That of the few, where there are few and many.
void Scrubber::conclude() {
  const PositionRange range = comparison_.range;
  const std::uint32_t own = comparison_.checksum;
  std::map<std::uint32_t, std::size_t> voices;
  voices[own] = 1;
  std::size_t all = 1;
  for (const Answer& answer : comparison_.answers) {
    if (!answer.checksum) continue;
    voices[*answer.checksum] += 1;
    all += 1;
  }
  if (voices.size() == 1) return go_on_after(pause_);
  differences_ += 1;
  auto most = std::max_element(voices.begin(), voices.end(),
                               [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most->second * 2 <= all) {
    logger_.error("copies differ, and none is the odd one", "first", range.first, "end", range.end,
                  "remedy", "docs/operating.md, when members differ");
    return go_on_after(pause_);
  }
  for (const Answer& answer : comparison_.answers) {
    if (!answer.checksum) continue;
    if (most->first == own && *answer.checksum != own) {
      logger_.warning("another member's copy differs from most", "member", answer.peer, "first",
                      range.first, "end", range.end);
    }
    if (most->first != own && *answer.checksum == most->first) return narrow(range, answer.peer);
  }
  go_on_after(pause_);
}

// The wrong entry is in `whole`: half after half is compared with one of those that are right.
void Scrubber::narrow(PositionRange whole, NodeId peer) {
  std::uint64_t half = (distance(whole.first, whole.end) + 1) / 2;
  PositionRange first{whole.first, whole.first.plus(half)};
  state_ = State::reading;
  read(first, sum_bytes_max, [this, first, whole, peer](Result<RangeCheck> checked) {
    if (is_stopped_) return;
    // Found out by itself meanwhile, or not kept any more.
    bool is_whole = checked && checked->end == first.end && checked->damaged.empty() &&
                    checked->missing.empty();
    if (!is_whole) return go_on_after(pause_);
    comparison_ = {.range = first,
                   .checksum = checked->checksum,
                   .to_ask = {peer},
                   .answers = {},
                   .whole = whole};
    ask_next();
  });
}

void Scrubber::on_narrowed(const Answer& answer) {
  const PositionRange whole = *comparison_.whole;
  const PositionRange half = comparison_.range;
  if (!answer.checksum) return go_on_after(pause_);
  const bool is_in_half = *answer.checksum != comparison_.checksum;
  const PositionRange next = is_in_half ? half : PositionRange{half.end, whole.end};
  if (!(next.first < next.end)) return go_on_after(pause_);  // It was right when read again.
  if (!is_in_half || distance(next.first, next.end) > 1) return narrow(next, answer.peer);
  found_ += 1;
  next_ = half.end;  // There may be more.
  log_.on_odd_copy(half.first, *answer.checksum);
  go_on_after(pause_);
}

void Scrubber::answer(NodeId to, PositionRange range) {
  if (is_stopped_ || !answering_.insert(to).second) return;
  read(range, sum_bytes_max, [this, to, range](Result<RangeCheck> checked) {
    answering_.erase(to);
    if (is_stopped_) return;
    RangeSummed told{.first = range.first, .end = range.end, .is_known = false, .checksum = 0};
    told.is_known = checked && checked->end == range.end && checked->damaged.empty() &&
                    checked->missing.empty();
    if (told.is_known) told.checksum = checked->checksum;
    log_.send(to, told);
    if (!checked) return;
    for (Position at : checked->damaged) log_.on_damage(at);
  });
}

Metrics Scrubber::metrics() const {
  auto count = [](const char* name, const char* help, std::uint64_t value) {
    return Metric{name, help, Metric::Kind::counter, static_cast<double>(value)};
  };
  return {
      count("cluster_log_scrubbed_bytes_total", "Read to look after the store.", bytes_),
      count("cluster_log_scrub_passes_total", "Times all of the store was read.", passes_),
      count("cluster_log_scrub_found_total", "Entries that were found damaged, or wrong.", found_),
      count("cluster_log_scrub_differences_total", "Ranges in which members' copies differed.",
            differences_),
  };
}

}  // namespace cluster::replog
