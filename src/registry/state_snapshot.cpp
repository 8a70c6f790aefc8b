// The cluster's state as a stream, and back.
//
// The stream is eight bytes that say what it is, then frames: size and CRC-32C of the body (four
// bytes each, the lowest first), then the body, an encoded part (state_part.hpp). Frames are small,
// so that neither side holds much more than the state.
#include <utility>

#include "base/crc32c.hpp"
#include "registry/apply.hpp"
#include "registry/digest.hpp"
#include "registry/state_part.hpp"

namespace cluster {

using registry::HistoryRefs;
using registry::HistoryRows;
using registry::RowRefs;
using registry::StateEnd;
using registry::StateHead;
using registry::StatePart;

namespace {

constexpr ByteView magic = "clstate1";
constexpr std::size_t frame_rows = 256;
constexpr std::size_t frame_size_max = 512u << 20;  // A job has many pieces.
constexpr std::size_t read_size = 256u << 10;

Error damaged(const std::string& what) {
  return {Errc::corrupt, "a snapshot of the cluster's state " + what};
}

std::string number_bytes(std::uint32_t value) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

std::uint32_t number_at(ByteView bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    value |= std::uint32_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

class Frames {
 public:
  explicit Frames(SnapshotWriter& out) : out_(out) {}

  template <class Part>
  Result<void> put(const Part& part) {
    Bytes body = registry::encode(part);
    const auto size = static_cast<std::uint32_t>(body.size());
    auto written = out_.write(number_bytes(size) + number_bytes(crc32c(body.view())));
    return written ? out_.write(body.view()) : written;
  }
  // `to_part` makes a part of some rows.
  template <class Rows, class Ref, class ToPart>
  Result<void> put_rows(const Rows& rows, std::size_t at_once, Ref ref, ToPart to_part) {
    decltype(ref(*rows.begin())) one = nullptr;
    std::vector<decltype(one)> some;
    for (const auto& row : rows) {
      one = ref(row);
      some.push_back(one);
      if (some.size() < at_once) continue;
      if (auto written = put(to_part(std::exchange(some, {}))); !written) return written;
    }
    return some.empty() ? Result<void>{} : put(to_part(std::move(some)));
  }

 private:
  SnapshotWriter& out_;
};

class FrameReader {
 public:
  explicit FrameReader(SnapshotReader& in) : in_(in) {}

  Result<void> begin() {
    auto start = read_exactly(magic.size());
    if (!start) return std::move(start).error();
    if (*start != magic) return damaged("begins with something else");
    return {};
  }
  Result<StatePart> next() {
    auto head = read_exactly(8);
    if (!head) return std::move(head).error();
    const std::size_t size = number_at(*head, 0);
    const std::uint32_t sum = number_at(*head, 4);
    if (size > frame_size_max) return damaged("has a frame of " + std::to_string(size) + " bytes");
    auto body = read_exactly(size);
    if (!body) return std::move(body).error();
    if (crc32c(*body) != sum) return damaged("has a frame with a wrong checksum");
    return registry::decode_state_part(*body);
  }
  Result<void> end() {
    auto more = in_.read(1);
    if (!more) return std::move(more).error();
    if (at_ == buffer_.size() && more->empty()) return {};
    return damaged("goes on after its end");
  }

 private:
  // Good until the next call.
  Result<ByteView> read_exactly(std::size_t size) {
    while (buffer_.size() - at_ < size) {
      buffer_.erase(0, std::exchange(at_, 0));
      auto more = in_.read(read_size);
      if (!more) return std::move(more).error();
      if (more->empty()) return damaged("ends in the middle");
      buffer_ += more->view();
    }
    ByteView taken = ByteView(buffer_).substr(at_, size);
    at_ += size;
    return taken;
  }

  SnapshotReader& in_;
  std::string buffer_;
  std::size_t at_ = 0;
};

}  // namespace

// What a snapshot writes: shared with the state, which goes on.
struct RegistrySnapshot {
  StateHead head;
  RegistryState::Agents::View agents;
  RegistryState::Frameworks::View frameworks;
  RegistryState::Tasks::View tasks;
  TaskHistory history;
  RegistryState::Jobs::View jobs;

  static RegistrySnapshot of(RegistryState& state) {
    return {.head = {.applied = state.applied_,
                     .cluster = state.cluster_,
                     .frameworks_made = state.frameworks_made_,
                     .digest_version = registry::digest_version,
                     .digest = state.digest_,
                     .format = state.format_,
                     .format_by = state.format_by_},
            .agents = state.agents_.view(),
            .frameworks = state.frameworks_.view(),
            .tasks = state.tasks_.view(),
            .history = state.history_,
            .jobs = state.jobs_.view()};
  }

  Result<void> write(SnapshotWriter& out) const {
    const auto second = [](const auto& item) { return &item.second; };
    const auto itself = [](const TaskRecord& task) { return &task; };
    const auto rows = [](auto some) { return some; };
    const auto ended = [](RowRefs<TaskRecord> some) { return HistoryRefs{std::move(some)}; };
    Frames frames(out);
    auto written = out.write(magic);
    if (written) written = frames.put(head);
    if (written) written = frames.put_rows(agents, frame_rows, second, rows);
    if (written) written = frames.put_rows(frameworks, frame_rows, second, rows);
    if (written) written = frames.put_rows(tasks, frame_rows, second, rows);
    if (written) written = frames.put_rows(history, frame_rows, itself, ended);
    if (written) written = frames.put_rows(jobs, 1, second, rows);
    return written ? frames.put(StateEnd{}) : written;
  }

