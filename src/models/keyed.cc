#include "models/keyed.h"

#include "models/incremental_traps.h"
#include "models/keyed_analysis.h"
#include "models/references.h"

#include <set>

namespace tidemark::models {
namespace {

using clickhouse::ColumnDescription;
using clickhouse::quote_identifier;
using clickhouse::quote_string;

std::string bare_type(std::string type) {
  for (std::string_view wrapper : {"LowCardinality(", "Nullable("})
    if (type.starts_with(wrapper)) type = type.substr(wrapper.size(), type.size() - wrapper.size() - 1);
  return type;
}

// A key column. NULL is a key value of its own, but NULL IN (...) is never true, so a Nullable key travels as
// two columns: whether it is NULL, and its value or the type's default.
struct KeyColumn {
  size_t number = 0;
  std::string name;
  std::string type;  // without Nullable
  bool nullable = false;

  // Names no source column has: an alias like the column's own name would be taken for it in expressions.
  std::string null_flag() const { return fmt::format("_null_{}", number); }
  std::string value() const { return fmt::format("_key_{}", number); }
  std::string default_value() const { return "defaultValueOfTypeName(" + quote_string(type) + ")"; }
  std::string value_of(const std::string& expression) const {
    // Arrays and tuples are never Nullable.
    if (type.starts_with("Array(") || type.starts_with("Tuple(") || type.starts_with("Map("))
      return "CAST((" + expression + ") AS " + type + ")";
    return "ifNull(CAST((" + expression + ") AS Nullable(" + type + ")), " + default_value() + ")";
  }
};

bool check_header(const ModelSource& source, const std::vector<ColumnDescription>& columns) {
  const auto& file = source.file;
  if (file.key.empty()) {
    source.complaints.at(0, "a keyed model needs to know its key",
                         "add a header line `-- key: <column>, ...`");
    return false;
  }
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  for (const auto& key : file.key)
    if (std::find(names.begin(), names.end(), key) == names.end()) {
      source.complaints.in_header(
          "key", fmt::format("the model has no column `{}`{}", key, config::did_you_mean(key, names)),
          "name output columns in `-- key:`");
      return false;
    }
  auto only_keys = [&](const std::string& header, const std::string& expression) {
    auto tokens = tokenize(expression);
    if (!tokens) return true;
    for (const auto& token : *tokens) {
      bool column = token.identifier() && std::find(names.begin(), names.end(), token.name) != names.end();
      if (!column || std::find(file.key.begin(), file.key.end(), token.name) != file.key.end()) continue;
      source.complaints.in_header(header,
                                  fmt::format("`{}` is not a key column; a row that is recomputed would not "
                                              "replace the one before",
                                              token.name),
                                  "use key columns only");
      return false;
    }
    return true;
  };
  for (const auto& expression : file.order_by)
    if (!only_keys("order_by", expression)) return false;
  return only_keys("partition_by", file.partition_by);
}

// Makes the statements of an analysed model.
class Writer {
 public:
  Writer(const ModelSource& source, const KeyedTables& tables, const SqlText& text,
         const KeyedAnalysis& analysis, const std::vector<ColumnDescription>& columns)
      : source_(source), tables_(tables), text_(text), analysis_(analysis) {
    for (const auto& name : source.file.key)
      for (const auto& column : columns)
        if (column.name == name)
          keys_.push_back({keys_.size(), name, bare_type(column.type),
                           column.type.find("Nullable(") != std::string::npos});
    for (const auto& column : columns) model_.column_names.push_back(quote_identifier(column.name));
  }

  std::optional<KeyedModel> write(const std::vector<ColumnDescription>& columns) {
    write_tables(columns);
    for (const auto& [table, names] : analysis_.deltas())
      if (!write_delta(*table, names)) return std::nullopt;
    std::set<std::string> written;
    for (const auto& touch : analysis_.touches()) {
      auto select = touch.select.empty() ? direct(touch) : derived(touch);
      if (!select) return std::nullopt;
      if (!written.insert(*select).second) continue;
      (touch.select.empty() ? model_.touch_selects : model_.derived_selects)
          .emplace_back(touch.table->mirrored, *select);
    }
    if (!write_restricted()) return std::nullopt;
    return std::move(model_);
  }

 private:
  using Types = std::vector<ColumnDescription>;

