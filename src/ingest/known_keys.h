// Which keys a table has, roughly, in memory: "no" is certain, "yes" has to be looked up. It spares the cut
// of a table that keeps the first row of a key the look-up of nearly all of its keys, which are new.
//
// A Bloom filter of a fixed size (limits::known_keys_bytes), 4 bits a key: a wrong "yes" comes once in 150 at
// 20 million keys, once in 13 at 50 million; beyond that it wears out and everything is looked up, as
// without it. Until complete() everything is a "yes": keys that are added meanwhile stay.
//
// Keys are given by their hash (XXH64 of the text, seed 0), which the warehouse computes too. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

namespace tidemark::ingest {

class KnownKeys {
 public:
  // `bytes`: a power of two.
  explicit KnownKeys(size_t bytes);

  static uint64_t hash(std::string_view key);
  void add(uint64_t hash);
  // Everything the table had before is added.
  void complete() { complete_ = true; }
  bool is_complete() const { return complete_; }
  bool may_have(uint64_t hash) const;

 private:
  const size_t words_;
  std::unique_ptr<std::atomic<uint64_t>[]> bits_;
  std::atomic<bool> complete_{false};
};

}  // namespace tidemark::ingest
