#include "cli/commerce_order_documents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <string_view>
#include <vector>

namespace tidemark::cli {

namespace {

constexpr int64_t day_micros = 86'400'000'000;
// Ids are made of those of what they are about, in ranges of their own.
constexpr int64_t sale_ids = 3'000'000'000, refund_ids = 4'000'000'000, agreement_ids = 5'000'000'000,
                  agreed_sale_ids = 6'000'000'000, visit_ids = 7'000'000'000, rule_ids = 8'000'000'000,
                  code_ids = 8'100'000'000, country_ids = 8'200'000'000, shop_ids = 8'300'000'000;
constexpr int64_t fee_permille = 29, flat_fee_cents = 30;

std::string transaction(const CommerceOrder& order, int64_t id, const std::string& parent,
                        std::string_view kind, int64_t cents, int64_t at_micros) {
  const CommerceShop& shop = commerce_shops()[order.person.shop];
  std::string fees = "[]";
  if (!order.guest && kind == "sale") {
    auto sum = [&](int64_t part) {
      return fmt::format(R"({{"amount":{},"currency":"{}"}})", money(part), shop.currency);
    };
    int64_t fee = cents * fee_permille / 1000;
    fees = fmt::format(
        R"([{{"id":"TransactionFee-{}","type":"processing_fee","rate_name":"domestic","rate":0.029,"flat_fee_name":"per transaction",)"
        R"("amount":{},"flat_fee":{},"tax_amount":{}}}])",
        id, sum(fee + flat_fee_cents), sum(flat_fee_cents), sum(0));
  }
  std::string paid =
      order.guest
          ? "null"
          : fmt::format(
                R"({{"credit_card_company":"Visa","credit_card_number":"•••• •••• •••• {:04}","avs_result_code":"Y","cvv_result_code":"M"}})",
                order.person.number % 10'000);
  return fmt::format(
      R"("id":{},"shop_url":"{}","order_id":{},"parent_id":{},"kind":"{}","status":"success","gateway":"{}","amount":{},"currency":"{}",)"
      R"("test":{},"error_code":null,"source_name":"{}","created_at":"{}","processed_at":"{}","payment_details":{},"fees":{})",
      id, shop.domain, order.id, parent, kind, order.guest ? "cash" : "shopify_payments", money(cents),
      shop.currency, order.test, order.guest ? "pos" : "web", iso_moment(at_micros), iso_moment(at_micros),
      paid, fees);
}

// One line of an agreement; `sign` is -1 for what came back.
std::string agreed_line(const CommerceOrder& order, int64_t id, const CommerceLine& line, int64_t quantity,
                        int64_t sign) {
  const CommerceShop& shop = commerce_shops()[order.person.shop];
  int64_t discount = line.discount_cents * quantity / line.quantity;
  int64_t total = line.product.cents * quantity - discount;
  auto sum = [&](int64_t cents) {
    return fmt::format(R"({{"shop_money":{{"amount":{},"currency_code":"{}"}}}})", money(cents * sign),
                       shop.currency);
  };
  return fmt::format(
      R"({{"id":{},"quantity":{},"action_type":"{}","line_type":"product","line_item":{{"id":{}}},"total_amount":{},)"
      R"("total_discount_amount_before_taxes":{},"total_discount_amount_after_taxes":{},"total_tax_amount":{}}})",
      id, quantity * sign, sign < 0 ? "return" : "order", line.id, sum(total), sum(discount), sum(discount),
      sum(total * 19 / 119));
}

std::string visit(int64_t id, const CommerceShop& shop, const CommerceTouch& touch, int64_t at_micros) {
  bool direct = touch.source == "(direct)";
  auto text = [&](std::string_view value) {
    return direct ? std::string("null") : fmt::format("\"{}\"", value);
  };
  std::string link = direct ? ""
                            : fmt::format("?utm_source={}&utm_medium={}&utm_campaign={}", touch.source,
                                          touch.medium, touch.campaign);
  return fmt::format(
      R"({{"id":{},"landing_page":"https://{}/{}","occurred_at":"{}","referral_code":null,"referrer_url":{},"source":"{}","source_type":{},)"
      R"("source_description":{},"utm_parameters":{{"campaign":{},"content":null,"medium":{},"source":{},"term":null}}}})",
      id, shop.domain, link, iso_moment(at_micros),
      direct ? "null" : fmt::format("\"https://{}/\"", touch.source), direct ? "direct" : touch.source,
      text("campaign"), text("a link"), text(touch.campaign), text(touch.medium), text(touch.source));
}

struct Code {
  std::string_view code, title;
  int percent;
};
constexpr Code codes[] = {{"SPRING10", "Spring", 10}, {"FRIENDS15", "Friends", 15}};

}  // namespace

std::string sale_document(const CommerceOrder& order) {
  return transaction(order, order.id + sale_ids, "null", "sale", order.total_cents(), order.at_micros);
}

std::string refund_transaction_document(const CommerceOrder& order, const CommerceRefund& refund) {
  int64_t cents = refund.adjustment_cents;
  for (const auto& [place, quantity] : refund.items) {
    const CommerceLine& line = order.lines[place];
    cents += (line.product.cents * line.quantity - line.discount_cents) * quantity / line.quantity;
  }
  return transaction(order, refund.id + refund_ids, std::to_string(order.id + sale_ids), "refund", cents,
                     refund.at_micros);
}

std::string agreements_document(const CommerceOrder& order, const CommerceRefund* refund,
                                int64_t updated_micros) {
  std::vector<std::string> bought, back;
  for (const CommerceLine& line : order.lines)
    bought.push_back(agreed_line(order, line.id + agreed_sale_ids, line, line.quantity, 1));
  std::string agreements =
      fmt::format(R"({{"id":{},"happened_at":"{}","reason":"order","sales":[{}]}})", order.id + agreement_ids,
                  iso_moment(order.at_micros), fmt::join(bought, ","));
  if (refund != nullptr) {
    for (const auto& [place, quantity] : refund->items)
      back.push_back(agreed_line(order,
                                 refund->id + agreed_sale_ids + static_cast<int64_t>(place) * 10'000'000,
                                 order.lines[place], quantity, -1));
    agreements +=
        fmt::format(R"(,{{"id":{},"happened_at":"{}","reason":"refund","sales":[{}]}})",
                    refund->id + agreement_ids, iso_moment(refund->at_micros), fmt::join(back, ","));
  }
  return fmt::format(
      R"("id":{},"shop_url":"{}","admin_graphql_api_id":"gid://shopify/Order/{}","created_at":"{}","updated_at":"{}","agreements":[{}])",
      order.id, commerce_shops()[order.person.shop].domain, order.id, iso_moment(order.at_micros),
      iso_moment(updated_micros), agreements);
}

std::string journey_document(const CommerceOrder& order, const CommerceTouch& first,
                             const CommerceTouch& last, int64_t first_micros, int64_t visits) {
  const CommerceShop& shop = commerce_shops()[order.person.shop];
  return fmt::format(
      R"("order_id":{},"shop_url":"{}","admin_graphql_api_id":"gid://shopify/Order/{}","created_at":"{}","updated_at":"{}",)"
      R"("customer_journey_summary":{{"ready":true,"customer_order_index":null,"days_to_conversion":{},"moments_count":{{"count":{},"precision":"EXACT"}},)"
      R"("first_visit":{},"last_visit":{}}})",
      order.id, shop.domain, order.id, iso_moment(order.at_micros), iso_moment(order.at_micros),
      (order.at_micros - first_micros) / day_micros, visits,
      visit(order.id + visit_ids, shop, first, first_micros),
      visit(order.id + visit_ids + (visits > 1 ? 100'000'000 : 0), shop, last,
            visits > 1 ? order.at_micros - 600'000'000 : first_micros));
}

std::string price_rule_document(const CommerceShop& shop, size_t code, int64_t at_micros) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","title":"{}","value":"-{}.0","value_type":"percentage","target_type":"line_item","target_selection":"all",)"
      R"("allocation_method":"across","customer_selection":"all","once_per_customer":false,"usage_limit":null,"starts_at":"{}",)"
      R"("ends_at":null,"created_at":"{}","updated_at":"{}")",
      shop.location_id + rule_ids + static_cast<int64_t>(code) * 100, shop.domain, codes[code].title,
      codes[code].percent, iso_moment(at_micros), iso_moment(at_micros), iso_moment(at_micros));
}

