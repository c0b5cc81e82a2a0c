#include "ingest/copied_ranges.h"

#include "clickhouse/schema.h"

#include <fmt/format.h>

namespace tidemark::ingest {

namespace {
// The copy itself, among its ranges.
constexpr uint32_t whole_copy = 0;
}  // namespace

Status CopiedRanges::prepare() {
  std::string statement =
      "CREATE TABLE IF NOT EXISTS tidemark.copied_ranges (source String, epoch UInt64, oid UInt64, text "
      "String, begin_page UInt64, end_page UInt64, seen_lsn UInt64, rows UInt64, at DateTime64(6, 'UTC') "
      "DEFAULT now64(6)) ENGINE = ReplacingMergeTree(at) ORDER BY (source, epoch, oid, text, begin_page, "
      "end_page) SETTINGS " +
      clickhouse::merge_tree_settings(true);
  return clickhouse::retry(policy_, stop_, [&] { return pool_.lease()->execute(statement); });
}

Result<bool> CopiedRanges::load(uint16_t epoch) {
  clickhouse::QueryOptions options;
  options.parameters = {{"source", source_}, {"epoch", std::to_string(epoch)}};
  Block block;
  TRY_VOID(clickhouse::retry(policy_, stop_, [&]() -> Status {
    block = TRY(pool_.lease()->query(
        "SELECT oid, text, begin_page, end_page, seen_lsn, rows FROM tidemark.copied_ranges FINAL WHERE "
        "source = {source:String} AND epoch = {epoch:UInt64}",
        options));
    return {};
  }));
  std::lock_guard lock(mutex_);
  epoch_ = epoch;
  in_.clear();
  rows_.clear();
  seen_ = 0;
  bool begun = false;
  for (size_t row = 0; row < block.rows(); ++row) {
    auto number = [&](size_t column) { return block.columns[column].get<uint64_t>(row); };
    auto oid = static_cast<uint32_t>(number(0));
    std::string text(block.columns[1].text(row));
    seen_ = std::max(seen_, number(4));
    if (oid == whole_copy) {
      begun = true;
      fingerprint_ = std::move(text);
    } else {
      in_.emplace(oid, std::move(text), number(2), number(3));
      rows_[oid] += number(5);
    }
  }
  return begun;
}

Status CopiedRanges::begin(uint16_t epoch, std::string fingerprint) {
  {
    std::lock_guard lock(mutex_);
    epoch_ = epoch;
    in_.clear();
    rows_.clear();
    seen_ = 0;
    fingerprint_ = fingerprint;
  }
  return write(whole_copy, fingerprint, {}, 0, 0);
}

std::string CopiedRanges::fingerprint() const {
  std::lock_guard lock(mutex_);
  return fingerprint_;
}

bool CopiedRanges::has(const postgres::SourceTable& table, const PageRange& range) const {
  std::lock_guard lock(mutex_);
  return in_.contains({table.oid, table.storage, range.begin, range.end});
}

Status CopiedRanges::add(const postgres::SourceTable& table, const PageRange& range, postgres::Lsn seen,
                         uint64_t rows) {
  TRY_VOID(write(table.oid, table.storage, range, seen, rows));
  std::lock_guard lock(mutex_);
  in_.emplace(table.oid, table.storage, range.begin, range.end);
  rows_[table.oid] += rows;
  seen_ = std::max(seen_, seen);
  return {};
}

postgres::Lsn CopiedRanges::seen() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

uint64_t CopiedRanges::rows_of(uint32_t oid) const {
  std::lock_guard lock(mutex_);
  auto found = rows_.find(oid);
  return found == rows_.end() ? 0 : found->second;
}

uint64_t CopiedRanges::pages_of(const postgres::SourceTable& table) const {
  std::lock_guard lock(mutex_);
  uint64_t pages = 0;
  for (auto at = in_.lower_bound({table.oid, "", 0, 0}); at != in_.end() && std::get<0>(*at) == table.oid;
       ++at) {
    auto [oid, storage, begin, end] = *at;
    pages += (end != 0 ? end : std::max<uint64_t>(table.pages, begin)) - begin;
  }
  return pages;
}

Status CopiedRanges::write(uint32_t oid, const std::string& text, const PageRange& range, postgres::Lsn seen,
                           uint64_t rows) {
  Block block;
  auto add_text = [&](const char* name, const std::string& value) {
    block.add(name, ColumnType::of(TypeKind::string));
    block.columns.back().append_text(value);
  };
  auto add_number = [&](const char* name, uint64_t value) {
    block.add(name, ColumnType::of(TypeKind::uint64));
    block.columns.back().append<uint64_t>(value);
  };
  add_text("source", source_);
  add_number("epoch", epoch_);
  add_number("oid", oid);
  add_text("text", text);
  add_number("begin_page", range.begin);
  add_number("end_page", range.end);
  add_number("seen_lsn", seen);
  add_number("rows", rows);
  clickhouse::QueryOptions options;
  options.settings = {{"async_insert", "0"}};
  return clickhouse::retry(policy_, stop_,
                           [&] { return pool_.lease()->insert("tidemark.copied_ranges", block, options); });
}

}  // namespace tidemark::ingest
