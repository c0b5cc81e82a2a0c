// Shopify's Admin API: what there is already by a bulk operation where that is possible (customers, orders),
// what changes by pages in the order of the change. Rows are what its webhooks would bring (topics of
// webhooks, bodies in their form, shopify_shape.h), so everything that reads those reads these.
//
// A row's time is when the object changed: of one version that came both ways the webhook's, which is later,
// counts.
#include "base/log.h"
#include "ingest/event_time.h"
#include "ingest/pull_connector.h"
#include "ingest/pull_limits.h"
#include "ingest/shopify_api.h"
#include "ingest/shopify_bulk.h"
#include "ingest/shopify_query.h"
#include "ingest/shopify_shape.h"

namespace tidemark::ingest {

namespace json = boost::json;

namespace {

constexpr const char* start_bulk =
    "mutation ($query: String!) { bulkOperationRunQuery(query: $query) { bulkOperation { id status } "
    "userErrors { "
    "field message code } } }";
constexpr const char* look_at_bulk =
    "query ($id: ID!) { node(id: $id) { ... on BulkOperation { id status errorCode objectCount url } } }";

class ShopifyConnector final : public PullConnector {
 public:
  explicit ShopifyConnector(PullDesk& desk) : desk_(desk), api_(desk) {}

  Status pass(StreamProgress& progress) override {
    bool first = progress.watermark == 0 && (!progress.place || progress.place->next.empty());
    bool bulk = !shopify_bulk_query(progress.stream, "").empty();
    if (first && bulk && (!progress.place || progress.place->failed < limits::shopify_bulk_tries))
      TRY_VOID(backfill(progress));
    // It ended, or its operations failed too often.
    if (first && bulk && !progress.place) return {};
    return pages(progress);
  }

 private:
  Status pages(StreamProgress& progress);
  Result<json::object> page(const std::string& stream, const PassPlace& place, int64_t& moment);
  Status complete(json::value& object, const ShopifyList& list);
  Status complete_all(json::value& node, const std::string& stream);
  Status take(const std::string& stream, json::value node, PulledPage& into);

  Status backfill(StreamProgress& progress);
  Status start(StreamProgress& progress);
  // The address of the file; empty: there are no objects. Nothing: the operation ended without a result.
  Result<std::optional<std::string>> await(const StreamProgress& progress);
  Result<bool> land_file(const std::string& url, StreamProgress& progress);
  Status give_up_operation(StreamProgress& progress, const std::string& why);

