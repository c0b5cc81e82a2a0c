#include "ingest/shopify_shape.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

// Amounts are added in ten thousandths, as the pack keeps them.
constexpr int64_t amount_unit = 10'000;
constexpr size_t amount_digits = 4;

json::value number_or_null(const json::value& gid) {
  auto id = shopify_id(gid);
  return id ? json::value(*id) : json::value(nullptr);
}

json::value text_or_null(const json::value& value) {
  return value.is_string() ? value : json::value(nullptr);
}

json::value lower(const json::value& value) {
  if (!value.is_string()) return nullptr;
  std::string text = shopify_text(value);
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return json::value(json::string(text));
}

json::value amount(const json::value& object, std::string_view set) {
  return text_or_null(shopify_member(object, {set, "shopMoney", "amount"}));
}

// The elements of a list, with pages or without.
const json::array& elements(const json::value& object, std::string_view field) {
  static const json::array none;
  const json::value& list = shopify_member(object, {field});
  if (list.is_array()) return list.as_array();
  const json::value& nodes = shopify_member(list, {"nodes"});
  return nodes.is_array() ? nodes.as_array() : none;
}

// Nothing: it is no decimal number of at most four digits behind the point, or far too large.
std::optional<int64_t> amount_of(std::string_view text) {
  size_t point = text.find('.');
  std::string digits(text.substr(0, point));
  std::string behind(point == std::string_view::npos ? "" : text.substr(point + 1));
  while (behind.size() > amount_digits && behind.back() == '0') behind.pop_back();
  if (behind.size() > amount_digits || digits.empty() || digits == "-") return std::nullopt;
  digits += behind + std::string(amount_digits - behind.size(), '0');
  int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

json::value amount_text(std::optional<int64_t> value) {
  if (!value) return nullptr;
  int64_t size = std::abs(*value);
  return json::value(
      json::string(fmt::format("{}{}.{:04}", *value < 0 ? "-" : "", size / amount_unit, size % amount_unit)));
}

// Nothing as soon as one is none.
void add(std::optional<int64_t>& sum, const json::value& text) {
  auto more = text.is_string() ? amount_of(shopify_text(text)) : std::nullopt;
  int64_t total = 0;
  if (sum && more && !__builtin_add_overflow(*sum, *more, &total))
    sum = total;
  else
    sum.reset();
}

std::string joined(const json::value& list) {
  std::string text;
  if (list.is_array())
    for (const auto& one : list.as_array()) text += (text.empty() ? "" : ", ") + shopify_text(one);
  return text;
}

json::array tax_lines(const json::value& object) {
  json::array lines;
  for (const auto& line : elements(object, "taxLines"))
    lines.push_back(json::object{{"title", text_or_null(shopify_member(line, {"title"}))},
                                 {"price", amount(line, "priceSet")},
                                 {"rate", shopify_member(line, {"rate"})}});
  return lines;
}

json::object line_item(const json::value& line) {
  json::array allocations;
  for (const auto& allocation : elements(line, "discountAllocations"))
    allocations.push_back(json::object{
        {"amount", amount(allocation, "allocatedAmountSet")},
        {"discount_application_index", shopify_member(allocation, {"discountApplication", "index"})}});
  return {{"id", number_or_null(shopify_member(line, {"id"}))},
          {"product_id", number_or_null(shopify_member(line, {"product", "id"}))},
          {"variant_id", number_or_null(shopify_member(line, {"variant", "id"}))},
          {"sku", text_or_null(shopify_member(line, {"sku"}))},
          {"title", text_or_null(shopify_member(line, {"title"}))},
          {"variant_title", text_or_null(shopify_member(line, {"variantTitle"}))},
          {"vendor", text_or_null(shopify_member(line, {"vendor"}))},
          {"quantity", shopify_member(line, {"quantity"})},
          {"price", amount(line, "originalUnitPriceSet")},
          {"total_discount", amount(line, "totalDiscountSet")},
          {"gift_card", shopify_member(line, {"isGiftCard"})},
          {"discount_allocations", std::move(allocations)},
          {"tax_lines", tax_lines(line)}};
}

json::array discount_codes(const json::value& order) {
  std::map<int64_t, std::optional<int64_t>> allocated;
  for (const auto& line : elements(order, "lineItems"))
    for (const auto& allocation : elements(line, "discountAllocations")) {
      const json::value& index = shopify_member(allocation, {"discountApplication", "index"});
      if (!index.is_int64()) continue;
      auto entry = allocated.emplace(index.as_int64(), 0).first;
      add(entry->second, amount(allocation, "allocatedAmountSet"));
    }
  json::array codes;
  for (const auto& application : elements(order, "discountApplications")) {
    const json::value& code = shopify_member(application, {"code"});
    if (!code.is_string()) continue;
    const json::value& index = shopify_member(application, {"index"});
    bool percent =
        shopify_text(shopify_member(application, {"value", "__typename"})) == "PricingPercentageValue";
    bool shipping = shopify_text(shopify_member(application, {"targetType"})) == "SHIPPING_LINE";
    auto found = index.is_int64() ? allocated.find(index.as_int64()) : allocated.end();
    codes.push_back(json::object{{"code", code},
                                 {"amount", amount_text(found == allocated.end() ? 0 : found->second)},
                                 {"type", shipping  ? "shipping"
                                          : percent ? "percentage"
                                                    : "fixed_amount"}});
  }
  return codes;
}

json::array fulfillments(const json::value& order) {
  json::array list;
  for (const auto& one : elements(order, "fulfillments")) {
    json::array lines;
    for (const auto& line : elements(one, "fulfillmentLineItems"))
      lines.push_back(json::object{{"id", number_or_null(shopify_member(line, {"lineItem", "id"}))},
                                   {"sku", text_or_null(shopify_member(line, {"lineItem", "sku"}))},
                                   {"quantity", shopify_member(line, {"quantity"})}});
    const json::array& tracking = elements(one, "trackingInfo");
    const json::value track = tracking.empty() ? json::value(nullptr) : tracking.front();
    // FULFILLED is where there is no news of the shipment: webhooks say null then.
    const json::value& shipment = shopify_member(one, {"displayStatus"});
    list.push_back(json::object{
        {"id", number_or_null(shopify_member(one, {"id"}))},
        {"status", lower(shopify_member(one, {"status"}))},
        {"shipment_status", shopify_text(shipment) == "FULFILLED" ? json::value(nullptr) : lower(shipment)},
        {"service", text_or_null(shopify_member(one, {"service", "handle"}))},
        {"location_id", number_or_null(shopify_member(one, {"location", "id"}))},
        {"tracking_company", text_or_null(shopify_member(track, {"company"}))},
        {"tracking_number", text_or_null(shopify_member(track, {"number"}))},
        {"created_at", text_or_null(shopify_member(one, {"createdAt"}))},
        {"updated_at", text_or_null(shopify_member(one, {"updatedAt"}))},
        {"line_items", std::move(lines)}});
  }
  return list;
}

// REST has other words for some, and none for what has not begun.
json::value fulfillment_status(const json::value& shown) {
  std::string text = shopify_text(shown);
  if (text == "FULFILLED" || text == "RESTOCKED") return lower(shown);
  if (text == "PARTIALLY_FULFILLED") return json::value("partial");
  return nullptr;
}

json::value order_number(const json::value& name) {
  std::string text = shopify_text(name);
  size_t first = text.find_first_of("0123456789");
  if (first == std::string::npos) return nullptr;
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data() + first, text.data() + text.size(), number);
  return error == std::errc() ? json::value(number) : json::value(nullptr);
}

}  // namespace

