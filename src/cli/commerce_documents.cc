#include "cli/commerce_documents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::cli {

namespace {

constexpr int64_t tax_percent = 19;
constexpr int64_t second_micros = 1'000'000;

std::string quoted_or_null(const std::string& text) {
  return text.empty() ? "null" : fmt::format("\"{}\"", text);
}

std::string tax_line(int64_t cents) {
  return fmt::format(R"({{"title":"VAT","price":"{}","rate":0.19}})", money(cents));
}

int64_t tax_in(int64_t cents) {
  return cents * tax_percent / (100 + tax_percent);
}

// Shopify's texts of amounts are strings inside of JSON, and numbers where the tool has a column.
std::string line_document(const CommerceLine& line, const std::string& code) {
  int64_t paid = line.product.cents * line.quantity - line.discount_cents;
  std::string allocations =
      line.discount_cents == 0
          ? ""
          : fmt::format(R"({{"amount":"{}","discount_application_index":0}})", money(line.discount_cents));
  return fmt::format(
      R"({{"id":{},"product_id":{},"variant_id":{},"sku":"{}","title":"{}","variant_title":null,"vendor":"House","quantity":{},)"
      R"("price":"{}","total_discount":"0.00","gift_card":false,"taxable":true,"discount_allocations":[{}],"tax_lines":[{}],)"
      R"("properties":[{{"name":"code","value":"{}"}}]}})",
      line.id, line.product.product_id, line.product.variant_id, line.product.sku, line.product.title,
      line.quantity, money(line.product.cents), allocations, tax_line(tax_in(paid)), code);
}

std::string lines_document(const CommerceOrder& order) {
  std::vector<std::string> lines;
  for (const CommerceLine& line : order.lines) lines.push_back(line_document(line, order.code));
  return fmt::format("{}", fmt::join(lines, ","));
}

std::string json_api(const std::string& type, const std::string& id, const std::string& attributes,
                     const std::string& rest) {
  return fmt::format(R"("id":"{}","type":"{}","attributes":{{{}}},{})", id, type, attributes, rest);
}

}  // namespace

int64_t CommerceOrder::gross_cents() const {
  int64_t sum = 0;
  for (const CommerceLine& line : lines) sum += line.product.cents * line.quantity;
  return sum;
}
int64_t CommerceOrder::discount_cents() const {
  int64_t sum = 0;
  for (const CommerceLine& line : lines) sum += line.discount_cents;
  return sum;
}
int64_t CommerceOrder::tax_cents() const {
  return tax_in(gross_cents() - discount_cents());
}

std::string order_document(const CommerceOrder& order) {
  const CommerceShop& shop = commerce_shops()[order.person.shop];
  std::string email = order.guest || order.redacted ? "null" : fmt::format("\"{}\"", order.person.email);
  std::string customer =
      order.guest ? "null" : fmt::format(R"({{"id":{},"email":{}}})", order.person.customer_id, email);
  std::string codes = order.code.empty() ? ""
                                         : fmt::format(R"({{"code":"{}","amount":"{}","type":"percentage"}})",
                                                       order.code, money(order.discount_cents()));
  return fmt::format(
      R"("id":{},"shop_url":"{}","name":"#{}","order_number":{},"email":{},"created_at":"{}","updated_at":"{}","processed_at":"{}",)"
      R"("cancelled_at":{},"cancel_reason":{},"currency":"{}","presentment_currency":"{}","financial_status":"{}","fulfillment_status":{},)"
      R"("test":{},"taxes_included":true,"source_name":"{}","landing_site":"/","tags":"","buyer_accepts_marketing":{},)"
      R"("total_line_items_price":{},"total_discounts":{},"subtotal_price":{},"total_tax":{},"total_price":{},)"
      R"("total_shipping_price_set":{{"shop_money":{{"amount":"{}","currency_code":"{}"}}}},"customer":{},"line_items":[{}],)"
      R"("discount_codes":[{}],"tax_lines":[{}],"note_attributes":[{{"name":"gift","value":"no"}}],"payment_gateway_names":["{}"])",
      order.id, shop.domain, order.number, order.number, email, iso_moment(order.at_micros),
      iso_moment(order.updated_micros), iso_moment(order.at_micros + 90 * second_micros),
      order.cancelled ? fmt::format("\"{}\"", iso_moment(order.updated_micros)) : "null",
      order.cancelled ? "\"customer\"" : "null", shop.currency, shop.currency, order.financial,
      quoted_or_null(order.fulfillment), order.test, order.guest ? "pos" : "web", order.person.subscribed,
      money(order.gross_cents()), money(order.discount_cents()),
      money(order.gross_cents() - order.discount_cents()), money(order.tax_cents()),
      money(order.total_cents()), money(order.shipping_cents), shop.currency, customer, lines_document(order),
      codes, tax_line(order.tax_cents()), order.guest ? "cash" : "shopify_payments");
}

