#include "models/model_state.h"

#include "base/clock.h"
#include "models/model_source.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_string;

std::string array_of(const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  for (const auto& value : values) quoted.push_back(quote_string(value));
  return "[" + joined(quoted) + "]";
}

std::vector<std::string> texts(const Column& column, size_t row) {
  std::vector<std::string> values;
  for (size_t index = column.array_begin(row); index < column.array_end(row); ++index)
    values.emplace_back(column.element().text(index));
  return values;
}

}  // namespace

ModelRecord record_of(const CompiledModel& model, std::string state) {
  ModelRecord record{.model = model.name, .fingerprint = model.fingerprint, .state = std::move(state)};
  record.kind = name(model.kind);
  record.physical = model.physical;
  for (const auto& column : model.columns) record.columns.push_back(column.name + " " + column.type);
  record.tables.assign(model.tables_in_depth.begin(), model.tables_in_depth.end());
  record.models.assign(model.models.begin(), model.models.end());
  record.generation = model.generation;
  record.view = model.view_statement;
  return record;
}

Result<ModelState> ModelState::load(clickhouse::Client& client) {
  ModelState state;
  auto columns = TRY(clickhouse::table_columns(client, "tidemark", "models"));
  if (columns.empty()) return state;
  // Warehouses of before there were deployments, or changes of several models.
  if (std::none_of(columns.begin(), columns.end(), [](const auto& one) { return one.name == "change"; }))
    TRY_VOID(client.execute(
        "ALTER TABLE tidemark.models ADD COLUMN IF NOT EXISTS generation UInt32, ADD COLUMN IF NOT EXISTS "
        "deployment String, ADD COLUMN IF NOT EXISTS view String, ADD COLUMN IF NOT EXISTS models "
        "Array(String), ADD COLUMN IF NOT EXISTS change String"));
  state.prepared_ = true;
  Block block = TRY(client.query(
      "SELECT model, fingerprint, state, kind, version, physical, columns, tables, generation, deployment, "
      "view, toUnixTimestamp64Micro(created_at), models, change FROM tidemark.models ORDER BY version DESC "
      "LIMIT 1 BY model, "
      "fingerprint, generation"));
  for (size_t row = 0; row < block.rows(); ++row) {
    ModelRecord record;
    record.model = block.columns[0].text(row);
    record.fingerprint = block.columns[1].text(row);
    record.state = block.columns[2].text(row);
    record.kind = block.columns[3].text(row);
    record.version = block.columns[4].get<uint64_t>(row);
    record.physical = texts(block.columns[5], row);
    record.columns = texts(block.columns[6], row);
    record.tables = texts(block.columns[7], row);
    record.generation = block.columns[8].get<uint32_t>(row);
    record.deployment = block.columns[9].text(row);
    record.view = block.columns[10].text(row);
    record.written_at = block.columns[11].get<int64_t>(row);
    record.models = texts(block.columns[12], row);
    record.change = block.columns[13].text(row);
    state.version_ = std::max(state.version_, record.version);
    state.records_.push_back(std::move(record));
  }
  return state;
}

const ModelRecord* ModelState::active(const std::string& model) const {
  for (const auto& record : records_)
    if (record.model == model && record.state == "active") return &record;
  return nullptr;
}

bool ModelState::knows(const std::string& model) const {
  return std::any_of(records_.begin(), records_.end(),
                     [&](const auto& record) { return record.model == model && record.state != "dropped"; });
}

Status ModelState::write(clickhouse::Client& client, ModelRecord record, const std::string& sql) {
  std::vector<std::pair<ModelRecord, std::string>> facts;
  facts.emplace_back(std::move(record), sql);
  return write(client, std::move(facts));
}

Status ModelState::write(clickhouse::Client& client, std::vector<std::pair<ModelRecord, std::string>> facts) {
  if (facts.empty()) return {};
  if (!std::exchange(prepared_, true)) {
    TRY_VOID(client.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
    TRY_VOID(client.execute(
        "CREATE TABLE IF NOT EXISTS tidemark.models (model String, fingerprint String, version UInt64, state "
        "LowCardinality(String), kind LowCardinality(String), sql String, physical Array(String), columns "
        "Array(String), tables Array(String), created_at DateTime64(6, 'UTC') DEFAULT now64(6), generation "
        "UInt32, deployment String, view String, models Array(String), change String) ENGINE = MergeTree "
        "ORDER BY (model, version) SETTINGS "
        "fsync_after_insert = 1, fsync_part_directory = 1"));
  }
  std::vector<std::string> rows;
  uint64_t version = version_;
  for (auto& [record, sql] : facts) {
    record.version = ++version;
    record.written_at = system_clock().wall_micros();
    rows.push_back(fmt::format("({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
                               quote_string(record.model), quote_string(record.fingerprint), record.version,
                               quote_string(record.state), quote_string(record.kind), quote_string(sql),
                               array_of(record.physical), array_of(record.columns), array_of(record.tables),
                               record.generation, quote_string(record.deployment), quote_string(record.view),
                               array_of(record.models), quote_string(record.change)));
  }
  TRY_VOID(
      client.execute("INSERT INTO tidemark.models (model, fingerprint, version, state, kind, sql, physical, "
                     "columns, tables, "
                     "generation, deployment, view, models, change) VALUES " +
                     joined(rows)));
  version_ = version;
  for (auto& [record, sql] : facts) {
    std::erase_if(records_, [&](const auto& other) { return other.same_tables(record); });
    records_.insert(records_.begin(), std::move(record));
  }
  return {};
}

}  // namespace tidemark::models
