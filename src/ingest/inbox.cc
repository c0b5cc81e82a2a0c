#include "ingest/inbox.h"

#include "clickhouse/schema.h"
#include "ingest/inbox_limits.h"
#include "ingest/posted_rows.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::ingest {

using clickhouse::quote_identifier;
using clickhouse::quote_table;

namespace {

constexpr const char* durable = "fsync_after_insert = 1, fsync_part_directory = 1";

// What looks ten times a second need not be remembered ten times a second.
clickhouse::QueryOptions unlogged() {
  clickhouse::QueryOptions options;
  options.settings = {{"log_queries", "0"}};
  return options;
}

}  // namespace

CapturedTable captured_insert_table(const config::InsertTable& table, bool has_changes) {
  return captured_rows(
      {.table = table.mirrored_name(), .columns = table.columns, .key = table.key, .where = table.where},
      has_changes);
}

Inbox::Inbox(const config::InsertTable& table, clickhouse::ClientPool& pool)
    : table_(table),
      pool_(pool),
      display_(table.full_name()),
      people_(quote_table(table.database, table.table)),
      inbox_(quote_table("tidemark", "inbox_" + table.mirrored_name())),
      feed_(quote_table("tidemark", "feed_" + table.mirrored_name())),
      inbox_name_("inbox_" + table.mirrored_name()) {
  std::vector<std::string> names;
  for (const auto& [name, type] : table.columns) names.push_back(name);
  columns_ = clickhouse::quote_list(names);
}

Status Inbox::prepare() {
  std::vector<std::string> plain, with_defaults;
  for (const auto& [name, type] : table_.columns) {
    plain.push_back(quote_identifier(name) + " " + type.name());
    auto given = table_.defaults.find(name);
    with_defaults.push_back(plain.back() +
                            (given == table_.defaults.end() ? "" : " DEFAULT " + given->second));
  }
  std::string engine = "MergeTree";
  if (!table_.key.empty()) {
    std::vector<std::string> arguments;
    for (const auto& name : {table_.version, table_.deleted})
      if (!name.empty()) arguments.push_back(quote_identifier(name));
    engine = fmt::format("ReplacingMergeTree({})", fmt::join(arguments, ", "));
  }
  auto client = pool_.lease();
  TRY_VOID(client->execute("CREATE DATABASE IF NOT EXISTS " + quote_identifier(table_.database)));
  TRY_VOID(client->execute(
      fmt::format("CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = {} ORDER BY ({}) SETTINGS {}", people_,
                  fmt::join(with_defaults, ", "), engine, clickhouse::quote_list(table_.key), durable)));
  TRY_VOID(check_shape(*client));
  // Blocks keep their numbers, and rows their places in them, through merges: what waits for a program that
  // does not run is merged like everything else.
  TRY_VOID(client->execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {} ({}, _gone UInt8 DEFAULT 0, _at DateTime64(6, 'UTC') DEFAULT "
      "now64(6)) ENGINE = MergeTree ORDER BY tuple() SETTINGS enable_block_number_column = 1, "
      "enable_block_offset_column = 1, {}",
      inbox_, fmt::join(plain, ", "), durable)));
  return client->execute(
      fmt::format("CREATE MATERIALIZED VIEW IF NOT EXISTS {} TO {} ({}) AS SELECT {} FROM {}", feed_, inbox_,
                  fmt::join(plain, ", "), columns_, people_));
}

Status Inbox::check_shape(clickhouse::Client& client) {
  for (const auto& [database, name] :
       {std::pair(table_.database, table_.table), std::pair(std::string("tidemark"), inbox_name_)}) {
    auto existing = TRY(clickhouse::table_columns(client, database, name));
    if (existing.empty()) continue;
    for (const auto& [column, type] : table_.columns) {
      auto found = std::find_if(existing.begin(), existing.end(),
                                [&](const auto& other) { return other.name == column; });
      std::string difference;
      if (found == existing.end())
        difference = fmt::format("has no column `{}`", column);
      else if (found->type != type.name())
        difference =
            fmt::format("has a column `{}` of type {}, and {} is declared", column, found->type, type.name());
      if (!difference.empty())
        return fail(ErrorKind::config, fmt::format("the table {}.{} {}", database, name, difference),
                    "declare the columns it has, or give the table another name");
    }
  }
  std::string sorted =
      TRY(client.query_text("SELECT sorting_key FROM system.tables WHERE database = "
                            "{database:String} AND name = {name:String} FORMAT TSVRaw",
                            {.parameters = {{"database", table_.database}, {"name", table_.table}}}));
  if (!sorted.empty() && sorted.back() == '\n') sorted.pop_back();
  if (sorted.starts_with('(')) sorted = sorted.substr(1, sorted.size() - 2);
  std::string wanted = fmt::format("{}", fmt::join(table_.key, ", "));
  if (sorted != wanted && sorted != clickhouse::quote_list(table_.key))
    return fail(ErrorKind::config,
                fmt::format("the table {} is ordered by ({}), and its key is declared as ({})", display_,
                            sorted, wanted),
                "declare the key it has, or give the table another name");
  return {};
}

