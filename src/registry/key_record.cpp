#include "registry/key_record.hpp"

#include <cstring>
#include <new>

namespace cluster::registry {
namespace {

Digest row_of(const RecordFields& fields, ByteView key, ByteView value) {
  RowHash hash(RowKind::key);
  hash.add(fields.space.value()).add(fields.created.value()).add(fields.modified.value());
  hash.add(fields.version).add(fields.lease.value()).add(fields.change);
  hash.add(key).add(value);
  return hash.finish();
}

}  // namespace

KeyRecord::KeyRecord(const RecordFields& fields, ByteView key, ByteView value)
    : key_size_(static_cast<std::uint32_t>(key.size())),
      value_size_(static_cast<std::uint32_t>(value.size())),
      fields_(fields),
      row_(row_of(fields, key, value)) {
  char* to = reinterpret_cast<char*>(this + 1);
  if (!key.empty()) std::memcpy(to, key.data(), key.size());
  if (!value.empty()) std::memcpy(to + key.size(), value.data(), value.size());
}

RecordRef KeyRecord::make(const RecordFields& fields, ByteView key, ByteView value) {
  void* memory = ::operator new(sizeof(KeyRecord) + key.size() + value.size());
  return RecordRef::adopt(new (memory) KeyRecord(fields, key, value));
}

void KeyRecord::destroy(const KeyRecord* record) {
  record->~KeyRecord();
  ::operator delete(const_cast<KeyRecord*>(record));
}

KeyValue KeyRecord::to_key_value(bool with_value) const {
  return {.key = std::string(key()),
          .value = with_value ? Bytes(value()) : Bytes(),
          .created = fields_.created,
          .modified = fields_.modified,
          .version = fields_.version,
          .lease = fields_.lease};
}

}  // namespace cluster::registry