  std::vector<std::string> touched_names() const {
    std::vector<std::string> names;
    for (const auto& key : keys_) {
      if (key.nullable) names.push_back(key.null_flag());
      names.push_back(key.value());
    }
    return names;
  }

  // The keys of one run: a slice, in their order, of those touched in the cut. `names`: which columns of it.
  std::string touched_rows(const std::vector<std::string>& names) const {
    std::string all = joined(touched_names());
    return "(SELECT DISTINCT " + joined(names) + " FROM (SELECT DISTINCT " + all + " FROM " +
           std::string(touched_placeholder) + " WHERE _cut = {cut:UInt64} ORDER BY " + all +
           " LIMIT {key_count:UInt64} OFFSET {key_offset:UInt64}))";
  }

  void write_tables(const std::vector<ColumnDescription>& columns) {
    std::vector<std::string> declared, restored, stored;
    for (const auto& key : keys_) {
      if (key.nullable) declared.push_back(key.null_flag() + " UInt8");
      declared.push_back(key.value() + " " + key.type);
      restored.push_back(
          (key.nullable ? "if(" + key.null_flag() + " = 1, NULL, " + key.value() + ")" : key.value()) +
          " AS " + quote_identifier(key.name));
      model_.key_names.push_back(quote_identifier(key.name));
    }
    declared.push_back("_table LowCardinality(String)");
    declared.push_back("_cut UInt64");
    model_.touched_columns = joined(declared);
    model_.touched_keys = "SELECT " + joined(restored) + " FROM " + touched_rows(touched_names());
    model_.touched_count = "SELECT uniqExact(" + joined(touched_names()) + ") FROM " +
                           std::string(touched_placeholder) + " WHERE _cut = {cut:UInt64}";
    for (const auto& column : columns) stored.push_back(quote_identifier(column.name) + " " + column.type);
    model_.store_columns = joined(stored) + ", _version UInt128, _deleted UInt8";

    std::vector<std::string> sorting = source_.file.order_by;
    std::set<std::string> used(sorting.begin(), sorting.end());
    for (const auto& key : keys_)
      if (!used.contains(key.name)) sorting.push_back(quote_identifier(key.name));
    model_.engine =
        "ReplacingMergeTree(_version, _deleted)" +
        (source_.file.partition_by.empty() ? "" : " PARTITION BY (" + source_.file.partition_by + ")") +
        " ORDER BY (" + joined(sorting) + ")";
  }

  std::optional<Types> types_of(const KeyedTable& table, const std::vector<std::string>& expressions) {
    auto types =
        clickhouse::describe_select(source_.client, "SELECT " + joined(expressions) + " FROM " + table.typed);
    if (types) return std::move(*types);
    source_.complaints.refused(types.error(), "the key's expression");
    return std::nullopt;
  }

  // Whether the server takes it; better to know now than when the first change comes.
  bool accepted(const std::string& select) {
    auto described = clickhouse::describe_select(source_.client, select);
    if (!described) source_.complaints.refused(described.error(), "finding the keys a change touches");
    return described.has_value();
  }

  // The same over what is there before the model and those it reads are.
  std::string on_trial(std::string sql) const {
    auto replace = [&](const std::string& what, const std::string& by) {
      for (size_t at = 0; (at = sql.find(what, at)) != std::string::npos; at += by.size())
        sql.replace(at, what.size(), by);
    };
    for (const auto& [table, columns] : analysis_.deltas())
      replace(delta_placeholder(*table), "(SELECT *, toUInt64(0) AS _cut FROM " + table->typed + ")");
    for (const auto& [name, table] : tables_) {
      if (name == table.mirrored) continue;
      replace(table.base + " FINAL", "(SELECT *, 0 AS _deleted FROM " + table.typed + ")");
      replace("FROM " + table.base, "FROM (SELECT *, 0 AS _deleted FROM " + table.typed + ")");
    }
    replace("{cut:UInt64}", "toUInt64(0)");
    return sql;
  }

  bool write_delta(const KeyedTable& table, const std::set<std::string>& names) {
    std::vector<std::string> quoted, declared;
    for (const auto& name : names) quoted.push_back(quote_identifier(name));
    if (quoted.empty()) quoted.push_back("1 AS _one");
    auto types = types_of(table, quoted);
    if (!types) return false;
    for (const auto& column : *types) declared.push_back(quote_identifier(column.name) + " " + column.type);
    model_.deltas.push_back({.placeholder = delta_placeholder(table),
                             .mirrored = table.mirrored,
                             .columns = joined(declared) + ", _table LowCardinality(String), _cut UInt64",
                             .select = "SELECT " + joined(quoted) + ", " + quote_string(table.mirrored) +
                                       " AS _table, _cut FROM " + table.changes + " WHERE _cut > 0"});
    return true;
  }

