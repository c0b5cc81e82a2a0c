#include "kafka/debezium_encoder.h"

#include "kafka/debezium_schema.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::kafka {
namespace {

// What consumers switch on; the version says who really wrote it.
constexpr const char* connector = "postgresql";
constexpr const char* version = "tidemark";

void append_number(uint64_t number, std::string& out) {
  fmt::format_int text(number);
  out.append(text.data(), text.size());
}
void append_number(int64_t number, std::string& out) {
  fmt::format_int text(number);
  out.append(text.data(), text.size());
}

void append_times(int64_t micros, std::string& out) {
  out += "\"ts_ms\":";
  append_number(micros / 1000, out);
  out += ",\"ts_us\":";
  append_number(micros, out);
  out += ",\"ts_ns\":";
  append_number(micros * 1000, out);
}

std::string json(std::string_view text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

}  // namespace

postgres::SourceTable text_table(postgres::SourceTable table) {
  for (auto& column : table.columns) {
    column.target = ColumnType::of(TypeKind::string);
    if (!column.not_null) column.target = column.target.as_nullable();
  }
  return table;
}

DebeziumEncoder::DebeziumEncoder(const postgres::SourceTable& table, EncoderOptions options)
    : options_(std::move(options)),
      topic_(options_.prefix + "." + table.schema + "." + table.name),
      collection_(table.schema + "." + table.name),
      key_(table.key) {
  for (const auto& column : table.columns) {
    names_.push_back(json(column.name) + ":");
    plans_.push_back(plan_of(column));
    in_key_.push_back(column.key_position >= 0);
  }
  if (options_.schema) {
    key_head_ = "{\"schema\":" + key_schema(table, plans_, topic_) + ",\"payload\":";
    value_head_ = "{\"schema\":" + value_schema(table, plans_, topic_) + ",\"payload\":";
    key_tail_ = value_tail_ = "}";
  }
  source_head_ = fmt::format("\"source\":{{\"version\":\"{}\",\"connector\":\"{}\",\"name\":{},", version,
                             connector, json(options_.prefix));
  source_names_ = fmt::format(",\"db\":{},\"schema\":{},\"table\":{},\"sequence\":", json(options_.database),
                              json(table.schema), json(table.name));
}

void DebeziumEncoder::key(const Block& block, size_t row, std::string& out) const {
  out += key_head_;
  header_key(block, row, out);
  out += key_tail_;
}

void DebeziumEncoder::header_key(const Block& block, size_t row, std::string& out) const {
  char before = '{';
  for (size_t column : key_) {
    out.push_back(before);
    before = ',';
    out += names_[column];
    append_value(plans_[column], block.columns[column].text(row), out);
  }
  out.push_back('}');
}

void DebeziumEncoder::row(const Row& row, std::string& out) const {
  if (row.block == nullptr) {
    out += "null";
    return;
  }
  auto unchanged = row.unchanged.begin();
  char before = '{';
  for (size_t column = 0; column < plans_.size(); ++column) {
    out.push_back(before);
    before = ',';
    out += names_[column];
    if (unchanged != row.unchanged.end() && *unchanged == column) {
      out += plans_[column].unavailable;
      ++unchanged;
      continue;
    }
    const Column& values = row.block->columns[column];
    if (row.key_only && !in_key_[column])
      out += plans_[column].absent;
    else if (values.is_null(row.row))
      out += "null";
    else
      append_value(plans_[column], values.text(row.row), out);
  }
  out += plans_.empty() ? "{}" : "}";
}

void DebeziumEncoder::envelope(char operation, const Row& before, const Row& after,
                               const ChangeOrigin& origin, std::string& out) const {
  out += value_head_;
  out += "{\"before\":";
  row(before, out);
  out += ",\"after\":";
  row(after, out);
  out.push_back(',');
  out += source_head_;
  append_times(origin.committed_at, out);
  out += origin.snapshot ? ",\"snapshot\":\"true\"" : ",\"snapshot\":\"false\"";
  out += source_names_;
  if (origin.previous_lsn != 0) {
    out += "\"[\\\"";
    append_number(origin.previous_lsn, out);
    out += "\\\",\\\"";
  } else {
    out += "\"[null,\\\"";
  }
  append_number(origin.lsn, out);
  out += "\\\"]\",\"txId\":";
  if (origin.transaction != 0)
    append_number(static_cast<uint64_t>(origin.transaction), out);
  else
    out += "null";
  out += ",\"lsn\":";
  append_number(origin.lsn, out);
  out += ",\"xmin\":null},\"transaction\":";
  if (origin.total_order != 0) {
    out += "{\"id\":\"";
    append_number(static_cast<uint64_t>(origin.transaction), out);
    out.push_back(':');
    append_number(origin.commit_lsn, out);
    out += "\",\"total_order\":";
    append_number(origin.total_order, out);
    out += ",\"data_collection_order\":";
    append_number(origin.collection_order, out);
    out.push_back('}');
  } else {
    out += "null";
  }
  out += ",\"op\":\"";
  out.push_back(operation);
  out += "\",";
  append_times(origin.now, out);
  out.push_back('}');
  out += value_tail_;
}

std::string transaction_id(uint32_t transaction, uint64_t lsn) {
  return fmt::format("{}:{}", transaction, lsn);
}

std::string transaction_key(const std::string& id, bool schema) {
  std::string payload = fmt::format("{{\"id\":\"{}\"}}", id);
  return schema ? fmt::format("{{\"schema\":{},\"payload\":{}}}", transaction_key_schema(), payload)
                : payload;
}

std::string transaction_marker(const std::string& id, const TransactionCounts* counts, int64_t committed_at,
                               bool schema) {
  std::string payload =
      fmt::format("{{\"status\":\"{}\",\"id\":\"{}\"", counts == nullptr ? "BEGIN" : "END", id);
  if (counts == nullptr) {
    payload += ",\"event_count\":null,\"data_collections\":null";
  } else {
    payload += fmt::format(",\"event_count\":{},\"data_collections\":[", counts->events);
    for (size_t index = 0; index < counts->collections.size(); ++index)
      payload += fmt::format("{}{{\"data_collection\":{},\"event_count\":{}}}", index > 0 ? "," : "",
                             json(counts->collections[index].first), counts->collections[index].second);
    payload.push_back(']');
  }
  payload += fmt::format(",\"ts_ms\":{}}}", committed_at / 1000);
  return schema ? fmt::format("{{\"schema\":{},\"payload\":{}}}", transaction_schema(), payload) : payload;
}

}  // namespace tidemark::kafka
