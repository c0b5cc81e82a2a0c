#include "ingest/parity_book.h"

#include "base/cut_number.h"
#include "clickhouse/schema.h"

namespace tidemark::ingest {

Status ParityBook::prepare() {
  return clickhouse::retry(policy_, stop_, [&] {
    return pool_.lease()->execute(
        "CREATE TABLE IF NOT EXISTS tidemark.parity (source String, table String, asked UInt64, answered "
        "UInt64, cut UInt64, planned UInt64, version UInt128, committed_at Int64, state String, rows UInt64, "
        "missing UInt64, extra UInt64, different UInt64, error String, sequence UInt64) ENGINE = "
        "ReplacingMergeTree(sequence) ORDER BY (source, table) SETTINGS " +
        clickhouse::merge_tree_settings(true));
  });
}

Status ParityBook::load() {
  std::lock_guard one_at_a_time(changing_);
  Block block;
  clickhouse::QueryOptions options;
  options.parameters = {{"source", source_}};
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    block = TRY(
        pool_.lease()->query("SELECT * FROM tidemark.parity FINAL WHERE source = {source:String}", options));
    return {};
  }));
  std::lock_guard lock(mutex_);
  known_.clear();
  for (size_t row = 0; row < block.rows(); ++row) {
    auto number = [&](const char* name) { return block.find(name)->get<uint64_t>(row); };
    auto text = [&](const char* name) { return std::string(block.find(name)->text(row)); };
    known_[text("table")] = {.table = text("table"),
                             .asked = number("asked"),
                             .answered = number("answered"),
                             .cut = number("cut"),
                             .planned = number("planned") != 0,
                             .version = block.find("version")->get<Version>(row),
                             .committed_at = block.find("committed_at")->get<int64_t>(row),
                             .state = text("state"),
                             .rows = number("rows"),
                             .missing = number("missing"),
                             .extra = number("extra"),
                             .different = number("different"),
                             .error = text("error")};
    sequence_ = std::max(sequence_, number("sequence"));
  }
  return {};
}

std::optional<ParityRecord> ParityBook::find(const std::string& table) const {
  std::lock_guard lock(mutex_);
  auto found = known_.find(table);
  return found == known_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<ParityRecord> ParityBook::planned() const {
  std::lock_guard lock(mutex_);
  std::vector<ParityRecord> list;
  for (const auto& [table, record] : known_)
    if (record.planned) list.push_back(record);
  return list;
}

Status ParityBook::change(const std::string& table, const std::function<void(ParityRecord&)>& change) {
  std::lock_guard one_at_a_time(changing_);
  ParityRecord record = find(table).value_or(ParityRecord{.table = table});
  change(record);
  TRY_VOID(save(record));
  std::lock_guard lock(mutex_);
  known_.insert_or_assign(table, std::move(record));
  return {};
}

uint64_t ParityBook::next_cut() const {
  std::lock_guard lock(mutex_);
  uint64_t cut = cuts_a_stream;
  for (const auto& [table, record] : known_) cut = std::max(cut, record.cut);
  return cut + 1;
}

void ParityBook::describe(const std::string& table, TableStatus& status) const {
  std::lock_guard lock(mutex_);
  auto found = known_.find(table);
  if (found == known_.end()) return;
  const ParityRecord& record = found->second;
  if (record.state == "failed") {
    status.note = "it was not brought back by parity: " + record.error;
  } else if (record.wanted()) {
    status.note = "brought back by parity: " + (record.state.empty() ? std::string("waiting") : record.state);
    if (record.state == "repairing")
      status.note += fmt::format(", {} rows so far", record.missing + record.extra + record.different);
  }
}

Status ParityBook::save(const ParityRecord& record) {
  Block block;
  auto text = [&](const char* name, std::string_view value) {
    block.add(name, ColumnType::of(TypeKind::string));
    block.columns.back().append_text(value);
  };
  auto number = [&](const char* name, uint64_t value) {
    block.add(name, ColumnType::of(TypeKind::uint64));
    block.columns.back().append<uint64_t>(value);
  };
  text("source", source_);
  text("table", record.table);
  number("asked", record.asked);
  number("answered", record.answered);
  number("cut", record.cut);
  number("planned", record.planned ? 1 : 0);
  block.add("version", ColumnType::of(TypeKind::uint128));
  block.columns.back().append<Version>(record.version);
  block.add("committed_at", ColumnType::of(TypeKind::int64));
  block.columns.back().append<int64_t>(record.committed_at);
  text("state", record.state);
  number("rows", record.rows);
  number("missing", record.missing);
  number("extra", record.extra);
  number("different", record.different);
  text("error", record.error);
  number("sequence", ++sequence_);
  clickhouse::QueryOptions options;
  options.settings = {{"async_insert", "0"}, {"max_threads", "1"}};
  return clickhouse::retry(policy_, stop_,
                           [&] { return pool_.lease()->insert("tidemark.parity", block, options); });
}

}  // namespace tidemark::ingest
