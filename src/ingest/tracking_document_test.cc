#include "ingest/tracking_document.h"

#include "ingest/event_time.h"
#include "ingest/spool_limits.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace tidemark::ingest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t received_at = 1'700'000'000'000'000;  // 2023-11-14T22:13:20Z

struct Row {
  std::array<std::string, event_texts> texts;
  int64_t timestamp = 0;
  std::optional<int64_t> sent_at, original_timestamp;
  const std::string& operator[](EventText column) const { return texts[static_cast<size_t>(column)]; }
};

class TrackingTest : public testing::Test {
 protected:
  // Rows as they come out of the spool again.
  std::vector<Row> read(const std::string& body, const std::string& type = "batch") {
    Status opened = reader_.open(body, type);
    EXPECT_TRUE(opened) << opened.error().describe();
    if (!opened) return {};
    EventRecordWriter writer(received_at, "web");
    Status read = reader_.read(received_at, 7, writer);
    EXPECT_TRUE(read) << read.error().describe();
    payload_ = writer.finish();
    std::vector<Row> rows;
    auto record = read_event_record(payload_, [&](const EventRecord& head, const EventRow& row) {
      EXPECT_EQ(head.received_at, received_at);
      EXPECT_EQ(head.write_key, "web");
      Row copy{
          .timestamp = row.timestamp, .sent_at = row.sent_at, .original_timestamp = row.original_timestamp};
      for (size_t index = 0; index < event_texts; ++index) copy.texts[index] = row.texts[index];
      rows.push_back(std::move(copy));
    });
    EXPECT_TRUE(record) << record.error().describe();
    refused_ = record->refused;
    EXPECT_EQ(refused_.size(), reader_.reasons().size());
    return rows;
  }
  std::string error(const std::string& body, const std::string& type = "batch") {
    if (auto opened = reader_.open(body, type); !opened) return opened.error().message;
    EventRecordWriter writer(received_at, "web");
    auto read = reader_.read(received_at, 7, writer);
    return read ? "" : read.error().message;
  }
  // The code of the only item's refusal.
  std::string code(const std::string& item) {
    EXPECT_TRUE(read(R"({"batch":[)" + item + "]}").empty()) << item;
    return reader_.reasons().empty() ? "" : std::string(reader_.reasons().front().code);
  }

  TrackingReader reader_;
  std::string payload_;
  std::vector<RefusedItem> refused_;
};

TEST_F(TrackingTest, ABatchAsTheOfficialClientSendsIt) {
  auto rows = read(R"({"writeKey":"secret","sentAt":"2023-11-14T22:13:10.000Z","batch":[
    {"timestamp":"2023-11-14T22:13:05.250Z","integrations":{},"type":"track","userId":"u1","event":"Order \"Completed\"",
     "properties":{"total": 12.50, "big":123456789012345678901234567890, "text":"caf\u00e9"},
     "context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"messageId":"node-next-1","_metadata":{"nodeVersion":"20"}},
    {"type":"identify","anonymousId":"a1","traits":{"email":"x@example.com"},"messageId":"node-next-2"}]})");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(reader_.write_key(), "secret");
  EXPECT_EQ(rows[0][EventText::message_id], "node-next-1");
  EXPECT_EQ(rows[0][EventText::type], "track");
  EXPECT_EQ(rows[0][EventText::event], "Order \"Completed\"");
  EXPECT_EQ(rows[0][EventText::user_id], "u1");
  // As it was sent, byte for byte.
  EXPECT_EQ(rows[0][EventText::properties],
            R"({"total": 12.50, "big":123456789012345678901234567890, "text":"caf\u00e9"})");
  EXPECT_EQ(rows[0][EventText::library], "@segment/analytics-node/3.1.0");
  EXPECT_EQ(rows[0][EventText::other], R"({"_metadata":{"nodeVersion":"20"}})");
  // The client was 10 s behind: what happened 4.75 s before it sent happened 4.75 s before it arrived.
  EXPECT_EQ(rows[0].timestamp, received_at - 4'750'000);
  EXPECT_EQ(*rows[0].original_timestamp, received_at - 14'750'000);
  EXPECT_EQ(*rows[0].sent_at, received_at - 10'000'000);
  EXPECT_EQ(rows[1][EventText::traits], R"({"email":"x@example.com"})");
  EXPECT_EQ(rows[1].timestamp, received_at);
  EXPECT_FALSE(rows[1].original_timestamp);
}

