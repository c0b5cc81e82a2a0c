#include "ingest/state_store.h"

#include "base/clock.h"
#include "clickhouse/schema.h"
#include "ingest/kafka_slot.h"

#include <random>

namespace tidemark::ingest {
namespace {

// The block's column of that name, added with the first row.
Column& column(Block& block, const char* name, const ColumnType& type) {
  if (Column* found = block.find(name)) return *found;
  block.add(name, type);
  return block.columns.back();
}
void add_text(Block& block, const char* name, std::string_view value) {
  column(block, name, ColumnType::of(TypeKind::string)).append_text(value);
}
void add_number(Block& block, const char* name, uint64_t value) {
  column(block, name, ColumnType::of(TypeKind::uint64)).append<uint64_t>(value);
}
void add_time(Block& block, const char* name, int64_t micros) {
  column(block, name, ColumnType::datetime64(6, "UTC")).append<int64_t>(micros);
}

uint64_t number(const Block& block, const char* name) {
  return block.find(name)->get<uint64_t>(0);
}
std::string text(const Block& block, const char* name) {
  return std::string(block.find(name)->text(0));
}

}  // namespace

postgres::Lsn late_of(const CutRecord& record) {
  if (!record.places.starts_with(late_prefix)) return 0;
  return std::strtoull(record.places.c_str() + late_prefix.size(), nullptr, 10);
}

Status StateStore::prepare() {
  const std::string settings = " SETTINGS " + clickhouse::merge_tree_settings(true);
  const std::string statements[] = {
      "CREATE DATABASE IF NOT EXISTS tidemark",
      "CREATE DATABASE IF NOT EXISTS bronze",
      "CREATE TABLE IF NOT EXISTS tidemark.sources (source String, epoch UInt64, system_id String, timeline "
      "UInt64, slot "
      "String, slot_lsn UInt64, copied UInt64, saved_at DateTime64(6, 'UTC')) ENGINE = "
      "ReplacingMergeTree(saved_at) ORDER "
      "BY source" +
          settings,
      // Only the newest row of each state matters; merges drop the others.
      "CREATE TABLE IF NOT EXISTS tidemark.cuts (source String, epoch UInt64, state LowCardinality(String), "
      "cut UInt64, "
      "last_lsn UInt64, end_lsn UInt64, part_rows_max UInt64, part_bytes_max UInt64, rows UInt64, "
      "committed_at "
      "DateTime64(6, 'UTC'), written_at DateTime64(6, 'UTC'), sequence UInt128) ENGINE = "
      "ReplacingMergeTree(sequence) "
      "ORDER BY (source, epoch, state)" +
          settings,
      "CREATE TABLE IF NOT EXISTS tidemark.quarantine (source String, table String, lsn UInt64, ordinal "
      "UInt64, column "
      "String, reason String, bytes String, at DateTime64(6, 'UTC')) ENGINE = ReplacingMergeTree(at) ORDER "
      "BY (source, "
      "table, lsn, ordinal)" +
          settings,
      // Of tables that an earlier version made.
      "ALTER TABLE tidemark.cuts ADD COLUMN IF NOT EXISTS places String",
      // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): it is one
      "ALTER TABLE tidemark.quarantine ADD COLUMN IF NOT EXISTS topic String, ADD COLUMN IF NOT EXISTS "
      "partition UInt64",
  };
  for (const auto& statement : statements)
    TRY_VOID(clickhouse::retry(policy_, stop_, [&] { return pool_.lease()->execute(statement); }));
  return {};
}

Result<Block> StateStore::read(const std::string& sql, std::map<std::string, std::string> parameters) {
  Block block;
  clickhouse::QueryOptions options;
  options.parameters = std::move(parameters);
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    block = TRY(pool_.lease()->query(sql, options));
    return {};
  }));
  return block;
}

Status StateStore::write(const char* table, const Block& block) {
  clickhouse::QueryOptions options;
  options.settings = {{"async_insert", "0"}, {"max_threads", "1"}};
  return clickhouse::retry(policy_, stop_, [&] { return pool_.lease()->insert(table, block, options); });
}

Result<std::optional<SourceRecord>> StateStore::source(const std::string& name) {
  Block block =
      TRY(read("SELECT * FROM tidemark.sources FINAL WHERE source = {source:String}", {{"source", name}}));
  if (block.rows() == 0) return std::nullopt;
  return SourceRecord{.source = name,
                      .epoch = static_cast<uint16_t>(number(block, "epoch")),
                      .system_id = text(block, "system_id"),
                      .timeline = static_cast<uint32_t>(number(block, "timeline")),
                      .slot = text(block, "slot"),
                      .slot_lsn = number(block, "slot_lsn"),
                      .copied = number(block, "copied") != 0};
}

