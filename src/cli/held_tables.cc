#include "cli/held_tables.h"

#include "clickhouse/schema.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::cli {

Status HeldTables::learn() {
  if (learnt_) return {};
  TRY_VOID(pool_.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  TRY_VOID(
      pool_.execute("CREATE TABLE IF NOT EXISTS tidemark.held_tables (table String, held UInt8, copied "
                    "UInt8, version UInt64) "
                    "ENGINE = ReplacingMergeTree(version) ORDER BY table COMMENT 'Tables that are being "
                    "copied, and segments "
                    "over them wait (held); copied: not for the first time'"));
  Block block = TRY(pool_.query("SELECT table, held, copied FROM tidemark.held_tables FINAL"));
  for (size_t row = 0; row < block.rows(); ++row)
    known_[std::string(block.columns[0].text(row))] = {.held = block.columns[1].get<uint8_t>(row) != 0,
                                                       .copied = block.columns[2].get<uint8_t>(row) != 0};
  learnt_ = true;
  return {};
}

Status HeldTables::save(std::vector<std::string> tables, Change change) {
  bool held = change == Change::begins;
  std::erase_if(tables, [&](const auto& table) { return known_[table].held == held; });
  if (tables.empty()) return {};
  auto copied = [&](const std::string& table) { return change == Change::ends || known_[table].copied; };
  std::vector<std::string> rows;
  for (const auto& table : tables)
    rows.push_back(fmt::format("({}, {}, {}, toUnixTimestamp64Nano(now64(9)))",
                               clickhouse::quote_string(table), held ? 1 : 0, copied(table) ? 1 : 0));
  TRY_VOID(pool_.execute(fmt::format("INSERT INTO tidemark.held_tables VALUES {}", fmt::join(rows, ", "))));
  for (const auto& table : tables) known_[table] = {.held = held, .copied = copied(table)};
  return {};
}

Result<std::set<std::string>> HeldTables::held() {
  TRY_VOID(learn());
  std::set<std::string> held;
  for (const auto& [table, known] : known_)
    if (known.held) held.insert(table);
  return held;
}

Status HeldTables::add(const std::vector<std::string>& tables) {
  TRY_VOID(learn());
  return save(tables, Change::begins);
}

Status HeldTables::remove(const std::vector<std::string>& tables) {
  TRY_VOID(learn());
  return save(tables, Change::ends);
}

Status HeldTables::forget(const std::vector<std::string>& tables) {
  TRY_VOID(learn());
  return save(tables, Change::abandoned);
}

Result<bool> HeldTables::copied_before(const std::vector<std::string>& tables) {
  TRY_VOID(learn());
  return std::any_of(tables.begin(), tables.end(), [&](const auto& table) { return known_[table].copied; });
}

}  // namespace tidemark::cli