TEST_F(TrackingTest, OneEventToAnAddressOfItsOwn) {
  auto rows = read(
      R"({"userId":42,"type":"ignored","event":"Paid","writeKey":"k","timestamp":"2023-11-14T22:00:00+01:00"})",
      "track");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0][EventText::user_id], "42");
  EXPECT_EQ(rows[0][EventText::type], "track");
  EXPECT_EQ(rows[0].timestamp, received_at - 4'400'000'000);
  EXPECT_THAT(rows[0][EventText::message_id], testing::StartsWith("tidemark-"));
  EXPECT_EQ(rows[0][EventText::other], "");

  auto page = read(R"({"anonymousId":"a","name":"Home","category":"Docs","properties":null})", "page");
  ASSERT_EQ(page.size(), 1u);
  EXPECT_EQ(page[0][EventText::event], "Home");
  EXPECT_EQ(page[0][EventText::category], "Docs");
  EXPECT_EQ(page[0][EventText::properties], "");
  auto group = read(R"({"userId":"u","groupId":"g","name":"kept","traits":{"plan":"x"}})", "group");
  ASSERT_EQ(group.size(), 1u);
  EXPECT_EQ(group[0][EventText::other], R"({"name":"kept"})");
}

TEST_F(TrackingTest, FieldsOfTheItemWin) {
  auto rows = read(
      R"({"context":{"app":"shop","ip":"1.1.1.1","library":{"name":"l"}},"integrations":{"All":true},"channel":"server",
      "sentAt":"2023-11-14T22:13:00Z","batch":[
      {"type":"track","event":"a","userId":"u","context":{"ip":"2.2.2.2","x\"y":1},"sentAt":"2023-11-14T22:13:10Z","originalTimestamp":"2023-11-14T22:13:09Z","timestamp":"2020-01-01T00:00:00Z"},
      {"type":"track","event":"b","userId":"u","channel":"web","integrations":{"All":false}},
      {"type":"track","event":"c","userId":"u","context":{}}]})");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0][EventText::context], R"({"app":"shop","library":{"name":"l"},"ip":"2.2.2.2","x\"y":1})");
  EXPECT_EQ(rows[0][EventText::library], "l");
  EXPECT_EQ(rows[0].timestamp, received_at - 1'000'000);
  EXPECT_EQ(rows[0][EventText::channel], "server");
  EXPECT_EQ(rows[1][EventText::channel], "web");
  EXPECT_EQ(rows[1][EventText::integrations], R"({"All":false})");
  EXPECT_EQ(rows[1][EventText::context], R"({"app":"shop","ip":"1.1.1.1","library":{"name":"l"}})");
  EXPECT_EQ(rows[2][EventText::context], R"({"app":"shop","ip":"1.1.1.1","library":{"name":"l"}})");
  EXPECT_EQ(rows[2][EventText::integrations], R"({"All":true})");
}

TEST_F(TrackingTest, IdsOfItemsWithoutOneDifferByPlaceAndAreKept) {
  std::string body =
      R"({"batch":[{"type":"track","event":"a","userId":"u"},{"type":"track","event":"a","userId":"u"}]})";
  auto rows = read(body);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_NE(rows[0][EventText::message_id], rows[1][EventText::message_id]);
  auto again = read(body);
  EXPECT_EQ(rows[0][EventText::message_id], again[0][EventText::message_id]);
}

TEST_F(TrackingTest, WhatIsWrongWithAnItemIsToldAndTheOthersAreTaken) {
  auto rows = read(R"({"batch":[{"type":"track","event":"good","userId":"u","messageId":"1"},
     {"type":"track","userId":"u","messageId":"2"}, 7, {"type":"track","event":"good","userId":"u","messageId":"3"}]})");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1][EventText::message_id], "3");
  ASSERT_EQ(reader_.reasons().size(), 2u);
  EXPECT_EQ(reader_.reasons()[0].index, 1u);
  EXPECT_EQ(reader_.reasons()[0].message_id, "2");
  EXPECT_EQ(reader_.reasons()[0].code, "no_event");
  EXPECT_EQ(refused_[0].bytes, R"({"type":"track","userId":"u","messageId":"2"})");
  EXPECT_EQ(refused_[1].bytes, "7");

  EXPECT_EQ(code(R"({"type":"track","event":"a"})"), "no_identity");
  EXPECT_EQ(code(R"({"event":"a","userId":"u"})"), "unknown_type");
  EXPECT_EQ(code(R"({"type":"tracks","event":"a","userId":"u"})"), "unknown_type");
  EXPECT_EQ(code(R"({"type":"group","userId":"u"})"), "no_group");
  EXPECT_EQ(code(R"({"type":"alias","userId":"u"})"), "no_previous");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":{"id":1}})"), "bad_field");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":true})"), "bad_field");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":"u","properties":[1]})"), "bad_field");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":"u","properties":"x"})"), "bad_field");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":"u","timestamp":"yesterday"})"), "bad_time");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":"u","timestamp":"9999-01-01T00:00:00Z"})"),
            "bad_time");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":")" +
                 std::string(limits::event_identifier_bytes_max + 1, 'u') + R"("})"),
            "too_large");
  EXPECT_EQ(code(R"({"type":"track","event":"a","userId":"u","properties":{"x":")" +
                 std::string(limits::event_bytes_max, 'x') + R"("}})"),
            "too_large");
}

