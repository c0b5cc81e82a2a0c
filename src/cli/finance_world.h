// The world of the finance pack: countries as people spell them, currencies with a walk of daily rates, names
// of merchants and people. Pure functions of numbers, so that a thing keeps its properties for life and the
// same seed gives the same world.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::cli {

using Uuid = std::array<uint8_t, 16>;
std::string uuid_text(const Uuid& uuid);
Uuid parse_uuid(std::string_view text);
uint64_t uuid_bits(const Uuid& uuid);  // well spread; the same for the same id

// Countries by number, the first with the most accounts.
size_t country_count();
const char* country_code(size_t country);
// As a form would deliver it: "DE", "Germany", " germany", "DEU".
std::string country_spelling(size_t country, uint64_t bits);
const char* country_currency(size_t country);
const char* country_city(size_t country, uint64_t bits);

// Currencies that have a rate: all but EUR.
const std::vector<const char*>& foreign_currencies();
// Millionths of a EUR for one unit on a day (days since 1970): a slow walk around the currency's level.
int64_t rate_to_eur_millionths(size_t currency, int64_t day);

constexpr std::array<const char*, 8> merchant_categories = {
    "Retail", "Food", "Travel", "Electronics", "Entertainment", "Health", "Utilities", "Gambling"};
// Cents, before exchange: the median payment in a category.
int64_t typical_amount_cents(size_t category);

// "Harbour Bakery 41": after what the category sells.
std::string merchant_name(size_t category, uint64_t bits);
std::string person_name(uint64_t bits);
// "Ada.Berg17@Example.com ": sometimes with capitals and blanks, as people type it.
std::string email_of(const std::string& person, uint64_t bits);

}  // namespace tidemark::cli
