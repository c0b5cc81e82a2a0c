#include "cli/finance_world.h"

#include "cli/generator_random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

struct Country {
  const char* code;
  const char* alpha3;
  const char* name;
  const char* currency;
  std::array<const char*, 3> cities;
};

constexpr std::array<Country, 20> countries = {{
    {"DE", "DEU", "Germany", "EUR", {"Berlin", "Hamburg", "Munich"}},
    {"FR", "FRA", "France", "EUR", {"Paris", "Lyon", "Nantes"}},
    {"GB", "GBR", "United Kingdom", "GBP", {"London", "Leeds", "Bristol"}},
    {"US", "USA", "United States", "USD", {"New York", "Austin", "Seattle"}},
    {"ES", "ESP", "Spain", "EUR", {"Madrid", "Valencia", "Bilbao"}},
    {"IT", "ITA", "Italy", "EUR", {"Milan", "Rome", "Turin"}},
    {"NL", "NLD", "Netherlands", "EUR", {"Amsterdam", "Utrecht", "Delft"}},
    {"CH", "CHE", "Switzerland", "CHF", {"Zurich", "Basel", "Geneva"}},
    {"SE", "SWE", "Sweden", "SEK", {"Stockholm", "Malmo", "Uppsala"}},
    {"PL", "POL", "Poland", "PLN", {"Warsaw", "Gdansk", "Krakow"}},
    {"AT", "AUT", "Austria", "EUR", {"Vienna", "Graz", "Linz"}},
    {"NO", "NOR", "Norway", "NOK", {"Oslo", "Bergen", "Tromso"}},
    {"DK", "DNK", "Denmark", "DKK", {"Copenhagen", "Aarhus", "Odense"}},
    {"CA", "CAN", "Canada", "CAD", {"Toronto", "Montreal", "Calgary"}},
    {"JP", "JPN", "Japan", "JPY", {"Tokyo", "Osaka", "Kyoto"}},
    {"BR", "BRA", "Brazil", "BRL", {"Sao Paulo", "Recife", "Curitiba"}},
    {"IN", "IND", "India", "INR", {"Mumbai", "Pune", "Chennai"}},
    {"NG", "NGA", "Nigeria", "USD", {"Lagos", "Abuja", "Kano"}},
    {"SG", "SGP", "Singapore", "USD", {"Singapore", "Jurong", "Tampines"}},
    {"RO", "ROU", "Romania", "EUR", {"Bucharest", "Cluj", "Iasi"}},
}};

constexpr std::array<double, 11> levels = {0.92,  1.17, 1.04,   0.087, 0.23, 0.085,
                                           0.134, 0.68, 0.0061, 0.17,  0.011};

constexpr std::array<const char*, 24> given_names = {
    "Ada",  "Ben",  "Clara", "David", "Elena", "Felix", "Greta", "Hugo", "Ines",   "Jonas", "Klara", "Luis",
    "Mara", "Nils", "Olga",  "Pablo", "Rosa",  "Sven",  "Tilda", "Uma",  "Viktor", "Wanda", "Yusuf", "Zoe"};
constexpr std::array<const char*, 24> family_names = {
    "Berg",    "Costa",  "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ivanov",
    "Jansen",  "Keller", "Lopez",  "Moreau",  "Novak",   "Olsen",  "Petrov", "Rossi",
    "Schmidt", "Tanaka", "Urban",  "Vogel",   "Weber",   "Yilmaz", "Zhang",  "Okafor"};
constexpr std::array<const char*, 20> merchant_words = {
    "Corner", "Harbour", "Blue",  "North", "Sunrise", "Royal", "Urban",  "Green", "Iron",    "Silver",
    "Prime",  "Cedar",   "Atlas", "Pixel", "Orbit",   "Delta", "Velvet", "Maple", "Lantern", "Copper"};
