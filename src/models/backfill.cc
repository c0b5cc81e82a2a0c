#include "models/backfill.h"

#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/cluster.h"
#include "clickhouse/retry.h"
#include "models/model_source.h"
#include "models/query_settings.h"

#include <atomic>

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;
using clickhouse::quote_table;

constexpr std::string_view query_prefix = "tidemark-backfill-";

// "`analytics`.`x`" + "__fill"
std::string with_suffix(std::string quoted, std::string_view suffix) {
  return quoted.insert(quoted.size() - 1, suffix);
}

std::string filter_setting(const std::pair<std::string, std::string>& table, const std::string& condition) {
  return "{" + quote_string(table.first + "." + table.second) + ": " + quote_string(condition) + "}";
}

}  // namespace

std::set<std::string> mirrored_tables_in(const CompiledModel& model, const std::string& sql) {
  std::set<std::string> found;
  for (const auto& table : model.tables_in_depth)
    for (const char* suffix : {"", "__current"})
      if (sql.find(quote_table("bronze", table.substr(7) + suffix)) != std::string::npos) found.insert(table);
  return found;
}

Backfill::Backfill(const CompiledModel& model, std::string deployment, bool additive, uint64_t chunk_rows,
                   std::vector<std::string> partitions)
    : model_(model),
      deployment_(std::move(deployment)),
      additive_(additive),
      chunk_rows_(chunk_rows),
      tables_(additive ? mirrored_tables_in(model, model.backfill_statement) : std::set<std::string>()),
      snapshots_(deployment_, tables_),
      partitions_(std::move(partitions)) {
  const std::string into = "INSERT INTO " + model.store;
  if (model.backfill_statement.starts_with(into)) {
    into_ = into;
    select_ = model.backfill_statement.substr(into.size());
  }
  auto read = mirrored_tables_in(model, model.backfill_statement);
  if (read.size() == 1 && model.form != StoreForm::keyed) ranged_ = {"bronze", read.begin()->substr(7)};
  if (!additive_) return;
  fill_table_ = with_suffix(model.store, "__fill");
  into_ = "INSERT INTO " + fill_table_;
  select_ = snapshots_.over(select_);
  if (!ranged_.second.empty()) ranged_ = {"tidemark", snapshots_.name_of(*read.begin())};
}

std::string Backfill::statement() const {
  if (partitions_.empty()) return into_ + select_;
  std::vector<std::string> quoted;
  for (const auto& partition : partitions_) quoted.push_back(quote_string(partition));
  return into_ + " SELECT * FROM (" + select_ + "\n) WHERE toString(" + model_.file.partition_by + ") IN (" +
         joined(quoted) + ")";
}

Status Backfill::make_fill_table(clickhouse::Client& client) const {
  if (select_.empty())
    return fail(ErrorKind::internal,
                fmt::format("the statement that fills {} does not begin with INSERT INTO it", model_.name));
  if (!additive_) return {};
  return client.execute("CREATE TABLE IF NOT EXISTS " + fill_table_ + " AS " + model_.store);
}

Status Backfill::record(clickhouse::Client& client, const std::vector<BackfillChunk>& chunks,
                        const char* state) {
  std::vector<std::string> rows, partitions;
  for (const auto& partition : partitions_) partitions.push_back(quote_string(partition));
  for (const auto& chunk : chunks)
    rows.push_back(fmt::format("({}, {}, {}, {}, {}, {}, {}, CAST([{}] AS Array(String)))",
                               quote_string(deployment_), quote_string(model_.name), chunk.number,
                               quote_string(chunk.condition), quote_string(state), chunk.rows,
                               system_clock().wall_micros(), joined(partitions)));
  return client.execute(
      "INSERT INTO tidemark.backfills (deployment, model, chunk, condition, state, rows, at, partitions) "
      "VALUES " +
      joined(rows));
}