const json::value& shopify_member(const json::value& value, std::initializer_list<std::string_view> path) {
  static const json::value none(nullptr);
  const json::value* at = &value;
  for (std::string_view name : path) {
    const auto* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(json::string_view(name.data(), name.size()));
    if (at == nullptr) return none;
  }
  return *at;
}

std::string shopify_text(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : "";
}

std::optional<int64_t> shopify_id(const json::value& gid) {
  std::string text = shopify_text(gid);
  size_t slash = text.rfind('/');
  std::string_view digits(text);
  digits = digits.substr(slash == std::string::npos ? 0 : slash + 1);
  digits = digits.substr(0, digits.find('?'));
  int64_t id = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return id;
}

std::optional<json::object> shopify_customer(const json::value& customer) {
  auto id = shopify_id(shopify_member(customer, {"id"}));
  if (!id) return std::nullopt;
  auto usual = shopify_id(shopify_member(customer, {"defaultAddress", "id"}));
  json::array addresses;
  for (const auto& one : elements(customer, "addresses")) {
    auto address = shopify_id(shopify_member(one, {"id"}));
    addresses.push_back(json::object{{"id", number_or_null(shopify_member(one, {"id"}))},
                                     {"address1", shopify_member(one, {"address1"})},
                                     {"city", shopify_member(one, {"city"})},
                                     {"province", shopify_member(one, {"province"})},
                                     {"province_code", shopify_member(one, {"provinceCode"})},
                                     {"zip", shopify_member(one, {"zip"})},
                                     {"country", shopify_member(one, {"country"})},
                                     {"country_code", shopify_member(one, {"countryCodeV2"})},
                                     {"default", address && address == usual}});
  }
  json::value orders(nullptr);
  if (auto count = shopify_id(shopify_member(customer, {"numberOfOrders"}))) orders = *count;
  return json::object{
      {"id", *id},
      {"email", text_or_null(shopify_member(customer, {"defaultEmailAddress", "emailAddress"}))},
      {"first_name", text_or_null(shopify_member(customer, {"firstName"}))},
      {"last_name", text_or_null(shopify_member(customer, {"lastName"}))},
      {"phone", text_or_null(shopify_member(customer, {"defaultPhoneNumber", "phoneNumber"}))},
      {"state", lower(shopify_member(customer, {"state"}))},
      {"created_at", text_or_null(shopify_member(customer, {"createdAt"}))},
      {"updated_at", text_or_null(shopify_member(customer, {"updatedAt"}))},
      {"orders_count", std::move(orders)},
      {"total_spent", text_or_null(shopify_member(customer, {"amountSpent", "amount"}))},
      {"currency", text_or_null(shopify_member(customer, {"amountSpent", "currencyCode"}))},
      {"tags", joined(shopify_member(customer, {"tags"}))},
      {"email_marketing_consent",
       json::object{{"state", lower(shopify_member(customer, {"defaultEmailAddress", "marketingState"}))}}},
      {"addresses", std::move(addresses)}};
}