  PullDesk& desk_;
  ShopifyApi api_;
  uint64_t page_rows_ = limits::shopify_page_rows;
};

// Asks for less at a time when it costs too much.
Result<json::object> ShopifyConnector::page(const std::string& stream, const PassPlace& place,
                                            int64_t& moment) {
  for (;;) {
    json::object variables{{"first", page_rows_}, {"after", nullptr}, {"query", nullptr}};
    if (!place.next.empty()) variables["after"] = place.next;
    if (place.since != 0) variables["query"] = fmt::format("updated_at:>='{}'", api_time(place.since));
    auto answer = api_.ask(shopify_page_query(stream), std::move(variables));
    if (!answer && answer.error().kind == ErrorKind::limit && page_rows_ > 1) {
      page_rows_ = page_rows_ / 2;
      continue;
    }
    if (!answer) return fail(std::move(answer.error()));
    moment = answer->moment;
    const json::value data(std::move(answer->data));
    const json::value& root = shopify_member(data, {shopify_root(stream)});
    if (!shopify_member(root, {"nodes"}).is_array())
      return fail(ErrorKind::corrupt, fmt::format("Shopify answers without {}", shopify_root(stream)));
    return root.as_object();
  }
}

Status ShopifyConnector::pages(StreamProgress& progress) {
  for (uint64_t number = 0; number < limits::pull_pages_max; ++number) {
    StreamProgress next = progress;
    if (!next.place) next.place = desk_.first_place(progress);
    int64_t moment = 0;
    json::value root = TRY(page(progress.stream, *next.place, moment));
    if (next.place->begun == 0) next.place->begun = moment;
    PulledPage rows;
    for (auto& node : root.as_object()["nodes"].as_array()) {
      TRY_VOID(complete_all(node, progress.stream));
      TRY_VOID(take(progress.stream, std::move(node), rows));
    }
    bool more = shopify_member(root, {"pageInfo", "hasNextPage"}) == json::value(true);
    std::string cursor = shopify_text(shopify_member(root, {"pageInfo", "endCursor"}));
    if (more && (cursor.empty() || cursor == next.place->next))
      return fail(ErrorKind::corrupt, "Shopify says that there is a next page, and its cursor does not move");
    ++next.pages;
    next.place->next = cursor;
    if (!more) next.end_pass();
    TRY_VOID(desk_.land(rows, next));
    progress = std::move(next);
    if (!progress.place) return {};
  }
  return fail(ErrorKind::limit, "Shopify has no last page of " + progress.stream);
}

// What the page did not have of a nested list.
Status ShopifyConnector::complete(json::value& object, const ShopifyList& list) {
  auto* fields = object.if_object();
  auto* nested = fields == nullptr
                     ? nullptr
                     : fields->if_contains(json::string_view(list.field.data(), list.field.size()));
  if (nested == nullptr || !nested->is_object()) return {};
  while (shopify_member(*nested, {"pageInfo", "hasNextPage"}) == json::value(true)) {
    std::string cursor = shopify_text(shopify_member(*nested, {"pageInfo", "endCursor"}));
    auto answer = TRY(
        api_.ask(shopify_nested_query(list), {{"id", shopify_member(object, {"id"})}, {"after", cursor}}));
    json::value data(std::move(answer.data));
    const json::value& more = shopify_member(data, {"node", list.field});
    if (!shopify_member(more, {"nodes"}).is_array() ||
        (shopify_member(more, {"pageInfo", "hasNextPage"}) == json::value(true) &&
         shopify_text(shopify_member(more, {"pageInfo", "endCursor"})) == cursor))
      return fail(ErrorKind::corrupt, fmt::format("Shopify does not have the rest of {}", list.field));
    auto& nodes = nested->as_object()["nodes"].as_array();
    for (const auto& one : shopify_member(more, {"nodes"}).as_array()) nodes.push_back(one);
    nested->as_object()["pageInfo"] = shopify_member(more, {"pageInfo"});
  }
  return {};
}

Status ShopifyConnector::complete_all(json::value& node, const std::string& stream) {
  auto each = [&](const char* field, std::initializer_list<ShopifyList> lists) -> Status {
    auto* fields = node.if_object();
    auto* found = fields == nullptr ? nullptr : fields->if_contains(field);
    if (found != nullptr && found->is_array())
      for (auto& one : found->as_array())
        for (const ShopifyList& list : lists) TRY_VOID(complete(one, list));
    return {};
  };
  if (stream == "abandoned_checkouts") return complete(node, {"AbandonedCheckout", "lineItems"});
  if (stream == "refunds")
    return each("refunds",
                {{"Refund", "refundLineItems"}, {"Refund", "transactions"}, {"Refund", "orderAdjustments"}});
  if (stream != "orders") return {};
  TRY_VOID(complete(node, {"Order", "lineItems"}));
  TRY_VOID(complete(node, {"Order", "discountApplications"}));
  return each("fulfillments", {{"Fulfillment", "fulfillmentLineItems"}});
}

Status ShopifyConnector::take(const std::string& stream, json::value node, PulledPage& into) {
  auto add = [&](const char* topic, const std::optional<json::object>& object, const json::value& whole,
                 const json::value& changed) {
    if (!object) {
      into.refused.emplace_back(fmt::format("an object of {} has no id that is a number", stream),
                                json::serialize(whole));
      return;
    }
    into.rows.push_back({.topic = topic,
                         .body = json::serialize(*object),
                         .at = parse_event_time(shopify_text(changed)).value_or(0)});
  };
  const json::value& changed = shopify_member(node, {"updatedAt"});
  if (stream == "customers") {
    add("customers/update", shopify_customer(node), node, changed);
  } else if (stream == "orders") {
    add("orders/updated", shopify_order(node), node, changed);
  } else if (stream == "abandoned_checkouts") {
    add("checkouts/update", shopify_checkout(node), node, changed);
  } else {
    auto order = shopify_id(shopify_member(node, {"id"}));
    const json::value& refunds = shopify_member(node, {"refunds"});
    if (refunds.is_array())
      for (const auto& refund : refunds.as_array())
        add("refunds/create", order ? shopify_refund(refund, *order) : std::nullopt, refund,
            shopify_member(refund, {"updatedAt"}));
  }
  return {};
}

// Ends with no place (everything is here), or with one of pages, after operations that failed.
Status ShopifyConnector::backfill(StreamProgress& progress) {
  std::error_code failed;
  std::filesystem::create_directories(desk_.scratch(), failed);
  while (!progress.place || progress.place->failed < limits::shopify_bulk_tries) {
    if (!progress.place || progress.place->bulk.empty()) TRY_VOID(start(progress));
    auto url = TRY(await(progress));
    if (!url) {
      TRY_VOID(give_up_operation(progress, "it ended without a result"));
      continue;
    }
    bool landed = url->empty() || TRY(land_file(*url, progress));
    if (!landed) continue;
    StreamProgress done = progress;
    done.end_pass();
    TRY_VOID(desk_.land({}, done));
    progress = std::move(done);
    return {};
  }
  return {};
}

Status ShopifyConnector::start(StreamProgress& progress) {
  int64_t pause = limits::shopify_poll_first_us;
  for (;;) {
    StreamProgress next = progress;
    if (!next.place) next.place = desk_.first_place(progress);
    std::string since = next.place->since == 0 ? "" : api_time(next.place->since);
    auto answer = TRY(api_.ask(start_bulk, {{"query", shopify_bulk_query(progress.stream, since)}}));
    json::value data(std::move(answer.data));
    const json::value& made = shopify_member(data, {"bulkOperationRunQuery"});
    const json::value& errors = shopify_member(made, {"userErrors"});
    if (errors.is_array() && !errors.as_array().empty()) {
      const json::value& error = errors.as_array().front();
      std::string text = desk_.excerpt(shopify_text(shopify_member(error, {"message"})));
      bool busy = shopify_text(shopify_member(error, {"code"})) == "OPERATION_IN_PROGRESS" ||
                  text.find("already in progress") != std::string::npos;
      if (!busy) return fail(ErrorKind::refused, "Shopify does not begin a bulk operation: " + text);
      if (!desk_.wait(pause, "another bulk operation of the shop", true))
        return fail(ErrorKind::cancelled, "stopped");
      pause = std::min(2 * pause, limits::shopify_poll_max_us);
      continue;
    }
    next.place->bulk = shopify_text(shopify_member(made, {"bulkOperation", "id"}));
    if (next.place->bulk.empty())
      return fail(ErrorKind::corrupt, "Shopify begins a bulk operation without an id");
    next.place->begun = answer.moment;
    TRY_VOID(desk_.land({}, next));
    progress = std::move(next);
    return {};
  }
}

Result<std::optional<std::string>> ShopifyConnector::await(const StreamProgress& progress) {
  int64_t pause = limits::shopify_poll_first_us;
  for (;;) {
    auto answer = TRY(api_.ask(look_at_bulk, {{"id", progress.place->bulk}}));
    json::value data(std::move(answer.data));
    const json::value& operation = shopify_member(data, {"node"});
    std::string status = shopify_text(shopify_member(operation, {"status"}));
    if (status == "COMPLETED") return std::optional(shopify_text(shopify_member(operation, {"url"})));
    std::string why = shopify_text(shopify_member(operation, {"errorCode"}));
    if (status == "FAILED" && why == "ACCESS_DENIED")
      return fail(ErrorKind::refused, "Shopify's bulk operation failed: ACCESS_DENIED",
                  "give the app the scopes read_customers, read_orders and read_all_orders");
    if (status != "CREATED" && status != "RUNNING" && status != "CANCELING") {
      log::warn("Shopify's bulk operation {} is {} {}", progress.place->bulk,
                status.empty() ? "gone" : status, why);
      return std::optional<std::string>();
    }
    if (!desk_.wait(pause, "Shopify's bulk operation", false)) return fail(ErrorKind::cancelled, "stopped");
    pause = std::min(2 * pause, limits::shopify_poll_max_us);
  }
}

Status ShopifyConnector::give_up_operation(StreamProgress& progress, const std::string& why) {
  StreamProgress next = progress;
  uint64_t failed = next.place->failed + 1;
  next.place = desk_.first_place(progress);
  next.place->failed = failed;
  log::warn("Shopify's bulk operation for {} is given up ({}, time {} of {})", progress.stream, why, failed,
            limits::shopify_bulk_tries);
  TRY_VOID(desk_.land({}, next));
  progress = std::move(next);
  return {};
}

// False: the file is not there any more, and the operation is forgotten.
Result<bool> ShopifyConnector::land_file(const std::string& url, StreamProgress& progress) {
  const auto file = desk_.scratch() / (progress.stream + ".jsonl");
  if (url.starts_with("http://") && !desk_.settings().url.starts_with("http://"))
    return fail(ErrorKind::refused, "the file of Shopify's bulk operation is not at https://");
  auto answer = TRY(desk_.download({.url = url}, file));
  if (answer.status != 200) {
    TRY_VOID(give_up_operation(progress, fmt::format("its file is answered with {}", answer.status)));
    return false;
  }
  PulledPage rows;
  auto land = [&](size_t at_least) -> Status {
    if (rows.rows.size() + rows.refused.size() < at_least) return {};
    StreamProgress next = progress;
    TRY_VOID(desk_.land(rows, next));
    progress = std::move(next);
    rows = {};
    return {};
  };
  BulkReceiver receiver{.object = [&](json::object object) -> Status {
                          TRY_VOID(take(progress.stream, std::move(object), rows));
                          return land(limits::shopify_bulk_land_rows);
                        },
                        .refused = [&](std::string_view why, std::string_view line) -> Status {
                          rows.refused.emplace_back(why, line);
                          return land(limits::shopify_bulk_land_rows);
                        }};
  Status read = read_bulk_file(file, desk_.scratch(), receiver);
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
  if (!read) return fail(std::move(read.error()));
  TRY_VOID(land(1));
  return true;
}

}  // namespace

std::unique_ptr<PullConnector> make_shopify_connector(PullDesk& desk) {
  return std::make_unique<ShopifyConnector>(desk);
}

}  // namespace tidemark::ingest
