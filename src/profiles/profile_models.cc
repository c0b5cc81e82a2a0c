#include "profiles/profile_models.h"

#include "clickhouse/schema.h"
#include "profiles/profile_limits.h"
#include "profiles/profile_tables.h"

#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

// Array of (path, JSON): the keys of the text, and of the objects in it.
std::string paths_of(const std::string& json) {
  std::string pairs = fmt::format(
      "arrayMap(x -> ([tupleElement(x, 1)], tupleElement(x, 2)), "
      "JSONExtractKeysAndValuesRaw({}))",
      json);
  for (size_t step = 1; step < limits::trait_steps_max; ++step)
    pairs = fmt::format(
        "arrayFlatten(arrayMap(x -> if(startsWith(tupleElement(x, 2), '{{'), arrayMap(y -> "
        "(arrayPushBack(tupleElement(x, 1), tupleElement(y, 1)), tupleElement(y, 2)), "
        "JSONExtractKeysAndValuesRaw(tupleElement(x, 2))), [x]), {}))",
        pairs);
  return pairs;
}

// Pairs whose path has `depth` steps become one pair for each object they are in.
std::string folded(size_t depth) {
  return fmt::format(
      "arraySort(x -> tupleElement(x, 1), arrayConcat(arrayFilter(x -> length(tupleElement(x, 1)) < {0}, "
      "pairs), "
      "arrayMap(parent -> (parent, concat('{{', arrayStringConcat(arrayMap(x -> "
      "concat(toJSONString(tupleElement(x, 1)[{0}]), ':', tupleElement(x, 2)), arrayFilter(x -> "
      "length(tupleElement(x, 1)) = {0} AND arraySlice(tupleElement(x, 1), 1, {1}) = parent, pairs)), ','), "
      "'}}')), "
      "arrayDistinct(arrayMap(x -> arraySlice(tupleElement(x, 1), 1, {1}), arrayFilter(x -> "
      "length(tupleElement(x, 1)) = {0}, pairs))))))",
      depth, depth - 1);
}

std::string traits(const std::string& events) {
  std::string values = fmt::format(
      "SELECT profile_id, tupleElement(pair, 1) AS path, argMax(tupleElement(pair, 2), (timestamp, "
      "message_id)) AS "
      "raw, max((timestamp, message_id)) AS at FROM (SELECT profile_id, timestamp, message_id, arrayJoin({}) "
      "AS "
      "pair FROM {} WHERE type = 'identify' AND traits NOT IN ('', '{{}}')) AS sets GROUP BY profile_id, "
      "path",
      paths_of("traits"), events);
  std::string kept =
      "arrayFilter(x -> tupleElement(x, 2) NOT IN ('null', '\"\"') AND NOT arrayExists(y -> tupleElement(y, "
      "3) > "
      "tupleElement(x, 3) AND (arraySlice(tupleElement(y, 1), 1, length(tupleElement(x, 1))) = "
      "tupleElement(x, 1) "
      "OR arraySlice(tupleElement(x, 1), 1, length(tupleElement(y, 1))) = tupleElement(y, 1)), pairs), "
      "pairs)";
  std::string sql = fmt::format(
      "SELECT profile_id, arraySort(x -> tupleElement(x, 1), arrayMap(x -> (tupleElement(x, 1), "
      "tupleElement(x, "
      "2)), {})) AS pairs FROM (SELECT profile_id, groupArray((path, raw, at)) AS pairs FROM ({}) AS values "
      "GROUP BY "
      "profile_id) AS gathered",
      kept, values);
  for (size_t depth = limits::trait_steps_max; depth > 0; --depth)
    sql = fmt::format("SELECT profile_id, {} AS pairs FROM ({}) AS depth_{}", folded(depth), sql, depth);
  return fmt::format(
      "SELECT profile_id, if(empty(pairs), '{{}}', tupleElement(pairs[1], 2)) AS traits FROM ({}) AS "
      "folded",
      sql);
}

