#include "cli/commerce_world.h"

#include "cli/generator_random.h"

#include <array>
#include <ctime>
#include <fmt/format.h>

namespace tidemark::cli {

namespace {

constexpr int64_t above_doubles = 9'007'199'254'740'993;  // 2^53 + 1
constexpr int64_t second_micros = 1'000'000;

constexpr std::array<const char*, 12> first_names = {"Ada",   "Bruno", "Chiara", "Dora",  "Emil", "Farida",
                                                     "Greta", "Hugo",  "Ines",   "Jonas", "Kofi", "Lena"};
constexpr std::array<const char*, 10> last_names = {"Arndt",  "Baker", "Costa", "Diallo", "Eriksen",
                                                    "Ferrer", "Green", "Haas",  "Ito",    "Jensen"};
constexpr std::array<const char*, 8> things = {"Mug",   "Lamp", "Chair", "Blanket",
                                               "Knife", "Vase", "Apron", "Bowl"};
constexpr std::array<const char*, 5> looks = {"Blue", "Oak", "Linen", "Large", "Classic"};

std::tm parts_of(int64_t micros) {
  std::time_t seconds = micros / second_micros;
  std::tm parts = {};
  gmtime_r(&seconds, &parts);
  return parts;
}

}  // namespace

const std::vector<CommerceShop>& commerce_shops() {
  static const std::vector<CommerceShop> shops = {
      {"nordlicht.myshopify.com", "EUR", "DE", "Germany", "Hamburg", above_doubles + 11},
      {"harbor.myshopify.com", "USD", "US", "United States", "Boston", above_doubles + 12}};
  return shops;
}

CommerceProduct commerce_product(size_t shop, int64_t number) {
  uint64_t bits = spread_bits(static_cast<uint64_t>(number) * 2 + shop + 77);
  int64_t base = above_doubles + 1000 + static_cast<int64_t>(shop) * 10'000 + number;
  CommerceProduct product;
  product.number = number;
  product.product_id = base;
  product.variant_id = base + 100'000;
  product.inventory_item_id = base + 200'000;
  product.title = fmt::format("{} {}", looks[static_cast<size_t>(number / 8) % looks.size()],
                              things[static_cast<size_t>(number) % things.size()]);
  product.sku = fmt::format("{}-{:03}", shop == 0 ? "NL" : "HB", number + 1);
  product.cents = 700 + static_cast<int64_t>(bits % 12'000);
  product.cost_cents = product.cents * (30 + static_cast<int64_t>((bits >> 20) % 30)) / 100;
  return product;
}

CommercePerson commerce_person(int64_t number) {
  uint64_t bits = spread_bits(static_cast<uint64_t>(number) + 4242);
  CommercePerson person;
  person.number = number;
  person.shop = bits % commerce_shops().size();
  person.customer_id = above_doubles + 5'000'000 + number;
  person.first_name = first_names[(bits >> 4) % first_names.size()];
  person.last_name = last_names[(bits >> 12) % last_names.size()];
  // As people type it: letters of either size.
  person.email = fmt::format("{}.{}{}@{}", person.first_name, person.last_name, number,
                             (bits >> 20) % 3 == 0 ? "Example.org" : "example.com");
  person.profile_id = fmt::format("01K{:016X}", spread_bits(bits));
  person.client_id = fmt::format("{}.{}", 100'000'000 + (bits >> 24) % 900'000'000, 1'700'000'000 + number);
  person.city = commerce_shops()[person.shop].city;
  bool phone = (bits >> 30) % 100 < 60;
  person.device = phone ? "mobile" : "desktop";
  person.system = phone ? ((bits >> 40) % 2 == 0 ? "iOS" : "Android") : "Windows";
  person.browser = person.system == "iOS" ? "Safari" : (bits >> 45) % 4 == 0 ? "Firefox" : "Chrome";
  person.subscribed = (bits >> 50) % 100 < 65;
  return person;
}

std::string campaign_id(int64_t number) {
  return fmt::format("01KCAMPAIGN{:04}", number);
}
std::string campaign_message_id(int64_t number) {
  return fmt::format("01KMESSAGE{:04}", number);
}
std::string campaign_name(int64_t number) {
  return fmt::format("Letter {}", number + 1);
}

const std::vector<std::string>& commerce_metrics() {
  static const std::vector<std::string> metrics = {"Received Email", "Opened Email",   "Clicked Email",
                                                   "Bounced Email",  "Unsubscribed",   "Marked Email as Spam",
                                                   "Active on Site", "Viewed Product", "Checkout Started",
                                                   "Placed Order",   "Refunded Order"};
  return metrics;
}

std::string metric_id(std::string_view metric) {
  const auto& metrics = commerce_metrics();
  for (size_t index = 0; index < metrics.size(); ++index)
    if (metrics[index] == metric) return fmt::format("Met{:03}", index + 1);
  return "Met000";
}

const std::vector<CommerceTouch>& commerce_touches() {
  static const std::vector<CommerceTouch> touches = {
      {"(direct)", "(none)", "", 30},        {"google", "organic", "", 25},
      {"google", "cpc", "brand", 12},        {"facebook", "paid_social", "lookalike", 9},
      {"instagram", "social", "", 8},        {"blog.example.net", "referral", "", 8},
      {"partner", "affiliate", "autumn", 5}, {"(not set)", "(not set)", "", 3}};
  return touches;
}

std::string iso_moment(int64_t micros) {
  std::tm parts = parts_of(micros);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, micros % second_micros);
}

std::string ga4_date(int64_t micros) {
  std::tm parts = parts_of(micros);
  return fmt::format("{:04}{:02}{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string money(int64_t cents) {
  return fmt::format("{}{}.{:02}", cents < 0 ? "-" : "", (cents < 0 ? -cents : cents) / 100,
                     (cents < 0 ? -cents : cents) % 100);
}

}  // namespace tidemark::cli