Status StateStore::save(const SourceRecord& record) {
  Block block;
  add_text(block, "source", record.source);
  add_number(block, "epoch", record.epoch);
  add_text(block, "system_id", record.system_id);
  add_number(block, "timeline", record.timeline);
  add_text(block, "slot", record.slot);
  add_number(block, "slot_lsn", record.slot_lsn);
  add_number(block, "copied", record.copied ? 1 : 0);
  add_time(block, "saved_at", system_clock().wall_micros());
  return write("tidemark.sources", block);
}

namespace {

CutRecord cut_record(const Block& block, size_t row) {
  auto number_of = [&](const char* name) { return block.find(name)->get<uint64_t>(row); };
  return {.source = std::string(block.find("source")->text(row)),
          .epoch = static_cast<uint16_t>(number_of("epoch")),
          .cut = number_of("cut"),
          .last_lsn = number_of("last_lsn"),
          .end_lsn = number_of("end_lsn"),
          .part_rows_max = number_of("part_rows_max"),
          .part_bytes_max = number_of("part_bytes_max"),
          .rows = number_of("rows"),
          .committed_at = block.find("committed_at")->get<int64_t>(row),
          .places = std::string(block.find("places")->text(row))};
}

}  // namespace

Result<std::optional<CutRecord>> StateStore::cut(const std::string& source, uint16_t epoch,
                                                 const char* state) {
  Block block =
      TRY(read("SELECT * FROM tidemark.cuts FINAL WHERE source = {source:String} AND epoch = {epoch:UInt64} "
               "AND state = "
               "{state:String}",
               {{"source", source}, {"epoch", std::to_string(epoch)}, {"state", state}}));
  if (block.rows() == 0) return std::nullopt;
  return cut_record(block, 0);
}

Result<StateStore::Newest> StateStore::newest(const std::string& stream, uint16_t epoch) {
  // One query: both as of the same set of parts. A fence and the plan that travels with it are one part.
  Block block = TRY(
      read("SELECT *, toString(state) AS which FROM tidemark.cuts FINAL WHERE source = {source:String} AND "
           "epoch = {epoch:UInt64} AND state IN ('fenced', 'planned')",
           {{"source", stream}, {"epoch", std::to_string(epoch)}}));
  Newest newest;
  for (size_t row = 0; row < block.rows(); ++row)
    (block.find("which")->text(row) == "fenced" ? newest.fenced : newest.planned) = cut_record(block, row);
  return newest;
}

Result<std::vector<CutRecord>> StateStore::fences_of(const std::string& source, uint16_t epoch) {
  Block block =
      TRY(read("SELECT * FROM tidemark.cuts FINAL WHERE startsWith(source, concat({source:String}, "
               "'#')) AND epoch = {epoch:UInt64} AND state = 'fenced'",
               {{"source", source}, {"epoch", std::to_string(epoch)}}));
  std::vector<CutRecord> fences;
  for (size_t row = 0; row < block.rows(); ++row) fences.push_back(cut_record(block, row));
  return fences;
}

// A row like those of cuts: its sequence, which decides, is the owner's generation.
Status StateStore::claim(const std::string& stream, uint16_t epoch, std::function<bool()> leased) {
  stream_ = stream;
  epoch_ = epoch;
  leased_ = std::move(leased);
  // Two that claim at once must differ.
  constexpr int random_bits = 24;
  std::random_device random;
  generation_ = 0;
  auto before = static_cast<uint64_t>(TRY(owner()));
  generation_ = (((before >> random_bits) + 1) << random_bits) | (random() & ((1U << random_bits) - 1));
  CutRecord record{.source = stream, .epoch = epoch};
  TRY_VOID(write_cuts({{&record, "owner"}}));
  return confirm();
}

Result<Version> StateStore::owner() {
  Block block =
      TRY(read("SELECT max(sequence) AS sequence FROM tidemark.cuts WHERE source = {source:String} "
               "AND epoch = {epoch:UInt64} AND state = 'owner'",
               {{"source", stream_}, {"epoch", std::to_string(epoch_)}}));
  return block.find("sequence")->get<Version>(0);
}

Status StateStore::confirm() {
  if (generation_ == 0 || TRY(owner()) == generation_) return {};
  return fail(ErrorKind::conflict, fmt::format("another process works on {} now", stream_));
}

clickhouse::RetryPolicy StateStore::guarded(clickhouse::RetryPolicy policy) const {
  if (leased_)
    policy.before_try = [leased = leased_, stream = stream_]() -> Status {
      if (leased()) return {};
      return fail(ErrorKind::conflict, fmt::format("the group gave {} to another process", stream));
    };
  return policy;
}

