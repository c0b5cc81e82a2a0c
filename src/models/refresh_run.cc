#include "models/refresh_run.h"

#include "base/limits.h"
#include "base/log.h"
#include "models/model_source.h"
#include "models/refresh_model.h"

#include <thread>

namespace tidemark::models {
namespace {

using clickhouse::QueryOptions;
using clickhouse::quote_identifier;
using clickhouse::quote_string;

QueryOptions fill_options(int64_t instant, const std::string& query_id) {
  QueryOptions options;
  options.settings = {
      {"insert_deduplicate", "0"},
      {"max_threads", "1"},
      {"max_partitions_per_insert_block", "0"},
      {"max_memory_usage", std::to_string(limits::refresh_memory_bytes)},
      {"max_bytes_before_external_group_by", std::to_string(limits::model_query_memory_bytes)},
      {"max_bytes_before_external_sort", std::to_string(limits::model_query_memory_bytes)},
      {"max_execution_time", std::to_string(limits::refresh_ms_max / 1000)}};
  options.parameters = {{std::string(refresh_instant), std::to_string(instant)}};
  options.timeout = std::chrono::milliseconds(limits::refresh_ms_max + 30'000);
  options.query_id = query_id;
  return options;
}

Status kill(clickhouse::Client& client, const std::string& query_id) {
  return client.execute("KILL QUERY WHERE query_id = " + quote_string(query_id) + " SYNC");
}

Result<std::vector<FencePosition>> fences(clickhouse::Client& client) {
  std::vector<FencePosition> positions;
  if (!TRY(clickhouse::table_exists(client, "tidemark", "cuts"))) return positions;
  Block block =
      TRY(client.query("SELECT source, argMax(epoch, epoch), argMax(cut, epoch), argMax(end_lsn, epoch) FROM "
                       "tidemark.cuts FINAL WHERE state = 'fenced' GROUP BY source ORDER BY source"));
  for (size_t row = 0; row < block.rows(); ++row)
    positions.push_back({std::string(block.columns[0].text(row)), block.columns[1].get<uint64_t>(row),
                         block.columns[2].get<uint64_t>(row), block.columns[3].get<uint64_t>(row)});
  return positions;
}

// A SELECT in brackets that is neither in FROM nor behind IN is computed while the query is planned.
bool reads_while_planned(const std::string& sql) {
  auto tokens = tokenize(sql);
  if (!tokens) return true;
  for (size_t index = 1; index + 1 < tokens->size(); ++index) {
    if (!(*tokens)[index].is("(") || !(*tokens)[index + 1].keyword("SELECT")) continue;
    const Token& before = (*tokens)[index - 1];
    if (!before.keyword("FROM") && !before.keyword("JOIN") && !before.is("(")) return true;
  }
  return false;
}

// The INSERT on a thread of its own, so that it can be watched and killed.
class Fill {
 public:
  Fill(clickhouse::ClientPool& pool, const CompiledModel& model, const RefreshRun& run, std::string query_id)
      : pool_(pool), query_id_(std::move(query_id)), reads_early_(reads_while_planned(model.fill_select)) {
    std::vector<std::string> names;
    for (const auto& column : model.columns) names.push_back(quote_identifier(column.name));
    sql_ = "INSERT INTO " + model.next + " (" + joined(names) + ") SELECT " + joined(names) + " FROM (" +
           model.fill_select + "\n)";
    options_ = fill_options(run.started_at, query_id_);
  }
  ~Fill() {
    if (thread_.joinable()) end();
  }
  Fill(const Fill&) = delete;
  Fill& operator=(const Fill&) = delete;

  void start() {
    thread_ = std::thread([this] {
      result_ = pool_.lease()->execute(sql_, options_);
      done_ = true;
    });
  }

  // Until it holds what it reads, or is done.
  Status hold(const Clock& clock) {
    auto client = pool_.lease();
    int64_t deadline =
        clock.monotonic_micros() +
        std::chrono::duration_cast<std::chrono::microseconds>(limits::refresh_hold_max).count();
    while (!done_ && clock.monotonic_micros() < deadline) {
      if (!reads_early_) {
        Block seen = TRY(client->query("SELECT max(read_rows) FROM system.processes WHERE query_id = " +
                                       quote_string(query_id_)));
        if (seen.rows() == 1 && seen.columns[0].get<uint64_t>(0) > 0) return {};
      }
      std::this_thread::sleep_for(limits::refresh_poll_every);
    }
    if (!done_ && !reads_early_)
      log::warn("{}: planning took longer than cuts may wait; its tables may not be of one commit",
                query_id_);
    return {};
  }

  Status wait(const std::atomic<bool>& stop) {
    while (!done_ && !stop) std::this_thread::sleep_for(limits::refresh_poll_every);
    if (!done_) {
      end();
      return fail(ErrorKind::cancelled, "stopped while it was refreshed");
    }
    thread_.join();
    return std::move(result_);
  }

 private:
  // Again and again: the query may not have arrived yet.
  void end() {
    while (!done_) {
      (void)kill(*pool_.lease(), query_id_);
      std::this_thread::sleep_for(limits::refresh_poll_every);
    }
    thread_.join();
  }

  clickhouse::ClientPool& pool_;
  std::string query_id_, sql_;
  QueryOptions options_;
  bool reads_early_;
  Status result_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

Status run(clickhouse::ClientPool& pool, const CompiledModel& model, const RefreshHooks& hooks,
           const Clock& clock, const std::atomic<bool>& stop, RefreshRun& facts) {
  std::string query_id = "refresh " + model.next;
  TRY_VOID(kill(*pool.lease(), query_id));
  TRY_VOID(pool.lease()->execute("TRUNCATE TABLE " + model.next + " SYNC"));
  Fill fill(pool, model, facts, query_id);
  auto begin = [&]() -> Status {
    facts.as_of = TRY(fences(*pool.lease()));
    fill.start();
    return hooks.at_fence ? fill.hold(clock) : Status();
  };
  TRY_VOID(hooks.at_fence ? hooks.at_fence(begin) : begin());
  TRY_VOID(fill.wait(stop));

  auto client = pool.lease();
  auto tokens = TRY(tokenize(model.next));
  Block size =
      TRY(client->query("SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = "
                        "{database:String} AND "
                        "table = {table:String}",
                        {.parameters = {{"database", tokens[0].name}, {"table", tokens[2].name}}}));
  facts.rows = size.columns[0].get<uint64_t>(0);
  facts.bytes = size.columns[1].get<uint64_t>(0);
  if (hooks.before_swap) TRY_VOID(hooks.before_swap(model, model.next));
  TRY_VOID(client->execute("EXCHANGE TABLES " + model.store + " AND " + model.next, {.query_id = query_id}));
  if (hooks.after_swap) hooks.after_swap(model);
  return {};
}

Status write(clickhouse::Client& client, const RefreshRun& facts) {
  std::vector<std::string> positions;
  for (const auto& position : facts.as_of)
    positions.push_back(fmt::format("({}, {}, {}, {})", quote_string(position.source), position.epoch,
                                    position.cut, position.end_lsn));
  return client.execute(fmt::format(
      "INSERT INTO tidemark.refreshes (model, fingerprint, started_at, finished_at, rows, bytes, error, "
      "as_of) "
      "SELECT {}, {}, fromUnixTimestamp64Micro({}, 'UTC'), fromUnixTimestamp64Micro({}, 'UTC'), {}, {}, {}, "
      "CAST([{}] AS Array(Tuple(source String, epoch UInt64, cut UInt64, end_lsn UInt64)))",
      quote_string(facts.model), quote_string(facts.fingerprint), facts.started_at, facts.finished_at,
      facts.rows, facts.bytes, quote_string(facts.error), joined(positions)));
}

constexpr const char* select_runs =
    "SELECT model, fingerprint, toUnixTimestamp64Micro(started_at), toUnixTimestamp64Micro(finished_at), "
    "rows, "
    "bytes, as_of.source, as_of.epoch, as_of.cut, as_of.end_lsn FROM tidemark.refreshes WHERE error = ''";

// `tail` stands behind the WHERE clause.
std::string runs_query(std::string_view tail) {
  return fmt::format("{} {}", select_runs, tail);
}

std::vector<RefreshRun> runs_of(const Block& block) {
  std::vector<RefreshRun> runs;
  for (size_t row = 0; row < block.rows(); ++row) {
    RefreshRun run;
    run.model = block.columns[0].text(row);
    run.fingerprint = block.columns[1].text(row);
    run.started_at = block.columns[2].get<int64_t>(row);
    run.finished_at = block.columns[3].get<int64_t>(row);
    run.rows = block.columns[4].get<uint64_t>(row);
    run.bytes = block.columns[5].get<uint64_t>(row);
    const Column& sources = block.columns[6];
    for (size_t index = sources.array_begin(row); index < sources.array_end(row); ++index)
      run.as_of.push_back(
          {std::string(sources.element().text(index)), block.columns[7].element().get<uint64_t>(index),
           block.columns[8].element().get<uint64_t>(index), block.columns[9].element().get<uint64_t>(index)});
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace

Status prepare_refresh_facts(clickhouse::Client& client) {
  TRY_VOID(client.execute("CREATE DATABASE IF NOT EXISTS tidemark"));
  return client.execute(
      fmt::format("CREATE TABLE IF NOT EXISTS tidemark.refreshes (model String, fingerprint String, "
                  "started_at DateTime64(6, "
                  "'UTC'), finished_at DateTime64(6, 'UTC'), rows UInt64, bytes UInt64, error String, as_of "
                  "Array(Tuple(source String, epoch UInt64, cut UInt64, end_lsn UInt64))) ENGINE = MergeTree "
                  "ORDER BY (model, "
                  "started_at) TTL toDateTime(started_at) + INTERVAL {} DAY",
                  limits::refresh_facts_days));
}

Result<RefreshRun> run_refresh(clickhouse::ClientPool& pool, const CompiledModel& model,
                               const RefreshHooks& hooks, const Clock& clock, const std::atomic<bool>& stop) {
  RefreshRun facts{.model = model.name, .fingerprint = model.fingerprint};
  facts.started_at = clock.wall_micros();
  Status done = run(pool, model, hooks, clock, stop, facts);
  facts.finished_at = clock.wall_micros();
  if (!done) facts.error = done.error().message;
  Status written = write(*pool.lease(), facts);
  if (!done) return fail(std::move(done.error()).in("model " + model.name));
  TRY_VOID(std::move(written));
  return facts;
}

Result<std::map<std::string, RefreshRun>> last_refreshes(clickhouse::Client& client) {
  std::map<std::string, RefreshRun> last;
  if (!TRY(clickhouse::table_exists(client, "tidemark", "refreshes"))) return last;
  Block block = TRY(client.query(runs_query("ORDER BY started_at DESC, finished_at DESC LIMIT 1 BY model")));
  for (auto& run : runs_of(block)) last[run.model] = std::move(run);
  return last;
}

Result<std::optional<RefreshRun>> last_refresh(clickhouse::Client& client, const CompiledModel& model) {
  if (!TRY(clickhouse::table_exists(client, "tidemark", "refreshes"))) return std::nullopt;
  Block block = TRY(
      client.query(runs_query("AND model = {model:String} AND fingerprint = {fingerprint:String} ORDER BY "
                              "started_at DESC, finished_at DESC LIMIT 1"),
                   {.parameters = {{"model", model.name}, {"fingerprint", model.fingerprint}}}));
  auto runs = runs_of(block);
  if (runs.empty()) return std::nullopt;
  return std::move(runs.front());
}

Result<int64_t> instant_of_result(clickhouse::Client& client, const CompiledModel& model) {
  if (auto run = TRY(last_refresh(client, model))) return run->started_at;
  Block made = TRY(client.query("SELECT " + instant_of_fill(model.store)));
  return made.columns[0].get<int64_t>(0);
}

}  // namespace tidemark::models
