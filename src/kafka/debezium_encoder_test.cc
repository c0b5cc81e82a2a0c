#include "kafka/debezium_encoder.h"

#include "kafka/connect_schema.h"
#include "kafka/message_decoder.h"
#include "postgres/catalog_types.h"

#include <gmock/gmock.h>

namespace tidemark::kafka {
namespace {

using postgres::WireType;
using testing::HasSubstr;

struct Case {
  const char* type;
  WireType wire;
  const char* text;  // as Postgres prints it
  const char* json;  // as Debezium 3.2 writes it with the settings of debezium_value.h
  WireType element = WireType::other;
  int modifier = -1;
};

// Observed at the real connector, but for the deviations, which are marked.
const Case cases[] = {
    {"boolean", WireType::boolean, "t", "true"},
    {"boolean", WireType::boolean, "f", "false"},
    {"smallint", WireType::int2, "-2", "-2"},
    {"bigint", WireType::int8, "9007199254740993", "9007199254740993"},
    {"real", WireType::float4, "1.5", "1.5"},
    {"double precision", WireType::float8, "1e+300", "1e+300"},
    {"double precision", WireType::float8, "-0", "-0"},
    {"double precision", WireType::float8, "NaN", R"("NaN")"},
    {"double precision", WireType::float8, "-Infinity", R"("-Infinity")"},
    {"numeric(10,2)", WireType::numeric, "12.50", R"("12.50")"},
    {"numeric", WireType::numeric, "NaN", R"("NaN")"},  // deviation: NAN
    {"text", WireType::text, "t\xc3\xa4\"x\\\n\x01", "\"t\xc3\xa4\\\"x\\\\\\n\\u0001\""},
    {"character(5)", WireType::text, "ch   ", R"("ch   ")"},
    {"bytea", WireType::bytea, "\xde\xad\xbe\xef", R"("3q2+7w==")"},
    {"uuid", WireType::uuid, "123e4567-e89b-12d3-a456-426614174000",
     R"("123e4567-e89b-12d3-a456-426614174000")"},
    {"date", WireType::date, "2024-02-29", R"("2024-02-29Z")"},
    {"date", WireType::date, "0044-03-15 BC", R"("-0043-03-15Z")"},
    {"date", WireType::date, "0001-03-15 BC", R"("0000-03-15Z")"},
    {"date", WireType::date, "12024-02-29", R"("+12024-02-29Z")"},
    {"date", WireType::date, "-infinity", R"("-infinity")"},  // deviation
    {"time without time zone", WireType::time, "12:34:56.789", R"("12:34:56.789Z")"},
    {"time without time zone", WireType::time, "24:00:00", R"("24:00:00Z")"},                 // deviation
    {"time with time zone", WireType::timetz, "12:34:56.789+02", R"("12:34:56.789+02:00")"},  // deviation
    {"time with time zone", WireType::timetz, "12:34:56+00", R"("12:34:56Z")"},
    {"timestamp without time zone", WireType::timestamp, "2024-02-29 12:34:56.123456",
     R"("2024-02-29T12:34:56.123456Z")"},
    {"timestamp without time zone", WireType::timestamp, "2024-02-29 12:34:56", R"("2024-02-29T12:34:56Z")"},
    {"timestamp without time zone", WireType::timestamp, "0044-03-15 12:00:00 BC",
     R"("-0043-03-15T12:00:00Z")"},
    {"timestamp without time zone", WireType::timestamp, "infinity", R"("infinity")"},  // deviation
    {"timestamp with time zone", WireType::timestamptz, "2024-02-29 10:34:56.123456+00",
     R"("2024-02-29T10:34:56.123456Z")"},
    {"timestamp with time zone", WireType::timestamptz, "2024-02-29 10:34:56+00",
     R"("2024-02-29T10:34:56.000000Z")"},
    {"timestamp with time zone", WireType::timestamptz, "0044-03-15 12:00:00+00 BC",
     R"("-0043-03-15T12:00:00.000000Z")"},
    {"timestamp with time zone", WireType::timestamptz, "infinity", R"("infinity")"},
    {"interval", WireType::interval, "P1Y2M3DT4H5M6.789S", R"("P1Y2M3DT4H5M6.789S")"},
    {"jsonb", WireType::jsonb, R"({"b": 2})", R"("{\"b\": 2}")"},
    {"money", WireType::money, "-$1,234.56", R"("-1234.56")"},
    {"bit(8)", WireType::bit, "10110011", R"("sw==")", WireType::other, 8},
    {"bit(1)", WireType::bit, "1", "true", WireType::other, 1},
    {"bit varying(9)", WireType::bit, "1011", R"("1011")", WireType::other, 9},  // deviation
    {"int4range", WireType::range, "[1,5)", "\"[1,5)\""},
    {"hstore", WireType::hstore, R"("a"=>"1", "b"=>NULL)", R"("{\"a\":\"1\",\"b\":null}")"},
    {"integer[]", WireType::array, "{1,NULL,3}", "[1,null,3]", WireType::int4},
    {"integer[]", WireType::array, "{}", "[]", WireType::int4},
    {"integer[]", WireType::array, "{{1,2},{3,4}}", "[[1,2],[3,4]]", WireType::int4},
    {"integer[]", WireType::array, "[0:1]={7,8}", "[7,8]", WireType::int4},
    {"text[]", WireType::array, "{a,NULL,\"c d\",\"NULL\",\"q\\\"\\\\\",\"\"}",
     "[\"a\",null,\"c d\",\"NULL\",\"q\\\"\\\\\",\"\"]", WireType::text},
    {"numeric(5,1)[]", WireType::array, "{1.5,2.5}", R"(["1.5","2.5"])", WireType::numeric},
    {"timestamp without time zone[]", WireType::array, R"({"2024-02-29 12:34:56"})",
     R"(["2024-02-29T12:34:56Z"])", WireType::timestamp},
    {"date[]", WireType::array, "{2024-02-29}", R"(["2024-02-29Z"])", WireType::date},
    {"bytea[]", WireType::array, R"({"\\xdead"})", R"(["3q0="])", WireType::bytea},
    {"boolean[]", WireType::array, "{t,f}", "[true,false]", WireType::boolean},
};

postgres::SourceColumn column_of(const Case& one, const char* name) {
  postgres::SourceColumn column;
  column.name = name;
  column.type_name = one.type;
  column.wire = one.wire;
  column.element_wire = one.element;
  column.effective_modifier = one.modifier;
  return column;
}

TEST(DebeziumValue, EveryTypeIsWrittenAsTheConnectorWritesIt) {
  for (const Case& one : cases) {
    std::string out;
    append_value(plan_of(column_of(one, "c")), one.text, out);
    EXPECT_EQ(out, one.json) << one.type << " " << one.text;
  }
}

// What the source never sent is what our own decoder, and everybody's, takes for that.
TEST(DebeziumValue, ValuesThatWereNotSentHaveTheirPlaceholder) {
  auto placeholder = [](WireType wire, WireType element = WireType::other) {
    return plan_of(column_of({"t", wire, "", "", element}, "c")).unavailable;
  };
  EXPECT_EQ(placeholder(WireType::text), R"("__debezium_unavailable_value")");
  EXPECT_EQ(placeholder(WireType::numeric), R"("__debezium_unavailable_value")");
  EXPECT_EQ(placeholder(WireType::bytea), R"("X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==")");
  EXPECT_EQ(placeholder(WireType::array, WireType::text), R"(["__debezium_unavailable_value"])");
  EXPECT_EQ(placeholder(WireType::array, WireType::int4),
            "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,"
            "117,101]");
  EXPECT_EQ(placeholder(WireType::array, WireType::uuid), R"(["b68a35a7-17ad-35b3-af2a-ae46edb4545a"])");
}

class EncoderTest : public testing::Test {
 protected:
  EncoderTest() {
    table_.schema = "public";
    table_.name = "orders";
    add("item", "text", WireType::text, true);
    add("id", "integer", WireType::int4, true);
    add("price", "numeric(10,2)", WireType::numeric, false);
    add("note", "text", WireType::text, false);
    add("at", "timestamp without time zone", WireType::timestamp, true);
    table_.key = {1, 0};
    table_.columns[1].key_position = 0;
    table_.columns[0].key_position = 1;
    table_ = text_table(table_);
    for (const auto& column : table_.columns) rows_.add(column.name, column.target);
  }
  void add(const char* name, const char* type, WireType wire, bool not_null) {
    auto column = column_of({type, wire, "", ""}, name);
    column.not_null = not_null;
    table_.columns.push_back(column);
  }
  void row(const char* item, const char* id, const char* price, const char* note) {
    rows_.columns[0].append_text(item);
    rows_.columns[1].append_text(id);
    price != nullptr ? rows_.columns[2].append_text(price) : rows_.columns[2].append_null();
    note != nullptr ? rows_.columns[3].append_text(note) : rows_.columns[3].append_null();
    rows_.columns[4].append_text("2024-02-29 12:34:56.5");
  }

  postgres::SourceTable table_;
  Block rows_;
  ChangeOrigin origin_{.lsn = 2000,
                       .commit_lsn = 2100,
                       .previous_lsn = 1000,
                       .transaction = 77,
                       .committed_at = 1'700'000'000'123'456,
                       .now = 1'700'000'000'500'000,
                       .total_order = 3,
                       .collection_order = 2};
};

TEST_F(EncoderTest, AnUpdateHasTheEnvelopeOfTheConnector) {
  row("x", "1", "12.50", nullptr);
  row("x", "1", nullptr, "n");
  DebeziumEncoder encoder(table_, {.prefix = "shop", .database = "db"});
  EXPECT_EQ(encoder.topic(), "shop.public.orders");
  std::string key;
  encoder.key(rows_, 1, key);
  EXPECT_EQ(key, R"({"id":1,"item":"x"})");
  std::string value;
  uint32_t unchanged[] = {3};
  encoder.envelope('u', {.block = &rows_, .row = 0}, {.block = &rows_, .row = 1, .unchanged = unchanged},
                   origin_, value);
  EXPECT_EQ(
      value,
      R"({"before":{"item":"x","id":1,"price":"12.50","note":null,"at":"2024-02-29T12:34:56.5Z"},)"
      R"("after":{"item":"x","id":1,"price":null,"note":"__debezium_unavailable_value","at":"2024-02-29T12:34:56.5Z"},)"
      R"("source":{"version":"tidemark","connector":"postgresql","name":"shop","ts_ms":1700000000123,)"
      R"("ts_us":1700000000123456,"ts_ns":1700000000123456000,"snapshot":"false","db":"db","schema":"public",)"
      R"("table":"orders","sequence":"[\"1000\",\"2000\"]","txId":77,"lsn":2000,"xmin":null},)"
      R"("transaction":{"id":"77:2100","total_order":3,"data_collection_order":2},"op":"u",)"
      R"("ts_ms":1700000000500,"ts_us":1700000000500000,"ts_ns":1700000000500000000})");
}

TEST_F(EncoderTest, ADeleteThatKnowsOnlyTheKeyFillsWhatCannotBeNull) {
  row("x", "1", nullptr, nullptr);
  DebeziumEncoder encoder(table_, {.prefix = "shop", .database = "db"});
  std::string value;
  encoder.envelope('d', {.block = &rows_, .row = 0, .key_only = true}, {}, origin_, value);
  EXPECT_THAT(
      value,
      HasSubstr(
          R"({"before":{"item":"x","id":1,"price":null,"note":null,"at":"1970-01-01T00:00:00Z"},"after":null,)"));
}

// Encoder -> our own decoder, with the schema that travels along: every value comes back.
TEST_F(EncoderTest, OurDecoderReadsWhatWeWrite) {
  row("x", "1", "12.50", "n\"\\");
  row("y", "2", nullptr, nullptr);
  DebeziumEncoder encoder(table_, {.prefix = "shop", .database = "db", .schema = true});
  std::string key;
  std::string value;
  encoder.key(rows_, 0, key);
  encoder.envelope('c', {}, {.block = &rows_, .row = 0}, origin_, value);
  auto shape = learn_shape(Format::debezium, {{encoder.topic(), key, value}});
  ASSERT_TRUE(shape) << shape.error().describe();
  EXPECT_EQ(shape->key, (std::vector<std::string>{"id", "item"}));
  MessageDecoder decoder(*shape, {});
  Block out;
  for (const auto& column : shape->columns) out.add(column.name, column.target);
  EXPECT_EQ(out.columns[1].type().name(), "Int32");
  EXPECT_EQ(out.columns[4].type().name(), "DateTime64(6)");
  auto read = [&](const std::string& key_, const std::optional<std::string>& value_) {
    Message message{.topic = encoder.topic(), .key = key_};
    if (value_) message.value = *value_;
    return decoder.decode(message, out);
  };
  Decoded first = read(key, value);
  EXPECT_EQ(first.kind, Decoded::Kind::rows) << first.reason << first.column;
  EXPECT_EQ(first.lsn, 2000u);
  EXPECT_EQ(first.committed_at, 1'700'000'000'123'456);
  EXPECT_EQ(out.columns[0].text(0), "x");
  EXPECT_EQ(out.columns[1].get<int32_t>(0), 1);
  EXPECT_EQ(out.columns[2].text(0), "12.50");
  EXPECT_EQ(out.columns[3].text(0), "n\"\\");
  EXPECT_EQ(out.columns[4].get<int64_t>(0), 1'709'210'096'500'000);
  value.clear();
  uint32_t unchanged[] = {3};
  encoder.envelope('u', {}, {.block = &rows_, .row = 1, .unchanged = unchanged}, origin_, value);
  EXPECT_EQ(read(key, value).kind, Decoded::Kind::rows);
  EXPECT_TRUE(out.columns[2].is_null(1));
  EXPECT_THAT(decoder.unchanged(), testing::ElementsAre(3));
  value.clear();
  encoder.envelope('d', {.block = &rows_, .row = 1, .key_only = true}, {}, origin_, value);
  EXPECT_EQ(read(key, value).kind, Decoded::Kind::remove);
  EXPECT_EQ(read(key, std::nullopt).kind, Decoded::Kind::nothing);
  value.clear();
  encoder.envelope('t', {}, {}, origin_, value);
  Decoded truncate = decoder.decode({.topic = encoder.topic(), .value = value}, out);
  EXPECT_EQ(truncate.kind, Decoded::Kind::truncate);
  value.clear();
  encoder.envelope('r', {}, {.block = &rows_, .row = 0}, {.snapshot = true, .lsn = 500}, value);
  Decoded snapshot = read(key, value);
  EXPECT_EQ(snapshot.kind, Decoded::Kind::rows);
  EXPECT_TRUE(snapshot.snapshot);
  EXPECT_EQ(snapshot.lsn, 500u);
}

TEST(TransactionTopic, MarkersAreThoseOfTheConnector) {
  TransactionCounts counts{.events = 5, .collections = {{"public.t", 4}, {"public.nokey", 1}}};
  EXPECT_EQ(transaction_key("745:26747232", false), R"({"id":"745:26747232"})");
  EXPECT_EQ(
      transaction_marker("745:26747232", nullptr, 1795264665351000, false),
      R"({"status":"BEGIN","id":"745:26747232","event_count":null,"data_collections":null,"ts_ms":1795264665351})");
  EXPECT_EQ(
      transaction_marker("745:26747232", &counts, 1795264665351000, false),
      R"({"status":"END","id":"745:26747232","event_count":5,"data_collections":[{"data_collection":"public.t","event_count":4},{"data_collection":"public.nokey","event_count":1}],"ts_ms":1795264665351})");
}

}  // namespace
}  // namespace tidemark::kafka