std::optional<json::object> shopify_order(const json::value& order) {
  auto id = shopify_id(shopify_member(order, {"id"}));
  if (!id) return std::nullopt;
  json::array lines, notes;
  std::optional<int64_t> total = 0;
  for (const auto& line : elements(order, "lineItems")) {
    lines.push_back(line_item(line));
    add(total, amount(line, "originalTotalSet"));
  }
  for (const auto& note : elements(order, "customAttributes"))
    notes.push_back(
        json::object{{"name", shopify_member(note, {"key"})}, {"value", shopify_member(note, {"value"})}});
  json::value customer(nullptr);
  if (auto who = shopify_id(shopify_member(order, {"customer", "id"}))) customer = json::object{{"id", *who}};
  const json::value& name = shopify_member(order, {"name"});
  const json::value& gateways = shopify_member(order, {"paymentGatewayNames"});
  return json::object{
      {"id", *id},
      {"name", text_or_null(name)},
      {"order_number", order_number(name)},
      {"email", text_or_null(shopify_member(order, {"email"}))},
      {"customer", std::move(customer)},
      {"created_at", text_or_null(shopify_member(order, {"createdAt"}))},
      {"updated_at", text_or_null(shopify_member(order, {"updatedAt"}))},
      {"processed_at", text_or_null(shopify_member(order, {"processedAt"}))},
      {"cancelled_at", text_or_null(shopify_member(order, {"cancelledAt"}))},
      {"cancel_reason", lower(shopify_member(order, {"cancelReason"}))},
      {"currency", text_or_null(shopify_member(order, {"currencyCode"}))},
      {"presentment_currency", text_or_null(shopify_member(order, {"presentmentCurrencyCode"}))},
      {"financial_status", lower(shopify_member(order, {"displayFinancialStatus"}))},
      {"fulfillment_status", fulfillment_status(shopify_member(order, {"displayFulfillmentStatus"}))},
      {"test", shopify_member(order, {"test"})},
      {"source_name", text_or_null(shopify_member(order, {"sourceName"}))},
      {"tags", joined(shopify_member(order, {"tags"}))},
      {"total_line_items_price", amount_text(total)},
      {"total_discounts", amount(order, "totalDiscountsSet")},
      {"subtotal_price", amount(order, "subtotalPriceSet")},
      {"total_tax", amount(order, "totalTaxSet")},
      {"total_price", amount(order, "totalPriceSet")},
      {"total_shipping_price_set",
       json::object{{"shop_money", json::object{{"amount", amount(order, "totalShippingPriceSet")}}}}},
      {"line_items", std::move(lines)},
      {"discount_codes", discount_codes(order)},
      {"tax_lines", tax_lines(order)},
      {"note_attributes", std::move(notes)},
      {"payment_gateway_names", gateways.is_array() ? gateways : json::value(json::array{})},
      {"fulfillments", fulfillments(order)}};
}