// The lock under which a block gets its number is the one under which it becomes visible: behind the newest
// number nothing comes any more.
Result<Inbox::Waiting> Inbox::look(uint64_t after, uint64_t fenced) {
  auto options = unlogged();
  options.parameters = {{"name", inbox_name_}};
  Block parts =
      TRY(pool_.query("SELECT name, toUInt64(max_block_number) AS last, rows FROM system.parts WHERE "
                      "database = 'tidemark' AND "
                      "table = {name:String} AND active ORDER BY last",
                      options));
  Waiting waiting;
  for (size_t row = 0; row < parts.rows(); ++row) {
    auto last = parts.columns[1].get<uint64_t>(row);
    auto rows = parts.columns[2].get<uint64_t>(row);
    waiting.newest = std::max(waiting.newest, last);
    // Parts that were dropped leave empty ones for a moment.
    if (last > after && rows > 0) waiting.pieces.push_back({last, rows});
    if (last <= fenced && rows > 0) waiting.done.emplace_back(parts.columns[0].text(row));
  }
  if (!waiting.done.empty() && waiting.newest <= fenced) waiting.done.pop_back();
  return waiting;
}

std::string Inbox::order_of_version() const {
  if (table_.version.empty()) return "toUInt64(0)";
  for (const auto& [name, type] : table_.columns)
    if (name == table_.version) {
      std::string quoted = quote_identifier(name);
      if (type.kind == TypeKind::datetime64)
        return fmt::format("toUInt64(greatest(0, toUnixTimestamp64Nano(toDateTime64({}, 9))))", quoted);
      return fmt::format("toUInt64({})", quoted);
    }
  return "toUInt64(0)";
}

Status Inbox::read(uint64_t after, uint64_t last,
                   const std::function<Status(const Block&, size_t, const Row&)>& take) {
  size_t width = table_.columns.size();
  std::string gone = table_.deleted.empty()
                         ? "_gone"
                         : fmt::format("toUInt8(_gone OR {} != 0)", quote_identifier(table_.deleted));
  // No column of people's begins with _, so no name here takes the place of one of theirs.
  std::string sql = fmt::format(
      "SELECT {}, _block_number AS _number, _block_offset AS _place, {} AS _order, {} AS _is_gone, _at AS "
      "_inserted_at FROM {} "
      "WHERE _block_number > {} AND _block_number <= {} ORDER BY _block_number, _block_offset",
      columns_, order_of_version(), gone, inbox_, after, last);
  auto options = unlogged();
  options.timeout = std::chrono::minutes(10);
  return pool_.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
    for (size_t row = 0; row < block.rows(); ++row) {
      Row place{.block = block.columns[width].get<uint64_t>(row),
                .offset = block.columns[width + 1].get<uint64_t>(row),
                .order = block.columns[width + 2].get<uint64_t>(row),
                .gone = block.columns[width + 3].get<uint8_t>(row) != 0,
                .at = block.columns[width + 4].get<int64_t>(row)};
      TRY_VOID(take(block, row, place));
    }
    return {};
  });
}

Status Inbox::drop(const std::vector<std::string>& parts) {
  for (size_t from = 0; from < parts.size(); from += limits::inbox_parts_a_drop) {
    std::vector<std::string> commands;
    for (size_t index = from; index < std::min(parts.size(), from + limits::inbox_parts_a_drop); ++index)
      commands.push_back("DROP PART " + clickhouse::quote_string(parts[index]));
    TRY_VOID(pool_.lease()->execute(fmt::format("ALTER TABLE {} {}", inbox_, fmt::join(commands, ", ")),
                                    unlogged()));
  }
  return {};
}

Result<std::string> Inbox::mutations() {
  auto options = unlogged();
  options.parameters = {{"database", table_.database}, {"table", table_.table}};
  return pool_.lease()->query_text(
      "SELECT count(), max(mutation_id) FROM system.mutations WHERE database = {database:String} AND table = "
      "{table:String} AND is_done FORMAT TSV",
      options);
}

Status Inbox::reconcile(const CapturedTable& mirror, int64_t settled) {
  if (mirror.log) return {};
  std::string key = clickhouse::quote_list(table_.key);
  auto options = clickhouse::QueryOptions{};
  options.timeout = std::chrono::hours(1);
  auto client = pool_.lease();
  TRY_VOID(client->execute(
      fmt::format("INSERT INTO {0} ({1}) SELECT {1} FROM {2} FINAL WHERE sipHash128({1}) NOT IN (SELECT "
                  "sipHash128({1}) FROM {3})",
                  inbox_, columns_, people_, mirror.target("__current")),
      options));
  return client->execute(
      fmt::format(
          "INSERT INTO {0} ({1}, _gone) SELECT {1}, 1 FROM {2} FINAL WHERE _deleted = 0 AND "
          "_committed_at < fromUnixTimestamp64Micro({3}, 'UTC') AND ({4}) NOT IN (SELECT {4} FROM {5} "
          "FINAL)",
          inbox_, columns_, mirror.target(), settled, key, people_),
      options);
}

}  // namespace tidemark::ingest
