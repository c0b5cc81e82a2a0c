// Rows as 128-bit hashes, equal for equal values whichever side they were read from: how tables are compared
// without holding them. Sums over buckets chosen by the key say where two sides differ in memory that does
// not grow with the table.
#pragma once

#include "base/column.h"
#include "base/limits.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::ingest {

using RowHash = unsigned __int128;

struct HashOfRowHash {
  size_t operator()(const RowHash& hash) const { return static_cast<size_t>(hash); }
};

struct HashedRow {
  RowHash key = 0;
  RowHash value = 0;
  size_t bucket() const { return static_cast<size_t>(key >> 64) % limits::parity_buckets; }
};

struct BucketSums {
  std::vector<RowHash> value = std::vector<RowHash>(limits::parity_buckets);
  std::vector<uint64_t> count = std::vector<uint64_t>(limits::parity_buckets);
  void add(const HashedRow& row) {
    value[row.bucket()] += row.value;
    ++count[row.bucket()];
  }
};

// Not thread-safe: it keeps its buffers.
class RowHasher {
 public:
  // Indices of columns; `values` may be empty, then the value is the key.
  RowHasher(std::vector<size_t> key, std::vector<size_t> values);
  HashedRow operator()(const Block& block, size_t row);
  // Of all columns of a block that has the key only.
  RowHash key_of(const Block& keys, size_t row);

 private:
  std::vector<size_t> key_;
  std::vector<size_t> values_;
  std::string key_bytes_;
  std::string value_bytes_;
};

}  // namespace tidemark::ingest