constexpr std::array<std::array<const char*, 3>, 8> merchant_trades = {{{"Market", "Outfitters", "Books"},
                                                                        {"Bakery", "Kitchen", "Cafe"},
                                                                        {"Airlines", "Hotels", "Rail"},
                                                                        {"Electronics", "Audio", "Computers"},
                                                                        {"Cinema", "Games", "Tickets"},
                                                                        {"Pharmacy", "Optics", "Fitness"},
                                                                        {"Energy", "Telecom", "Water"},
                                                                        {"Casino", "Lottery", "Poker"}}};

}  // namespace

std::string uuid_text(const Uuid& uuid) {
  std::string text;
  for (size_t index = 0; index < uuid.size(); ++index) {
    if (index == 4 || index == 6 || index == 8 || index == 10) text += '-';
    text += fmt::format("{:02x}", uuid[index]);
  }
  return text;
}

Uuid parse_uuid(std::string_view text) {
  Uuid uuid{};
  size_t nibble = 0;
  for (char letter : text) {
    if (letter == '-' || nibble >= 32) continue;
    int value = letter <= '9' ? letter - '0' : (letter | 32) - 'a' + 10;
    uuid[nibble / 2] = static_cast<uint8_t>(uuid[nibble / 2] | (nibble % 2 == 0 ? value << 4 : value));
    ++nibble;
  }
  return uuid;
}

uint64_t uuid_bits(const Uuid& uuid) {
  uint64_t bits = 0;
  std::memcpy(&bits, uuid.data(), sizeof(bits));
  return spread_bits(bits);
}

size_t country_count() {
  return countries.size();
}

const char* country_code(size_t country) {
  return countries[country].code;
}

std::string country_spelling(size_t country, uint64_t bits) {
  const Country& one = countries[country];
  std::string name = one.name;
  switch (bits % 10) {
    case 0:
      return one.alpha3;
    case 1:
      return name;
    case 2:
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
      return " " + name;
    case 3:
      return fmt::format("{} ", one.code);
    default:
      return one.code;
  }
}

const char* country_currency(size_t country) {
  return countries[country].currency;
}

const char* country_city(size_t country, uint64_t bits) {
  return countries[country].cities[bits % 3];
}

const std::vector<const char*>& foreign_currencies() {
  static const std::vector<const char*> currencies = {"USD", "GBP", "CHF", "SEK", "PLN", "NOK",
                                                      "DKK", "CAD", "JPY", "BRL", "INR"};
  return currencies;
}

int64_t rate_to_eur_millionths(size_t currency, int64_t day) {
  auto phase = static_cast<double>(currency) * 1.7;
  auto time = static_cast<double>(day);
  double noise =
      static_cast<double>(spread_bits(static_cast<uint64_t>(day) * 31 + currency) % 1000) / 1000.0 - 0.5;
  double walk = 0.03 * std::sin(time / 47 + phase) + 0.015 * std::sin(time / 11 + 2 * phase) + 0.006 * noise;
  return std::llround(levels[currency % levels.size()] * (1 + walk) * 1e6);
}

int64_t typical_amount_cents(size_t category) {
  constexpr std::array<int64_t, 8> cents = {3'900, 1'450, 14'900, 11'900, 1'990, 2'750, 6'400, 4'000};
  return cents[category % cents.size()];
}

std::string merchant_name(size_t category, uint64_t bits) {
  return fmt::format("{} {} {}", merchant_words[bits % merchant_words.size()],
                     merchant_trades[category % merchant_trades.size()][(bits >> 16) % 3],
                     (bits >> 32) % 90 + 10);
}

std::string person_name(uint64_t bits) {
  return fmt::format("{} {}", given_names[bits % given_names.size()],
                     family_names[(bits >> 16) % family_names.size()]);
}

std::string email_of(const std::string& person, uint64_t bits) {
  std::string address =
      fmt::format("{}{}@{}", person, bits % 10'000, bits % 3 == 0 ? "Example.com" : "example.org");
  std::replace(address.begin(), address.end(), ' ', '.');
  return bits % 11 == 0 ? " " + address : address;
}

}  // namespace tidemark::cli
