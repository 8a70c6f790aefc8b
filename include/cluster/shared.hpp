// A value that never changes and that copies share: a copy is a pointer, however large the value.
// `T()` costs nothing. Reads as the value, and is made of one, without saying so.
#pragma once

#include <memory>
#include <utility>

namespace cluster {

template <class T>
class Shared {
 public:
  Shared() = default;
  Shared(T value) {
    if (!(value == T())) value_ = std::make_shared<const T>(std::move(value));
  }

  const T& get() const {
    static const T none{};
    return value_ ? *value_ : none;
  }
  operator const T&() const { return get(); }
  const T& operator*() const { return get(); }
  const T* operator->() const { return &get(); }

  friend bool operator==(const Shared& a, const Shared& b) {
    return a.value_ == b.value_ || a.get() == b.get();
  }
  friend bool operator==(const Shared& a, const T& b) { return a.get() == b; }
  friend auto operator<=>(const Shared& a, const Shared& b) { return a.get() <=> b.get(); }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace cluster