TEST_F(TrackingTest, WhatIsNoJsonIsRefusedAsAWhole) {
  for (const char* body :
       {"", "x", "[]", "7", "{", R"({"batch":[)",
        R"({"batch":[{"type":"track","event":"a","userId":"u"}]} x)",
        R"({"batch":[{"type":"track","event":"a","userId":"u","properties":{"a":tru}}]})",
        R"({"batch":[{"type":"track","event":"a","userId":"u","properties":{"a":01}}]})",
        R"({"batch":[{"type":"track","event":"a","userId":"u","properties":{"a":[1,{"b":"\x"}]}}]})",
        R"({"batch":[{"type":"track","event":"a","userId":"u","properties":{"a" 1}}]})",
        R"({"batch":[{"type":"track","event":"a","userId":"u",}]})", "{\"batch\":[{\"type\":\"\xff\"}]}"})
    EXPECT_THAT(error(body), HasSubstr("not a JSON object")) << body;
  std::string deep = R"({"batch":[{"type":"track","event":"a","userId":"u","properties":{"a":)";
  deep += std::string(200, '[') + std::string(200, ']') + "}}]}";
  EXPECT_THAT(error(deep), HasSubstr("not a JSON object"));
  EXPECT_THAT(error(R"({"type":"track","event":"a","userId":"u"})"), HasSubstr("no list `batch`"));
  EXPECT_THAT(error(R"({"batch":[]})", "track"), HasSubstr("address of single events"));
  EXPECT_TRUE(read(R"({"batch":[]})").empty());
  EXPECT_EQ(reader_.items(), 0u);
}

TEST(EventTime, AllWaysOfSdks) {
  EXPECT_EQ(parse_event_time("2023-11-14T22:13:20Z"), received_at);
  EXPECT_EQ(parse_event_time("2023-11-14T22:13:20.123Z"), received_at + 123'000);
  EXPECT_EQ(parse_event_time("2023-11-14T22:13:20.123456+00:00"), received_at + 123'456);
  EXPECT_EQ(parse_event_time("2023-11-14T22:13:20.123456789Z"), received_at + 123'456);
  EXPECT_EQ(parse_event_time("2023-11-15T03:43:20+05:30"), received_at);
  EXPECT_EQ(parse_event_time("2023-11-14"), received_at - (22 * 3600 + 13 * 60 + 20) * 1'000'000LL);
  EXPECT_EQ(event_time_of_number(1'700'000'000), received_at);
  EXPECT_EQ(event_time_of_number(1'700'000'000'000), received_at);
  EXPECT_EQ(event_time_of_number(1'700'000'000'123), received_at + 123'000);
  for (const char* text : {"", "now", "2023-13-01", "2023-11-14T25:00:00Z", "12:00"})
    EXPECT_EQ(parse_event_time(text), std::nullopt) << text;
  EXPECT_EQ(event_time_of_number(1e300), std::nullopt);
}

TEST(EventRecord, BrokenPayloadsAreFound) {
  EventRecordWriter writer(received_at, "web");
  EventRow row;
  row[EventText::message_id] = "m";
  row.timestamp = 5;
  writer.add(row);
  writer.refuse("why", "what");
  std::string payload = writer.finish();
  auto none = [](const EventRecord&, const EventRow&) {};
  ASSERT_TRUE(read_event_record(payload, none));
  for (size_t length = 0; length < payload.size(); ++length)
    EXPECT_FALSE(read_event_record(payload.substr(0, length), none)) << length;
  EXPECT_FALSE(read_event_record(payload + "x", none));
}

}  // namespace
}  // namespace tidemark::ingest
