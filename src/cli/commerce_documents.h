// What the three systems say of an object, as an extraction tool writes it into Postgres: one JSON object
// with the columns of its table (packs/commerce/schema/postgres.sql), without those of the tool itself.
// Shapes are those of Shopify's REST API, Klaviyo's JSON:API and GA4's export.
//
// Pure functions; no I/O.
#pragma once

#include "cli/commerce_world.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::cli {

struct CommerceLine {
  int64_t id = 0;
  CommerceProduct product;
  int64_t quantity = 1, discount_cents = 0;
};

struct CommerceOrder {
  int64_t id = 0, number = 0;
  CommercePerson person;
  bool guest = false;  // without a customer: sold at a counter
  bool test = false;
  std::string code;  // of a discount
  std::vector<CommerceLine> lines;
  int64_t shipping_cents = 0;
  int64_t at_micros = 0, updated_micros = 0;
  std::string financial = "paid", fulfillment;
  bool cancelled = false, redacted = false;

  int64_t gross_cents() const;
  int64_t discount_cents() const;
  int64_t tax_cents() const;  // in the prices
  int64_t total_cents() const { return gross_cents() - discount_cents() + shipping_cents; }
};

struct CommerceRefund {
  int64_t id = 0;
  int64_t at_micros = 0;
  std::vector<std::pair<size_t, int64_t>> items;  // line of the order, how many
  int64_t adjustment_cents = 0;                   // kept back: below zero
};

std::string order_document(const CommerceOrder& order);
// All that a deletion leaves.
std::string order_tombstone(const CommerceOrder& order, int64_t at_micros);
std::string refund_document(const CommerceOrder& order, const CommerceRefund& refund);
std::string checkout_document(const CommerceOrder& cart, std::optional<int64_t> completed_micros);
std::string customer_document(const CommercePerson& person, int64_t created_micros, int64_t updated_micros,
                              int64_t orders, int64_t spent_cents);
std::string location_document(const CommerceShop& shop, int64_t at_micros);
std::string inventory_item_document(size_t shop, const CommerceProduct& product, int64_t at_micros);
std::string inventory_level_document(size_t shop, const CommerceProduct& product, int64_t available,
                                     int64_t at_micros);

// Klaviyo. `properties`: what is between the braces of event_properties.
std::string klaviyo_event_document(const std::string& id, std::string_view metric,
                                   const CommercePerson& person, int64_t at_micros,
                                   const std::string& properties);
std::string klaviyo_profile_document(const CommercePerson& person, int64_t created_micros,
                                     int64_t updated_micros, int64_t orders, int64_t spent_cents,
                                     int64_t last_event_micros);
std::string klaviyo_metric_document(const std::string& metric, int64_t at_micros);
std::string klaviyo_campaign_document(int64_t number, int64_t at_micros);
std::string klaviyo_flow_document(int64_t at_micros);
std::string klaviyo_list_document(int64_t at_micros);

// GA4.
struct Ga4Event {
  CommercePerson person;
  CommerceTouch touch;
  std::string name, page;
  int64_t session = 0, at_micros = 0;
  bool engaged = false;
  bool engaged_as_text = true;  // session_engaged comes as "1" or as 1
  int64_t engagement_ms = 0;
  std::string transaction;  // of a purchase; "(not set)" now and then
  int64_t revenue_cents = 0;
};
std::string ga4_event_document(const Ga4Event& event);

}  // namespace tidemark::cli