Status StateStore::write_cuts(const std::vector<std::pair<const CutRecord*, const char*>>& rows) {
  Block block;
  int64_t now = system_clock().wall_micros();
  for (const auto& [record, state] : rows) {
    add_text(block, "source", record->source);
    add_number(block, "epoch", record->epoch);
    add_text(block, "state", state);
    add_number(block, "cut", record->cut);
    add_number(block, "last_lsn", record->last_lsn);
    add_number(block, "end_lsn", record->end_lsn);
    add_number(block, "part_rows_max", record->part_rows_max);
    add_number(block, "part_bytes_max", record->part_bytes_max);
    add_number(block, "rows", record->rows);
    add_time(block, "committed_at", record->committed_at);
    add_text(block, "places", record->places);
    add_time(block, "written_at", now);
    // A fence may move forward within its cut (idle source), so the cut comes first and the position second.
    // Of two plans of a cut that of the later owner counts: the earlier one has sent nothing (see confirm()).
    std::string_view what = state;
    uint64_t second = what == "planned" || what == "owner" ? generation_ : record->end_lsn;
    column(block, "sequence", ColumnType::of(TypeKind::uint128))
        .append((static_cast<Version>(record->cut) << 64) | second);
  }
  return write("tidemark.cuts", block);
}

Status StateStore::quarantine(const std::vector<QuarantinedRow>& rows) {
  if (rows.empty()) return {};
  // One block: an INSERT a row would make more parts than the server can merge.
  Block block;
  for (const char* name : {"source", "table", "column", "reason", "bytes"})
    block.add(name, ColumnType::of(TypeKind::string));
  for (const char* name : {"lsn", "ordinal"}) block.add(name, ColumnType::of(TypeKind::uint64));
  block.add("at", ColumnType::datetime64(6, "UTC"));
  block.add("topic", ColumnType::of(TypeKind::string));
  block.add("partition", ColumnType::of(TypeKind::uint64));
  for (const auto& row : rows) {
    size_t column = 0;
    // Of the source, whatever its streams are: one message goes there once.
    const std::string source = source_of_stream(row.source);
    for (const auto* value : {&source, &row.table, &row.column, &row.reason, &row.bytes})
      block.columns[column++].append_text(*value);
    block.columns[column++].append<uint64_t>(row.lsn);
    block.columns[column++].append<uint64_t>(row.ordinal);
    block.columns[column++].append<int64_t>(system_clock().wall_micros());
    block.columns[column++].append_text(row.topic);
    block.columns[column].append<uint64_t>(row.partition);
  }
  return write("tidemark.quarantine", block);
}

Result<std::map<std::string, uint64_t>> StateStore::quarantined(const std::string& source) {
  Block block =
      TRY(read("SELECT table, count() AS rows FROM tidemark.quarantine FINAL WHERE source = {source:String} "
               "GROUP BY table",
               {{"source", source_of_stream(source)}}));
  std::map<std::string, uint64_t> counts;
  for (size_t row = 0; row < block.rows(); ++row)
    counts[std::string(block.find("table")->text(row))] = block.find("rows")->get<uint64_t>(row);
  return counts;
}

Result<uint64_t> StateStore::forget_quarantined(const std::string& source, const std::string& table,
                                                uint64_t before) {
  std::string these = fmt::format("source = {} AND table = {} AND lsn < {}", clickhouse::quote_string(source),
                                  clickhouse::quote_string(table), before);
  Block block = TRY(read("SELECT count() FROM tidemark.quarantine FINAL WHERE " + these, {}));
  auto count = block.columns.at(0).get<uint64_t>(0);
  if (count == 0) return count;
  TRY_VOID(clickhouse::retry(policy_, stop_, [&] {
    return pool_.lease()->execute("ALTER TABLE tidemark.quarantine DELETE WHERE " + these +
                                  " SETTINGS mutations_sync = 1");
  }));
  return count;
}

namespace {

// Sources and epochs that did not end in peace behind their newest fence.
constexpr std::string_view interrupted =
    "(SELECT source, epoch, maxIf(sequence, state = 'stopped') AS stopped, maxIf(sequence, state = 'fenced') "
    "AS fenced, maxIf(written_at, state = 'stopped') AS stopped_at, maxIf(written_at, state = 'began') AS "
    "began_at, maxIf(sequence, state = 'planned') AS planned FROM tidemark.cuts GROUP BY source, epoch "
    "HAVING "
    "stopped != fenced OR began_at > stopped_at OR (position(source, '#') > 0 AND bitShiftRight(planned, 64) "
    "> "
    "bitShiftRight(fenced, 64)))";

}  // namespace

Result<bool> cut_is_interrupted(clickhouse::Client& client) {
  // A copy that was interrupted starts over and needs no care.
  Block block = TRY(client.query(
      "SELECT source FROM " + std::string(interrupted) +
      " AS newest INNER JOIN (SELECT source, epoch FROM tidemark.sources FINAL WHERE copied = 1) AS live "
      "USING (source, epoch)"));
  return block.rows() > 0;
}

Result<bool> StateStore::ended_in_peace(const std::string& source, uint16_t epoch) {
  Block block = TRY(read("SELECT source FROM " + std::string(interrupted) +
                             " WHERE source = {source:String} AND epoch = {epoch:UInt64}",
                         {{"source", source}, {"epoch", std::to_string(epoch)}}));
  return block.rows() == 0;
}

}  // namespace tidemark::ingest
