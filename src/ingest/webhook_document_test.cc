#include "ingest/webhook_document.h"

#include <gmock/gmock.h>

namespace tidemark::ingest {
namespace {

using config::WebhookSender;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t now = 1'614'265'330'000'000;  // 2021-02-25T15:02:10Z

config::WebhookSource source_of(WebhookSender from, std::vector<std::string> secrets) {
  config::WebhookSource source{.from = from, .events = {}};
  source.events.name = "shop";
  for (auto& secret : secrets)
    source.events.write_keys.push_back(
        {.name = "key" + std::to_string(source.events.write_keys.size() + 1), .key = Secret(secret)});
  return source;
}

http::Request request_of(std::string body, std::vector<std::pair<std::string, std::string>> headers) {
  http::Request request;
  request.body = std::move(body);
  request.headers = std::move(headers);
  return request;
}

// The name of the key, else the reason.
std::string signer(const config::WebhookSource& source, const http::Request& request, int64_t at = now) {
  std::string_view reason;
  const auto* found = find_signer(source, request, at, reason);
  return found != nullptr ? found->name : std::string(reason);
}

TEST(WebhookSignature, OfShopifyIsOverTheBodyAsItCame) {
  auto source = source_of(WebhookSender::shopify, {"another secret", "hush-shopify", ""});
  std::string body = R"({"id":820982911946154508})";
  const std::string good = "J1zV1x3qZl9NykbRAxDrpmTH+1c5px6Nu9a6H0PYiI4=";
  auto request = request_of(body, {{"x-shopify-hmac-sha256", good}});
  EXPECT_EQ(signer(source, request), "key2");
  EXPECT_EQ(signer(source, request_of(body, {{"shopify-hmac-sha256", good}})), "key2");
  EXPECT_EQ(signer(source, request_of(body + " ", {{"x-shopify-hmac-sha256", good}})), "bad_signature");
  EXPECT_EQ(signer(source, request_of(body, {{"x-shopify-hmac-sha256", good.substr(1)}})), "bad_signature");
  EXPECT_EQ(signer(source, request_of(body, {})), "no_signature");
  EXPECT_EQ(signer(source_of(WebhookSender::shopify, {""}), request), "bad_signature");
}

TEST(WebhookSignature, OfKlaviyoIsOverBodyAndTime) {
  auto source = source_of(WebhookSender::klaviyo, {"hush-klaviyo"});
  std::string signature = "ff67efccb32d19494698db421d2c27de197bce6d6a45e2a5363e9601676ca153",
              at = "2026-11-22T10:00:00+00:00";
  std::string body = R"({"data":[]})";
  auto headers = [&](const std::string& time) {
    return std::vector<std::pair<std::string, std::string>>{{"klaviyo-signature", signature},
                                                            {"klaviyo-timestamp", time}};
  };
  EXPECT_EQ(signer(source, request_of(body, headers(at))), "key1");
  EXPECT_EQ(signer(source, request_of(body, headers("2026-11-22T10:00:01+00:00"))), "bad_signature");
}

// The vector of the reference implementations.
TEST(WebhookSignature, OfTheStandardMayBeOneOfSeveralAndIsRecent) {
  auto source = source_of(WebhookSender::standard, {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"});
  auto request = [](const std::string& signature) {
    return request_of(R"({"test": 2432232314})", {{"webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                                                  {"webhook-timestamp", "1614265330"},
                                                  {"webhook-signature", signature}});
  };
  std::string good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  EXPECT_EQ(signer(source, request(good)), "key1");
  EXPECT_EQ(signer(source, request("v1a,abc v1,AAAA " + good)), "key1");
  EXPECT_EQ(signer(source, request("v1,AAAA")), "bad_signature");
  EXPECT_EQ(signer(source, request(good), now + 301'000'000), "too_old");
  EXPECT_EQ(signer(source, request(good), now - 301'000'000), "too_old");
}

TEST(WebhookSignature, OfGa4IsTheSecretInTheAddress) {
  auto source = source_of(WebhookSender::ga4, {"secret-of-ga4"});
  http::Request request;
  EXPECT_EQ(signer(source, request), "no_signature");
  request.query = {{"measurement_id", "G-1"}, {"api_secret", "secret-of-ga4"}};
  EXPECT_EQ(signer(source, request), "key1");
  request.query[1].second = "secret-of-ga5";
  EXPECT_EQ(signer(source, request), "bad_signature");
}

class WebhookDocument : public testing::Test {
 protected:
  struct Row {
    std::array<std::string, event_texts> texts;
    int64_t timestamp = 0;
    const std::string& operator[](EventText column) const { return texts[static_cast<size_t>(column)]; }
  };
  std::vector<Row> read(WebhookSender from, const http::Request& request, uint64_t place = 7) {
    EventRecordWriter out(now, "key1");
    reasons_.clear();
    reader_.read(from, request, now, place, out, reasons_);
    refused_.clear();
    std::vector<Row> rows;
    std::string payload = out.finish();
    auto record = read_event_record(payload, [&](const EventRecord&, const EventRow& row) {
      Row& copy = rows.emplace_back();
      for (size_t text = 0; text < event_texts; ++text) copy.texts[text] = row.texts[text];
      copy.timestamp = row.timestamp;
    });
    EXPECT_TRUE(record);
    for (const auto& item : record->refused) refused_.emplace_back(item.bytes);
    EXPECT_EQ(refused_.size(), reasons_.size());
    return rows;
  }
  std::string id(const http::Request& request) {
    auto rows = read(WebhookSender::shopify, request);
    return rows.empty() ? reasons_.at(0).reason : rows[0][EventText::message_id];
  }

  WebhookReader reader_;
  std::vector<ItemReason> reasons_;
  std::vector<std::string> refused_;
};

http::Request shopify(std::string body, const std::string& topic, const std::string& delivery,
                      const std::string& event) {
  std::vector<std::pair<std::string, std::string>> headers{
      {"x-shopify-shop-domain", "tide.myshopify.com"},
      {"x-shopify-api-version", "2026-10"},
      {"x-shopify-triggered-at", "2021-02-25T15:00:00.123456789Z"}};
  if (!topic.empty()) headers.emplace_back("x-shopify-topic", topic);
  if (!delivery.empty()) headers.emplace_back("x-shopify-webhook-id", delivery);
  if (!event.empty()) headers.emplace_back("x-shopify-event-id", event);
  return request_of(std::move(body), headers);
}

TEST_F(WebhookDocument, OfShopifyIsAnEventWithItsBody) {
  std::string body = R"({ "id": 9223372036854775807, "total_price": "12.30" })";
  auto rows = read(WebhookSender::shopify, shopify(body, "orders/create", "d1", "e1"));
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0][EventText::type], "webhook");
  EXPECT_EQ(rows[0][EventText::event], "orders/create");
  EXPECT_EQ(rows[0][EventText::group_id], "tide.myshopify.com");
  EXPECT_EQ(rows[0][EventText::properties], body);
  EXPECT_EQ(rows[0].timestamp, now - 130'000'000 + 123'456);
  EXPECT_EQ(
      rows[0][EventText::context],
      R"({"webhook_id":"d1","event_id":"e1","api_version":"2026-10","triggered_at":"2021-02-25T15:00:00.123456789Z"})");
}

TEST_F(WebhookDocument, OneEventHasOneIdHoweverOftenItComes) {
  std::string first = id(shopify("{}", "orders/create", "d1", "e1"));
  EXPECT_EQ(id(shopify("{}", "orders/create", "d1", "e1")), first);
  EXPECT_EQ(id(shopify("{}", "orders/create", "d2", "e1")), first);  // of another subscription
  EXPECT_NE(id(shopify("{}", "orders/paid", "d3", "e1")), first);
  EXPECT_NE(id(shopify(R"({"id":1})", "orders/create", "d4", "e1")), first);
  EXPECT_NE(id(shopify("{}", "orders/create", "d1", "e2")), first);
  EXPECT_EQ(id(shopify("{}", "orders/create", "d1", "")), "delivery-d1");
  EXPECT_EQ(id(shopify("{}", "orders/create", "", "")), id(shopify("{}", "orders/create", "", "")));
}

TEST_F(WebhookDocument, WhatIsNoRowIsRefusedWithItsBytes) {
  for (const char* body : {"", "[]", "7", "{\"a\":}", "{} {}", "{\"a\":1", "{\"a\":01}", "not json"}) {
    EXPECT_THAT(read(WebhookSender::shopify, shopify(body, "orders/create", "d", "e")), IsEmpty()) << body;
    EXPECT_THAT(refused_, ElementsAre(body));
    EXPECT_EQ(reasons_.at(0).code, "not_json");
  }
  EXPECT_THAT(read(WebhookSender::shopify, shopify("{}", "", "d", "e")), IsEmpty());
  EXPECT_EQ(reasons_.at(0).code, "no_topic");
}

TEST_F(WebhookDocument, OfKlaviyoIsARowAnItem) {
  auto request = request_of(
      R"({"meta":{"klaviyo_account_id":"ACC","x":[1]},"data":[
        {"external_id":"1","topic":"event:klaviyo.opened_email","payload":{"data":{"type":"event","id":"1","attributes":{"a":"ü\n"}}}},
        {"external_id":"2","topic":"event:klaviyo.opened_email","payload":null},
        "no object",
        {"external_id":"3","topic":"event:api.placed_order","payload":{}}]})",
      {});
  auto rows = read(WebhookSender::klaviyo, request);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0][EventText::event], "event:klaviyo.opened_email");
  EXPECT_EQ(rows[0][EventText::group_id], "ACC");
  EXPECT_EQ(rows[0][EventText::properties], R"({"data":{"type":"event","id":"1","attributes":{"a":"ü\n"}}})");
  EXPECT_EQ(rows[0].timestamp, now);
  EXPECT_NE(rows[0][EventText::message_id], rows[1][EventText::message_id]);
  ASSERT_EQ(refused_.size(), 2U);
  EXPECT_THAT(refused_[0], HasSubstr("null"));
  auto again = read(WebhookSender::klaviyo, request);
  EXPECT_EQ(again[1][EventText::message_id], rows[1][EventText::message_id]);
  EXPECT_THAT(read(WebhookSender::klaviyo, request_of(R"({"data":{}})", {})), IsEmpty());
  EXPECT_EQ(reasons_.at(0).code, "bad_field");
}