  // Takes parts in any number, and tells the first thing that is wrong with one.
  struct Loader {
    RegistryState& state;
    std::string problem = {};
    // What the last task named; the next is probably of the same.
    const FrameworkRecord* framework = nullptr;
    JobId last_job = {};

    template <class Rows, class Row>
    void insert(Rows& rows, Row& row) {
      if (rows.contains(KeyOfRecord{}(row))) {
        problem = "has a row twice";
        return;
      }
      rows.insert(std::move(row));
    }
    void take(const StateHead&) { problem = "has two heads"; }
    void take(const StateEnd&) {}
    void take(std::vector<AgentRecord>& rows) {
      for (AgentRecord& row : rows) {
        if (row.state == AgentRecord::State::lost) state.lost_agents_.emplace(row.since, row.id);
        insert(state.agents_, row);
      }
    }
    void take(std::vector<FrameworkRecord>& rows) {
      framework = nullptr;
      for (FrameworkRecord& row : rows) {
        if (row.state == FrameworkRecord::State::removed) {
          state.removed_frameworks_.emplace(row.since, row.id);
        }
        insert(state.frameworks_, row);
      }
    }
    // The tables of what a task names come before it, but for that of jobs.
    void take(std::vector<TaskRecord>& rows) {
      for (TaskRecord& row : rows) {
        if (!framework || framework->id != row.key.framework) {
          framework = state.find(row.key.framework);
        }
        if (!framework) {
          problem = "has a task of an unknown framework";
        } else if (state.tasks_.contains(row.key)) {
          problem = "has a row twice";
        }
        if (!problem.empty()) return;
        share_job(row);
        RegistryApply::file(state, std::move(row), *framework);
      }
    }
    void take(HistoryRows& rows) {
      for (TaskRecord& row : rows.tasks) {
        share_job(row);
        state.history_.push_back(std::move(row));
      }
    }
    void share_job(TaskRecord& row) {
      if (!row.job) return;
      if (row.job->job == last_job) {
        row.job->job = last_job;
      } else {
        last_job = row.job->job;
      }
    }
    void take(std::vector<JobRecord>& rows) {
      for (JobRecord& row : rows) {
        if (is_terminal(row.state)) {
          state.ended_jobs_.emplace(row.ended_at, row.spec.id);
        } else {
          count(row);
        }
        insert(state.jobs_, row);
      }
    }
    void count(const JobRecord& job) {
      auto& counts = state.job_counts_[job.spec.id];
      for (const auto& stage : job.tasks) {
        for (const JobTask& piece : stage) {
          if (piece.state == JobTask::State::launched) ++counts.launched;
          if (piece.state != JobTask::State::succeeded) ++counts.open;
        }
      }
    }
  };

  // What rows say about each other, which every command relies on.
  static std::string problem_of(RegistryState& state) {
    const auto is_known = [&](const AgentId& agent) { return state.find(agent) != nullptr; };
    if (!state.tasks_of_agents_.all_agents(is_known)) return "has a task of an unknown agent";
    JobRecord* owner = nullptr;  // Mostly of many tasks in a row.
    for (const auto& [key, task] : state.tasks_) {
      if (!task.job || is_terminal(task.status.state)) continue;
      if (!owner || owner->spec.id != task.job->job) owner = state.jobs_.change(task.job->job);
      const bool is_piece = owner && task.job->stage < owner->tasks.size() &&
                            task.job->index < owner->tasks[task.job->stage].size();
      if (!is_piece) return "has a task of an unknown piece of a job";
      if (is_terminal(owner->state)) return "has an open task of a job that has ended";
      JobTask& piece = owner->tasks[task.job->stage][task.job->index];
      if (piece.state != JobTask::State::launched || piece.task != key.task) {
        return "has a task that its job knows nothing of";
      }
      piece.task = key.task;  // The same, now shared.
    }
    for (const auto& [id, job] : state.jobs_) {
      if (job.tasks.size() != job.spec.stages.size()) return "has a job with other stages";
      if (job.tasks.empty()) return "has a job without a stage";
    }
    return {};
  }

  static Result<RegistryState> read(SnapshotReader& in, RegistryLimits limits) {
    FrameReader frames(in);
    if (auto begun = frames.begin(); !begun) return std::move(begun).error();
    auto first = frames.next();
    if (!first) return std::move(first).error();
    const auto* head = std::get_if<StateHead>(&*first);
    if (head == nullptr) return damaged("does not begin with its head");
    RegistryState state(limits);
    state.applied_ = head->applied;
    state.cluster_ = head->cluster;
    state.frameworks_made_ = head->frameworks_made;
    state.format_ = head->format;
    state.format_by_ = head->format_by;
    Loader loader{state};
    for (bool is_over = false; !is_over;) {
      auto part = frames.next();
      if (!part) return std::move(part).error();
      std::visit([&](auto& body) { loader.take(body); }, *part);
      if (!loader.problem.empty()) return damaged(loader.problem);
      is_over = std::holds_alternative<StateEnd>(*part);
    }
    if (auto ended = frames.end(); !ended) return std::move(ended).error();
    if (std::string problem = problem_of(state); !problem.empty()) return damaged(problem);
    state.digest_ = registry::recompute_digest(state);
    const bool is_comparable = head->digest_version == registry::digest_version;
    if (is_comparable && head->digest != state.digest_) return damaged("has another digest");
    return state;
  }
};

SnapshotJob RegistryState::begin_snapshot() {
  auto view = std::make_shared<const RegistrySnapshot>(RegistrySnapshot::of(*this));
  return [view = std::move(view)](SnapshotWriter& out) { return view->write(out); };
}

Result<RegistryState> RegistryState::restore(SnapshotReader& in, RegistryLimits limits) {
  return RegistrySnapshot::read(in, limits);
}

}  // namespace cluster
