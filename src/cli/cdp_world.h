// The world of the cdp pack: what is sold, and people with their names, browsers and devices. Pure functions
// of numbers, so that a customer keeps everything for life and the same seed gives the same world.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::cli {

constexpr std::array<const char*, 5> cdp_categories = {"shoes", "books", "kitchen", "games", "outdoor"};
constexpr int32_t cdp_products = 30;  // numbered from 1
constexpr int32_t cdp_accounts = 40;

struct CdpProduct {
  int32_t id = 0;
  std::string name;
  const char* category = "";
  int64_t cents = 0;
};
CdpProduct cdp_product(int32_t id);

struct CdpPerson {
  std::string id;  // "c17"
  std::string account, name, email, country, city;
  std::vector<std::string> browsers;  // anonymous ids, one to three
  std::string device;                 // of who has the app; shared by some families; else empty
  std::vector<const char*> interests;
  int64_t birth_day = 0;  // days since 1970
};
CdpPerson cdp_person(int64_t number);
int64_t cdp_person_number(const std::string& id);  // "c17" -> 17

}  // namespace tidemark::cli