std::string order_tombstone(const CommerceOrder& order, int64_t at_micros) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","deleted_at":"{}","deleted_message":"Order was deleted","deleted_description":"")",
      order.id, commerce_shops()[order.person.shop].domain, iso_moment(at_micros));
}

std::string refund_document(const CommerceOrder& order, const CommerceRefund& refund) {
  const CommerceShop& shop = commerce_shops()[order.person.shop];
  std::vector<std::string> items;
  int64_t sum = 0;
  for (const auto& [place, quantity] : refund.items) {
    const CommerceLine& line = order.lines[place];
    int64_t cents = (line.product.cents * line.quantity - line.discount_cents) * quantity / line.quantity;
    sum += cents;
    items.push_back(fmt::format(
        R"({{"id":{},"line_item_id":{},"quantity":{},"restock_type":"return","subtotal":{},"total_tax":{}}})",
        refund.id + 1'000'000 + static_cast<int64_t>(place), line.id, quantity, money(cents),
        money(tax_in(cents))));
  }
  std::string adjustments =
      refund.adjustment_cents == 0
          ? ""
          : fmt::format(
                R"({{"id":{},"kind":"refund_discrepancy","reason":"Refund discrepancy","amount":"{}","tax_amount":"0.00"}})",
                refund.id + 2'000'000, money(refund.adjustment_cents));
  return fmt::format(
      R"("id":{},"shop_url":"{}","order_id":{},"created_at":"{}","processed_at":"{}","note":null,"restock":true,)"
      R"("refund_line_items":[{}],"order_adjustments":[{}],)"
      R"("transactions":[{{"id":{},"kind":"refund","status":"success","gateway":"shopify_payments","currency":"{}","amount":"{}"}}])",
      refund.id, shop.domain, order.id, iso_moment(refund.at_micros), iso_moment(refund.at_micros),
      fmt::join(items, ","), adjustments, refund.id + 3'000'000, shop.currency,
      money(sum + refund.adjustment_cents));
}

std::string checkout_document(const CommerceOrder& cart, std::optional<int64_t> completed_micros) {
  const CommerceShop& shop = commerce_shops()[cart.person.shop];
  int64_t updated = completed_micros.value_or(cart.at_micros);
  return fmt::format(
      R"("id":{},"shop_url":"{}","token":"c{:x}","cart_token":"t{:x}","email":"{}","created_at":"{}","updated_at":"{}","completed_at":{},)"
      R"("currency":"{}","abandoned_checkout_url":"https://{}/checkouts/{}","subtotal_price":{},"total_discounts":{},"total_tax":{},)"
      R"("total_price":{},"customer":{{"id":{}}},"line_items":[{}])",
      cart.id, shop.domain, cart.id, cart.id, cart.person.email, iso_moment(cart.at_micros),
      iso_moment(updated), completed_micros ? fmt::format("\"{}\"", iso_moment(*completed_micros)) : "null",
      shop.currency, shop.domain, cart.id, money(cart.gross_cents() - cart.discount_cents()),
      money(cart.discount_cents()), money(cart.tax_cents()), money(cart.total_cents()),
      cart.person.customer_id, lines_document(cart));
}

std::string customer_document(const CommercePerson& person, int64_t created_micros, int64_t updated_micros,
                              int64_t orders, int64_t spent_cents) {
  const CommerceShop& shop = commerce_shops()[person.shop];
  std::string address = fmt::format(
      R"({{"id":{},"address1":"{} Main Street","city":"{}","province":null,"province_code":null,"zip":"10{:03}","country":"{}",)"
      R"("country_code":"{}","default":true}})",
      person.customer_id + 50'000'000, person.number % 200 + 1, person.city, person.number % 1000,
      shop.country, shop.country_code);
  return fmt::format(
      R"("id":{},"shop_url":"{}","email":"{}","first_name":"{}","last_name":"{}","state":"enabled","created_at":"{}","updated_at":"{}",)"
      R"("orders_count":{},"total_spent":{},"currency":"{}","tags":"","verified_email":true,"tax_exempt":false,)"
      R"("email_marketing_consent":{{"state":"{}","opt_in_level":"single_opt_in"}},"addresses":[{}],"default_address":{})",
      person.customer_id, shop.domain, person.email, person.first_name, person.last_name,
      iso_moment(created_micros), iso_moment(updated_micros), orders, money(spent_cents), shop.currency,
      person.subscribed ? "subscribed" : "not_subscribed", address, address);
}

