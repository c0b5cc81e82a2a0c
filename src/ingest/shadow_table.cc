#include "ingest/shadow_table.h"

#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/parity_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::ingest {

namespace {

// No column of a source begins like this.
constexpr const char* number_column = "_parity_number";

std::string literal(Version version) {
  return fmt::format("toUInt128('{}')", version);
}

}  // namespace

ShadowTable::ShadowTable(CapturedTable table, clickhouse::ClientPool& pool, clickhouse::RetryPolicy policy,
                         const std::atomic<bool>& stop)
    : table_(std::move(table)), shadow_(table_), pool_(pool), policy_(std::move(policy)), stop_(stop) {
  shadow_.name += "__parity";
  shadow_.copy_of = table_.name;
  shadow_.has_changes = shadow_.history = false;
  for (const auto& column : table_.source.columns) columns_.push_back(column.name);
  key_ = table_.key_names();
}

// A statement that may be repeated.
Status ShadowTable::run(const std::string& sql, std::map<std::string, std::string> settings) {
  clickhouse::QueryOptions options;
  options.timeout = limits::parity_statement_timeout;
  options.settings = std::move(settings);
  options.settings["max_execution_time"] = "0";
  return clickhouse::retry(policy_, stop_, [&] { return pool_.lease()->execute(sql, options); });
}

// Nobody knows what a try left that was cut short, so each begins with nothing.
Status ShadowTable::fill(const std::string& target, const std::string& insert) {
  clickhouse::QueryOptions options;
  options.timeout = limits::parity_statement_timeout;
  options.settings = {
      {"max_execution_time", "0"},
      {"insert_deduplicate", "0"},
      {"max_bytes_before_external_group_by", std::to_string(limits::parity_compare_memory_bytes)}};
  return clickhouse::retry(policy_, stop_, [&]() -> Status {
    auto lease = pool_.lease();
    TRY_VOID(lease->execute("TRUNCATE TABLE " + target + " SYNC", options));
    return lease->execute(insert, options);
  });
}

Status ShadowTable::drop() {
  for (const char* suffix : {"__parity", "__parity_keys", "__parity_rows"})
    TRY_VOID(run("DROP TABLE IF EXISTS " + table_.target(suffix) + " SYNC"));
  return {};
}

Status ShadowTable::make() {
  TRY_VOID(drop());
  // The types are the mirrored table's, which may be wider than the source asks for.
  auto there = TRY(clickhouse::table_columns(*pool_.lease(), "bronze", table_.name));
  std::string all, key;
  for (const auto& column : table_.source.columns) {
    auto same =
        std::find_if(there.begin(), there.end(), [&](const auto& one) { return one.name == column.name; });
    std::string declared = fmt::format("{} {}, ", clickhouse::quote_identifier(column.name),
                                       same == there.end() ? column.target.name() : same->type);
    all += declared;
    if (column.key_position >= 0) key += declared;
  }
  // It brings itself again after a kill, so it need not be on the disk at once. Without _cut: nobody takes it
  // for one of the project's.
  std::string settings = clickhouse::merge_tree_settings(false);
  std::string order = clickhouse::quote_list(key_);
  TRY_VOID(
      run(fmt::format("CREATE TABLE {} ({}_version UInt128, _committed_at DateTime64(6, 'UTC')) ENGINE = "
                      "MergeTree ORDER BY ({}) SETTINGS {}",
                      shadow_.target(), all, order, settings)));
  TRY_VOID(run(fmt::format("CREATE TABLE {} ({}{} UInt64) ENGINE = MergeTree ORDER BY {} SETTINGS {}",
                           table_.target("__parity_keys"), key, number_column, number_column, settings)));
  // This one must be there when its cut is in by half.
  return run(
      fmt::format("CREATE TABLE {} ({}_sign Int8, _op String) ENGINE = MergeTree ORDER BY ({}, _sign) "
                  "SETTINGS {}",
                  table_.target("__parity_rows"), all, order, durable_settings()));
}

Result<uint64_t> ShadowTable::compare(Version bound) {
  std::string key = clickhouse::quote_list(key_);
  std::string hash = fmt::format("sipHash128(formatRow('RowBinary', {}))", clickhouse::quote_list(columns_));
  std::string keys = table_.target("__parity_keys");
  // What is there on one side only is one row of a key, what is the same on both are two with one hash.
  TRY_VOID(fill(
      keys,
      fmt::format(
          "INSERT INTO {0} ({1}, {2}) SELECT {1}, rowNumberInAllBlocks() FROM (SELECT {1} FROM (SELECT {1}, "
          "{3} AS _parity_hash, 0 AS _parity_moved FROM {4} UNION ALL SELECT {1}, {3} AS _parity_hash, 0 AS "
          "_parity_moved FROM {5} FINAL WHERE _deleted = 0 UNION ALL SELECT {1}, toFixedString('', 16) AS "
          "_parity_hash, 1 AS _parity_moved FROM {5} WHERE _version > {6}) GROUP BY {1} HAVING "
          "max(_parity_moved) = 0 AND (count() != 2 OR min(_parity_hash) != max(_parity_hash)))",
          keys, key, number_column, hash, shadow_.target(), table_.target(), literal(bound))));
  auto lease = pool_.lease();
  auto count = [&](const std::string& table) -> Result<uint64_t> {
    Block block = TRY(lease->query("SELECT count() FROM " + table));
    return block.columns.at(0).get<uint64_t>(0);
  };
  rows_ = TRY(count(shadow_.target()));
  return TRY(count(keys));
}

