#include "cluster/types.hpp"

#include <cstring>

#include "base/check.hpp"

namespace cluster {

Bytes::Bytes(ByteView view) : size_(view.size()) {
  if (view.empty()) return;
  std::shared_ptr<char[]> copy = std::make_shared_for_overwrite<char[]>(view.size());
  std::memcpy(copy.get(), view.data(), view.size());
  data_ = std::shared_ptr<const char>(copy, copy.get());
}

Bytes::Bytes(std::string&& value) : size_(value.size()) {
  if (value.empty()) return;
  auto owner = std::make_shared<const std::string>(std::move(value));
  data_ = std::shared_ptr<const char>(owner, owner->data());
}

Bytes Bytes::slice(std::size_t offset, std::size_t size) const {
  CLUSTER_CHECK(offset <= size_ && size <= size_ - offset, "a slice lies inside its bytes", offset,
                size, size_);
  Bytes part;
  part.data_ = std::shared_ptr<const char>(data_, data_.get() + offset);
  part.size_ = size;
  return part;
}

}  // namespace cluster