  // The touched table's columns, from expressions for the key's.
  std::string touched_items(const std::vector<std::string>& expressions) const {
    std::vector<std::string> items;
    for (size_t index = 0; index < keys_.size(); ++index) {
      const auto& key = keys_[index];
      if (key.nullable) items.push_back("isNull(" + expressions[index] + ") AS " + key.null_flag());
      items.push_back(key.value_of(expressions[index]) + " AS " + key.value());
    }
    return joined(items);
  }

  std::optional<std::string> direct(const Touch& touch) {
    std::vector<std::string> expressions;
    for (const auto& expression : touch.direct) expressions.push_back(expression.sql());
    if (!accepted("SELECT DISTINCT " + touched_items(expressions) + " FROM " + touch.table->typed))
      return std::nullopt;
    // The initial copy (cut 0) is followed by a rebuild, not key by key.
    return "SELECT DISTINCT " + touched_items(expressions) + ", " + quote_string(touch.table->mirrored) +
           " AS _table, _cut FROM " + touch.table->changes + " WHERE _cut > 0";
  }

  std::optional<std::string> derived(const Touch& touch) {
    std::vector<std::string> expressions;
    for (size_t index = 0; index < keys_.size(); ++index) expressions.push_back(fmt::format("_{}", index));
    std::string select = "SELECT DISTINCT " + touched_items(expressions) + ", " +
                         quote_string(touch.table->mirrored) + " AS _table, {cut:UInt64} AS _cut FROM (" +
                         touch.select + ")";
    if (!accepted(on_trial(select))) return std::nullopt;
    return select;
  }

  std::optional<std::string> restriction(const Restriction& restriction) {
    std::vector<std::string> expressions, values, names;
    for (const auto& expression : restriction.expressions) expressions.push_back(expression.sql());
    auto types = types_of(*restriction.table, expressions);
    if (!types) return std::nullopt;
    for (size_t index = 0; index < expressions.size(); ++index) {
      const auto& key = keys_[restriction.keys[index]];
      const auto& expression = expressions[index];
      bool nullable_here = (*types)[index].type.find("Nullable(") != std::string::npos;
      if (key.nullable) {
        values.push_back("isNull(" + expression + ")");
        names.push_back(key.null_flag());
      }
      values.push_back(nullable_here || key.nullable ? key.value_of(expression) : "(" + expression + ")");
      names.push_back(key.value());
    }
    return "(" + joined(values) + ") IN " + touched_rows(names);
  }

  bool write_restricted() {
    std::map<size_t, std::string> rows;
    for (const auto& [offset, found] : analysis_.restrictions()) {
      auto condition = restriction(found);
      if (!condition) return false;
      rows[offset] = found.table->rows(*condition, found.columns());
    }
    auto select =
        replace_references(text_.sql, [&](const TableReference& reference) -> std::optional<std::string> {
          if (reference.column) return "";
          auto restricted = rows.find(reference.offset);
          if (restricted != rows.end()) return restricted->second;
          const KeyedTable* table = analysis_.table(reference.name());
          return table == nullptr ? std::nullopt : std::optional(table->rows());
        });
    if (!select) {
      source_.complaints.refused(select.error(), "cannot be compiled");
      return false;
    }
    model_.restricted_select = std::move(*select);
    return true;
  }

  const ModelSource& source_;
  const KeyedTables& tables_;
  const SqlText& text_;
  const KeyedAnalysis& analysis_;
  std::vector<KeyColumn> keys_;
  KeyedModel model_;
};

}  // namespace

std::optional<KeyedModel> compile_keyed(const ModelSource& source, const KeyedTables& tables,
                                        const SqlText& text, bool inlined,
                                        const std::vector<ColumnDescription>& columns) {
  if (!check_header(source, columns)) return std::nullopt;
  refuse_changing_functions(source, text, "keyed");
  if (source.complaints.any()) return std::nullopt;
  KeyedAnalysis analysis(source, text, tables, inlined);
  if (!analysis.run(source.file.key)) return std::nullopt;
  return Writer(source, tables, text, analysis, columns).write(columns);
}

}  // namespace tidemark::models
