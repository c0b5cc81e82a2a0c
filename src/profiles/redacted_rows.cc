#include "profiles/redacted_rows.h"

#include "clickhouse/retry.h"
#include "clickhouse/schema.h"
#include "profiles/erasure_limits.h"
#include "profiles/profile_plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::profiles {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_list;

// Its columns are the SELECT's.
std::string wanted_table(uint64_t deletion, const ErasableTable& table) {
  return aside_table(deletion, table.name + "__wanted");
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

clickhouse::QueryOptions options_of(std::map<std::string, std::string> settings = {}) {
  clickhouse::QueryOptions options;
  options.settings = std::move(settings);
  options.settings.emplace("log_queries", "0");
  options.timeout = limits::erasure_statement_max;
  return options;
}

Status make(clickhouse::ClientPool& pool, const std::string& name, const std::string& select) {
  TRY_VOID(pool.execute("DROP TABLE IF EXISTS " + name + " SYNC"));
  TRY_VOID(
      pool.execute(fmt::format("CREATE TABLE {} ENGINE = MergeTree ORDER BY tuple() SETTINGS {} EMPTY AS {}",
                               name, clickhouse::merge_tree_settings(true), select),
                   options_of()));
  return pool.execute(fmt::format("INSERT INTO {} {}", name, select),
                      options_of({{"insert_deduplicate", "0"}}));
}

Result<uint64_t> count_of(clickhouse::ClientPool& pool, const std::string& from) {
  Block block = TRY(pool.query("SELECT count() FROM " + from, options_of()));
  return block.columns[0].get<uint64_t>(0);
}

}  // namespace

Result<std::vector<std::string>> columns_to_set(clickhouse::Client& client, const ErasableTable& table,
                                                const std::string& select) {
  std::vector<std::string> given, set;
  for (const auto& column : TRY(clickhouse::describe_select(client, select))) given.push_back(column.name);
  for (const auto& column : table.key)
    if (!has(given, column))
      return fail(ErrorKind::config,
                  fmt::format("the SELECT has no column `{}`, the key of its table", column),
                  "select it: it says which row is rewritten");
  for (const auto& column : given) {
    if (column == "texts" || has(table.key, column)) continue;
    if (!has(table.columns, column))
      return fail(ErrorKind::config, fmt::format("the table {} has no column `{}`", table.name, column),
                  fmt::format("columns are set by their names: {}", fmt::join(table.columns, ", ")));
    set.push_back(column);
  }
  if (set.empty())
    return fail(ErrorKind::config, "the SELECT sets no column", "select what a column is to be AS its name");
  return set;
}

Result<bool> has_rows(clickhouse::ClientPool& pool, const std::string& select) {
  return TRY(count_of(pool, fmt::format("(SELECT 1 FROM ({}\n) LIMIT 1)", select))) > 0;
}

