// Parts written down as a list of changes, for tests: table "things" (id bigint primary key, text text,
// number bigint).
#pragma once

#include "ingest/part.h"

#include <fmt/format.h>
#include <optional>

namespace tidemark::ingest {

struct Values {
  std::string text;
  int64_t number = 0;
  auto operator<=>(const Values&) const = default;
};
// As Values::text: the stream left the value out.
inline const std::string unchanged = "<unchanged>";

struct Change {
  Operation operation;
  int64_t key;
  Values values;
  std::optional<Values> sent_old;
};
inline Change insert(int64_t key, Values values) {
  return {Operation::insert, key, std::move(values), {}};
}
inline Change update(int64_t key, Values values) {
  return {Operation::update, key, std::move(values), {}};
}
inline Change remove(int64_t key) {
  return {Operation::remove, key, {}, {}};
}

inline CapturedTable test_table(bool has_changes, const std::string& name = "things") {
  postgres::SourceTable source;
  source.oid = 1;
  source.schema = "public";
  source.name = name;
  source.key = {0};
  for (const char* column : {"id", "text", "number"}) {
    postgres::SourceColumn described;
    described.name = column;
    described.not_null = true;
    described.target = ColumnType::of(std::string(column) == "text" ? TypeKind::string : TypeKind::int64);
    source.columns.push_back(described);
  }
  source.columns[0].key_position = 0;
  return capture(std::move(source), false, has_changes);
}

inline void append_row(Block& block, int64_t key, const Values& values) {
  block.columns[0].append(key);
  block.columns[1].append_text(values.text);
  block.columns[2].append(values.number);
}

inline Values values_of(const Block& block, size_t row) {
  return {std::string(block.columns[1].text(row)), block.columns[2].get<int64_t>(row)};
}

// The n-th change has ordinal 2n + 2 (a tombstone) or 2n + 3.
inline Part make_part(const CapturedTable& table, const std::vector<Change>& changes, uint64_t cut = 1,
                      uint32_t number = 0, uint64_t lsn = 100) {
  Part part;
  part.table = &table;
  part.cut = cut;
  part.number = number;
  part.rows = bronze_block(table);
  for (size_t row = 0; row < changes.size(); ++row) {
    const Change& change = changes[row];
    bool left_out = change.values.text == unchanged;
    if (left_out) part.unchanged.push_back({.row = static_cast<uint32_t>(row), .column = 1});
    append_row(part.rows, change.key, {left_out ? "" : change.values.text, change.values.number});
    bool removed = change.operation == Operation::remove;
    part.rows.columns[3].append(make_version(1, lsn, 2 * row + (removed ? 2 : 3)));
    part.rows.columns[4].append<uint8_t>(removed ? 1 : 0);
    part.rows.columns[5].append<int64_t>(1'000'000);
    part.rows.columns[6].append<uint64_t>(cut);
    part.operations.push_back(change.operation);
    if (change.sent_old && part.old_rows.columns.empty())
      for (const auto& column : table.source.columns) part.old_rows.add(column.name, column.target);
    part.old_row_of.push_back(change.sent_old ? static_cast<int32_t>(part.old_rows.rows()) : -1);
    if (change.sent_old) append_row(part.old_rows, change.key, *change.sent_old);
  }
  return part;
}

// All values of a block, to compare two.
inline std::string text_of(const Block& block) {
  std::string bytes;
  for (const auto& column : block.columns)
    for (size_t row = 0; row < column.rows(); ++row) column.encode(row, bytes);
  return bytes;
}

}  // namespace tidemark::ingest
