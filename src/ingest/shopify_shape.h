// Shopify's objects as its GraphQL API answers them, in the form of its webhooks and REST API: the form that
// models read, whichever way an object came. Numbers of an id instead of gid://, amounts of the shop's own
// currency, states in small letters, names with underscores.
//
// What GraphQL does not say is left out and NULL in the tables (landing and referring site, a checkout's
// tokens). What can be told from the rest is: an order's number from its name, the total of its lines, the
// amount of a discount code from what was allocated to lines. Nested lists are complete when they come here.
// Pure.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidemark::ingest {

// Each: nothing when it has no id. `order` etc. as in shopify_query.h.
std::optional<boost::json::object> shopify_customer(const boost::json::value& customer);
std::optional<boost::json::object> shopify_order(const boost::json::value& order);
std::optional<boost::json::object> shopify_refund(const boost::json::value& refund, int64_t order_id);
std::optional<boost::json::object> shopify_checkout(const boost::json::value& checkout);

// The number at the end of gid://shopify/Order/123.
std::optional<int64_t> shopify_id(const boost::json::value& gid);
// A member of a member; null when one is missing.
const boost::json::value& shopify_member(const boost::json::value& value,
                                         std::initializer_list<std::string_view> path);
std::string shopify_text(const boost::json::value& value);

}  // namespace tidemark::ingest