// What is to do: as it was written down by whoever began, or new.
Status Backfill::plan(clickhouse::Client& client) {
  TRY_VOID(client.execute(
      "CREATE TABLE IF NOT EXISTS tidemark.backfills (deployment String, model String, chunk "
      "UInt32, condition "
      "String, state LowCardinality(String), rows UInt64, at UInt64, partitions Array(String)) ENGINE = "
      "ReplacingMergeTree(at) ORDER BY "
      "(deployment, model, chunk) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"));
  Block known =
      TRY(client.query("SELECT chunk, condition, rows, state = 'done', partitions FROM tidemark.backfills "
                       "FINAL WHERE deployment = "
                       "{deployment:String} AND model = {model:String} ORDER BY chunk",
                       {.parameters = {{"deployment", deployment_}, {"model", model_.name}}}));
  chunks_.clear();
  for (size_t row = 0; row < known.rows(); ++row)
    chunks_.push_back({.number = known.columns[0].get<uint32_t>(row),
                       .condition = std::string(known.columns[1].text(row)),
                       .rows = known.columns[2].get<uint64_t>(row),
                       .done = known.columns[3].get<uint8_t>(row) != 0});
  if (!chunks_.empty()) {
    partitions_.clear();
    const Column& list = known.columns[4];
    for (size_t index = list.array_begin(0); index < list.array_end(0); ++index)
      partitions_.emplace_back(list.element().text(index));
    return {};
  }

  uint64_t rows = 0;
  std::vector<std::string> bounds;  // descending
  std::string column, type;
  for (const auto& table : mirrored_tables_in(model_, model_.backfill_statement)) {
    Block parts = TRY(client.query("SELECT sum(rows) FROM " + clickhouse::system_table(client, "parts") +
                                       " WHERE active AND database = 'bronze' AND table = {table:String}",
                                   {.parameters = {{"table", table.substr(7)}}}));
    rows += parts.columns[0].get<uint64_t>(0);
  }
  uint64_t pieces = rows / chunk_rows_ + 1;
  if (!ranged_.second.empty() && pieces > 1) {
    // The first column of the sorting key, when it is a plain column.
    Block sorting =
        TRY(client.query("SELECT sorting_key FROM " + clickhouse::system_table(client, "tables") +
                             " WHERE database = {database:String} AND name = {table:String}",
                         {.parameters = {{"database", ranged_.first}, {"table", ranged_.second}}}));
    auto tokens = TRY(tokenize(sorting.rows() == 1 ? sorting.columns[0].text(0) : std::string_view()));
    if (!tokens.empty() && tokens[0].is("("))
      tokens.erase(tokens.begin());  // the server writes (id) and a, b
    bool plain = !tokens.empty() && tokens[0].identifier() &&
                 (tokens.size() == 1 || tokens[1].is(",") || tokens[1].is(")"));
    Block key =
        TRY(client.query("SELECT name, type FROM system.columns WHERE database = {database:String} AND table "
                         "= {table:String} AND "
                         "name = {name:String}",
                         {.parameters = {{"database", ranged_.first},
                                         {"table", ranged_.second},
                                         {"name", plain ? tokens[0].name : std::string()}}}));
    if (key.rows() == 1) {
      column = quote_identifier(key.columns[0].text(0));
      type = key.columns[1].text(0);
      // The sparse index knows the key at every granule: enough to cut the table into even pieces.
      // One shard is like another: its keys cut all of them into even pieces.
      const auto& cluster = client.endpoint().cluster;
      std::string marks_query = fmt::format(
          "SELECT DISTINCT toString(bound) FROM (SELECT {0} AS bound, row_number() OVER (ORDER BY {0}) AS "
          "number, count() OVER () AS total FROM mergeTreeIndex({1}, {2})) WHERE number % greatest(1, "
          "intDiv(total, {3})) = 0 ORDER BY bound DESC",
          column, quote_string(cluster ? clickhouse::shard_database(ranged_.first) : ranged_.first),
          quote_string(ranged_.second), pieces);
      Block marks = TRY(cluster ? cluster->shard(0).query(marks_query) : client.query(marks_query));
      for (size_t row = 0; row < marks.rows(); ++row) bounds.emplace_back(marks.columns[0].text(row));
    }
  }
  auto literal = [&](const std::string& text) { return "CAST(" + quote_string(text) + " AS " + type + ")"; };
  for (size_t index = 0; index <= bounds.size(); ++index) {
    std::string condition;
    if (index < bounds.size()) condition = column + " >= " + literal(bounds[index]);
    if (index > 0)
      condition += (condition.empty() ? "" : " AND ") + column + " < " + literal(bounds[index - 1]);
    chunks_.push_back({.number = static_cast<uint32_t>(index),
                       .condition = std::move(condition),
                       .rows = rows / (bounds.size() + 1)});
  }
  return record(client, chunks_, "waiting");
}

