#include "cli/generator_random.h"

#include <gtest/gtest.h>

namespace tidemark::cli {
namespace {

constexpr int64_t hour = 3'600'000'000;
constexpr int64_t monday = 1'763'337'600'000'000;  // 2025-11-17 00:00 UTC

TEST(GeneratorRandom, SameSeedSameNumbers) {
  GeneratorRandom one(42);
  GeneratorRandom two(42);
  GeneratorRandom other(43);
  int equal = 0;
  for (int index = 0; index < 1000; ++index) {
    uint64_t value = one.next();
    EXPECT_EQ(value, two.next());
    equal += value == other.next();
  }
  EXPECT_EQ(equal, 0);
}

// Pins the sequence: data generated on one machine must be that of another, and of the next version.
TEST(GeneratorRandom, FirstNumbersOfSeedZero) {
  GeneratorRandom random(0);
  EXPECT_EQ(random.next(), 0xe220a8397b1dcdafU);
  EXPECT_EQ(random.next(), 0x6e789e6aa1b965f4U);
}

TEST(GeneratorRandom, StaysInBounds) {
  GeneratorRandom random(1);
  bool low = false;
  bool high = false;
  for (int index = 0; index < 10'000; ++index) {
    int64_t value = random.between(-3, 3);
    ASSERT_GE(value, -3);
    ASSERT_LE(value, 3);
    low |= value == -3;
    high |= value == 3;
    double unit = random.unit();
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
  }
  EXPECT_TRUE(low && high);
}

TEST(GeneratorRandom, SharesAddUpOverTime) {
  GeneratorRandom random(1);
  int64_t sum = 0;
  for (int index = 0; index < 10'000; ++index) sum += random.share_of(10, 0.013);
  EXPECT_NEAR(static_cast<double>(sum), 1300, 150);
}

TEST(Zipf, FirstIsFarMorePopularThanLast) {
  GeneratorRandom random(1);
  Zipf popularity(50, 1.0);
  std::vector<int> counts(50);
  for (int index = 0; index < 100'000; ++index) ++counts[popularity.pick(random)];
  EXPECT_NEAR(static_cast<double>(counts[0]) / counts[49], 50, 15);
  EXPECT_NEAR(static_cast<double>(counts[0]) / counts[9], 10, 2);
}

TEST(DayCurve, MomentsRiseAndStayInside) {
  DayCurve curve(monday + 1, monday + 3 * 24 * hour - 5);
  int64_t before = 0;
  for (int index = 0; index <= 1000; ++index) {
    int64_t at = curve.moment(index / 1000.0);
    ASSERT_GE(at, monday + 1);
    ASSERT_LT(at, monday + 3 * 24 * hour - 5);
    ASSERT_GE(at, before);
    before = at;
  }
}

TEST(DayCurve, EveningIsBusierThanNight) {
  DayCurve curve(monday, monday + 24 * hour);
  int night = 0;
  int evening = 0;
  for (int index = 0; index < 10'000; ++index) {
    int64_t hour_of_day = (curve.moment((index + 0.5) / 10'000) - monday) / hour;
    night += hour_of_day == 4;
    evening += hour_of_day == 20;
  }
  EXPECT_GT(evening, 5 * night);
}

TEST(DayCurve, APeriodOfMicroseconds) {
  DayCurve curve(monday, monday + 1);
  EXPECT_EQ(curve.moment(0), monday);
  EXPECT_EQ(curve.moment(1), monday);
}

}  // namespace
}  // namespace tidemark::cli
