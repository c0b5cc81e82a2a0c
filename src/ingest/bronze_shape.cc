#include "ingest/bronze_shape.h"

#include "clickhouse/schema.h"
#include "ingest/image_reader.h"

#include <algorithm>

namespace tidemark::ingest {

namespace {

using clickhouse::ColumnDescription;
using clickhouse::quote_identifier;
using Columns = std::vector<ColumnDescription>;

ColumnDescription* find(Columns& columns, const std::string& name) {
  auto found =
      std::find_if(columns.begin(), columns.end(), [&](const auto& one) { return one.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

// Values of `before` are values of `now`, the same ones.
bool holds(const ColumnType& now, const ColumnType& before) {
  if (before.nullable && !now.nullable) return false;
  ColumnType bare_now = now;
  ColumnType bare_before = before;
  bare_now.nullable = bare_before.nullable = false;
  if (bare_now == bare_before) return true;
  return now.kind == TypeKind::decimal && before.kind == TypeKind::decimal && now.scale == before.scale &&
         now.precision >= before.precision;
}

std::string default_clause(const TableShape& shape, const postgres::SourceColumn& column) {
  if (!shape.values_before.contains(column.attribute_number)) return {};
  auto value = value_before(shape, column);
  if (!value || value->is_null(0)) return {};
  Block literal;
  ColumnType bare = column.target;
  bare.nullable = bare.low_cardinality = false;
  literal.add(column.name, bare);
  literal.columns.back().append_from(*value, 0);
  return fmt::format(" DEFAULT CAST({}, {})", key_literal(literal, 0),
                     clickhouse::quote_string(column.target.name()));
}

// ALTERs of one table, in order.
class Alteration {
 public:
  Alteration(std::string table, Columns columns) : table_(std::move(table)), columns_(std::move(columns)) {}

  bool exists() const { return !columns_.empty(); }
  ColumnDescription* find(const std::string& name) { return ingest::find(columns_, name); }
  void add(const std::string& name, const std::string& type, const std::string& clause) {
    statements_.push_back(
        fmt::format("ADD COLUMN IF NOT EXISTS {} {}{}", quote_identifier(name), type, clause));
    columns_.push_back({.name = name, .type = type});
  }
  void drop(const std::string& name) {
    statements_.push_back(fmt::format("DROP COLUMN IF EXISTS {}", quote_identifier(name)));
    std::erase_if(columns_, [&](const auto& one) { return one.name == name; });
  }
  void rename(const std::string& from, const std::string& to) {
    statements_.push_back(
        fmt::format("RENAME COLUMN {} TO {}", quote_identifier(from), quote_identifier(to)));
    find(from)->name = to;
  }
  void modify(const std::string& name, const std::string& rest) {
    statements_.push_back(fmt::format("MODIFY COLUMN {} {}", quote_identifier(name), rest));
  }
  // One at a time: the server refuses some combinations. Parts are written anew beside what goes on and read
  // as they must be until then; a column that is dropped must be gone before another takes its name.
  Status run(clickhouse::ClientPool& pool) const {
    for (const auto& statement : statements_) {
      clickhouse::QueryOptions options;
      options.settings["alter_sync"] = statement.starts_with("DROP") ? "1" : "0";
      TRY_VOID(pool.execute(fmt::format("ALTER TABLE {} {}", table_, statement), options));
    }
    return {};
  }

 private:
  std::string table_;
  Columns columns_;
  std::vector<std::string> statements_;
};

Result<Alteration> alteration_of(clickhouse::ClientPool& pool, const CapturedTable& table,
                                 const std::string& suffix) {
  return Alteration(table.target(suffix),
                    TRY(clickhouse::table_columns(*pool.lease(), "bronze", table.name + suffix)));
}

// No name is given up by one column and taken by another (compare() sees to it), so it can be done again.
void rename_all(Alteration& alteration, const std::vector<ShapeChange::Renamed>& renamed) {
  for (const auto& [from, to] : renamed) {
    if (alteration.find(from) == nullptr) continue;
    if (alteration.find(to) != nullptr) alteration.drop(to);  // hidden since it was dropped
    alteration.rename(from, to);
  }
}

// Columns of the table that are missing, or have another type. Nothing that is there is taken away.
void reach(Alteration& alteration, const CapturedTable& table, const TableShape& shape, bool with_defaults) {
  for (const auto& column : table.source.columns) {
    auto* existing = alteration.find(column.name);
    std::string type = column.target.name();
    if (existing == nullptr)
      alteration.add(column.name, type, with_defaults ? default_clause(shape, column) : "");
    else if (existing->type != type)
      alteration.modify(column.name, type);
  }
}

// Of a name that no other column has taken.
void drop_gone(Alteration& alteration, const CapturedTable& table, const ShapeChange& change) {
  if (!table.drops_columns) return;
  for (const auto& name : change.dropped)
    if (table.source.find(name) == nullptr && alteration.find(name) != nullptr) alteration.drop(name);
}

Status reshape_changes(clickhouse::ClientPool& pool, const CapturedTable& table, const TableShape& shape,
                       const std::vector<ShapeChange::Renamed>& renamed) {
  Alteration changes = TRY(alteration_of(pool, table, "__changes"));
  if (!changes.exists()) return {};
  reach(changes, table, shape, false);
  for (const auto& column : table.source.columns)
    if (auto* existing = changes.find(column.name); existing != nullptr && !existing->default_kind.empty())
      changes.modify(column.name, "REMOVE DEFAULT");
  for (const auto& [from, to] : renamed)
    if (table.source.find(from) == nullptr && changes.find(from) != nullptr)
      changes.modify(
          from, fmt::format("{} DEFAULT {}", table.source.find(to)->target.name(), quote_identifier(to)));
  return changes.run(pool);
}

Status reshape_history(clickhouse::ClientPool& pool, const CapturedTable& table, const TableShape& shape,
                       const ShapeChange& change) {
  Alteration history = TRY(alteration_of(pool, table, "__history"));
  if (!history.exists()) return {};
  rename_all(history, change.renamed);
  reach(history, table, shape, true);
  drop_gone(history, table, change);
  TRY_VOID(history.run(pool));
  // It names its columns; create_statements() makes it anew.
  return pool.execute("DROP VIEW IF EXISTS " + table.target("__history_of_changes") + " SYNC");
}

}  // namespace

Status keep_wider_types(clickhouse::ClientPool& pool, CapturedTable& table) {
  BronzeTypes types;
  for (const auto& column : TRY(clickhouse::table_columns(*pool.lease(), "bronze", table.name)))
    types[table.name][column.name] = column.type;
  keep_wider_types(types, table);
  return {};
}

Result<BronzeTypes> bronze_types(clickhouse::ClientPool& pool) {
  Block block =
      TRY(pool.lease()->query("SELECT table, name, type FROM system.columns WHERE database = 'bronze'"));
  BronzeTypes types;
  for (size_t row = 0; row < block.rows(); ++row)
    types[std::string(block.columns[0].text(row))][std::string(block.columns[1].text(row))] =
        block.columns[2].text(row);
  return types;
}

void keep_wider_types(const BronzeTypes& types, CapturedTable& table) {
  auto existing = types.find(table.name);
  if (existing == types.end()) return;
  for (auto& column : table.source.columns) {
    auto there = existing->second.find(column.name);
    if (there != existing->second.end() && there->second == column.target.as_nullable().name())
      column.target = column.target.as_nullable();
  }
}

Result<bool> follow_in_place(clickhouse::ClientPool& pool, CapturedTable& table, const TableShape& shape,
                             const ShapeChange& change, std::string& copy_because) {
  Alteration bronze = TRY(alteration_of(pool, table, ""));
  if (!bronze.exists()) {
    copy_because = fmt::format("bronze.{} is gone", table.name);
    return false;
  }
  // A column that comes under the name of a hidden one has nothing of it.
  for (size_t index : change.added) {
    const auto& column = table.source.columns[index];
    if (!value_before(shape, column)) {
      copy_because = fmt::format("the default of its new column {} does not fit", column.name);
      return false;
    }
    if (bronze.find(column.name) != nullptr) bronze.drop(column.name);
  }
  rename_all(bronze, change.renamed);
  for (auto& column : table.source.columns) {
    auto* existing = bronze.find(column.name);
    if (existing == nullptr || existing->type == column.target.name()) continue;
    std::string type = existing->type;
    auto before = parse_column_type(type);
    if (before && holds(*before, column.target)) {
      column.target = *before;
    } else if (!before || column.key_position >= 0 || !holds(column.target, *before)) {
      copy_because = fmt::format("its column {} was {} and is {}", column.name, type, column.target.name());
      return false;
    }
  }
  reach(bronze, table, shape, true);
  drop_gone(bronze, table, change);
  TRY_VOID(bronze.run(pool));
  TRY_VOID(reshape_changes(pool, table, shape, change.renamed));
  if (table.history) TRY_VOID(reshape_history(pool, table, shape, change));
  for (const auto& statement : create_statements(table)) TRY_VOID(pool.execute(statement));
  return true;
}

Status make_bronze_anew(clickhouse::ClientPool& pool, const CapturedTable& table,
                        const std::vector<ShapeChange::Renamed>& renamed) {
  TRY_VOID(
      pool.execute("DROP TABLE IF EXISTS " + table.target() + " SYNC SETTINGS check_table_dependencies = 0"));
  TableShape shape = shape_of(table);
  TRY_VOID(reshape_changes(pool, table, shape, renamed));
  if (table.history) TRY_VOID(reshape_history(pool, table, shape, {.renamed = renamed}));
  for (const auto& statement : create_statements(table)) TRY_VOID(pool.execute(statement));
  return {};
}

}  // namespace tidemark::ingest
