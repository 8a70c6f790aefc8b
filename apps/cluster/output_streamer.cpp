#include "output_streamer.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "text.hpp"

namespace cluster::app {
namespace {

constexpr Duration read_wait = std::chrono::seconds(10);
constexpr Duration read_timeout = read_wait + std::chrono::seconds(5);
constexpr Duration locate_timeout = std::chrono::seconds(10);
constexpr Duration pause = std::chrono::milliseconds(200);
// How long the output of a task that is over is tried for: its agent may be starting again.
constexpr Duration patience = std::chrono::seconds(10);
constexpr std::uint32_t chunk_size_max = 256 * 1024;

}  // namespace

OutputStreamer::OutputStreamer(node::AdminClient& admin, runtime::Host& host, wire::GetTasks query,
                               bool follow, Hooks hooks)
    : admin_(admin),
      host_(host),
      query_(std::move(query)),
      follow_(follow),
      hooks_(std::move(hooks)),
      alarm_(host.make_alarm([this] {
        next_wake_ = time_never;
        step();
      })) {}

void OutputStreamer::add(const TaskKey& task, bool standard_error) {
  streams_.try_emplace(StreamKey{task, standard_error});
  wake_at(host_.now());
}

bool OutputStreamer::is_idle() const {
  return std::all_of(streams_.begin(), streams_.end(),
                     [](const auto& entry) { return entry.second.ended; });
}

// Reads every stream that may be read, and looks for the agents of those whose agent is not known.
void OutputStreamer::step() {
  Time now = host_.now();
  for (auto& [key, stream] : streams_) {
    if (stream.ended || stream.reading) continue;
    if (stream.retry_at > now) {
      wake_at(stream.retry_at);
      continue;
    }
    auto place = places_.find(key.task);
    if (place == places_.end()) {
      locate_wanted_ = true;
    } else {
      read(key, stream, place->second.endpoint);
    }
  }
  if (locate_wanted_ && !locating_) {
    if (locate_at_ <= now) {
      locate();
    } else {
      wake_at(locate_at_);
    }
  }
}

void OutputStreamer::locate() {
  locating_ = true;
  locate_wanted_ = false;
  locate_at_ = host_.now() + pause;
  admin_.ask(query_, locate_timeout).then(lifeline_.guard([this](Result<wire::AdminBody> body) {
    located(node::expect<wire::TaskRows>(std::move(body)));
  }));
}

void OutputStreamer::located(Result<wire::TaskRows> rows) {
  locating_ = false;
  if (rows) {
    for (const auto& row : rows->rows) {
      if (row.agent.empty()) continue;
      places_[row.key] = Place{.endpoint = row.agent_endpoint,
                               .over = is_terminal(row.status.state),
                               .lost = row.status.state == TaskState::lost};
    }
  }
  // A master that does not list the task, or no master at all: again, after the pause.
  wake_at(host_.now());
}

void OutputStreamer::read(const StreamKey& key, Stream& stream, const Endpoint& at) {
  stream.reading = true;
  wire::ReadTaskLog question{.framework = key.task.framework,
                             .task = key.task.task,
                             .standard_error = key.standard_error,
                             .offset = stream.offset,
                             .size_max = chunk_size_max,
                             .wait = follow_ ? read_wait : Duration{}};
  admin_.ask_at(at, std::move(question), read_timeout)
      .then(lifeline_.guard([this, key](Result<wire::AdminBody> body) {
        received(key, node::expect<wire::LogChunk>(std::move(body)));
      }));
}

void OutputStreamer::received(const StreamKey& key, Result<wire::LogChunk> chunk) {
  Stream& stream = streams_.at(key);
  stream.reading = false;
  if (!chunk) return failed(key, stream, chunk.error());
  stream.gone_since = time_never;
  if (!chunk->data.empty()) {
    if (chunk->offset > stream.offset && !std::exchange(stream.told_gap, true)) {
      complain("the output of " + key.task.task.value() +
               " is not complete: it wrote more than its agent keeps, which is the newest");
    }
    stream.offset = chunk->offset + chunk->data.size();
    hooks_.on_data(key.task, key.standard_error, chunk->data.view());
  }
  if (chunk->ended || (!follow_ && chunk->data.empty())) return end(key, stream, "");
  wake_at(host_.now());
}

void OutputStreamer::failed(const StreamKey& key, Stream& stream, const Error& error) {
  Time now = host_.now();
  stream.gone_since = std::min(stream.gone_since, now);
  auto place = places_.find(key.task);
  bool over = place != places_.end() && place->second.over;
  bool lost = place != places_.end() && place->second.lost;
  // What the master said may be old by now; a task that was over then stays so.
  if (over && (lost || error.code == Errc::not_found || now - stream.gone_since > patience)) {
    return end(key, stream, error.message());
  }
  places_.erase(key.task);
  stream.retry_at = now + pause;
  wake_at(stream.retry_at);
}

void OutputStreamer::end(const StreamKey& key, Stream& stream, const std::string& problem) {
  stream.ended = true;
  StreamKey copy = key;
  hooks_.on_end(copy.task, copy.standard_error, problem);
}

void OutputStreamer::wake_at(Time at) {
  if (at >= next_wake_) return;
  next_wake_ = at;
  alarm_->set(at);
}

}  // namespace cluster::app
