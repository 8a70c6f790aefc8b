// One version of one key, or its deletion. Never changed once it is made; header, key and value are
// one allocation.
#pragma once

#include <cstdint>

#include "cluster/keys.hpp"
#include "cluster/types.hpp"
#include "registry/ref.hpp"
#include "registry/row_hash.hpp"

namespace cluster::registry {

// A namespace's number. Never used again, as its name may be.
using SpaceId = Id<struct SpaceTag>;

struct RecordFields {
  SpaceId space;
  Revision created;
  Revision modified;
  std::uint64_t version = 0;  // 0: the key was deleted.
  LeaseId lease;
  std::uint64_t change = 0;  // The number of the change that made it.
};

class KeyRecord : public Counted {
 public:
  static Ref<const KeyRecord> make(const RecordFields& fields, ByteView key, ByteView value);
  static void destroy(const KeyRecord*);

  const RecordFields& fields() const { return fields_; }
  bool is_deletion() const { return fields_.version == 0; }
  ByteView key() const { return {text(), key_size_}; }
  ByteView value() const { return {text() + key_size_, value_size_}; }
  std::size_t size() const { return key_size_ + std::size_t{value_size_}; }
  const Digest& row() const { return row_; }

  KeyValue to_key_value(bool with_value = true) const;

 private:
  KeyRecord(const RecordFields& fields, ByteView key, ByteView value);
  const char* text() const { return reinterpret_cast<const char*>(this + 1); }

  std::uint32_t key_size_;
  std::uint32_t value_size_;
  RecordFields fields_;
  Digest row_;
};

using RecordRef = Ref<const KeyRecord>;

}  // namespace cluster::registry
