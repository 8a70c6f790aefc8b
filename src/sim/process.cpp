#include "sim/process.hpp"

namespace cluster::sim {

// One event at a time waits in the world, and a wake-up that is put off lets it come and look: most
// are put off many times.
class Process::SimAlarm final : public runtime::Alarm {
 public:
  SimAlarm(Process& process, std::function<void()> on_wake)
      : process_(process), on_wake_(std::make_shared<std::function<void()>>(std::move(on_wake))) {}

  void set(Time at) override {
    wanted_ = at;
    if (at == time_never) return;
    // What is long over, the beginning of time even, is due now.
    come_at(at < process_.now() ? process_.world_.now() : process_.to_world(at));
  }

 private:
  void come_at(Time at) {
    at = std::max(at, process_.world_.now());
    if (at >= coming_) return;
    coming_ = at;
    process_.world_.at(
        at, [this, at, token = std::weak_ptr(token_), alive = std::weak_ptr(process_.alive_)] {
          if (token.expired() || alive.expired()) return;
          come(at);
        });
  }

  void come(Time planned) {
    if (planned == coming_) coming_ = time_never;
    if (wanted_ == time_never) return;
    World& world = process_.world_;
    // Timers are late after a pause.
    if (process_.is_paused()) {
      return come_at(process_.paused_until_ +
                     between(world.random(), Duration(1), std::chrono::milliseconds(2)));
    }
    if (process_.now() < wanted_) return come_at(process_.to_world(wanted_));
    wanted_ = time_never;
    auto keep = on_wake_;
    (*keep)();
  }

  Process& process_;
  std::shared_ptr<std::function<void()>> on_wake_;
  Time wanted_ = time_never;
  Time coming_ = time_never;  // When the earliest event comes.
  std::shared_ptr<const char> token_ = std::make_shared<const char>('\0');
};

// In the order given, whatever each waits.
class Process::Delivery final : public Executor, public std::enable_shared_from_this<Delivery> {
 public:
  explicit Delivery(Process& process) : process_(process), exists_(process.exists_) {}

  void execute(Callback callback) override {
    if (exists_.expired()) return;  // The world is over.
    World& world = process_.world_;
    // What a dead process' callback holds ends later: its caller may be in the middle of something.
    if (!process_.is_alive()) return process_.schedule(world.now(), std::move(callback));
    queue_.push_back(std::move(callback));
    process_.schedule(world.now() + between(world.random(), Duration(1), Duration(200)),
                      [self = shared_from_this()] { self->run_next(); });
  }
  bool is_current() const override { return true; }

  std::deque<Callback> take() { return std::exchange(queue_, {}); }

 private:
  void run_next() {
    Callback next = std::move(queue_.front());
    queue_.pop_front();
    next();
  }

  Process& process_;
  std::weak_ptr<const char> exists_;
  std::deque<Callback> queue_;
};

Process::Process(World& world, Network& network, ProcessOptions options)
    : world_(world),
      network_(network),
      options_(std::move(options)),
      transport_(std::make_unique<SimTransport>(network, options_.id)),
      own_delivery_(std::make_shared<Delivery>(*this)),
      delivery_(own_delivery_) {
  own_start_ = Time(options_.offset);
  set_drift(options_.drift_permille);
}

Process::~Process() {
  exists_.reset();
  own_delivery_->take();  // Operations in it hold it.
}

void Process::kill(bool loses_group) {
  // The group that is being written may have reached the disk, of which nobody will be told.
  network_.pause(options_.id, Time{});
  bool is_written = is_writing_ && world_.random().chance(1, 2) && !loses_group;
  if (is_written && !disk_queue_.empty()) disk_queue_.front()();
  alive_.reset();
  transport_->die();
  for (auto* queue : {&disk_queue_, &background_queue_}) {
    world_.at(world_.now(), [dropped = std::exchange(*queue, {})] {});
  }
  world_.at(world_.now(), [dropped = own_delivery_->take()] {});
}

void Process::pause(Time until, bool stops_clock) {
  if (stops_clock) {
    own_start_ = now();
    clock_start_ = until;
  }
  paused_until_ = std::max(paused_until_, until);
  network_.pause(options_.id, paused_until_);
}

void Process::set_drift(std::int64_t permille) {
  own_start_ = now();
  clock_start_ = std::max(clock_start_, world_.now());
  options_.drift_permille = permille;
}

Time Process::now() const {
  if (world_.now() < clock_start_) return own_start_;
  auto elapsed = world_.now() - clock_start_;
  return own_start_ + elapsed + elapsed * options_.drift_permille / 1000;
}

Time Process::to_world(Time at) const {
  // One more microsecond, so that rounding never wakes before its time.
  return clock_start_ + (at - own_start_) * 1000 / (1000 + options_.drift_permille) + Duration(1);
}

void Process::schedule(Time at, Callback f) {
  world_.at(at, [this, alive = std::weak_ptr(alive_), f = std::move(f)]() mutable {
    if (alive.expired()) return;
    if (is_paused()) return schedule(paused_until_, std::move(f));
    f();
  });
}

WallTime Process::wall_now() const {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch()));
}

void Process::post(Callback callback) { schedule(world_.now(), std::move(callback)); }

void Process::post_disk(Callback callback) {
  if (!is_alive()) return schedule(world_.now(), std::move(callback));
  disk_queue_.push_back(std::move(callback));
  if (!is_writing_) write_next();
}

void Process::finish_groups() {
  while (is_alive() && !disk_queue_.empty()) {
    Callback callback = std::move(disk_queue_.front());
    disk_queue_.pop_front();
    callback();
  }
}

void Process::post_background(Callback callback) {
  if (!is_alive()) return schedule(world_.now(), std::move(callback));
  background_queue_.push_back(std::move(callback));
  Duration takes = between(world_.random(), options_.disk_min, options_.disk_max * 4);
  background_free_at_ = std::max(background_free_at_, world_.now()) + takes;
  schedule(background_free_at_, [this] { run_background(); });
}

void Process::run_background() {
  if (background_queue_.empty()) return;  // Somebody could not wait.
  Callback callback = std::move(background_queue_.front());
  background_queue_.pop_front();
  callback();
}

void Process::finish_background() {
  while (is_alive() && !background_queue_.empty()) run_background();
}

void Process::write_next() {
  is_writing_ = !disk_queue_.empty();
  if (!is_writing_) return;
  Time at = world_.now() + between(world_.random(), options_.disk_min, options_.disk_max);
  schedule(std::max(at, disk_stalled_until_), [this] {
    if (!disk_queue_.empty()) {
      Callback callback = std::move(disk_queue_.front());
      disk_queue_.pop_front();
      callback();
    }
    write_next();
  });
}

std::unique_ptr<runtime::Alarm> Process::make_alarm(std::function<void()> on_wake) {
  return std::make_unique<SimAlarm>(*this, std::move(on_wake));
}

}  // namespace cluster::sim
