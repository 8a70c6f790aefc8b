// `Op<T>`: the one return type of every public call that takes time.
//
//   Result<Position> at = log.append(bytes).get();              // block
//   log.append(bytes).then([](Result<Position> at) { ... });    // call back
//   Result<Position> at = co_await log.append(bytes);           // suspend; cluster/coroutine.hpp
//
// An `Op` is eager: its action is under way when the call returns. It completes exactly once, with
// a value or an error, and always: every call has a deadline, and closing an object completes what
// is open with `Errc::closed`. Continuations run where the runtime delivers, never inside the call
// that made the `Op`. Dropping an `Op` does not cancel its action (`CallOptions::cancel` does).
// `get()` on the thread that delivers would wait for itself: it returns `Errc::would_deadlock`
// instead.
//
// Threads: an `Op` belongs to one thread at a time; its completion may come from any.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "cluster/result.hpp"

namespace cluster {

// A move-only function without arguments or result: what executors run. Small ones cost no
// allocation.
class Callback {
 public:
  Callback() = default;
  template <class F>
  requires(!std::is_same_v<std::decay_t<F>, Callback> && std::is_invocable_v<std::decay_t<F>&>)
      Callback(F&& f) {
    using Body = std::decay_t<F>;
    if constexpr (is_small<Body>) {
      new (room_) Body(std::forward<F>(f));
      ways_ = &small_ways<Body>;
    } else {
      new (room_) std::unique_ptr<Body>(std::make_unique<Body>(std::forward<F>(f)));
      ways_ = &large_ways<Body>;
    }
  }
  Callback(Callback&& other) noexcept { take(other); }
  Callback& operator=(Callback&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }
  ~Callback() { clear(); }

  void operator()() { ways_->run(room_); }
  explicit operator bool() const { return ways_ != nullptr; }

 private:
  struct Ways {
    void (*run)(void* body);
    void (*move)(void* from, void* to) noexcept;  // Ends `from`.
    void (*end)(void* body) noexcept;
  };
  static constexpr std::size_t room_size = 48;

  template <class Body>
  static constexpr bool is_small =
      sizeof(Body) <= room_size &&
      alignof(Body) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<Body>;
  template <class Held>
  static void move_held(void* from, void* to) noexcept {
    new (to) Held(std::move(*static_cast<Held*>(from)));
    static_cast<Held*>(from)->~Held();
  }
  template <class Held>
  static void end_held(void* held) noexcept {
    static_cast<Held*>(held)->~Held();
  }
  template <class Body>
  static constexpr Ways small_ways{[](void* body) { (*static_cast<Body*>(body))(); },
                                   move_held<Body>, end_held<Body>};
  template <class Body>
  static constexpr Ways large_ways{
      [](void* body) { (**static_cast<std::unique_ptr<Body>*>(body))(); },
      move_held<std::unique_ptr<Body>>, end_held<std::unique_ptr<Body>>};

  void take(Callback& other) noexcept {
    ways_ = std::exchange(other.ways_, nullptr);
    if (ways_ != nullptr) ways_->move(other.room_, room_);
  }
  void clear() noexcept {
    if (ways_ != nullptr) std::exchange(ways_, nullptr)->end(room_);
  }

  alignas(std::max_align_t) std::byte room_[room_size];
  const Ways* ways_ = nullptr;
};

// Where continuations run. A host adapts its own event loop by implementing this.
class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `callback` later, once, in the order given. Any thread may call.
  virtual void execute(Callback callback) = 0;
  // True on a thread that runs this executor's callbacks.
  virtual bool is_current() const = 0;
};

namespace detail {

// Memory for operations: the thread that gives a block back keeps it for its next one.
void* take_block(std::size_t size);
void give_block(void* memory, std::size_t size) noexcept;

template <class T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() = default;
  template <class U>
  explicit BlockAllocator(const BlockAllocator<U>&) noexcept {}
  T* allocate(std::size_t count) { return static_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* at, std::size_t count) noexcept { give_block(at, count * sizeof(T)); }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) { return true; }
};

// Whether time passes for this thread only while it does not wait: that of a simulation.
bool is_simulated_thread();
void enter_simulation();
void leave_simulation();

// One operation's meeting point. `phase` moves empty -> (waiting or blocking ->) done and never
// back.
template <class T>
class OpState {
 public:
  explicit OpState(std::shared_ptr<Executor> executor) : executor_(std::move(executor)) {}

  void complete(Result<T> result, const std::shared_ptr<OpState>& self) {
    result_.emplace(std::move(result));
    Phase before = phase_.exchange(Phase::done, std::memory_order_acq_rel);
    if (before == Phase::waiting) dispatch(self);
    if (before == Phase::blocking) phase_.notify_all();
  }

