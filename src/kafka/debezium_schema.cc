#include "kafka/debezium_schema.h"

#include <fmt/format.h>

namespace tidemark::kafka {
namespace {

std::string quoted_json(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

std::string typed(const ValuePlan& plan, bool optional) {
  std::string text = fmt::format("\"type\":\"{}\",\"optional\":{}", plan.type, optional);
  if (plan.semantic == nullptr) return text;
  text += fmt::format(",\"name\":\"{}\",\"version\":1", plan.semantic);
  if (plan.bits > 0) text += fmt::format(",\"parameters\":{{\"length\":\"{}\"}}", plan.bits);
  return text;
}

std::string field_of(const postgres::SourceColumn& column, const ValuePlan& plan) {
  bool optional = !column.not_null;
  std::string type =
      plan.kind == ValueKind::array
          ? fmt::format("\"type\":\"array\",\"items\":{{{}}},\"optional\":{}", typed(plan, true), optional)
          : typed(plan, optional);
  return fmt::format("{{{},\"field\":{}}}", type, quoted_json(column.name));
}

constexpr const char* source_schema =
    R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},)"
    R"({"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},)"
    R"({"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,)"
    R"("name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":)"
    R"("true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},)"
    R"("default":"false","field":"snapshot"},{"type":"string","optional":false,"field":"db"},)"
    R"({"type":"string","optional":true,"field":"sequence"},{"type":"int64","optional":true,"field":"ts_us"},)"
    R"({"type":"int64","optional":true,"field":"ts_ns"},{"type":"string","optional":false,"field":"schema"},)"
    R"({"type":"string","optional":false,"field":"table"},{"type":"int64","optional":true,"field":"txId"},)"
    R"({"type":"int64","optional":true,"field":"lsn"},{"type":"int64","optional":true,"field":"xmin"}],)"
    R"("optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"})";

constexpr const char* rest_of_envelope =
    R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},)"
    R"({"type":"int64","optional":false,"field":"total_order"},)"
    R"({"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block",)"
    R"("version":1,"field":"transaction"},{"type":"string","optional":false,"field":"op"},)"
    R"({"type":"int64","optional":true,"field":"ts_ms"},{"type":"int64","optional":true,"field":"ts_us"},)"
    R"({"type":"int64","optional":true,"field":"ts_ns"}])";

}  // namespace

std::string key_schema(const postgres::SourceTable& table, const std::vector<ValuePlan>& plans,
                       const std::string& topic) {
  std::string fields;
  for (size_t column : table.key) {
    if (!fields.empty()) fields.push_back(',');
    fields += field_of(table.columns[column], plans[column]);
  }
  return fmt::format("{{\"type\":\"struct\",\"fields\":[{}],\"optional\":false,\"name\":{}}}", fields,
                     quoted_json(topic + ".Key"));
}

std::string value_schema(const postgres::SourceTable& table, const std::vector<ValuePlan>& plans,
                         const std::string& topic) {
  std::string fields;
  for (size_t column = 0; column < plans.size(); ++column) {
    if (!fields.empty()) fields.push_back(',');
    fields += field_of(table.columns[column], plans[column]);
  }
  auto side = [&](const char* name) {
    return fmt::format(
        "{{\"type\":\"struct\",\"fields\":[{}],\"optional\":true,\"name\":{},\"field\":\"{}\"}}", fields,
        quoted_json(topic + ".Value"), name);
  };
  return fmt::format(
      "{{\"type\":\"struct\",\"fields\":[{},{},{},{},\"optional\":false,\"name\":{},\"version\":2}}",
      side("before"), side("after"), source_schema, rest_of_envelope, quoted_json(topic + ".Envelope"));
}

const char* transaction_key_schema() {
  return R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"id"}],"optional":false,)"
         R"("name":"io.debezium.connector.common.TransactionMetadataKey","version":1})";
}

const char* transaction_schema() {
  return R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"status"},)"
         R"({"type":"string","optional":false,"field":"id"},{"type":"int64","optional":true,"field":"event_count"},)"
         R"({"type":"array","items":{"type":"struct","fields":[{"type":"string","optional":false,)"
         R"("field":"data_collection"},{"type":"int64","optional":false,"field":"event_count"}],"optional":true,)"
         R"("name":"event.collection","version":1},"optional":true,"field":"data_collections"},)"
         R"({"type":"int64","optional":false,"field":"ts_ms"}],"optional":false,)"
         R"("name":"io.debezium.connector.common.TransactionMetadataValue","version":1})";
}

}  // namespace tidemark::kafka
