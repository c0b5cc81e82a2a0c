#include "ingest/captured_table.h"

#include "clickhouse/schema.h"
#include "ingest/row_history.h"

namespace tidemark::ingest {
namespace {

using clickhouse::quote_identifier;

const ColumnType version_type = ColumnType::of(TypeKind::uint128);
const ColumnType committed_at_type = ColumnType::datetime64(6, "UTC");

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::vector<std::string> source_columns(const CapturedTable& table, bool with_types) {
  std::vector<std::string> columns;
  for (const auto& column : table.source.columns)
    columns.push_back(quote_identifier(column.name) + (with_types ? " " + column.target.name() : ""));
  return columns;
}

}  // namespace

// The two halves of exactly once.
std::string durable_settings() {
  // Outdated parts are taken away little by little: after the default of 30 s there are some 1,500 of them at
  // 1,000 transactions/s, and INSERTs wait for as long as that takes.
  return clickhouse::merge_tree_settings(true) +
         ", cleanup_delay_period = 1, cleanup_delay_period_random_add = 0";
}

std::string CapturedTable::target(const std::string& suffix) const {
  return "bronze." + quote_identifier(name + suffix);
}

std::vector<std::string> CapturedTable::key_names() const {
  std::vector<std::string> names;
  for (size_t index : source.key) names.push_back(source.columns[index].name);
  return names;
}

CapturedTable capture(postgres::SourceTable source, bool append_only, bool has_changes) {
  CapturedTable table;
  table.name = source.schema == "public" ? source.name : source.schema + "_" + source.name;
  table.log = append_only || source.key.empty();
  table.append_only = append_only;
  table.has_changes = has_changes;
  table.source = std::move(source);
  return table;
}

Block bronze_block(const CapturedTable& table) {
  Block block;
  for (const auto& column : table.source.columns) block.add(column.name, column.target);
  block.add(bookkeeping::version, version_type);
  if (!table.log) block.add(bookkeeping::deleted, ColumnType::of(TypeKind::uint8));
  block.add(bookkeeping::committed_at, committed_at_type);
  block.add(bookkeeping::cut, ColumnType::of(TypeKind::uint64));
  return block;
}

// A log with an order of its own is read by it, a few keys at a time: 150 people among a million with twenty
// events each took a third of the time of the default, 8192.
const std::string log_granularity =
    std::string(", index_granularity = 512, ") + clickhouse::point_read_settings;

std::vector<std::string> create_statements(const CapturedTable& table) {
  std::vector<std::string> statements;
  std::string columns = joined(source_columns(table, true));
  std::string bookkeeping = "_version UInt128, {}_committed_at DateTime64(6, 'UTC'), _cut UInt64";
  // Small granules make reading single rows back cheap: 100 keys in 10 ms instead of 28.
  std::string granularity = table.has_changes ? ", index_granularity = 256" : "";
  if (table.log) {
    // Ordered by arrival: a log is read by time, and a sort key of its own would cost every insert.
    std::vector<std::string> order_by;
    for (const auto& name : table.order_by) order_by.push_back(quote_identifier(name));
    if (order_by.empty()) order_by.emplace_back("_version");
    std::string clauses;
    for (const auto& clause : table.clauses) clauses += ", " + clause;
    statements.push_back(
        fmt::format("CREATE TABLE IF NOT EXISTS {} ({}, _version UInt128, _committed_at DateTime64(6, "
                    "'UTC'), _cut UInt64{}) "
                    "ENGINE = MergeTree ORDER BY ({}) SETTINGS {}{}",
                    table.target(), columns, clauses, joined(order_by), durable_settings(),
                    table.order_by.empty() ? std::string() : log_granularity));
    statements.push_back(fmt::format("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {}",
                                     table.target("__current"), joined(source_columns(table, false)),
                                     table.target()));
  } else {
    std::vector<std::string> key;
    for (const auto& name : table.key_names()) key.push_back(quote_identifier(name));
    statements.push_back(
        fmt::format("CREATE TABLE IF NOT EXISTS {} ({}, _version UInt128, _deleted UInt8, _committed_at "
                    "DateTime64(6, 'UTC'), _cut "
                    "UInt64) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY ({}) SETTINGS {}{}",
                    table.target(), columns, joined(key), durable_settings(), granularity));
    statements.push_back(
        fmt::format("CREATE OR REPLACE VIEW {} AS SELECT {} FROM {} FINAL WHERE _deleted = 0",
                    table.target("__current"), joined(source_columns(table, false)), table.target()));
  }
  if (table.has_changes)
    statements.push_back(
        fmt::format("CREATE TABLE IF NOT EXISTS {} ({}, _sign Int8, _op LowCardinality(String), _version "
                    "UInt128, _committed_at "
                    "DateTime64(6, 'UTC'), _cut UInt64) ENGINE = Null",
                    table.target("__changes"), columns));
  if (table.history)
    for (auto& statement : history_statements(table)) statements.push_back(std::move(statement));
  return statements;
}

}  // namespace tidemark::ingest
