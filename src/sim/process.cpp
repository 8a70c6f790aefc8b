#include "sim/process.hpp"

namespace cluster::sim {

class Process::SimAlarm final : public runtime::Alarm {
 public:
  SimAlarm(Process& process, std::function<void()> on_wake)
      : process_(process), on_wake_(std::make_shared<std::function<void()>>(std::move(on_wake))) {}

  void set(Time at) override {
    if (at == set_) return;
    set_ = at;
    token_.reset();
    if (at == time_never) return;
    token_ = std::make_shared<const char>('\0');
    process_.world_.at(process_.to_world(at), [this, token = std::weak_ptr(token_),
                                               alive = std::weak_ptr(process_.alive_)] {
      if (token.expired() || alive.expired()) return;
      set_ = time_never;
      auto keep = on_wake_;
      (*keep)();
    });
  }

 private:
  Process& process_;
  std::shared_ptr<std::function<void()>> on_wake_;
  Time set_ = time_never;
  std::shared_ptr<const char> token_;
};

class Process::Delivery final : public Executor {
 public:
  explicit Delivery(Process& process) : process_(process) {}
  void execute(Callback callback) override {
    World& world = process_.world_;
    world.after(between(world.random(), Duration(1), Duration(200)),
                [alive = std::weak_ptr(process_.alive_), callback = std::move(callback)]() mutable {
                  if (!alive.expired()) callback();
                });
  }
  bool is_current() const override { return true; }

 private:
  Process& process_;
};

Process::Process(World& world, Network& network, ProcessOptions options)
    : world_(world),
      options_(std::move(options)),
      transport_(std::make_unique<SimTransport>(network, options_.id)),
      delivery_(std::make_shared<Delivery>(*this)) {}

Process::~Process() = default;

void Process::kill() {
  // The group that is being written may have reached the disk, of which nobody will be told.
  if (is_writing_ && world_.random().chance(1, 2)) disk_queue_.front()();
  disk_queue_.clear();
  alive_.reset();
  transport_.reset();
}

Time Process::now() const {
  auto elapsed = world_.now().time_since_epoch();
  return Time(options_.offset + elapsed + elapsed * options_.drift_permille / 1000);
}

Time Process::to_world(Time at) const {
  auto own = at.time_since_epoch() - options_.offset;
  // One more microsecond, so that rounding never wakes before its time.
  return Time(own * 1000 / (1000 + options_.drift_permille) + Duration(1));
}

WallTime Process::wall_now() const {
  return WallTime(std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch()));
}

void Process::post(Callback callback) {
  world_.after(Duration(0),
               [alive = std::weak_ptr(alive_), callback = std::move(callback)]() mutable {
                 if (!alive.expired()) callback();
               });
}

void Process::post_disk(Callback callback) {
  disk_queue_.push_back(std::move(callback));
  if (!is_writing_) write_next();
}

void Process::write_next() {
  is_writing_ = !disk_queue_.empty();
  if (!is_writing_) return;
  world_.after(between(world_.random(), options_.disk_min, options_.disk_max),
               [this, alive = std::weak_ptr(alive_)] {
                 if (alive.expired()) return;
                 Callback callback = std::move(disk_queue_.front());
                 disk_queue_.pop_front();
                 callback();
                 write_next();
               });
}

std::unique_ptr<runtime::Alarm> Process::make_alarm(std::function<void()> on_wake) {
  return std::make_unique<SimAlarm>(*this, std::move(on_wake));
}

}  // namespace cluster::sim