bool may_be_null(const std::string& type) {
  for (const char* start : {"Array(", "Map(", "Tuple(", "JSON", "Nullable(", "LowCardinality(Nullable("})
    if (type.starts_with(start)) return false;
  return true;
}

Result<config::ModelFile> model_of(clickhouse::Client& client, const Definition& definition) {
  ProfileTables tables(definition);
  std::vector<std::string> ids, shown{"i.profile_id AS profile_id"};
  for (const auto& kind : definition.kinds) {
    std::string column = quote_identifier(kind.name), all = quote_identifier(all_column(kind));
    ids.push_back(
        fmt::format("argMaxIf(value, (seen, value), kind = {}) AS {}", quote_string(kind.name), column));
    shown.push_back(fmt::format("i.{0} AS {0}", column));
    if (kind.limit == 1) continue;
    ids.push_back(
        fmt::format("arraySort(groupUniqArrayIf(value, kind = {})) AS {}", quote_string(kind.name), all));
    shown.push_back(fmt::format("i.{0} AS {0}", all));
  }
  std::string events = tables.events.display();
  shown.push_back("if(t.traits = '', '{}', t.traits) AS traits");
  shown.push_back("e.first_seen AS first_seen, e.last_seen AS last_seen, e.events AS events");
  std::string joins;
  for (size_t index = 0; index < definition.tables.size(); ++index) {
    const IdTable& table = definition.tables[index];
    if (table.columns.empty()) continue;
    std::string copy = definition.slug() + "_" + table.table, alias = fmt::format("r{}", index);
    std::vector<std::string> columns;
    for (const auto& described : TRY(clickhouse::table_columns(client, "bronze", copy)))
      for (const auto& name : table.columns)
        if (described.name == name) {
          std::string value = fmt::format("argMin(tuple({}), row_key)", quote_identifier(name));
          value = fmt::format("tupleElement({}, 1)", value);
          if (may_be_null(described.type)) value = "toNullable(" + value + ")";
          columns.push_back(value + " AS " + quote_identifier(name));
          shown.push_back(fmt::format("{0}.{1} AS {1}", alias, quote_identifier(name)));
        }
    joins += fmt::format(
        "\nLEFT JOIN (SELECT profile_id, {} FROM bronze.{} GROUP BY profile_id) AS {} ON {}.profile_id "
        "= i.profile_id",
        fmt::join(columns, ", "), quote_identifier(copy), alias, alias);
  }
  config::ModelFile file;
  file.database = definition.database;
  file.name = definition.table;
  file.file = definition.where.file;
  file.kind = "keyed";
  file.key = {"profile_id"};
  file.order_by = {"profile_id"};
  file.description = "one row a person: ids, traits, first and last seen";
  file.sql = fmt::format(
      "SELECT {}\nFROM (SELECT profile_id{}{} FROM {} GROUP BY profile_id) AS i\nLEFT JOIN (SELECT "
      "profile_id, "
      "toNullable(min(timestamp)) AS first_seen, toNullable(max(timestamp)) AS last_seen, count() AS events "
      "FROM {} "
      "GROUP BY profile_id) AS e ON e.profile_id = i.profile_id\nLEFT JOIN ({}) AS t ON t.profile_id = "
      "i.profile_id{}",
      fmt::join(shown, ", "), ids.empty() ? "" : ", ", fmt::join(ids, ", "), tables.ids.display(), events,
      traits(events), joins);
  return file;
}

}  // namespace

std::string all_column(const IdKind& kind) {
  return kind.name + "_all";
}

Result<std::vector<config::ModelFile>> profile_models(clickhouse::Client& client,
                                                      const std::vector<Definition>& definitions) {
  std::vector<config::ModelFile> files;
  for (const auto& definition : definitions) {
    bool there = TRY(clickhouse::table_exists(client, "bronze", definition.slug() + "_ids"));
    for (const auto& table : definition.tables)
      there = there && TRY(clickhouse::table_exists(client, "bronze", definition.slug() + "_" + table.table));
    if (there) files.push_back(TRY(model_of(client, definition)));
  }
  return files;
}

}  // namespace tidemark::profiles
