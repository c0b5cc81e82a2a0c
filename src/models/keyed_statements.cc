#include "models/keyed_statements.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_string;

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
}

// One row more of the same columns, with nothing but the key in it.
std::string tombstone_items(const KeyedModel& compiled, const CompiledModel& model) {
  std::vector<std::string> items;
  for (size_t index = 0; index < model.columns.size(); ++index) {
    const auto& name = compiled.column_names[index];
    bool key =
        std::find(compiled.key_names.begin(), compiled.key_names.end(), name) != compiled.key_names.end();
    const auto& type = model.columns[index].type;
    items.push_back(
        key ? name : "CAST(defaultValueOfTypeName(" + quote_string(type) + ") AS " + type + ") AS " + name);
  }
  return joined(items);
}

}  // namespace

std::vector<std::string> fingerprint_parts(const KeyedModel& compiled) {
  std::vector<std::string> parts{compiled.touched_columns, compiled.store_columns, compiled.engine,
                                 compiled.restricted_select};
  for (const auto& delta : compiled.deltas) parts.push_back(delta.select);
  for (const auto& [table, select] : compiled.touch_selects) parts.push_back(select);
  for (const auto& [table, select] : compiled.derived_selects) parts.push_back(select);
  return parts;
}

void write_keyed_statements(const KeyedModel& compiled, CompiledModel& model) {
  auto named = [&](std::string_view suffix) { return physical_name(model.file, model.fingerprint, suffix); };
  model.store = named("");
  model.touched = named("__touched");
  std::map<std::string, std::string> stand_ins{{std::string(touched_placeholder), model.touched}};
  auto with_names = [&](std::string sql) {
    for (const auto& [placeholder, table] : stand_ins) replace_all(sql, placeholder, table);
    return sql;
  };
  const std::string settings = " SETTINGS " + clickhouse::merge_tree_settings(true);
  model.create_statements = {
      "CREATE TABLE IF NOT EXISTS " + model.store + " (" + compiled.store_columns +
          ") ENGINE = " + compiled.engine + settings + ", allow_nullable_key = 1",
      fmt::format("CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = MergeTree PARTITION BY (_table, intDiv(_cut, "
                  "{})) ORDER BY _cut",
                  model.touched, compiled.touched_columns, cuts_a_partition) +
          settings};
  std::set<std::string> all_mirrored;
  size_t number = 0;
  for (const auto& delta : compiled.deltas) {
    std::string table = named(fmt::format("__delta_{}", ++number));
    stand_ins[delta.placeholder] = table;
    model.create_statements.push_back(
        fmt::format(
            "CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = MergeTree PARTITION BY (_table, intDiv(_cut, "
            "{})) ORDER BY _cut",
            table, delta.columns, cuts_a_partition) +
        settings);
    model.create_statements.push_back("CREATE MATERIALIZED VIEW IF NOT EXISTS " +
                                      named(fmt::format("__change_{}", number)) + " TO " + table + " AS " +
                                      delta.select);
    model.physical.push_back(named(fmt::format("__change_{}", number)));
    model.keyed.cut_tables.push_back({table, {delta.mirrored}});
  }
  number = 0;
  for (const auto& [table, select] : compiled.touch_selects) {
    std::string trigger = named(fmt::format("__touch_{}", ++number));
    model.create_statements.push_back("CREATE MATERIALIZED VIEW IF NOT EXISTS " + trigger + " TO " +
                                      model.touched + " AS " + select);
    model.physical.push_back(trigger);
    all_mirrored.insert(table);
  }
  for (const auto& [table, select] : compiled.derived_selects) {
    model.keyed.derive.emplace_back(table, with_names(select));
    all_mirrored.insert(table);
  }
  for (const auto& delta : compiled.deltas) model.physical.push_back(stand_ins.at(delta.placeholder));
  model.physical.push_back(model.touched);
  model.physical.push_back(model.store);
  model.keyed.cut_tables.push_back({model.touched, all_mirrored});

  std::string columns = joined(compiled.column_names), keys = joined(compiled.key_names);
  std::string into = "INSERT INTO " + model.store + " (" + columns + ", _version, _deleted) ";
  // In one statement, so in one part: nobody sees the tombstone of a key without its row.
  model.keyed.refresh =
      into + "SELECT " + columns + ", {row_version:UInt128} AS _version, 0 AS _deleted FROM (" +
      with_names(compiled.restricted_select) + "\n) UNION ALL SELECT " + tombstone_items(compiled, model) +
      ", {tombstone_version:UInt128} AS _version, 1 AS _deleted FROM (" + with_names(compiled.touched_keys) +
      ")";
  model.keyed.touched_keys = with_names(compiled.touched_keys);
  model.keyed.count = with_names(compiled.touched_count);
  model.keyed.newest = "SELECT count(), toString(max(_version)) FROM " + model.store;
  model.keyed.rebuild = {
      into + "SELECT " + columns + ", {row_version:UInt128}, 0 FROM (" + model.recompute + "\n)",
      "INSERT INTO " + model.store + " (" + keys + ", _version, _deleted) SELECT " + keys +
          ", {tombstone_version:UInt128}, 1 FROM " + model.store +
          " FINAL WHERE _deleted = 0 AND _version < {tombstone_version:UInt128}"};
  model.backfill_statement = into + "SELECT " + columns + ", 0, 0 FROM (" + model.recompute + "\n)";
}

}  // namespace tidemark::models
