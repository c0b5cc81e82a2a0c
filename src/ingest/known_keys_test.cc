#include "ingest/known_keys.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

uint64_t hash_of(uint64_t number) {
  return KnownKeys::hash(fmt::format("message-{}", number));
}

TEST(KnownKeys, NoIsCertainAndYesMostlyTrue) {
  // 12.8 bits a key, as with 20 million keys in the full size.
  constexpr size_t bytes = 1 << 17;
  constexpr uint64_t keys = bytes * 8 * 10 / 128;
  KnownKeys known(bytes);
  EXPECT_TRUE(known.may_have(hash_of(1)));  // not complete
  for (uint64_t number = 0; number < keys; ++number) known.add(hash_of(number));
  known.complete();
  for (uint64_t number = 0; number < keys; ++number) ASSERT_TRUE(known.may_have(hash_of(number))) << number;
  uint64_t wrong = 0;
  for (uint64_t number = keys; number < 2 * keys; ++number) wrong += known.may_have(hash_of(number)) ? 1 : 0;
  EXPECT_LT(static_cast<double>(wrong) / keys, 0.012);
}

TEST(KnownKeys, TheHashIsTheWarehouses) {
  // SELECT xxHash64('message'), xxHash64('')
  EXPECT_EQ(KnownKeys::hash(""), 17241709254077376921ULL);
}

}  // namespace
}  // namespace tidemark::ingest
