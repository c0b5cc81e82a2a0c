// Who lives in the commerce pack's world: two shops, what they sell, their people, the campaigns that are
// mailed. Everything is a pure function of a number, so that a run that goes on later meets the same people.
// Ids are as large as real ones: above 2^53, where a JSON reader that makes doubles of them is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::cli {

struct CommerceShop {
  std::string domain, currency, country_code, country, city;
  int64_t location_id = 0;
};
const std::vector<CommerceShop>& commerce_shops();

struct CommerceProduct {
  int64_t number = 0;  // within its shop, from 0
  int64_t product_id = 0, variant_id = 0, inventory_item_id = 0;
  std::string sku, title;
  int64_t cents = 0, cost_cents = 0;
};
constexpr int64_t commerce_products = 40;  // of each shop
CommerceProduct commerce_product(size_t shop, int64_t number);

struct CommercePerson {
  int64_t number = 0;
  size_t shop = 0;
  int64_t customer_id = 0;
  std::string first_name, last_name, email, profile_id, client_id, city, device, system, browser;
  bool subscribed = false;
};
CommercePerson commerce_person(int64_t number);

// A campaign of Klaviyo and its message; the metrics events are of.
constexpr int64_t commerce_campaigns = 12;
std::string campaign_id(int64_t number);
std::string campaign_message_id(int64_t number);
std::string campaign_name(int64_t number);
constexpr std::string_view commerce_flow_id = "Flow01";
const std::vector<std::string>& commerce_metrics();
std::string metric_id(std::string_view metric);

// Where a visit comes from, as GA4 says it.
struct CommerceTouch {
  std::string_view source, medium, campaign;
  int weight;
};
const std::vector<CommerceTouch>& commerce_touches();

// "2026-01-31T23:59:59.123456Z"
std::string iso_moment(int64_t micros);
// "20260131"
std::string ga4_date(int64_t micros);
// "12.30"
std::string money(int64_t cents);

}  // namespace tidemark::cli
