#include "profiles/erased_rows.h"

#include "base/cut_number.h"
#include "clickhouse/schema.h"
#include "profiles/erasure_limits.h"

#include <fmt/format.h>

namespace tidemark::profiles {

using clickhouse::quote_table;

std::string ErasableTable::bronze() const {
  return quote_table("bronze", name);
}

std::string aside_table(uint64_t deletion, const std::string& table) {
  return quote_table("tidemark", fmt::format("erased_{}_{}", deletion, table));
}

uint64_t cut_of(uint64_t deletion) {
  return (streams_max - 1) * cuts_a_stream + deletion;
}

Result<uint64_t> put_aside(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
                           const std::string& condition) {
  std::string aside = aside_table(deletion, table.name);
  // What takes a row away comes after it, and before whatever takes its place.
  std::string select = fmt::format(
      "SELECT {}, toInt8(-1) AS _sign, toLowCardinality('delete') AS _op, {} AS _version, _committed_at, "
      "toUInt64({}) AS _cut FROM {}{} WHERE {}{}",
      clickhouse::quote_list(table.columns), table.log ? "t._version" : "toUInt128(t._version + 1)",
      cut_of(deletion), table.bronze(), table.log ? " AS t" : " AS t FINAL",
      table.log ? "" : "_deleted = 0 AND ", condition);
  auto lease = pool.lease();
  TRY_VOID(lease->execute("DROP TABLE IF EXISTS " + aside + " SYNC"));
  TRY_VOID(lease->execute(
      fmt::format("CREATE TABLE {} ENGINE = MergeTree ORDER BY _version SETTINGS {} EMPTY AS {}", aside,
                  clickhouse::merge_tree_settings(true), select)));
  clickhouse::QueryOptions options;
  options.settings = {{"insert_deduplicate", "0"}};
  options.timeout = limits::erasure_statement_max;
  TRY_VOID(lease->execute(fmt::format("INSERT INTO {} {}", aside, select), options));
  Block counted = TRY(lease->query("SELECT count() FROM " + aside));
  return counted.columns[0].get<uint64_t>(0);
}

Status remove_rows(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table) {
  std::string aside = aside_table(deletion, table.name);
  clickhouse::QueryOptions options;
  options.timeout = limits::erasure_statement_max;
  auto remove = [&](const std::string& from, const std::string& by) {
    return pool.execute(fmt::format("ALTER TABLE {} DELETE WHERE ({}) IN (SELECT {} FROM {}) SETTINGS "
                                    "mutations_sync = 2",
                                    from, by, by, aside),
                        options);
  };
  TRY_VOID(remove(table.bronze(), table.key.empty() ? "_version" : clickhouse::quote_list(table.key)));
  std::string whole = fmt::format("sipHash128({})", clickhouse::quote_list(table.columns));
  if (!table.people.empty()) TRY_VOID(remove(table.people, whole));
  return table.inbox.empty() ? Status() : remove(table.inbox, whole);
}

Status drop_aside(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table) {
  return pool.execute("DROP TABLE IF EXISTS " + aside_table(deletion, table.name) + " SYNC");
}

}  // namespace tidemark::profiles