Result<ParityCounts> ShadowTable::plan(uint64_t begin, uint64_t end, Version bound) {
  std::string key = clickhouse::quote_list(key_);
  std::string all = clickhouse::quote_list(columns_);
  std::string rows = table_.target("__parity_rows");
  std::string these = fmt::format("({0}) IN (SELECT {0} FROM {1} WHERE {2} >= {3} AND {2} < {4})", key,
                                  table_.target("__parity_keys"), number_column, begin, end);
  TRY_VOID(fill(
      rows,
      fmt::format(
          "INSERT INTO {0} ({1}, _sign, _op) SELECT {1}, _sign, multiIf(count() OVER (PARTITION BY {2}) > 1, "
          "'update', _sign = 1, 'insert', 'delete') FROM (SELECT {1}, toInt8(1) AS _sign FROM {3} WHERE {4} "
          "UNION ALL SELECT {1}, toInt8(-1) AS _sign FROM {5} FINAL WHERE _deleted = 0 AND {4}) WHERE ({2}) "
          "NOT IN (SELECT {2} FROM {5} WHERE _version > {6} AND {4})",
          rows, all, key, shadow_.target(), these, table_.target(), literal(bound))));
  Block block = TRY(pool_.lease()->query(fmt::format(
      "SELECT countIf(_op = 'insert') AS missing, countIf(_op = 'delete') AS extra, countIf(_op = 'update' "
      "AND _sign = 1) AS different FROM {}",
      rows)));
  auto number = [&](const char* name) { return block.find(name)->get<uint64_t>(0); };
  return ParityCounts{
      .missing = number("missing"), .extra = number("extra"), .different = number("different")};
}

Result<bool> ShadowTable::send(const Cut& cut) {
  auto columns_of = [&](const std::string& suffix) -> Result<std::vector<std::string>> {
    std::vector<std::string> names;
    for (const auto& column : TRY(clickhouse::table_columns(*pool_.lease(), "bronze", table_.name + suffix)))
      names.push_back(column.name);
    return names;
  };
  auto planned = TRY(columns_of("__parity_rows"));
  std::erase_if(planned, [](const std::string& name) { return name == "_sign" || name == "_op"; });
  for (const char* suffix : {"", "__changes"}) {
    if (*suffix != '\0' && !table_.has_changes) continue;
    auto there = TRY(columns_of(suffix));
    for (const auto& name : planned)
      if (std::find(there.begin(), there.end(), name) == there.end()) return false;
  }
  if (planned.empty()) return false;
  std::string all = clickhouse::quote_list(planned);
  std::string key = clickhouse::quote_list(key_);
  std::string rows = table_.target("__parity_rows");
  std::string tail = fmt::format("fromUnixTimestamp64Micro({}, 'UTC'), {}", cut.committed_at, cut.number);
  // The old side takes the even ordinal below its new side (base/version.h).
  std::string before = literal(cut.version - 1), after = literal(cut.version);
  auto insert = [&](const std::string& sql, const char* what) {
    auto settings = clickhouse::exactly_once_settings(cut.token + what);
    // Blocks are counted off behind the sort, however the parts were merged.
    settings["optimize_read_in_order"] = "0";
    return run(sql, std::move(settings));
  };
  if (table_.has_changes)
    TRY_VOID(insert(
        fmt::format("INSERT INTO {} ({}, _sign, _op, _version, _committed_at, _cut) SELECT {}, _sign, _op, "
                    "if(_sign < 0, {}, {}), {} FROM {} ORDER BY {}, _sign",
                    table_.target("__changes"), all, all, before, after, tail, rows, key),
        ":changes"));
  TRY_VOID(
      insert(fmt::format("INSERT INTO {} ({}, _deleted, _version, _committed_at, _cut) SELECT {}, 0, {}, {} "
                         "FROM {} WHERE _sign = 1 ORDER BY {}",
                         table_.target(), all, all, after, tail, rows, key),
             ":rows"));
  TRY_VOID(
      insert(fmt::format("INSERT INTO {} ({}, _deleted, _version, _committed_at, _cut) SELECT {}, 1, {}, {} "
                         "FROM {} WHERE _op = 'delete' ORDER BY {}",
                         table_.target(), key, key, before, tail, rows, key),
             ":gone"));
  return true;
}

}  // namespace tidemark::ingest
