// The messages here are what Debezium 3.2 wrote for real rows, shortened where length is all they lose.
#include "kafka/message_decoder.h"

#include "base/column.h"
#include "kafka/connect_schema.h"
#include "kafka/encoded_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tidemark::kafka {
namespace {

using Kind = Decoded::Kind;

ColumnType text() {
  return ColumnType::of(TypeKind::string);
}
ColumnType kind(TypeKind kind) {
  return ColumnType::of(kind);
}

// A value as ClickHouse would print it, enough for these tests.
std::string shown(const Column& column, size_t row) {
  if (column.is_null(row)) return "NULL";
  switch (column.type().kind) {
    case TypeKind::string:
    case TypeKind::json:
      return std::string(column.text(row));
    case TypeKind::boolean:
      return column.get<uint8_t>(row) != 0 ? "true" : "false";
    case TypeKind::int16:
      return fmt::format("{}", column.get<int16_t>(row));
    case TypeKind::int32:
    case TypeKind::date32:
      return fmt::format("{}", column.get<int32_t>(row));
    case TypeKind::uint64:
      return fmt::format("{}", column.get<uint64_t>(row));
    case TypeKind::float32:
      return fmt::format("{}", column.get<float>(row));
    case TypeKind::float64:
      return fmt::format("{}", column.get<double>(row));
    case TypeKind::decimal:
      if (column.type().width() == 8) return fmt::format("{}", column.get<int64_t>(row));
      if (column.type().width() == 16) return fmt::format("{}", column.get<__int128>(row));
      return fmt::format("{}", column.get<int32_t>(row));
    case TypeKind::uuid:
      return fmt::format("{:016x}{:016x}", column.get<std::array<uint64_t, 2>>(row)[0],
                         column.get<std::array<uint64_t, 2>>(row)[1]);
    case TypeKind::array: {
      std::string all;
      for (size_t index = column.array_begin(row); index < column.array_end(row); ++index)
        all += (all.empty() ? "" : ",") + shown(column.element(), index);
      return "[" + all + "]";
    }
    default:
      return fmt::format("{}", column.get<int64_t>(row));
  }
}

class Table {
 public:
  Table(TableShape shape, DecoderOptions options = {}) : decoder_(shape, options) {
    for (const auto& column : shape.columns) block.add(column.name, column.target);
  }
  const Decoded& take(std::optional<std::string> value, std::optional<std::string> key = std::nullopt,
                      std::vector<std::pair<std::string_view, std::string_view>> headers = {}) {
    value_ = std::move(value);
    key_ = std::move(key);
    Message message{.topic = "shop.public.things",
                    .partition = 3,
                    .offset = 42,
                    .timestamp_ms = 1'700'000'000'000,
                    .headers = std::move(headers)};
    if (value_) message.value = *value_;
    if (key_) message.key = *key_;
    return decoder_.decode(message, block);
  }
  std::string row(size_t index) const {
    std::string all;
    for (const auto& column : block.columns) all += (all.empty() ? "" : "|") + shown(column, index);
    return all;
  }
  std::string last() const { return row(block.rows() - 1); }
  bool even() const {
    for (const auto& column : block.columns)
      if (column.rows() != block.rows()) return false;
    return true;
  }
  MessageDecoder& decoder() { return decoder_; }

  Block block;

