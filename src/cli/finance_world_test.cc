#include "cli/finance_world.h"

#include <gtest/gtest.h>
#include <set>

namespace tidemark::cli {
namespace {

TEST(FinanceWorld, IdsAreReadBack) {
  Uuid uuid{};
  for (size_t index = 0; index < uuid.size(); ++index) uuid[index] = static_cast<uint8_t>(index * 17);
  EXPECT_EQ(uuid_text(uuid), "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(parse_uuid(uuid_text(uuid)), uuid);
  Uuid other = uuid;
  other[3] ^= 1;
  EXPECT_NE(uuid_bits(uuid), uuid_bits(other));
}

TEST(FinanceWorld, CountriesAreSpelledInSeveralWaysAndTheCodeIsOneOfThem) {
  std::set<std::string> codes;
  for (size_t country = 0; country < country_count(); ++country) {
    std::string code = country_code(country);
    EXPECT_EQ(code.size(), 2u);
    EXPECT_TRUE(codes.insert(code).second) << code;
    EXPECT_EQ(std::string(country_currency(country)).size(), 3u);
    std::set<std::string> spellings;
    for (uint64_t bits = 0; bits < 2'000; ++bits)
      spellings.insert(country_spelling(country, bits * 0x9e3779b97f4a7c15));
    EXPECT_TRUE(spellings.contains(code)) << code;
    EXPECT_GT(spellings.size(), 1u) << code;
  }
}

TEST(FinanceWorld, RatesAreASlowWalkAndNeverZero) {
  for (size_t currency = 0; currency < foreign_currencies().size(); ++currency) {
    EXPECT_STRNE(foreign_currencies()[currency], "EUR");
    int64_t before = rate_to_eur_millionths(currency, 20'000);
    std::set<int64_t> rates;
    for (int64_t day = 20'001; day < 20'400; ++day) {
      int64_t rate = rate_to_eur_millionths(currency, day);
      ASSERT_GT(rate, 0);
      EXPECT_LT(std::abs(rate - before), before / 10 + 2)
          << foreign_currencies()[currency] << " on day " << day;
      EXPECT_EQ(rate, rate_to_eur_millionths(currency, day)) << "the same for the same day";
      before = rate;
      rates.insert(rate);
    }
    EXPECT_GT(rates.size(), 50u);
  }
}

TEST(FinanceWorld, NamesAndAmountsKeepForLife) {
  for (size_t category = 0; category < merchant_categories.size(); ++category) {
    EXPECT_GT(typical_amount_cents(category), 0);
    EXPECT_EQ(merchant_name(category, 7), merchant_name(category, 7));
    EXPECT_FALSE(merchant_name(category, 7).empty());
  }
  std::set<std::string> people;
  for (uint64_t bits = 0; bits < 500; ++bits) {
    std::string person = person_name(bits * 0x9e3779b97f4a7c15);
    people.insert(person);
    EXPECT_NE(email_of(person, bits).find('@'), std::string::npos);
  }
  EXPECT_GT(people.size(), 100u);
}

}  // namespace
}  // namespace tidemark::cli
