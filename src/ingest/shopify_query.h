// What Shopify's Admin API is asked for, stream by stream, in GraphQL: the fields that shopify_shape.h reads,
// and no others, because each costs.
//
// The same fields in two forms: pages (nodes and pageInfo; what a page does not have of a nested list is
// asked for later, by nested_query), and bulk operations, which write edges and node, take no arguments, and
// cannot have a list with pages inside a list without (the lines of fulfilments). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tidemark::ingest {

// A list with pages inside an object: its field, and the type of the object.
struct ShopifyList {
  std::string_view type;
  std::string_view field;
};

// Variables: $first, $after, $query.
std::string shopify_page_query(std::string_view stream);
// The field of the answer's data that has the page.
std::string_view shopify_root(std::string_view stream);
// Empty: the stream cannot be asked for in bulk. `since`: a time, or empty.
std::string shopify_bulk_query(std::string_view stream, std::string_view since);
// More of one list. Variables: $id, $after.
std::string shopify_nested_query(const ShopifyList& list);

}  // namespace tidemark::ingest