Status Backfill::fill(clickhouse::Client& client, const BackfillChunk& chunk, const BackfillHooks& hooks) {
  clickhouse::QueryOptions options;
  options.settings = model_query_settings();
  std::string token = fmt::format("backfill:{}:{}:{}", deployment_, model_.name, chunk.number);
  if (additive_) {
    for (const auto& [name, value] : clickhouse::exactly_once_settings(token)) options.settings[name] = value;
    // One block a partition, however much comes out: that is what the token stands for.
    options.settings["min_insert_block_size_rows"] = "1000000000";
    options.settings["min_insert_block_size_bytes"] = "0";
  } else {
    options.settings["insert_deduplicate"] = "0";
    options.settings["max_threads"] = "1";
  }
  options.settings["max_execution_time"] = "0";
  options.settings["max_partitions_per_insert_block"] = "0";
  auto ranged = ranged_;
  // A store of change rows is made of what its own shard has; a keyed one of everything, by its key.
  if (model_.form != StoreForm::keyed && model_.form != StoreForm::result && client.endpoint().cluster) {
    auto read = mirrored_tables_in(model_, model_.backfill_statement);
    if (!std::includes(model_.fed_by.begin(), model_.fed_by.end(), read.begin(), read.end()))
      return fail(ErrorKind::unsupported,
                  fmt::format("{} is filled from tables that lie on several shards", model_.name),
                  "use `-- kind: keyed` or `-- kind: view` on a cluster");
    options.placement = clickhouse::Placement::shards;
    ranged.first = clickhouse::shard_database(ranged.first);
  }
  if (!chunk.condition.empty())
    options.settings["additional_table_filters"] = filter_setting(ranged, chunk.condition);
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  clickhouse::RetryPolicy policy;
  policy.deadline = limits::apply_deadline;
  std::atomic<bool> stop{false};
  int attempt = 0;
  Status filled = clickhouse::retry(policy, stop, [&]() -> Status {
    options.query_id =
        fmt::format("{}{}-{}-{}", query_prefix, deployment_, system_clock().wall_micros(), ++attempt);
    Status sent = client.execute(statement(), options);
    if (!sent && hooks.stopping && hooks.stopping()) stop = true;
    return sent;
  });
  if (!filled && hooks.stopping && hooks.stopping())
    return fail(ErrorKind::cancelled, "stopped; what is filled stays filled");
  return filled;
}

Status Backfill::run(clickhouse::Client& client, const BackfillHooks& hooks) {
  TRY_VOID(plan(client));
  BackfillProgress progress{.chunks = chunks_.size()};
  for (const auto& chunk : chunks_) {
    progress.rows_total += chunk.rows;
    if (!chunk.done) continue;
    progress.rows += chunk.rows;
    ++progress.chunk;
  }
  for (auto& chunk : chunks_) {
    if (hooks.progress) hooks.progress(progress);
    if (chunk.done) continue;
    if (hooks.stopping && hooks.stopping())
      return fail(ErrorKind::cancelled, "stopped; what is filled stays filled");
    if (hooks.breathe) hooks.breathe();
    TRY_VOID(fill(client, chunk, hooks));
    chunk.done = true;
    TRY_VOID(record(client, {chunk}, "done"));
    progress.rows += chunk.rows;
    ++progress.chunk;
  }
  if (hooks.progress) hooks.progress(progress);
  return {};
}

Status Backfill::join(clickhouse::Client& client) const {
  if (!additive_) return {};
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::milliseconds(limits::model_statement_ms_max);
  return client.execute("ALTER TABLE " + model_.store + " ATTACH PARTITION ALL FROM " + fill_table_, options);
}

Status cancel_backfills(clickhouse::Client& client) {
  std::string kill = "KILL QUERY WHERE startsWith(query_id, " + quote_string(query_prefix) + ") ASYNC";
  if (client.endpoint().cluster) TRY_VOID(client.execute(kill, {.placement = clickhouse::Placement::shards}));
  return client.execute(kill);
}

}  // namespace tidemark::models
