#include "ingest/shopify_bulk.h"

#include "ingest/shopify_query.h"
#include "ingest/shopify_shape.h"

#include <fstream>
#include <gmock/gmock.h>

namespace tidemark::ingest {
namespace {

namespace json = boost::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

class ShopifyBulkTest : public testing::Test {
 protected:
  ShopifyBulkTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tidemark-bulk-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~ShopifyBulkTest() override { std::filesystem::remove_all(directory_); }
  Status read(const std::string& text) {
    std::ofstream(directory_ / "file.jsonl") << text;
    return read_bulk_file(directory_ / "file.jsonl", directory_,
                          {.object = [&](json::object object) -> Status {
                             objects_.push_back(std::move(object));
                             return {};
                           },
                           .refused = [&](std::string_view why, std::string_view) -> Status {
                             refused_.emplace_back(why);
                             return {};
                           }});
  }
  std::filesystem::path directory_;
  std::vector<json::value> objects_;
  std::vector<std::string> refused_;
};

TEST_F(ShopifyBulkTest, ChildrenComeAnywhere) {
  ASSERT_TRUE(read(
      R"({"__typename":"LineItem","id":"gid://shopify/LineItem/7","quantity":2,"__parentId":"gid://shopify/Order/2"}
{"__typename":"Order","id":"gid://shopify/Order/1","name":"#1"}
{"__typename":"DiscountCodeApplication","index":0,"code":"A","__parentId":"gid://shopify/Order/1"}
{"__typename":"Order","id":"gid://shopify/Order/2","name":"#2"}
{"__typename":"LineItem","id":"gid://shopify/LineItem/8","quantity":1,"__parentId":"gid://shopify/Order/2"}
{"__typename":"LineItem","id":"gid://shopify/LineItem/9","quantity":1,"__parentId":"gid://shopify/Order/3"}
{"name":"nobody"}
{"id":
)"));
  ASSERT_EQ(objects_.size(), 2u);
  auto named = [&](std::string_view name) {
    return *std::find_if(objects_.begin(), objects_.end(), [&](const auto& one) {
      return shopify_text(shopify_member(one, {"name"})) == name;
    });
  };
  json::value second = named("#2");
  EXPECT_EQ(shopify_member(second, {"lineItems", "nodes"}).as_array().size(), 2u);
  json::value first = named("#1");
  EXPECT_EQ(shopify_member(first, {"discountApplications", "nodes"}).as_array().size(), 1u);
  EXPECT_THAT(refused_, UnorderedElementsAre(HasSubstr("neither an id"), HasSubstr("no JSON"),
                                             HasSubstr("parent is not in the file")));
  // Nothing of it stays.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST(ShopifyShapeTest, OrdersInTheFormOfWebhooks) {
  json::value order = json::parse(
      R"({"id":"gid://shopify/Order/9007199254740993","name":"EN1001-A","updatedAt":"2026-01-02T03:04:05Z",
    "cancelReason":"CUSTOMER","displayFulfillmentStatus":"PARTIALLY_FULFILLED","displayFinancialStatus":"PAID","tags":["a","b"],
    "customer":{"id":"gid://shopify/Customer/5"},"totalPriceSet":{"shopMoney":{"amount":"12.3","currencyCode":"EUR"}},
    "lineItems":{"nodes":[
      {"id":"gid://shopify/LineItem/1","quantity":3,"originalTotalSet":{"shopMoney":{"amount":"0.3"}},"originalUnitPriceSet":{"shopMoney":{"amount":"0.1"}},
       "discountAllocations":[{"allocatedAmountSet":{"shopMoney":{"amount":"0.05"}},"discountApplication":{"index":1}}]},
      {"id":"gid://shopify/LineItem/2","quantity":1,"originalTotalSet":{"shopMoney":{"amount":"92233720368.5477"}},
       "discountAllocations":[{"allocatedAmountSet":{"shopMoney":{"amount":"0.07"}},"discountApplication":{"index":1}}]}]},
    "discountApplications":{"nodes":[{"index":0},{"index":1,"code":"X","targetType":"LINE_ITEM","value":{"__typename":"MoneyV2"}}]}})");
  auto found = shopify_order(order);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at("id").as_int64(), 9007199254740993);
  EXPECT_EQ(found->at("order_number").as_int64(), 1001);
  EXPECT_EQ(found->at("cancel_reason").as_string(), "customer");
  EXPECT_EQ(found->at("fulfillment_status").as_string(), "partial");
  EXPECT_EQ(found->at("tags").as_string(), "a, b");
  EXPECT_EQ(found->at("total_price").as_string(), "12.3");
  EXPECT_EQ(found->at("total_line_items_price").as_string(), "92233720368.8477");
  EXPECT_EQ(json::serialize(found->at("discount_codes")),
            R"([{"code":"X","amount":"0.1200","type":"fixed_amount"}])");
  EXPECT_EQ(json::serialize(found->at("customer")), R"({"id":5})");
  // A sum that cannot be told is none.
  order.as_object()["lineItems"].as_object()["nodes"].as_array()[0].as_object()["originalTotalSet"] = nullptr;
  EXPECT_TRUE(shopify_order(order)->at("total_line_items_price").is_null());
  order.as_object()["id"] = "gid://shopify/Order/none";
  EXPECT_FALSE(shopify_order(order));
}

TEST(ShopifyQueryTest, BulkQueriesHaveNoPagesAndNoListInAList) {
  std::string bulk = shopify_bulk_query("orders", "2026-01-01T00:00:00Z");
  EXPECT_THAT(bulk, HasSubstr("updated_at:>='2026-01-01T00:00:00Z'"));
  EXPECT_THAT(bulk, Not(HasSubstr("pageInfo")));
  EXPECT_THAT(bulk, Not(HasSubstr("fulfillmentLineItems")));
  EXPECT_EQ(shopify_bulk_query("refunds", ""), "");
  EXPECT_THAT(shopify_page_query("orders"), HasSubstr("fulfillmentLineItems"));
}

}  // namespace
}  // namespace tidemark::ingest