TEST_F(WebhookDocument, OfTheMeasurementProtocolIsARowAnEvent) {
  http::Request request = request_of(
      R"({"client_id":"a\u0062c.1","user_id":7,"timestamp_micros":"1614265000000001","user_properties":{"tier":{"value":"gold"}},
        "events":[{"name":"purchase","params":{"value":1.50,"items":[{"id":1}]}},{"name":"page_view"},{"name":"2nd"},
        {"name":"late","timestamp_micros":"soon"}]})",
      {});
  request.query = {{"measurement_id", "G-1"}, {"api_secret", "s"}};
  auto rows = read(WebhookSender::ga4, request);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0][EventText::event], "purchase");
  EXPECT_EQ(rows[0][EventText::anonymous_id], "abc.1");
  EXPECT_EQ(rows[0][EventText::user_id], "7");
  EXPECT_EQ(rows[0][EventText::group_id], "G-1");
  EXPECT_EQ(rows[0][EventText::properties], R"({"value":1.50,"items":[{"id":1}]})");
  EXPECT_EQ(rows[0][EventText::traits], R"({"tier":{"value":"gold"}})");
  EXPECT_EQ(rows[0].timestamp, 1'614'265'000'000'001);
  EXPECT_EQ(rows[1][EventText::properties], "{}");
  ASSERT_EQ(reasons_.size(), 2U);
  EXPECT_EQ(reasons_[0].code, "bad_name");
  EXPECT_EQ(reasons_[1].code, "bad_time");
  // With a time of its own it is known again, without it is another one each time.
  EXPECT_EQ(read(WebhookSender::ga4, request, 8)[0][EventText::message_id], rows[0][EventText::message_id]);
  request.body = R"({"client_id":"c","events":[{"name":"page_view"}]})";
  EXPECT_NE(read(WebhookSender::ga4, request, 8)[0][EventText::message_id],
            read(WebhookSender::ga4, request, 9)[0][EventText::message_id]);
}

TEST_F(WebhookDocument, AMeasurementNeedsAClientAndEvents) {
  auto code = [&](const std::string& body) {
    EXPECT_THAT(read(WebhookSender::ga4, request_of(body, {})), IsEmpty()) << body;
    return std::string(reasons_.at(0).code);
  };
  EXPECT_EQ(code(R"({"events":[{"name":"a"}]})"), "no_client");
  EXPECT_EQ(code(R"({"client_id":"c"})"), "no_events");
  EXPECT_EQ(code(R"({"client_id":"c","events":[]})"), "no_events");
  EXPECT_EQ(code("{"), "not_json");
  std::string many = R"({"client_id":"c","events":[{"name":"a"})";
  for (int event = 0; event < 25; ++event) many += R"(,{"name":"a"})";
  EXPECT_EQ(read(WebhookSender::ga4, request_of(many + "]}", {})).size(), 25U);
  EXPECT_EQ(reasons_.at(0).code, "too_many");
}

}  // namespace
}  // namespace tidemark::ingest