std::string discount_code_document(const CommerceShop& shop, size_t code, int64_t used, int64_t at_micros) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","price_rule_id":{},"code":"{}","usage_count":{},"created_at":"{}","updated_at":"{}")",
      shop.location_id + code_ids + static_cast<int64_t>(code) * 100, shop.domain,
      shop.location_id + rule_ids + static_cast<int64_t>(code) * 100, codes[code].code, used,
      iso_moment(at_micros), iso_moment(at_micros));
}

std::string country_document(const CommerceShop& shop) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","code":"{}","name":"{}","tax":{},"tax_name":"VAT","provinces":[])",
      shop.location_id + country_ids, shop.domain, shop.country_code, shop.country,
      shop.country_code == "DE" ? "0.19" : "0.0625");
}

std::string shop_document(const CommerceShop& shop, int64_t at_micros) {
  return fmt::format(
      R"("id":{},"shop_url":"{}","name":"{}","domain":"{}","myshopify_domain":"{}","email":"shop@{}","currency":"{}","country_code":"{}",)"
      R"("iana_timezone":"{}","plan_name":"basic","created_at":"{}","updated_at":"{}")",
      shop.location_id + shop_ids, shop.domain, shop.domain.substr(0, shop.domain.find('.')), shop.domain,
      shop.domain, shop.domain, shop.currency, shop.country_code,
      shop.country_code == "DE" ? "Europe/Berlin" : "America/New_York", iso_moment(at_micros),
      iso_moment(at_micros));
}

}  // namespace tidemark::cli