Result<PutAside> put_images_aside(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
                                  const std::string& select) {
  std::vector<std::string> set = TRY(columns_to_set(*pool.lease(), table, select));
  std::string wanted = wanted_table(deletion, table), aside = aside_table(deletion, table.name);
  TRY_VOID(make(pool, wanted, select));
  std::vector<std::string> images;
  for (const auto& column : table.columns) {
    std::string name = quote_identifier(column);
    images.push_back(has(set, column) ? fmt::format("if(_comes, w.{0}, t.{0}) AS {0}", name)
                                      : fmt::format("t.{0} AS {0}", name));
  }
  std::string using_key = quote_list(table.key);
  TRY_VOID(make(pool, aside,
                fmt::format("SELECT {0}, toInt8(if(_comes, 1, -1)) AS _sign, "
                            "toLowCardinality(if(_comes, 'insert', 'delete')) AS _op, "
                            "toUInt128(t._version + if(_comes, 2, 1)) AS _version, t._committed_at AS "
                            "_committed_at, toUInt64({1}) AS _cut FROM (SELECT * FROM {2} FINAL WHERE "
                            "_deleted = 0 AND ({3}) IN (SELECT {3} FROM {4})) AS t ANY INNER JOIN {4} AS w "
                            "USING ({3}) ARRAY JOIN [false, true] AS _comes",
                            fmt::join(images, ", "), cut_of(deletion), table.bronze(), using_key, wanted)));
  PutAside put{.rows = TRY(count_of(pool, aside + " WHERE _sign = 1"))};
  std::vector<std::string> key_texts;
  for (const auto& column : table.key)
    key_texts.push_back(fmt::format("toString({})", quote_identifier(column)));
  Block keys = TRY(
      pool.query(fmt::format("SELECT groupUniqArray({})(key) FROM (SELECT arrayJoin([{}]) AS key FROM {})",
                             limits::redacted_texts_max + 1, fmt::join(key_texts, ", "), aside),
                 options_of()));
  put.keys = text_list(keys.columns[0], 0);
  auto columns = TRY(clickhouse::describe_select(*pool.lease(), "SELECT * FROM " + wanted));
  if (std::none_of(columns.begin(), columns.end(), [](const auto& one) { return one.name == "texts"; }))
    return put;
  Block texts =
      TRY(pool.query(fmt::format("SELECT groupUniqArray({})(text) FROM (SELECT arrayJoin(texts) AS text "
                                 "FROM {}) WHERE length(text) >= {}",
                                 limits::redacted_texts_max + 1, wanted, limits::redacted_text_bytes_min),
                     options_of()));
  put.texts = text_list(texts.columns[0], 0);
  return put;
}

Status take_place(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table) {
  std::string columns = quote_list(table.columns), aside = aside_table(deletion, table.name);
  if (!table.people.empty())
    return pool.execute(fmt::format("INSERT INTO {} ({}) SELECT {} FROM {} WHERE _sign = 1", table.people,
                                    columns, columns, aside),
                        options_of());
  // Again after a kill: the same rows at the same version.
  return pool.execute(
      fmt::format("INSERT INTO {0} ({1}, _version, _deleted, _committed_at, _cut) SELECT {1}, "
                  "_version, toUInt8(0), _committed_at, _cut FROM {2} WHERE _sign = 1",
                  table.bronze(), columns, aside),
      options_of({{"insert_deduplicate", "0"}}));
}

Status remove_old_images(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table) {
  std::string aside = aside_table(deletion, table.name);
  auto remove = [&](const std::string& from, const std::string& condition) {
    return pool.execute(
        fmt::format("ALTER TABLE {} DELETE WHERE {} SETTINGS mutations_sync = 2", from, condition),
        options_of());
  };
  std::string key = quote_list(table.key);
  if (table.people.empty())
    return remove(table.bronze(),
                  fmt::format("({0}, _version) IN (SELECT {0}, toUInt128(_version - 1) FROM {1} WHERE "
                              "_sign = -1)",
                              key, aside));
  std::string whole = fmt::format(
      "({0}) IN (SELECT {0} FROM {1}) AND sipHash128({2}) IN (SELECT sipHash128({2}) "
      "FROM {1} WHERE _sign = -1)",
      key, aside, quote_list(table.columns));
  TRY_VOID(remove(table.people, whole));
  return table.inbox.empty() ? Status() : remove(table.inbox, whole);
}

Status drop_images(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table) {
  TRY_VOID(pool.execute("DROP TABLE IF EXISTS " + wanted_table(deletion, table) + " SYNC"));
  return drop_aside(pool, deletion, table);
}

Result<bool> asks_again(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
                        const std::string& select) {
  std::string key = quote_list(table.key);
  return TRY(count_of(pool,
                      fmt::format("(SELECT 1 FROM ({0}\n) WHERE ({1}) IN (SELECT {1} FROM {2} WHERE _sign = "
                                  "1) LIMIT 1)",
                                  select, key, aside_table(deletion, table.name)))) > 0;
}

}  // namespace tidemark::profiles
