#include "ingest/table_records.h"

#include "base/clock.h"
#include "clickhouse/schema.h"

namespace tidemark::ingest {

namespace {

constexpr const char* phase_names[] = {"copying", "copied", "joining", "live", "dropped"};

Result<TablePhase> phase_of(std::string_view name) {
  for (size_t index = 0; index < std::size(phase_names); ++index)
    if (name == phase_names[index]) return static_cast<TablePhase>(index);
  return fail(ErrorKind::corrupt, fmt::format("tidemark.captured_tables has a phase {}", name));
}

}  // namespace

Status TableRecords::prepare() {
  return clickhouse::retry(policy_, stop_, [&] {
    return pool_.lease()->execute(
        "CREATE TABLE IF NOT EXISTS tidemark.captured_tables (source String, oid UInt64, epoch UInt64, name "
        "String, phase LowCardinality(String), from_lsn UInt64, join_cut UInt64, shape String, error String, "
        "saved_at DateTime64(6, 'UTC')) ENGINE = ReplacingMergeTree(saved_at) ORDER BY (source, oid) "
        "SETTINGS " +
        clickhouse::merge_tree_settings(true));
  });
}

Result<std::map<uint32_t, TableRecord>> TableRecords::load(const std::string& source, uint16_t epoch) {
  Block block;
  clickhouse::QueryOptions options;
  options.parameters = {{"source", source}, {"epoch", std::to_string(epoch)}};
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    block = TRY(pool_.lease()->query(
        "SELECT *, toString(phase) AS phase_name FROM tidemark.captured_tables FINAL WHERE source = "
        "{source:String} AND (epoch = {epoch:UInt64} OR phase = 'dropped')",
        options));
    return {};
  }));
  std::map<uint32_t, TableRecord> records;
  for (size_t row = 0; row < block.rows(); ++row) {
    auto number = [&](const char* name) { return block.find(name)->get<uint64_t>(row); };
    auto text = [&](const char* name) { return std::string(block.find(name)->text(row)); };
    TableRecord record{.oid = static_cast<uint32_t>(number("oid")),
                       .name = text("name"),
                       .epoch = static_cast<uint16_t>(number("epoch")),
                       .phase = TRY(phase_of(text("phase_name"))),
                       .from = number("from_lsn"),
                       .join_cut = number("join_cut"),
                       .shape = TRY(TableShape::from_json(text("shape"))),
                       .error = text("error")};
    records.emplace(record.oid, std::move(record));
  }
  return records;
}

Status TableRecords::save(const std::string& source, const std::vector<TableRecord>& records) {
  if (records.empty()) return {};
  Block block;
  for (const char* name : {"source", "name", "phase", "shape", "error"})
    block.add(name, ColumnType::of(TypeKind::string));
  for (const char* name : {"oid", "epoch", "from_lsn", "join_cut"})
    block.add(name, ColumnType::of(TypeKind::uint64));
  block.add("saved_at", ColumnType::datetime64(6, "UTC"));
  int64_t now = system_clock().wall_micros();
  for (const auto& record : records) {
    size_t column = 0;
    for (const std::string& text :
         {source, record.name, std::string(phase_names[static_cast<size_t>(record.phase)]),
          record.shape.to_json(), record.error})
      block.columns[column++].append_text(text);
    for (uint64_t number :
         {uint64_t{record.oid}, uint64_t{record.epoch}, uint64_t{record.from}, record.join_cut})
      block.columns[column++].append<uint64_t>(number);
    block.columns[column].append<int64_t>(now);
  }
  clickhouse::QueryOptions options;
  options.settings = {{"async_insert", "0"}, {"max_threads", "1"}};
  return clickhouse::retry(policy_, stop_,
                           [&] { return pool_.lease()->insert("tidemark.captured_tables", block, options); });
}

}  // namespace tidemark::ingest