std::string location_document(const CommerceShop& shop, int64_t at_micros) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","name":"{} warehouse","city":"{}","country_code":"{}","active":true,"created_at":"{}","updated_at":"{}")",
      shop.location_id, shop.domain, shop.city, shop.city, shop.country_code, iso_moment(at_micros),
      iso_moment(at_micros));
}

std::string inventory_item_document(size_t shop, const CommerceProduct& product, int64_t at_micros) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","sku":"{}","cost":{},"currency_code":"{}","tracked":true,"created_at":"{}","updated_at":"{}")",
      product.inventory_item_id, commerce_shops()[shop].domain, product.sku, money(product.cost_cents),
      commerce_shops()[shop].currency, iso_moment(at_micros), iso_moment(at_micros));
}

std::string inventory_level_document(size_t shop, const CommerceProduct& product, int64_t available,
                                     int64_t at_micros) {
  int64_t location = commerce_shops()[shop].location_id;
  return fmt::format(
      R"("id":"{}|{}","shop_url":"{}","inventory_item_id":{},"location_id":{},"available":{},"updated_at":"{}",)"
      R"("quantities":[{{"id":1,"name":"available","quantity":{},"updatedAt":"{}"}},{{"id":2,"name":"on_hand","quantity":{},"updatedAt":null}},{{"id":3,"name":"incoming","quantity":0,"updatedAt":null}}])",
      location, product.inventory_item_id, commerce_shops()[shop].domain, product.inventory_item_id, location,
      available, iso_moment(at_micros), available, iso_moment(at_micros), available + 2);
}

std::string klaviyo_event_document(const std::string& id, std::string_view metric,
                                   const CommercePerson& person, int64_t at_micros,
                                   const std::string& properties) {
  return json_api(
      "event", id,
      fmt::format(R"("timestamp":{},"datetime":"{}","uuid":"{}","event_properties":{{{}}})",
                  at_micros / second_micros, iso_moment(at_micros), id, properties),
      fmt::format(
          R"("relationships":{{"profile":{{"data":{{"type":"profile","id":"{}"}}}},"metric":{{"data":{{"type":"metric","id":"{}"}}}}}},"datetime":"{}")",
          person.profile_id, metric_id(metric), iso_moment(at_micros)));
}

std::string klaviyo_profile_document(const CommercePerson& person, int64_t created_micros,
                                     int64_t updated_micros, int64_t orders, int64_t spent_cents,
                                     int64_t last_event_micros) {
  std::string predicted =
      orders == 0
          ? "null"
          : fmt::format(
                R"({{"historic_clv":{},"predicted_clv":{},"total_clv":{},"historic_number_of_orders":{},"predicted_number_of_orders":{},)"
                R"("average_order_value":{},"churn_probability":{}}})",
                money(spent_cents), money(spent_cents / 2), money(spent_cents + spent_cents / 2), orders,
                orders * 0.5, money(spent_cents / orders), 0.9 / static_cast<double>(orders));
  return json_api(
      "profile", person.profile_id,
      fmt::format(
          R"("email":"{}","external_id":"{}","phone_number":null,"first_name":"{}","last_name":"{}","created":"{}","updated":"{}","last_event_date":"{}",)"
          R"("location":{{"country":"{}","region":null,"city":"{}"}},"subscriptions":{{"email":{{"marketing":{{"consent":"{}"}}}}}},)"
          R"("predictive_analytics":{},"properties":{{}})",
          person.email, person.customer_id, person.first_name, person.last_name, iso_moment(created_micros),
          iso_moment(updated_micros), iso_moment(last_event_micros), commerce_shops()[person.shop].country,
          person.city, person.subscribed ? "SUBSCRIBED" : "NEVER_SUBSCRIBED", predicted),
      fmt::format(R"("relationships":{{}},"updated":"{}")", iso_moment(updated_micros)));
}