  void set_continuation(Callback continuation, const std::shared_ptr<OpState>& self) {
    continuation_ = std::move(continuation);
    Phase expected = Phase::empty;
    if (!phase_.compare_exchange_strong(expected, Phase::waiting, std::memory_order_acq_rel)) {
      dispatch(self);
    }
  }

  bool is_done() const { return phase_.load(std::memory_order_acquire) == Phase::done; }

  bool would_deadlock() const {
    return !is_done() && (executor_ ? executor_->is_current() : is_simulated_thread());
  }

  void wait() {
    Phase expected = Phase::empty;
    phase_.compare_exchange_strong(expected, Phase::blocking, std::memory_order_acq_rel);
    for (Phase seen = phase_.load(std::memory_order_acquire); seen != Phase::done;
         seen = phase_.load(std::memory_order_acquire)) {
      phase_.wait(seen, std::memory_order_acquire);
    }
  }

  Result<T> take() { return std::move(*result_); }

 private:
  enum class Phase : std::uint32_t { empty, waiting, blocking, done };

  void dispatch(const std::shared_ptr<OpState>& self) {
    if (!executor_) return continuation_();
    executor_->execute([self] { self->continuation_(); });
  }

  std::atomic<Phase> phase_{Phase::empty};
  std::shared_ptr<Executor> executor_;
  std::optional<Result<T>> result_;
  Callback continuation_;
};

}  // namespace detail

template <class T>
class Promise;

template <class T>
class [[nodiscard]] Op {
 public:
  using value_type = T;

  // An operation that is already over.
  static Op ready(Result<T> result) {
    Op op(std::allocate_shared<detail::OpState<T>>(detail::BlockAllocator<T>(), nullptr));
    op.state_->complete(std::move(result), op.state_);
    return op;
  }

  Op(Op&&) noexcept = default;
  Op& operator=(Op&&) noexcept = default;

  bool is_done() const { return state_->is_done(); }

  // Waits for the end. Ends the `Op`.
  Result<T> get() {
    if (state_->would_deadlock()) {
      return Error{Errc::would_deadlock,
                   "get() was called on the thread that must complete it; use then(), or in a "
                   "simulation wait()",
                   Outcome::maybe};
    }
    state_->wait();
    return std::exchange(state_, nullptr)->take();
  }

  // Calls `f(Result<T>)` once it has ended. Ends the `Op`.
  template <class F>
  void then(F f) {
    auto state = std::exchange(state_, nullptr);
    auto* raw = state.get();
    raw->set_continuation([raw, f = std::move(f)]() mutable { f(raw->take()); }, state);
  }

  bool await_ready() const { return is_done(); }
  // A template, so that who does not suspend need not include <coroutine>. The coroutine may go on,
  // and end this `Op`, before `set_continuation` returns.
  template <class Handle>
  void await_suspend(Handle awaiting) {
    auto state = state_;
    state->set_continuation([awaiting]() mutable { awaiting.resume(); }, state);
  }
  Result<T> await_resume() { return std::exchange(state_, nullptr)->take(); }

 private:
  friend class Promise<T>;
  explicit Op(std::shared_ptr<detail::OpState<T>> state) : state_(std::move(state)) {}

  std::shared_ptr<detail::OpState<T>> state_;
};

// The other end of an `Op`: whoever carries the action out holds it. A promise that is destroyed
// without an answer completes its `Op` with `Errc::closed`.
template <class T>
class Promise {
 public:
  // Continuations run on `executor`; with none, on the thread that completes.
  explicit Promise(std::shared_ptr<Executor> executor = nullptr)
      : state_(std::allocate_shared<detail::OpState<T>>(detail::BlockAllocator<T>(),
                                                        std::move(executor))) {}
  // Of no operation: a place for one to be moved into.
  static Promise none() { return Promise(None{}); }
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    abandon();
    state_ = std::move(other.state_);
    return *this;
  }
  ~Promise() { abandon(); }

  // The operation to hand out; call once, before `complete`.
  Op<T> op() { return Op<T>(state_); }

  void complete(Result<T> result) {
    auto state = std::exchange(state_, nullptr);
    state->complete(std::move(result), state);
  }

  bool is_open() const { return state_ != nullptr; }

 private:
  struct None {};
  explicit Promise(None) {}

  void abandon() {
    if (state_) complete(Error{Errc::closed, "closed before the operation ended", Outcome::maybe});
  }

  std::shared_ptr<detail::OpState<T>> state_;
};

}  // namespace cluster
