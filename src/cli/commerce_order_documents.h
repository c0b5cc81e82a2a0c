// What a shop says around its orders, as an extraction tool writes it into Postgres: money that moved and
// what it cost, what was agreed on, the visits before, and what the shop sells under - rules of discounts and
// their codes, countries, itself. One JSON object each, with the columns of its table, as in
// commerce_documents.h.
//
// Pure functions; no I/O.
#pragma once

#include "cli/commerce_documents.h"

#include <cstdint>
#include <string>

namespace tidemark::cli {

std::string sale_document(const CommerceOrder& order);
std::string refund_transaction_document(const CommerceOrder& order, const CommerceRefund& refund);
// The order, and when there is a refund that, too: each is an agreement. Returns are below zero.
std::string agreements_document(const CommerceOrder& order, const CommerceRefund* refund,
                                int64_t updated_micros);
// `first_micros`: of the first of `visits`.
std::string journey_document(const CommerceOrder& order, const CommerceTouch& first,
                             const CommerceTouch& last, int64_t first_micros, int64_t visits);

std::string price_rule_document(const CommerceShop& shop, size_t code, int64_t at_micros);
std::string discount_code_document(const CommerceShop& shop, size_t code, int64_t used, int64_t at_micros);
std::string country_document(const CommerceShop& shop);
std::string shop_document(const CommerceShop& shop, int64_t at_micros);

}  // namespace tidemark::cli