std::string klaviyo_metric_document(const std::string& metric, int64_t at_micros) {
  bool email = metric.find("Email") != std::string::npos || metric == "Unsubscribed";
  bool order = metric.find("Order") != std::string::npos || metric.find("Checkout") != std::string::npos;
  return json_api("metric", metric_id(metric),
                  fmt::format(R"("name":"{}","created":"{}","integration":{{"name":"{}","category":"{}"}})",
                              metric, iso_moment(at_micros),
                              order   ? "Shopify"
                              : email ? "Klaviyo"
                                      : "API",
                              order ? "eCommerce" : "Internal"),
                  fmt::format(R"("relationships":{{}},"updated":"{}")", iso_moment(at_micros)));
}

std::string klaviyo_campaign_document(int64_t number, int64_t at_micros) {
  return json_api(
      "campaign", campaign_id(number),
      fmt::format(R"("name":"{}","status":"Sent","archived":false,"send_time":"{}","created_at":"{}")",
                  campaign_name(number), iso_moment(at_micros), iso_moment(at_micros)),
      fmt::format(
          R"("relationships":{{"campaign-messages":{{"data":[{{"type":"campaign-message","id":"{}"}}]}}}},"updated_at":"{}")",
          campaign_message_id(number), iso_moment(at_micros)));
}

std::string klaviyo_flow_document(int64_t at_micros) {
  return json_api(
      "flow", std::string(commerce_flow_id),
      fmt::format(
          R"("name":"Abandoned checkout","status":"live","archived":false,"trigger_type":"Metric","created":"{}")",
          iso_moment(at_micros)),
      fmt::format(R"("relationships":{{}},"updated":"{}")", iso_moment(at_micros)));
}

std::string klaviyo_list_document(int64_t at_micros) {
  return json_api("list", "List01",
                  fmt::format(R"("name":"Newsletter","opt_in_process":"single_opt_in","created":"{}")",
                              iso_moment(at_micros)),
                  fmt::format(R"("relationships":{{}},"updated":"{}")", iso_moment(at_micros)));
}

std::string ga4_event_document(const Ga4Event& event) {
  const CommerceShop& shop = commerce_shops()[event.person.shop];
  auto whole = [](std::string_view key, int64_t value) {
    return fmt::format(
        R"({{"key":"{}","value":{{"string_value":null,"int_value":"{}","float_value":null,"double_value":null}}}})",
        key, value);
  };
  auto text = [](std::string_view key, std::string_view value) {
    return fmt::format(
        R"({{"key":"{}","value":{{"string_value":"{}","int_value":null,"float_value":null,"double_value":null}}}})",
        key, value);
  };
  std::string params = text("page_location", fmt::format("https://{}{}", shop.domain, event.page));
  params += "," + whole("ga_session_id", event.session);
  if (event.engaged)
    params += "," + (event.engaged_as_text ? text("session_engaged", "1") : whole("session_engaged", 1));
  if (event.engagement_ms > 0) params += "," + whole("engagement_time_msec", event.engagement_ms);
  std::string money_part = "null";
  if (event.name == "purchase") {
    params += "," + text("currency", shop.currency);
    money_part = fmt::format(R"({{"transaction_id":"{}","purchase_revenue":{}}})", event.transaction,
                             money(event.revenue_cents));
  }
  std::string source =
      event.touch.source == "(direct)"
          ? "null"
          : fmt::format(
                R"({{"manual_source":"{}","manual_medium":"{}","manual_campaign_name":"{}","gclid":{}}})",
                event.touch.source, event.touch.medium, event.touch.campaign,
                event.touch.medium == "cpc" ? "\"Cj0example\"" : "null");
  return fmt::format(
      R"("event_date":"{}","event_timestamp":{},"event_name":"{}","event_params":[{}],"user_id":null,"user_pseudo_id":"{}",)"
      R"("device":{{"category":"{}","operating_system":"{}","web_info":{{"browser":"{}"}}}},)"
      R"("geo":{{"country":"{}","region":null,"city":"{}"}},"collected_traffic_source":{},"ecommerce":{},"items":[],)"
      R"("stream_id":"{}","platform":"WEB")",
      ga4_date(event.at_micros), event.at_micros, event.name, params, event.person.client_id,
      event.person.device, event.person.system, event.person.browser, shop.country, event.person.city, source,
      money_part, 7'000'000 + static_cast<int64_t>(event.person.shop));
}

}  // namespace tidemark::cli
