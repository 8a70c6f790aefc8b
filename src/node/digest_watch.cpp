#include "node/digest_watch.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include "node/log_reader.hpp"
#include "registry/format.hpp"
#include "registry/shared_snapshot.hpp"
#include "replog/open.hpp"

namespace cluster::node {
namespace {

constexpr Duration ask_timeout = std::chrono::seconds(30);
constexpr std::uint32_t part_size = 4u << 20;

class Text final : public SnapshotWriter, public SnapshotReader {
 public:
  explicit Text(std::string bytes = {}) : bytes_(std::move(bytes)) {}
  Result<void> write(ByteView more) override {
    bytes_ += more;
    return {};
  }
  Result<Bytes> read(std::size_t bytes_max) override {
    Bytes part(ByteView(bytes_).substr(at_, bytes_max));
    at_ += part.size();
    return part;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
};

Result<std::string> bytes_of(const SnapshotJob& job) {
  Text text;
  auto written = job(text);
  return written ? Result<std::string>(text.take()) : std::move(written).error();
}

Result<std::string> difference_of(const std::string& here, const std::string& there) {
  Text ours(here);
  Text theirs(there);
  auto mine = registry::restore_shared(ours);
  if (!mine) return std::move(mine).error();
  auto right = registry::restore_shared(theirs);
  if (!right) return std::move(right).error();
  std::string found = registry::first_difference(*mine, *right);
  return found.empty() ? "the rows are the same: the digest was kept wrongly\n" : found;
}

}  // namespace

DigestWatch::DigestWatch(runtime::Host& host, Log& log, registry::RegistryDriver& registry,
                         DigestWatchOptions options)
    : host_(host),
      log_(log),
      registry_(registry),
      options_(std::move(options)),
      logger_(host.logger().with_part("registry")),
      check_(log.self()),
      masters_(host, {}),
      known_end_(log.range().end) {
  registry_.on_note([this](Position at, const registry::DigestNote& note) { on_note(at, note); });
  alarm_ = host_.make_alarm([this] { ask(); });
  if (options_.interval > Duration{}) alarm_->set(host_.now() + options_.interval);
}

DigestWatch::~DigestWatch() { registry_.on_note(nullptr); }

void DigestWatch::ask() {
  alarm_->set(host_.now() + options_.interval);
  // Comparing changes nothing: an idle cluster's log does not grow by it. But after an upgrade it
  // is how masters come to agree on the newer format.
  const bool has_changed = registry_.last_change() > check_.at() ||
                           registry_.state().format() < registry::format_newest();
  if (!log_.leadership().is_self || !has_changed || is_stopping_) return;
  append(registry::CompareDigests{.term = log_.leadership().term});
}

// One that is lost is made up for by the next comparison.
void DigestWatch::append(const registry::DigestNote& note) {
  log_.append(registry::encode(note)).then([](const Result<Position>&) {});
}

void DigestWatch::on_note(Position at, const registry::DigestNote& note) {
  if (is_stopping_) return;
  if (std::holds_alternative<registry::CompareDigests>(note)) return compare(at);
  const auto& report = std::get<registry::ReportDigest>(note);
  formats_.on(report);
  raise_format();
  judge(report);
}

// All that keep the state, learners too: one that does not read the format would stop at once. For
// the same reason it waits for those that are down.
void DigestWatch::raise_format() {
  if (!log_.leadership().is_self) return;
  std::vector<NodeId> keepers;
  for (const MemberInfo& member : log_.members().members) {
    if (member.role != MemberRole::witness && member.has_joined) keepers.push_back(member.id);
  }
  const auto agreed = formats_.agreed(keepers);
  if (!agreed || *agreed <= registry_.state().format()) return;
  formats_.begin({});  // Once: what is lost is made up for by the next comparison.
  logger_.info("raises the state's format", "to", *agreed);
  const RaiseFormat raise{.format = *agreed, .by = options_.version};
  log_.append(encode(RegistryCommand(raise))).then([](const Result<Position>&) {});
}

void DigestWatch::compare(Position at) {
  const auto report = check_.compare(at, registry_.digest());
  view_.reset();
  if (at < known_end_) return;  // Applied anew after a restart: it was judged long ago.
  auto job = registry_.begin_snapshot();
  if (!job) return;
  formats_.begin(at);
  view_ = View{.at = at, .job = *std::move(job), .bytes = nullptr};
  ++checks_;
  append(report);
}

void DigestWatch::judge(const registry::ReportDigest& report) {
  if (!view_) return;
  using Verdict = registry::DigestCheck::Verdict;
  switch (check_.on(report, judges())) {
    case Verdict::open: break;
    case Verdict::agreed:
      ++agreed_;
      view_.reset();
      break;
    case Verdict::differ:
      ++differences_;
      for (NodeId other : check_.different_ones()) {
        logger_.error("a master's state differs from this one's", "master", other, "at",
                      check_.at());
      }
      break;
    case Verdict::odd: begin_stop(); break;
  }
}

// Witnesses keep no state, and learners may be anywhere.
std::vector<NodeId> DigestWatch::judges() const {
  std::vector<NodeId> found;
  for (const MemberInfo& member : log_.members().members) {
    if (member.role == MemberRole::voter && member.has_joined) found.push_back(member.id);
  }
  return found;
}

void DigestWatch::read_state(const wire::ReadSnapshot& asked, Done done) {
  if (!view_ || asked.id != compared_state_id(view_->at)) {
    return done(Error{Errc::not_found, "the state of that position is not kept here"});
  }
  auto part = [](const std::string& bytes, const wire::ReadSnapshot& wanted) {
    const std::size_t offset = std::min<std::size_t>(wanted.offset, bytes.size());
    return Bytes(ByteView(bytes).substr(offset, wanted.size_max));
  };
  if (view_->bytes) return done(part(*view_->bytes, asked));
  auto keep = lifeline_.guard([this, at = view_->at](std::shared_ptr<const std::string> bytes) {
    if (view_ && view_->at == at) view_->bytes = std::move(bytes);
  });
  host_.post_background([&host = host_, job = view_->job, asked, part, keep = std::move(keep),
                         done = std::move(done)]() mutable {
    auto made = bytes_of(job);
    host.post([made = std::move(made), asked, part, keep = std::move(keep),
               done = std::move(done)]() mutable {
      if (!made) return done(std::move(made).error());
      auto bytes = std::make_shared<const std::string>(*std::move(made));
      done(part(*bytes, asked));
      keep(std::move(bytes));
    });
  });
}

void DigestWatch::begin_stop() {
  is_stopping_ = true;
  ++differences_;
  logger_.error("this master's state is not that of the others", "at", check_.at());
  fetch_right_state(0);
}

// Part after part from the first of them that gives it whole.
void DigestWatch::fetch_right_state(std::size_t from) {
  const std::vector<NodeId> right = check_.right_ones();
  std::optional<Endpoint> endpoint;
  for (const MemberInfo& member : log_.members().members) {
    if (from < right.size() && member.id == right[from]) endpoint = member.endpoint;
  }
  if (!endpoint) return stop("no other master gave its state to compare with\n");
  const wire::ReadSnapshot question{
      .id = compared_state_id(check_.at()), .offset = right_state_.size(), .size_max = part_size};
  masters_.ask_at(*endpoint, question, ask_timeout)
      .then([&host = host_, take = lifeline_.guard([this, from](Result<wire::LogChunk> chunk) {
        if (!chunk) {
          right_state_.clear();
          return fetch_right_state(from + 1);
        }
        right_state_ += chunk->data.view();
        if (!chunk->ended) return fetch_right_state(from);
        auto here = bytes_of(view_->job);
        auto found = here ? difference_of(*here, right_state_)
                          : Result<std::string>(std::move(here).error());
        stop(found ? *found : "no difference: " + found.error().message() + "\n");
      })](Result<wire::AdminBody> body) mutable {
        host.post([take, chunk = expect<wire::LogChunk>(std::move(body))]() mutable {
          take(std::move(chunk));
        });
      });
}

std::string DigestWatch::write_difference(const std::string& difference) const {
  const std::string path =
      options_.directory + "/digest-mismatch-" + std::to_string(check_.at().value()) + ".txt";
  std::ofstream file(path, std::ios::trunc);
  file << "The state of master " << log_.self().value() << " at log position "
       << check_.at().value() << " is not that of the other masters. The first difference:\n\n"
       << difference;
  file.flush();
  return file ? path : "(it could not be written)";
}

void DigestWatch::stop(const std::string& difference) {
  const std::string path = write_difference(difference);
  const std::string first = difference.substr(0, difference.find('\n'));
  replog::stop_for_good(
      log_,
      Error{Errc::corrupt,
            "this master's state at position " + std::to_string(check_.at().value()) +
                " is not that of the other masters; first difference: " + first + "; see " + path +
                ". Keep its directory for those who look into it, remove the "
                "member, and add a new one with an empty directory"});
}

Metrics DigestWatch::metrics() const {
  auto counter = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{"cluster_registry_" + std::move(name), std::move(help), Metric::Kind::counter,
                  static_cast<double>(value)};
  };
  return {counter("digest_checks_total", "Positions at which states were compared.", checks_),
          counter("digest_agreed_total", "Of these: all masters had the same.", agreed_),
          counter("digest_differences_total", "Reports of a state that differs.", differences_)};
}

}  // namespace cluster::node
