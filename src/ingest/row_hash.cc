#include "ingest/row_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tidemark::ingest {
namespace {

RowHash hash_of(const std::string& bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return (static_cast<RowHash>(hash.high64) << 64) | hash.low64;
}

}  // namespace

RowHasher::RowHasher(std::vector<size_t> key, std::vector<size_t> values)
    : key_(std::move(key)), values_(std::move(values)) {}

HashedRow RowHasher::operator()(const Block& block, size_t row) {
  key_bytes_.clear();
  for (size_t column : key_) block.columns[column].encode(row, key_bytes_);
  HashedRow hashed{.key = hash_of(key_bytes_)};
  if (values_.empty()) {
    hashed.value = hashed.key;
    return hashed;
  }
  value_bytes_.clear();
  for (size_t column : values_) block.columns[column].encode(row, value_bytes_);
  hashed.value = hash_of(value_bytes_);
  return hashed;
}

RowHash RowHasher::key_of(const Block& keys, size_t row) {
  key_bytes_.clear();
  for (const auto& column : keys.columns) column.encode(row, key_bytes_);
  return hash_of(key_bytes_);
}

}  // namespace tidemark::ingest
