#include "ingest/shopify_query.h"

#include "ingest/pull_limits.h"

#include <fmt/format.h>

namespace tidemark::ingest {
namespace {

enum class Form : uint8_t { pages, bulk };

constexpr std::string_view money = "{ shopMoney { amount currencyCode } }";

std::string tax_lines() {
  return fmt::format("taxLines {{ title rate priceSet {} }}", money);
}

std::string list(Form form, std::string_view field, std::string_view fields) {
  if (form == Form::bulk) return fmt::format("{} {{ edges {{ node {{ __typename {} }} }} }}", field, fields);
  return fmt::format("{}(first: {}) {{ nodes {{ __typename {} }} pageInfo {{ hasNextPage endCursor }} }}",
                     field, limits::shopify_nested_rows, fields);
}

std::string fields_of_list(const ShopifyList& which) {
  if (which.type == "Order" && which.field == "lineItems")
    return fmt::format(
        "id sku title variantTitle vendor quantity isGiftCard product {{ id }} variant {{ id }} "
        "originalUnitPriceSet {0} originalTotalSet {0} totalDiscountSet {0} "
        "discountAllocations {{ allocatedAmountSet {0} discountApplication {{ index }} }} {1}",
        money, tax_lines());
  if (which.type == "Order")  // discountApplications
    return "index targetType value { __typename } ... on DiscountCodeApplication { code }";
  if (which.type == "Fulfillment") return "quantity lineItem { id sku }";
  if (which.type == "Refund" && which.field == "refundLineItems")
    return fmt::format("id quantity restockType lineItem {{ id }} subtotalSet {0} totalTaxSet {0}", money);
  if (which.type == "Refund" && which.field == "transactions")
    return fmt::format("id kind status gateway amountSet {}", money);
  if (which.type == "Refund") return fmt::format("id reason amountSet {0} taxAmountSet {0}", money);
  return fmt::format("sku title quantity product {{ id }} variant {{ id }} originalUnitPriceSet {}", money);
}

std::string nested(Form form, std::string_view type, std::string_view field) {
  return list(form, field, fields_of_list({type, field}));
}

std::string customer_fields() {
  return "id firstName lastName state createdAt updatedAt numberOfOrders tags amountSpent { amount "
         "currencyCode } "
         "defaultEmailAddress { emailAddress marketingState } defaultPhoneNumber { phoneNumber } "
         "defaultAddress { id } addresses { id address1 city province provinceCode zip country countryCodeV2 "
         "}";
}

std::string order_fields(Form form) {
  return fmt::format(
      "id name email createdAt updatedAt processedAt cancelledAt cancelReason currencyCode "
      "presentmentCurrencyCode "
      "displayFinancialStatus displayFulfillmentStatus test sourceName tags paymentGatewayNames "
      "totalDiscountsSet {0} subtotalPriceSet {0} totalTaxSet {0} totalPriceSet {0} totalShippingPriceSet "
      "{0} "
      "customer {{ id }} customAttributes {{ key value }} {1} {2} {3} "
      "fulfillments {{ id status displayStatus createdAt updatedAt service {{ handle }} location {{ id }} "
      "trackingInfo {{ company number }} {4} }}",
      money, tax_lines(), nested(form, "Order", "lineItems"), nested(form, "Order", "discountApplications"),
      form == Form::bulk ? "" : nested(form, "Fulfillment", "fulfillmentLineItems"));
}

std::string refund_fields() {
  return fmt::format("id updatedAt refunds {{ id createdAt updatedAt processedAt note {} {} {} }}",
                     nested(Form::pages, "Refund", "refundLineItems"),
                     nested(Form::pages, "Refund", "transactions"),
                     nested(Form::pages, "Refund", "orderAdjustments"));
}

std::string checkout_fields() {
  return fmt::format(
      "id createdAt updatedAt completedAt customer {{ id defaultEmailAddress {{ emailAddress }} }} "
      "subtotalPriceSet {0} totalDiscountSet {0} totalTaxSet {0} totalPriceSet {0} {1}",
      money, nested(Form::pages, "AbandonedCheckout", "lineItems"));
}

}  // namespace

std::string_view shopify_root(std::string_view stream) {
  if (stream == "customers") return "customers";
  return stream == "abandoned_checkouts" ? "abandonedCheckouts" : "orders";
}

std::string shopify_page_query(std::string_view stream) {
  std::string fields = stream == "customers" ? customer_fields()
                       : stream == "orders"  ? order_fields(Form::pages)
                       : stream == "refunds" ? refund_fields()
                                             : checkout_fields();
  // Abandoned checkouts cannot be had by the time of their change; whatever changes meanwhile is in the next
  // pass.
  return fmt::format(
      "query ($first: Int!, $after: String, $query: String) {{ {}(first: $first, after: $after, query: "
      "$query{}) {{ "
      "nodes {{ {} }} pageInfo {{ hasNextPage endCursor }} }} }}",
      shopify_root(stream), stream == "abandoned_checkouts" ? "" : ", sortKey: UPDATED_AT", fields);
}

std::string shopify_bulk_query(std::string_view stream, std::string_view since) {
  if (stream != "customers" && stream != "orders") return "";
  std::string which = since.empty() ? "" : fmt::format("(query: \"updated_at:>='{}'\")", since);
  return fmt::format("{{ {}{} {{ edges {{ node {{ __typename {} }} }} }} }}", shopify_root(stream), which,
                     stream == "customers" ? customer_fields() : order_fields(Form::bulk));
}

std::string shopify_nested_query(const ShopifyList& which) {
  return fmt::format(
      "query ($id: ID!, $after: String) {{ node(id: $id) {{ ... on {} {{ {}(first: {}, after: $after) {{ "
      "nodes {{ "
      "__typename {} }} pageInfo {{ hasNextPage endCursor }} }} }} }} }}",
      which.type, which.field, limits::shopify_nested_rows, fields_of_list(which));
}

}  // namespace tidemark::ingest
