#include "ingest/known_keys.h"

#include "base/invariant.h"

#include <bit>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tidemark::ingest {
namespace {

constexpr int bits_a_key = 4;
constexpr size_t word_bits = 64;

// A key's bits lie in one word's neighbourhood of 512: one cache line, so one miss a key.
struct Place {
  size_t line;    // first word of its line
  uint64_t rest;  // chooses bits within it
};
constexpr size_t line_words = 8;

Place place_of(uint64_t hash, size_t words) {
  // The low bits choose the line; the high bits of the product, in which all bits have a part, those in it.
  constexpr int bits_needed = bits_a_key * 9;
  return {(hash & (words / line_words - 1)) * line_words,
          (hash * 0x9E3779B97F4A7C15ULL) >> (word_bits - bits_needed)};
}

}  // namespace

KnownKeys::KnownKeys(size_t bytes)
    : words_(bytes / sizeof(uint64_t)), bits_(new std::atomic<uint64_t>[bytes / sizeof(uint64_t)]()) {
  INVARIANT(std::has_single_bit(bytes) && words_ >= line_words);
}

uint64_t KnownKeys::hash(std::string_view key) {
  return XXH64(key.data(), key.size(), 0);
}

void KnownKeys::add(uint64_t hash) {
  Place place = place_of(hash, words_);
  for (int bit = 0; bit < bits_a_key; ++bit, place.rest >>= 9)
    bits_[place.line + (place.rest & 511) / word_bits].fetch_or(uint64_t{1} << (place.rest % word_bits),
                                                                std::memory_order_relaxed);
}

bool KnownKeys::may_have(uint64_t hash) const {
  if (!complete_) return true;
  Place place = place_of(hash, words_);
  for (int bit = 0; bit < bits_a_key; ++bit, place.rest >>= 9)
    if ((bits_[place.line + (place.rest & 511) / word_bits].load(std::memory_order_relaxed) &
         (uint64_t{1} << (place.rest % word_bits))) == 0)
      return false;
  return true;
}

}  // namespace tidemark::ingest
