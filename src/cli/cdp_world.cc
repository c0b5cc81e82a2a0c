#include "cli/cdp_world.h"

#include "cli/finance_world.h"
#include "cli/generator_random.h"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr std::array<const char*, 6> makes = {"Classic", "Trail", "Midnight", "Harbour", "Little", "Grand"};
// Of 1,000 people: those with the app, and those of them whose device is one with a relative's.
constexpr uint64_t with_app = 300;
constexpr uint64_t sharing = 50;

}  // namespace

CdpProduct cdp_product(int32_t id) {
  uint64_t bits = spread_bits(static_cast<uint64_t>(id) + 31);
  const char* category = cdp_categories[static_cast<size_t>(id) % cdp_categories.size()];
  return {
      .id = id,
      .name = fmt::format("{} {} {}", makes[static_cast<size_t>(id) / cdp_categories.size() % makes.size()],
                          category, id),
      .category = category,
      .cents = 495 + static_cast<int64_t>(bits % 200) * 50};
}

CdpPerson cdp_person(int64_t number) {
  GeneratorRandom own(spread_bits(static_cast<uint64_t>(number) * 2 + 1));
  CdpPerson person;
  person.id = fmt::format("c{}", number);
  person.account = fmt::format("a{}", 1 + own.below(cdp_accounts));
  person.name = person_name(own.next());
  person.email = fmt::format("{}{}@{}", person.name, number, own.chance(0.8) ? "example.com" : "example.org");
  std::transform(person.email.begin(), person.email.end(), person.email.begin(), [](char letter) {
    return letter == ' ' ? '.' : letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
  });
  size_t country = own.below(country_count());
  person.country = country_code(country);
  person.city = country_city(country, own.next());
  for (uint64_t browser = 0, count = 1 + own.below(3); browser < count; ++browser)
    person.browsers.push_back(fmt::format("b{:016x}", own.next()));
  uint64_t app = own.below(1'000);
  if (app < with_app) person.device = fmt::format("phone-{}", number);
  if (app < sharing) person.device = fmt::format("tablet-{}", number / 2);
  for (const char* category : cdp_categories)
    if (own.chance(0.35)) person.interests.push_back(category);
  person.birth_day = own.between(-9'000, 12'000);
  return person;
}

int64_t cdp_person_number(const std::string& id) {
  return std::strtoll(id.c_str() + (id.empty() ? 0 : 1), nullptr, 10);
}

}  // namespace tidemark::cli