 private:
  MessageDecoder decoder_;
  std::optional<std::string> value_, key_;
};

TableShape things() {
  return {.columns = {{.name = "id", .target = kind(TypeKind::int64)},
                      {.name = "text", .target = text().as_nullable()},
                      {.name = "number", .target = kind(TypeKind::int32)}},
          .key = {"id"}};
}

std::string source(const std::string& more) {
  return R"("source":{"version":"3.2.2.Final","connector":"postgresql","name":"shop","ts_ms":1795261882756,"db":"shop","ts_us":1795261882756036,"schema":"public","table":"things","txId":737,"xmin":null,)" +
         more + "}";
}
std::string event(
    const std::string& op, const std::string& before, const std::string& after,
    const std::string& more = R"("snapshot":"false","sequence":"[null,\"26401624\"]","lsn":26401624)") {
  return R"({"before":)" + before + R"(,"after":)" + after + "," + source(more) +
         R"(,"transaction":null,"op":")" + op + R"(","ts_ms":1795261882971})";
}

TEST(Debezium, OperationsOfARow) {
  Table table(things());
  auto& created = table.take(event("c", "null", R"({"id":3,"text":"c","number":3})"), R"({"id":3})");
  ASSERT_EQ(created.kind, Kind::rows) << created.reason;
  EXPECT_EQ(created.lsn, 26401624u);
  EXPECT_EQ(created.committed_at, 1795261882756036);
  EXPECT_FALSE(created.snapshot);
  EXPECT_EQ(table.last(), "3|c|3");
  EXPECT_EQ(table.take(event("u", "null", R"({"id":3,"text":null,"number":-4})")).kind, Kind::rows);
  EXPECT_EQ(table.last(), "3|NULL|-4");
  // The other columns of a delete's old row are nothing: defaults.
  EXPECT_EQ(table.take(event("d", R"({"id":3,"text":null,"number":0})", "null")).kind, Kind::remove);
  EXPECT_EQ(table.last(), "3|NULL|0");
  EXPECT_EQ(table.take(std::nullopt, R"({"id":3})").kind, Kind::nothing);
  EXPECT_EQ(table.take("null", R"({"id":3})").kind, Kind::nothing);
  EXPECT_EQ(table.take(event("t", "null", "null")).kind, Kind::truncate);
  EXPECT_EQ(table.block.rows(), 3u);
}

TEST(Debezium, DeletesByTheKeyOfTheMessageWhenTheOldRowIsNotSent) {
  Table table(things());
  EXPECT_EQ(table.take(event("d", "null", "null"), R"({"schema":{"type":"struct"},"payload":{"id":7}})").kind,
            Kind::remove);
  EXPECT_EQ(table.last(), "7|NULL|0");
  EXPECT_EQ(table.take(event("d", "null", "null"), R"({"id":8})").kind, Kind::remove);
  EXPECT_EQ(table.last(), "8|NULL|0");
  EXPECT_EQ(table.take(event("d", "null", "null")).kind, Kind::refused);
  EXPECT_TRUE(table.even());
}

TEST(Debezium, SnapshotRows) {
  Table table(things());
  for (std::string marker : {R"("true")", R"("first")", R"("first_in_data_collection")",
                             R"("last_in_data_collection")", R"("last")", "true"}) {
    auto& row =
        table.take(event("r", "null", R"({"id":1,"text":"x","number":1})",
                         R"("snapshot":)" + marker + R"(,"sequence":"[null,\"26401568\"]","lsn":26401568)"));
    ASSERT_EQ(row.kind, Kind::rows) << row.reason;
    EXPECT_TRUE(row.snapshot) << marker;
    EXPECT_EQ(row.lsn, 26401568u);
  }
  auto& incremental = table.take(event("r", "null", R"({"id":1,"text":"x","number":1})",
                                       R"("snapshot":"incremental","sequence":null,"lsn":null)"));
  EXPECT_TRUE(incremental.incremental);
  EXPECT_FALSE(incremental.snapshot);
  EXPECT_EQ(incremental.lsn, 0u);
  for (std::string marker : {R"("false")", "false", "null"})
    EXPECT_FALSE(table
                     .take(event("c", "null", R"({"id":1,"text":"x","number":1})",
                                 R"("snapshot":)" + marker + R"(,"lsn":5)"))
                     .snapshot);
}

TEST(Debezium, MessagesThatAreNoRows) {
  Table table(things());
  for (
      const char* value :
      {R"({"ts_ms":1795262094201})",
       R"({"status":"BEGIN","id":"750:26738256","event_count":null,"data_collections":null,"ts_ms":1795262097843})",
       R"({"status":"END","id":"750:26738440","event_count":1,"data_collections":[{"data_collection":"public.things","event_count":1}],"ts_ms":1})",
       R"({"op":"m","ts_ms":1,"source":{"connector":"postgresql","lsn":26739184,"xmin":null},"message":{"prefix":"pre","content":"Y29udGVudA=="}})"})
    EXPECT_EQ(table.take(value).kind, Kind::nothing) << value;
  EXPECT_EQ(table.block.rows(), 0u);
}

TEST(Debezium, PoisonIsRefusedAndLeavesNothing) {
  Table table(things());
  ASSERT_EQ(table.take(event("c", "null", R"({"id":1,"text":"a","number":1})")).kind, Kind::rows);
  const std::pair<std::string, const char*> cases[] = {
      {"", "not valid JSON"},
      {"{", "not a JSON object"},
      {"garbage", "not a JSON object"},
      {"[1]", "not a JSON object"},
      {"{}", "not a Debezium envelope"},
      {R"({"id":1})", "not a Debezium envelope"},
      {event("c", "null", R"({"id":2,"text":"b","number":2})") + "{}", "not valid JSON"},
      {event("c", "null", R"({"id":2,"text":"b","number":"x"})"), "does not fit"},
      {event("c", "null", R"({"id":2,"text":"b","number":2147483648})"), "does not fit"},
      {event("c", "null", R"({"id":2,"text":"b","number":1.5})"), "does not fit"},
      {event("c", "null", R"({"id":2,"text":"b","number":null})"), "NULL"},
      {event("c", "null", R"({"id":2,"text":"b"})"), "no value"},
      {event("c", "null", R"({"text":"b","number":2})"), "no value"},
      {event("c", "null", R"({"id":2,"text":"b","number":2,"new":1})"), "not a column"},
      {event("c", "null", R"({"id":2,"text":"b","number":2,"number":3})"), "twice"},
      {event("c", "null", "null"), "without the row"},
      {event("x", "null", R"({"id":2,"text":"b","number":2})"), "none of"},
      {event("c", "null", R"({"id":2,"text":"b","number":2)"), "not a column"},
  };
  for (const auto& [value, reason] : cases) {
    auto& refused = table.take(value);
    EXPECT_EQ(refused.kind, Kind::refused) << value;
    EXPECT_NE(std::string(refused.reason).find(reason), std::string::npos) << value << ": " << refused.reason;
    EXPECT_TRUE(table.even()) << value;
    EXPECT_EQ(table.block.rows(), 1u) << value;
  }
  EXPECT_EQ(table.take(event("c", "null", R"({"id":2,"text":"b","number":2})")).kind, Kind::rows);
  Table generous(things(), {.ignore_unknown_fields = true});
  EXPECT_EQ(generous.take(event("c", "null", R"({"id":2,"new":{"a":[1,2]},"text":"b","number":2})")).kind,
            Kind::rows);
  EXPECT_EQ(generous.last(), "2|b|2");
}

TEST(Debezium, TablesWithoutAKeyTakeInsertsOnly) {
  TableShape shape = things();
  shape.key.clear();
  Table table(shape);
  EXPECT_EQ(table.take(event("c", "null", R"({"id":1,"text":"a","number":1})")).kind, Kind::rows);
  EXPECT_EQ(table.take(event("u", "null", R"({"id":1,"text":"a","number":1})")).kind, Kind::refused);
  EXPECT_EQ(table.take(event("d", R"({"id":1})", "null")).kind, Kind::refused);
  EXPECT_EQ(table.block.rows(), 1u);
}

TEST(Debezium, FieldsInAnyOrderAndEscapedNames) {
  TableShape shape{.columns = {{.name = "id", .target = kind(TypeKind::int64)},
                               {.name = "a \"b\" \n", .target = text()},
                               {.name = "имя", .target = text()}},
                   .key = {"id"}};
  Table table(shape);
  ASSERT_EQ(table.take(event("c", "null", R"({"имя":"ф","a \"b\" \n":"\u00e9\ud83d\ude00\"","id":1})")).kind,
            Kind::rows);
  EXPECT_EQ(table.last(), "1|\u00e9\U0001F600\"|ф");
  // op before the row, row before the source
  ASSERT_EQ(
      table
          .take(R"({"op":"u","after":{"id":2,"a \"b\" \n":"","имя":""},"source":{"lsn":9,"snapshot":false}})")
          .kind,
      Kind::rows);
}

// Every shape in which Debezium says "not sent because it did not change".
TEST(Debezium, UnavailableValues) {
  TableShape shape{
      .columns = {{.name = "id", .target = kind(TypeKind::int32)},
                  {.name = "n", .target = kind(TypeKind::int32)},
                  {.name = "t", .target = text()},
                  {.name = "b", .target = text(), .form = Form::base64},
                  {.name = "j", .target = text().as_nullable()},
                  {.name = "ia", .target = ColumnType::array_of(kind(TypeKind::int32).as_nullable())},
                  {.name = "ta", .target = ColumnType::array_of(text().as_nullable())},
                  {.name = "ua", .target = text().as_nullable(), .form = Form::json},
                  {.name = "h", .target = text().as_nullable()},
                  {.name = "ba", .target = ColumnType::array_of(kind(TypeKind::int64).as_nullable())}},
      .key = {"id"}};
  const char* numbers =
      "[95,95,100,101,98,101,122,105,117,109,95,117,110,97,118,97,105,108,97,98,108,101,95,118,97,108,117,"
      "101]";
  Table table(shape);
  auto& first = table.take(event(
      "u", "null",
      std::string(
          R"({"id":1,"n":2,"t":"__debezium_unavailable_value","b":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==","j":"__debezium_unavailable_value","ia":)") +
          numbers +
          R"(,"ta":["__debezium_unavailable_value"],"ua":["b68a35a7-17ad-35b3-af2a-ae46edb4545a"],"h":"{\"__debezium_unavailable_value\":\"__debezium_unavailable_value\"}","ba":)" +
          numbers + "}"));
  ASSERT_EQ(first.kind, Kind::rows) << first.reason << first.column;
  EXPECT_EQ(table.decoder().unchanged(), (std::vector<size_t>{2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(table.last(), "1|2|||NULL|[]|[]|NULL|NULL|[]");
  // As a map, in hexadecimal, and in the URL-safe alphabet.
  ASSERT_EQ(
      table
          .take(event(
              "u", "null",
              R"({"id":1,"n":2,"t":"x","b":"5f5f646562657a69756d5f756e617661696c61626c655f76616c7565","j":"","ia":[1,null],"ta":["a",null],"ua":[],"h":{"__debezium_unavailable_value":"__debezium_unavailable_value"},"ba":[]})"))
          .kind,
      Kind::rows);
  EXPECT_EQ(table.decoder().unchanged(), (std::vector<size_t>{3, 8}));
  EXPECT_EQ(table.last(), "1|2|x|||[1,NULL]|[a,NULL]|[]|NULL|[]");
  Table renamed(shape, {.placeholder = "gone"});
  ASSERT_EQ(
      renamed
          .take(event(
              "u", "null",
              R"({"id":1,"n":2,"t":"gone","b":"Z29uZQ==","j":"__debezium_unavailable_value","ia":[103,111,110,101],"ta":["gone"],"ua":null,"h":null,"ba":[]})"))
          .kind,
      Kind::rows);
  EXPECT_EQ(renamed.decoder().unchanged(), (std::vector<size_t>{2, 3, 5, 6}));
}

std::string field(const std::string& type, const std::string& name, const std::string& more = "") {
  return fmt::format(R"({{"type":"{}","optional":true{},"field":"{}"}})", type, more, name);
}
std::string named(const std::string& type, const std::string& semantic, const std::string& name,
                  const std::string& more = "") {
  return field(type, name, fmt::format(R"(,"name":"{}","version":1{})", semantic, more));
}

// Columns and values of one real row of many types, in the default modes, beside their schema.
TEST(Debezium, TypesBySchema) {
  std::string fields = R"({"type":"int32","optional":false,"field":"id"})";
  for (const auto& one :
       {named("bytes", "org.apache.kafka.connect.data.Decimal", "n",
              R"(,"parameters":{"scale":"2","connect.decimal.precision":"10"})"),
        named("struct", "io.debezium.data.VariableScaleDecimal", "u"),
        named("int32", "io.debezium.time.Date", "d"),
        named("int64", "io.debezium.time.MicroTime", "t"),
        named("int64", "io.debezium.time.MicroTimestamp", "ts"),
        named("int64", "io.debezium.time.Timestamp", "ts3"),
        named("string", "io.debezium.time.ZonedTimestamp", "tz"),
        named("string", "io.debezium.time.ZonedTime", "tt"),
        named("int64", "io.debezium.time.MicroDuration", "i"),
        field("bytes", "b"),
        named("string", "io.debezium.data.Json", "j"),
        named("string", "io.debezium.data.Uuid", "uu"),
        field("array", "a", R"(,"items":{"type":"int32","optional":true})"),
        field("boolean", "bo"),
        field("float", "f4"),
        field("double", "f8"),
        named("bytes", "org.apache.kafka.connect.data.Decimal", "m", R"(,"parameters":{"scale":"2"})"),
        named("bytes", "io.debezium.data.Bits", "bits", R"(,"parameters":{"length":"5"})"),
        named("struct", "io.debezium.data.geometry.Point", "hs"),
        field("int16", "s"),
        named("string", "io.debezium.data.Enum", "e")})
    fields += "," + one;
  std::string row =
      R"({"type":"struct","fields":[)" + fields + R"(],"optional":true,"name":"x.Value","field":"%"})";
  auto side = [&](const char* name) { return std::string(row).replace(row.find('%'), 1, name); };
  std::string schema = R"({"type":"struct","fields":[)" + side("before") + "," + side("after") +
                       R"(],"optional":false,"name":"x.Envelope","version":2})";
  std::string after =
      R"({"id":1,"n":"BNI=","u":{"scale":28,"value":"J+QbMka+ybFuOYEV"},"d":19782,"t":45296789012,"ts":1709210096789012,"ts3":1709210096789,"tz":"2024-02-29T10:34:56.789012Z","tt":"10:34:56Z","i":2813645000000,"b":"AQL/","j":"{\"a\": 1}","uu":"11111111-2222-3333-4444-555555555555","a":[1,2,null],"bo":true,"f4":1.5,"f8":2.5,"m":"BNI=","bits":"FQ==","hs":{"x":1,"y":2,"wkb":"AQEAAAAAAAAAAADwPwAAAAAAAABA","srid":null},"s":7,"e":"happy"})";
  std::string message = R"({"schema":)" + schema + R"(,"payload":)" + event("c", "null", after) + "}";
  auto shape = learn_shape(
      Format::debezium,
      {{.topic = "x", .key = R"({"schema":{"type":"struct"},"payload":{"id":1}})", .value = message}});
  ASSERT_TRUE(shape) << shape.error().describe();
  EXPECT_EQ(shape->key, std::vector<std::string>{"id"});
  std::string types;
  for (const auto& column : shape->columns) types += column.name + " " + column.target.name() + "; ";
  EXPECT_EQ(
      types,
      "id Int32; n Nullable(Decimal(10, 2)); u Nullable(String); d Nullable(Date32); t Nullable(String); ts "
      "Nullable(DateTime64(6)); ts3 Nullable(DateTime64(3)); tz Nullable(DateTime64(6, 'UTC')); tt "
      "Nullable(String); i "
      "Nullable(Int64); b Nullable(String); j Nullable(String); uu Nullable(UUID); a Nullable(String); bo "
      "Nullable(Bool); "
      "f4 Nullable(Float32); f8 Nullable(Float64); m Nullable(Decimal(38, 2)); bits Nullable(String); hs "
      "Nullable(String); s "
      "Nullable(Int16); e LowCardinality(Nullable(String)); ");
  // The forms come with each message; the columns' types alone are what the warehouse remembers.
  for (auto& column : shape->columns) column.form = Form::plain;
  Table table(*shape);
  for (int time = 0; time < 2; ++time) {  // the second time by the remembered schema
    auto& decoded = table.take(message);
    ASSERT_EQ(decoded.kind, Kind::rows) << decoded.reason << " " << decoded.column;
    EXPECT_EQ(
        table.last(),
        std::string("1|1234|1.2345678901234567890123456789|19782|12:34:56.789012|1709210096789012|"
                    "1709210096789|1709202896789012|10:34:56Z|"
                    "2813645000000|\x01\x02\xff|{\"a\": "
                    "1}|11111111222233334444555555555555|[1,2,null]|true|1.5|2.5|1234|10101|"
                    "{\"x\":1,\"y\":2,\"wkb\":\"AQEAAAAAAAAAAADwPwAAAAAAAABA\",\"srid\":null}|7|happy"));
  }
  EXPECT_EQ(table.take(R"({"schema":null,"payload":)" + event("d", R"({"id":1})", "null") + "}").kind,
            Kind::remove);
  EXPECT_EQ(table.take(R"({"schema":)" + schema + R"(,"payload":null})").kind, Kind::nothing);
  EXPECT_EQ(table.take(R"({"schema":{,"payload":null})").kind, Kind::refused);
  EXPECT_TRUE(table.even());
}

// One column of a type and a form, and what becomes of JSON values.
std::string one(const ColumnType& type, Form form, const std::string& json, int scale = 0) {
  Table table({.columns = {{.name = "v", .target = type, .form = form, .scale = scale}}, .key = {}},
              {.format = Format::json});
  auto& decoded = table.take(R"({"v":)" + json + "}");
  if (decoded.kind == Kind::refused) {
    EXPECT_EQ(table.block.rows(), 0u);
    EXPECT_EQ(
        table.block.columns[0].type().kind != TypeKind::array || table.block.columns[0].element().rows() == 0,
        true);
    return std::string("refused: ") + decoded.reason;
  }
  return table.last();
}

TEST(Values, DecimalsInEveryMode) {
  auto decimal = ColumnType::decimal(12, 2);
  EXPECT_EQ(one(decimal, Form::plain, "12.34"), "1234");
  EXPECT_EQ(one(decimal, Form::plain, "\"12.34\""), "1234");
  EXPECT_EQ(one(decimal, Form::plain, "-1.2e1"), "-1200");
  EXPECT_EQ(one(decimal, Form::plain, "1.25E-1"),
            "refused: the number has more digits after the point than the column's Decimal");
  EXPECT_EQ(one(decimal, Form::plain, "12"), "1200");
  EXPECT_EQ(one(decimal, Form::plain, "12.345").substr(0, 7), "refused");
  EXPECT_EQ(one(decimal, Form::plain, "99999999999").substr(0, 7), "refused");
  EXPECT_EQ(one(decimal, Form::plain, "\"NaN\"").substr(0, 7), "refused");
  EXPECT_EQ(one(decimal, Form::decimal_bytes, "\"BNI=\"", 2), "1234");
  EXPECT_EQ(one(decimal, Form::decimal_bytes, "\"+y4=\"", 2), "-1234");
  EXPECT_EQ(one(decimal, Form::decimal_bytes, "\"AA==\"", 2), "0");
  EXPECT_EQ(one(text(), Form::variable_decimal, R"({"scale":0,"value":"AA=="})"), "0");
  EXPECT_EQ(one(text(), Form::variable_decimal, R"({"scale":3,"value":"/w=="})"), "-0.001");
  EXPECT_EQ(one(text(), Form::variable_decimal, R"({"value":"ew==","scale":-2})"), "12300");
  EXPECT_EQ(one(text(), Form::variable_decimal, R"({"scale":3})").substr(0, 7), "refused");
  // 2^127 and -2^127
  EXPECT_EQ(one(text(), Form::decimal_bytes, "\"gAAAAAAAAAAAAAAAAAAAAA==\"", 3),
            "-170141183460469231731687303715884105.728");
  EXPECT_EQ(one(text(), Form::decimal_bytes, "\"AIAAAAAAAAAAAAAAAAAAAAA=\"", 0),
            "170141183460469231731687303715884105728");
  EXPECT_EQ(one(ColumnType::decimal(38, 0), Form::plain, "123456789012345678901234567890"),
            "123456789012345678901234567890");
}

TEST(Values, TimesInEveryMode) {
  auto micros = ColumnType::datetime64(6);
  auto millis = ColumnType::datetime64(3);
  EXPECT_EQ(one(micros, Form::microseconds, "1709210096789012"), "1709210096789012");
  EXPECT_EQ(one(micros, Form::plain, "1709210096789012"), "1709210096789012");
  EXPECT_EQ(one(millis, Form::plain, "1709210096789"), "1709210096789");
  EXPECT_EQ(one(micros, Form::milliseconds, "1709210096789"), "1709210096789000");
  EXPECT_EQ(one(micros, Form::nanoseconds, "1709210096789012000"), "1709210096789012");
  EXPECT_EQ(one(micros, Form::nanoseconds, "1709210096789012001").substr(0, 7), "refused");
  EXPECT_EQ(one(micros, Form::plain, R"("2024-02-29T12:34:56.789012Z")"), "1709210096789012");
  EXPECT_EQ(one(micros, Form::plain, R"("2024-02-29 14:34:56.789012+02:00")"), "1709210096789012");
  EXPECT_EQ(one(micros, Form::plain, R"("1969-12-31T23:59:59.5Z")"), "-500000");
  EXPECT_EQ(one(micros, Form::plain, R"("2024-02-30T00:00:00Z")").substr(0, 7), "refused");
  EXPECT_EQ(
      one(micros, Form::plain,
          R"({"year":2024,"month":2,"day":29,"hour":12,"minute":34,"second":56,"nanos":789012000,"precision":6,"specialValue":null})"),
      "1709210096789012");
  EXPECT_EQ(
      one(micros, Form::plain,
          R"({"year":2024,"month":2,"day":29,"hour":14,"minute":34,"second":56,"nanos":789012000,"offsetSeconds":7200})"),
      "1709210096789012");
  // Infinities as they really arrive; in nanoseconds and days Debezium's own numbers overflow.
  for (const char* value : {"9223372036825200000", "-9223372036832400000"})
    EXPECT_EQ(one(micros, Form::microseconds, value), std::string("refused: ") + infinite_time);
  EXPECT_EQ(one(millis, Form::milliseconds, "9223372036825200"), std::string("refused: ") + infinite_time);
  EXPECT_EQ(one(micros, Form::nanoseconds, "-29575808000"), std::string("refused: ") + infinite_time);
  for (const char* value : {"\"infinity\"", "\"-infinity\"", "\"+294247-01-10T04:00:25.2Z\"",
                            R"({"specialValue":"POSITIVE_INFINITY"})"})
    EXPECT_EQ(one(micros, Form::plain, value), std::string("refused: ") + infinite_time) << value;
  EXPECT_EQ(one(micros, Form::plain, R"("1899-12-31T23:59:59Z")").substr(0, 7), "refused");

  auto date = kind(TypeKind::date32);
  EXPECT_EQ(one(date, Form::days, "19782"), "19782");
  EXPECT_EQ(one(date, Form::plain, R"("2024-02-29Z")"), "19782");
  EXPECT_EQ(one(date, Form::plain, R"("2024-02-29")"), "19782");
  EXPECT_EQ(one(date, Form::plain, R"({"year":2024,"month":2,"day":29})"), "19782");
  EXPECT_EQ(one(date, Form::days, "-622191234").substr(0, 7), "refused");
  EXPECT_EQ(one(date, Form::plain, R"("+292278994-08-16Z")"), std::string("refused: ") + infinite_time);

  EXPECT_EQ(one(text(), Form::time_microseconds, "45296789012"), "12:34:56.789012");
  EXPECT_EQ(one(text(), Form::time_milliseconds, "45296789"), "12:34:56.789");
  EXPECT_EQ(one(text(), Form::time_nanoseconds, "45296789012000"), "12:34:56.789012");
  EXPECT_EQ(one(text(), Form::time_microseconds, "86400000000"), "24:00:00");
  EXPECT_EQ(one(text(), Form::time_microseconds, "86400000001").substr(0, 7), "refused");
  EXPECT_EQ(one(text(), Form::plain, R"("12:34:56.789012Z")"), "12:34:56.789012Z");
  EXPECT_EQ(one(text(), Form::time_nanoseconds, R"({"hour":12,"minute":34,"second":56,"nanos":5000})"),
            "12:34:56.000005");
  EXPECT_EQ(one(text(), Form::plain, R"("P0Y1M2DT3H4M5S")"), "P0Y1M2DT3H4M5S");
}

TEST(Values, NumbersTextAndTheRest) {
  EXPECT_EQ(one(kind(TypeKind::uint64), Form::plain, "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(one(kind(TypeKind::uint64), Form::plain, "-1").substr(0, 7), "refused");
  EXPECT_EQ(one(kind(TypeKind::int64), Form::plain, "\"-9223372036854775808\""), "-9223372036854775808");
  EXPECT_EQ(one(kind(TypeKind::float64), Form::plain, "\"NaN\""), "nan");
  EXPECT_EQ(one(kind(TypeKind::float64), Form::plain, "\"-Infinity\""), "-inf");
  EXPECT_EQ(one(kind(TypeKind::float64), Form::plain, "5"), "5");
  EXPECT_EQ(one(kind(TypeKind::boolean), Form::plain, "1").substr(0, 7), "refused");
  EXPECT_EQ(one(text(), Form::plain, "1.50"), "1.50");
  EXPECT_EQ(one(text(), Form::plain, R"({"a":[1,{"b":null}]})"), R"({"a":[1,{"b":null}]})");
  EXPECT_EQ(one(text(), Form::plain, "true"), "true");
  EXPECT_EQ(one(text(), Form::json, R"("a\n")"), R"("a\n")");
  EXPECT_EQ(one(text(), Form::hex, R"("0102ff")"), "\x01\x02\xff");
  EXPECT_EQ(one(text(), Form::base64, R"("_-8")"), "\xff\xef");
  EXPECT_EQ(one(text(), Form::base64, R"("?")").substr(0, 7), "refused");
  EXPECT_EQ(one(text(), Form::plain, "null").substr(0, 7), "refused");
  EXPECT_EQ(one(text().as_nullable(), Form::plain, "null"), "NULL");
  EXPECT_EQ(one(kind(TypeKind::uuid), Form::plain, R"("11111111-2222-3333-4444-555555555555")"),
            "11111111222233334444555555555555");
  EXPECT_EQ(one(kind(TypeKind::uuid), Form::plain, R"("1")").substr(0, 7), "refused");
  auto array = ColumnType::array_of(kind(TypeKind::int32).as_nullable());
  EXPECT_EQ(one(array, Form::plain, "[1,null,3]"), "[1,NULL,3]");
  EXPECT_EQ(one(array, Form::plain, "[1,2,\"x\"]").substr(0, 7), "refused");
  EXPECT_EQ(one(array, Form::plain, "{}").substr(0, 7), "refused");
}

TEST(Flat, RowsAndDeletesInEveryHandlingMode) {
  Table table(things(), {.format = Format::flat});
  auto& row = table.take(
      R"({"id":2,"text":"__debezium_unavailable_value","number":5,"__deleted":"false","__op":"u","__lsn":26738496,"__table":"things","__source_ts_ms":1795262097851})");
  ASSERT_EQ(row.kind, Kind::rows) << row.reason << row.column;
  EXPECT_EQ(row.lsn, 26738496u);
  EXPECT_TRUE(row.says_deleted);
  EXPECT_EQ(row.committed_at, 1795262097851000);
  EXPECT_EQ(table.decoder().unchanged(), std::vector<size_t>{1});
  auto& rewritten =
      table.take(R"({"id":3,"text":null,"number":0,"__deleted":"true","__op":"d","__lsn":26738648})");
  EXPECT_EQ(rewritten.kind, Kind::remove);
  EXPECT_EQ(table.last(), "3|NULL|0");
  EXPECT_EQ(table.take(R"({"id":3,"text":null,"number":0,"__deleted":true})").kind, Kind::remove);
  auto& tombstone = table.take(std::nullopt, R"({"id":4})");
  EXPECT_EQ(tombstone.kind, Kind::remove);
  EXPECT_TRUE(tombstone.tombstone);
  EXPECT_EQ(table.last(), "4|NULL|0");
  EXPECT_EQ(table.take(std::nullopt).kind, Kind::refused);
  // Without added fields.
  auto& bare = table.take(
      R"({"schema":{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"}]},"payload":{"id":5,"text":"t","number":1}})");
  EXPECT_EQ(bare.kind, Kind::rows);
  EXPECT_EQ(bare.lsn, 0u);
  EXPECT_FALSE(bare.says_deleted);
  EXPECT_EQ(table.take(R"({"id":5,"text":"t","number":1,"other":1})").kind, Kind::refused);
  EXPECT_TRUE(table.even());
}

TEST(Outbox, Events) {
  TableShape shape = fixed_shape(Format::outbox);
  Table table(shape, {.format = Format::outbox});
  ASSERT_EQ(table.take(R"("{\"order\": 1}")", R"("17")", {{"id", "c1"}, {"eventType", "created"}}).kind,
            Kind::rows);
  EXPECT_EQ(table.last(), "c1|things|17|created|{\"order\": 1}|1700000000000");
  ASSERT_EQ(table.take(R"({"order":1})", "17", {{"id", "c2"}}).kind, Kind::rows);
  EXPECT_EQ(table.last(), "c2|things|17||{\"order\":1}|1700000000000");
  ASSERT_EQ(
      table.take(R"({"schema":{"type":"string"},"payload":"{\"order\": 1}"})", std::nullopt, {{"id", "c3"}})
          .kind,
      Kind::rows);
  EXPECT_EQ(table.last(), "c3|things|NULL||{\"order\": 1}|1700000000000");
  ASSERT_EQ(
      table.take(R"({"payload":"{\"order\": 1}","eventType":"paid"})", std::nullopt, {{"id", "c4"}}).kind,
      Kind::rows);
  EXPECT_EQ(table.last(), "c4|things|NULL|paid|{\"order\": 1}|1700000000000");
  ASSERT_EQ(table.take(std::nullopt, "17", {{"id", "c5"}}).kind, Kind::rows);
  EXPECT_EQ(table.last(), "c5|things|17||NULL|1700000000000");
  EXPECT_EQ(table.take("{}", "17").kind, Kind::refused);
  EXPECT_TRUE(table.even());
}

TEST(Json, RowsLinesAndInference) {
  auto shape =
      learn_shape(Format::json, {{.topic = "t", .value = R"({"a":1,"b":"x","c":1.5,"d":null})"},
                                 {.topic = "t", .value = "poison"},
                                 {.topic = "t", .value = R"({"a":2,"b":7,"c":1,"d":true,"e":{"f":1}})"}});
  ASSERT_TRUE(shape) << shape.error().describe();
  std::string types;
  for (const auto& column : shape->columns) types += column.name + " " + column.target.name() + "; ";
  EXPECT_EQ(
      types,
      "a Nullable(Int64); b Nullable(String); c Nullable(Float64); d Nullable(Bool); e Nullable(String); ");
  EXPECT_TRUE(shape->key.empty());
  Table table(*shape, {.format = Format::json});
  ASSERT_EQ(table.take(R"( {"a":2,"b":7,"c":1,"d":true,"e":{"f":1}} )").kind, Kind::rows);
  EXPECT_EQ(table.last(), "2|7|1|true|{\"f\":1}");
  EXPECT_EQ(table.take(R"({"a":1}{"a":2})").kind, Kind::refused);
  EXPECT_EQ(table.take(std::nullopt, "1").kind, Kind::refused);
  Table lines(*shape, {.format = Format::ndjson});
  auto& three = lines.take("{\"a\":1}\n\n{\"a\":2}\r\n{\"a\":3}");
  EXPECT_EQ(three.kind, Kind::rows);
  EXPECT_EQ(three.rows, 3u);
  EXPECT_EQ(lines.row(1), "2|NULL|NULL|NULL|NULL");
  EXPECT_EQ(lines.take("{\"a\":1}\n{\"a\":").kind, Kind::refused);
  EXPECT_EQ(lines.block.rows(), 3u);
  Table keyed({.columns = {{.name = "id", .target = text()}, {.name = "v", .target = kind(TypeKind::int64)}},
               .key = {"id"}},
              {.format = Format::json});
  EXPECT_EQ(keyed.take(std::nullopt, R"("k1")").kind, Kind::remove);
  EXPECT_EQ(keyed.last(), "k1|0");
  Table raw(fixed_shape(Format::lines), {.format = Format::lines});
  ASSERT_EQ(raw.take("anything \xff", "k").kind, Kind::rows);
  EXPECT_EQ(raw.last(), "shop.public.things|3|42|1700000000000|k|anything \xff");
  EXPECT_FALSE(learn_shape(Format::json, {}));
  EXPECT_FALSE(learn_shape(Format::debezium, {{.topic = "t", .value = R"({"ts_ms":1})"}}));
}

TEST(Debezium, InferenceWithoutSchema) {
  auto shape =
      learn_shape(Format::debezium, {{.topic = "t",
                                      .key = R"({"id":2})",
                                      .value = event("r", "null", R"({"id":2,"text":"a","number":2})")}});
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->key, std::vector<std::string>{"id"});
  EXPECT_EQ(shape->columns[0].target.name(), "Int64");
  EXPECT_EQ(shape->columns[1].target.name(), "Nullable(String)");
}

}  // namespace
}  // namespace tidemark::kafka
