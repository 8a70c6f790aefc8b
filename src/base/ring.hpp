// A queue in one allocation: what passes through it by the hundred thousand a second costs no
// memory traffic but its own.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace cluster {

// `T` is default constructible; a slot that is free holds a default one. Memory is given back when
// most of it is unused.
template <class T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  T& operator[](std::size_t at) { return slots_[(head_ + at) & (slots_.size() - 1)]; }
  const T& operator[](std::size_t at) const { return slots_[(head_ + at) & (slots_.size() - 1)]; }
  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }

  void push_back(T value) {
    if (size_ == slots_.size()) move_to(slots_.empty() ? slots_min : 2 * slots_.size());
    (*this)[size_++] = std::move(value);
  }
  void pop_front() {
    front() = T{};
    head_ = (head_ + 1) & (slots_.size() - 1);
    size_ -= 1;
    if (slots_.size() > slots_kept && size_ < slots_.size() / 8) move_to(slots_.size() / 2);
  }
  void clear() {
    slots_.clear();
    head_ = size_ = 0;
  }

 private:
  static constexpr std::size_t slots_min = 16;
  static constexpr std::size_t slots_kept = 1024;

  void move_to(std::size_t slots) {
    std::vector<T> moved(slots);
    for (std::size_t i = 0; i < size_; ++i) moved[i] = std::move((*this)[i]);
    slots_ = std::move(moved);
    head_ = 0;
  }

  std::vector<T> slots_;  // A power of two of them, or none.
  std::size_t head_ = 0;
  std::size_t size_ = 0;
};

}  // namespace cluster
