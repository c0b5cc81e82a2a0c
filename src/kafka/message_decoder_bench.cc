// How fast messages become columns on one core, without a broker: Debezium's envelope of an impressions-like
// row, with and without its schema, and the other formats. The aim is 300,000 messages a second.
// Build: ninja tidemark_kafka_bench (with -DTIDEMARK_BENCH=ON).
#include "kafka/connect_schema.h"
#include "kafka/message_decoder.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

namespace tidemark::kafka {
namespace {

constexpr size_t distinct_messages = 1'000;
constexpr size_t rows_max = 65'536;  // then the block is sent, here: emptied

std::string row(size_t id) {
  return fmt::format(
      R"({{"id":{},"campaign_id":{},"user_id":"user-{}","country":"DE","cost":"BNI=","viewed":true,"score":{}.25,"created_at":"2024-02-29T10:34:56.{:06}Z"}})",
      id, id % 1000, id * 7919, id % 100, id % 1'000'000);
}

std::string event(size_t id) {
  return fmt::format(
      R"({{"before":null,"after":{},"source":{{"version":"3.2.2.Final","connector":"postgresql","name":"shop","ts_ms":1795261882756,"snapshot":"false","db":"shop","sequence":"[\"26401808\",\"{}\"]","ts_us":1795261882756036,"ts_ns":1795261882756036000,"schema":"public","table":"impressions","txId":{},"lsn":{},"xmin":null}},"transaction":null,"op":"c","ts_ms":1795261882971,"ts_us":1795261882971285,"ts_ns":1795261882971285354}})",
      row(id), 26401808 + id * 100, id, 26401808 + id * 100);
}

std::string schema() {
  std::string fields;
  auto add = [&](const char* type, const char* name, const char* more) {
    fields += fmt::format(R"({}{{"type":"{}","optional":false{},"field":"{}"}})", fields.empty() ? "" : ",",
                          type, more, name);
  };
  add("int64", "id", "");
  add("int32", "campaign_id", "");
  add("string", "user_id", "");
  add("string", "country", "");
  add("bytes", "cost",
      R"(,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"})");
  add("boolean", "viewed", "");
  add("double", "score", "");
  add("string", "created_at", R"(,"name":"io.debezium.time.ZonedTimestamp","version":1)");
  auto side = [&](const char* name) {
    return fmt::format(
        R"({{"type":"struct","fields":[{}],"optional":true,"name":"shop.public.impressions.Value","field":"{}"}})",
        fields, name);
  };
  return fmt::format(
      R"({{"type":"struct","fields":[{},{}],"optional":false,"name":"shop.public.impressions.Envelope","version":2}})",
      side("before"), side("after"));
}

void decode(benchmark::State& state, Format format, const std::function<std::string(size_t)>& make) {
  auto columns = columns_of_schema(schema());
  if (!columns) return state.SkipWithError("the schema cannot be read");
  Block block;
  for (const auto& column : *columns) block.add(column.name, column.target);
  MessageDecoder decoder({.columns = *columns, .key = {"id"}}, {.format = format});
  std::vector<std::string> values;
  for (size_t id = 0; id < distinct_messages; ++id) values.push_back(make(id));
  size_t bytes = 0;
  size_t next = 0;
  for (auto _ : state) {
    Message message{.topic = "shop.public.impressions", .value = values[next]};
    const Decoded& decoded = decoder.decode(message, block);
    if (decoded.kind != Decoded::Kind::rows) return state.SkipWithError(decoded.reason);
    bytes += values[next].size();
    if (++next == values.size()) next = 0;
    if (block.rows() >= rows_max) block.clear();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

void debezium(benchmark::State& state) {
  decode(state, Format::debezium, event);
}
void debezium_with_schema(benchmark::State& state) {
  std::string beside = schema();
  decode(state, Format::debezium,
         [&](size_t id) { return R"({"schema":)" + beside + R"(,"payload":)" + event(id) + "}"; });
}
void flat(benchmark::State& state) {
  decode(state, Format::flat, row);
}
void json(benchmark::State& state) {
  decode(state, Format::json, row);
}

BENCHMARK(debezium);
BENCHMARK(debezium_with_schema);
BENCHMARK(flat);
BENCHMARK(json);

}  // namespace
}  // namespace tidemark::kafka