std::optional<json::object> shopify_refund(const json::value& refund, int64_t order_id) {
  auto id = shopify_id(shopify_member(refund, {"id"}));
  if (!id) return std::nullopt;
  json::array lines, transactions, adjustments;
  bool restock = false;
  for (const auto& line : elements(refund, "refundLineItems")) {
    std::string kind = shopify_text(shopify_member(line, {"restockType"}));
    restock |= !kind.empty() && kind != "NO_RESTOCK";
    lines.push_back(json::object{{"id", number_or_null(shopify_member(line, {"id"}))},
                                 {"line_item_id", number_or_null(shopify_member(line, {"lineItem", "id"}))},
                                 {"quantity", shopify_member(line, {"quantity"})},
                                 {"restock_type", lower(shopify_member(line, {"restockType"}))},
                                 {"subtotal", amount(line, "subtotalSet")},
                                 {"total_tax", amount(line, "totalTaxSet")}});
  }
  for (const auto& one : elements(refund, "transactions"))
    transactions.push_back(json::object{
        {"id", number_or_null(shopify_member(one, {"id"}))},
        {"kind", lower(shopify_member(one, {"kind"}))},
        {"status", lower(shopify_member(one, {"status"}))},
        {"gateway", text_or_null(shopify_member(one, {"gateway"}))},
        {"currency", text_or_null(shopify_member(one, {"amountSet", "shopMoney", "currencyCode"}))},
        {"amount", amount(one, "amountSet")}});
  for (const auto& one : elements(refund, "orderAdjustments"))
    adjustments.push_back(json::object{{"id", number_or_null(shopify_member(one, {"id"}))},
                                       {"kind", lower(shopify_member(one, {"reason"}))},
                                       {"reason", lower(shopify_member(one, {"reason"}))},
                                       {"amount", amount(one, "amountSet")},
                                       {"tax_amount", amount(one, "taxAmountSet")}});
  return json::object{{"id", *id},
                      {"order_id", order_id},
                      {"created_at", text_or_null(shopify_member(refund, {"createdAt"}))},
                      {"processed_at", text_or_null(shopify_member(refund, {"processedAt"}))},
                      {"note", text_or_null(shopify_member(refund, {"note"}))},
                      {"restock", restock},
                      {"refund_line_items", std::move(lines)},
                      {"transactions", std::move(transactions)},
                      {"order_adjustments", std::move(adjustments)}};
}

std::optional<json::object> shopify_checkout(const json::value& checkout) {
  auto id = shopify_id(shopify_member(checkout, {"id"}));
  if (!id) return std::nullopt;
  json::array lines;
  for (const auto& line : elements(checkout, "lineItems"))
    lines.push_back(json::object{{"product_id", number_or_null(shopify_member(line, {"product", "id"}))},
                                 {"variant_id", number_or_null(shopify_member(line, {"variant", "id"}))},
                                 {"sku", text_or_null(shopify_member(line, {"sku"}))},
                                 {"title", text_or_null(shopify_member(line, {"title"}))},
                                 {"quantity", shopify_member(line, {"quantity"})},
                                 {"price", amount(line, "originalUnitPriceSet")}});
  json::value customer(nullptr);
  if (auto who = shopify_id(shopify_member(checkout, {"customer", "id"})))
    customer = json::object{{"id", *who}};
  return json::object{
      {"id", *id},
      {"email", text_or_null(shopify_member(checkout, {"customer", "defaultEmailAddress", "emailAddress"}))},
      {"customer", std::move(customer)},
      {"created_at", text_or_null(shopify_member(checkout, {"createdAt"}))},
      {"updated_at", text_or_null(shopify_member(checkout, {"updatedAt"}))},
      {"completed_at", text_or_null(shopify_member(checkout, {"completedAt"}))},
      {"currency", text_or_null(shopify_member(checkout, {"totalPriceSet", "shopMoney", "currencyCode"}))},
      {"subtotal_price", amount(checkout, "subtotalPriceSet")},
      {"total_discounts", amount(checkout, "totalDiscountSet")},
      {"total_tax", amount(checkout, "totalTaxSet")},
      {"total_price", amount(checkout, "totalPriceSet")},
      {"line_items", std::move(lines)}};
}

}  // namespace tidemark::ingest
