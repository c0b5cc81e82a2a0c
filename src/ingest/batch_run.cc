#include "ingest/batch_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "ingest/batch_limits.h"

#include <thread>

namespace tidemark::ingest {
namespace {

// The table's own fault: trying the others makes sense.
bool of_the_table(const Error& error) {
  return error.kind == ErrorKind::refused || error.kind == ErrorKind::config ||
         error.kind == ErrorKind::unsupported;
}

bool same_columns(const postgres::SourceTable& left, const postgres::SourceTable& right) {
  if (left.schema != right.schema || left.name != right.name || left.columns.size() != right.columns.size())
    return false;
  for (size_t index = 0; index < left.columns.size(); ++index) {
    const auto& one = left.columns[index];
    const auto& other = right.columns[index];
    if (one.name != other.name || one.attribute_number != other.attribute_number ||
        one.type_oid != other.type_oid || one.type_modifier != other.type_modifier ||
        one.target != other.target)
      return false;
  }
  return true;
}

}  // namespace

BatchRun::BatchRun(BatchRunOptions options, postgres::Connection& connection, clickhouse::ClientPool& pool,
                   StateStore& state, BatchCutter& cutter, SourceProgress& progress, const Clock& clock,
                   std::function<void(const BatchTable&, uint64_t rows)> on_rows,
                   const std::atomic<bool>& stop)
    : options_(std::move(options)),
      connection_(connection),
      pool_(pool),
      state_(state),
      cutter_(cutter),
      progress_(progress),
      clock_(clock),
      on_rows_(std::move(on_rows)),
      stop_(stop),
      policy_(apply_policy("batch")) {}

Status BatchRun::check_shape(const BatchTable& table) {
  auto now = TRY(postgres::read_table(connection_, table.captured.source.oid));
  if (same_columns(now, table.captured.source)) return {};
  return fail(ErrorKind::unsupported,
              fmt::format("table {} changed since it was loaded", table.captured.source.display()),
              "load the source again under the new shape with: tidemark up --recopy");
}

// Checkpoint first, then who is open, then the snapshot: see batch_progress.h.
Status BatchRun::begin(const std::vector<DueTable>& due) {
  std::map<BatchTable*, CursorCheckpoint> fresh;
  uint64_t number = progress_.checkpoints + 1;
  for (const auto& one : due) {
    BatchTable* table = one.table;
    TableProgress& progress = progress_.tables[table->captured.name];
    auto note_failure = [&](Status done) -> Status {
      if (done) return {};
      if (!of_the_table(done.error())) return done;
      failed_early_.insert(table->captured.name);
      failures_.push_back({.table = table->captured.name, .error = std::move(done.error())});
      return {};
    };
    TRY_VOID(note_failure(check_shape(*table)));
    if (failed_early_.contains(table->captured.name)) continue;
    if (progress.walk != table->walk_name()) {
      // A place in another order says nothing. Rows that are there already make no change rows.
      TableProgress anew{.loaded = progress.loaded, .walk = table->walk_name()};
      progress = std::move(anew);
    }
    if (!one.read || progress.reading) continue;
    CursorCheckpoint checkpoint{.number = number};
    if (!table->cursor.empty()) {
      auto newest = connection_.query(table->newest_cursor_sql());
      if (!newest) {
        TRY_VOID(note_failure(fail(std::move(newest.error()))));
        continue;
      }
      if (newest->size() > 0) checkpoint.cursor = std::string(newest->at(0, 0));
    }
    fresh.emplace(table, std::move(checkpoint));
  }
  bool cursors =
      std::any_of(fresh.begin(), fresh.end(), [](const auto& entry) { return !entry.first->cursor.empty(); });
  if (cursors) {
    auto open = TRY(postgres::read_open_transactions(connection_, options_.application));
    progress_.checkpoints = number;
    progress_.open[number] = open;
    auto patience = options_.loading ? limits::batch_settle_load : limits::batch_settle_run;
    int64_t deadline = clock_.monotonic_micros() + patience.count() * 1000;
    progress_.look(open);
    while (!stop_ && !postgres::all_ended(progress_.open[number]) && clock_.monotonic_micros() < deadline) {
      std::this_thread::sleep_for(limits::batch_settle_poll);
      progress_.look(TRY(postgres::read_open_transactions(connection_, options_.application)));
    }
  }
  for (const char* setting : {"statement_timeout = 0", "idle_in_transaction_session_timeout = 0"})
    TRY_VOID(connection_.execute(std::string("SET ") + setting));
  snapshot_ = TRY(postgres::begin_snapshot(connection_));
  cutter_.begin_run(snapshot_.taken_micros);
  for (auto& [table, checkpoint] : fresh) {
    TableProgress& progress = progress_.tables[table->captured.name];
    if (table->cursor.empty()) {
      progress.reading = true;
      progress.after.clear();
    } else {
      progress_.begin_read(progress, checkpoint);
    }
  }
  return {};
}

Result<std::vector<TableFailure>> BatchRun::run(const std::vector<DueTable>& due) {
  TRY_VOID(begin(due));
  for (const auto& one : due) {
    const std::string& name = one.table->captured.name;
    if (stop_) return fail(ErrorKind::cancelled, "stopped");
    if (failed_early_.contains(name)) continue;
    TRY_VOID(connection_.execute("SAVEPOINT one_table"));
    Status done = table(one);
    if (done) {
      TRY_VOID(connection_.execute("RELEASE SAVEPOINT one_table"));
      continue;
    }
    if (!of_the_table(done.error())) return fail(std::move(done.error()).in(one.table->captured.display()));
    // The warehouse's refusal comes the same way; then this fails, too, or the next table does.
    TRY_VOID(connection_.execute("ROLLBACK TO SAVEPOINT one_table"));
    failures_.push_back({.table = name, .error = std::move(done.error())});
  }
  TRY_VOID(connection_.execute("COMMIT"));
  progress_.forget();
  return std::move(failures_);
}

Status BatchRun::table(const DueTable& due) {
  TableProgress& progress = progress_.tables[due.table->captured.name];
  if (due.read || progress.reading) TRY_VOID(read(*due.table, progress));
  if (!due.compare) return {};
  TRY_VOID(compare(*due.table, *due.compare));
  progress.compared_micros = clock_.wall_micros();
  return {};
}

Status BatchRun::read(BatchTable& table, TableProgress& progress) {
  if (!progress.loaded) {
    TRY_VOID(walk(table, progress, table.by_key()));
    // One snapshot showed all of it, or the rows that left in between are looked for soon.
    progress.compared_micros = clock_.wall_micros();
  } else if (table.cursor.empty()) {
    TRY_VOID(compare(table, Comparison::rows));
  } else {
    if (!progress.nulls) TRY_VOID(walk(table, progress, table.by_cursor(progress.from)));
    if (auto rest = table.without_cursor()) {
      if (!std::exchange(progress.nulls, true)) progress.after.clear();
      TRY_VOID(walk(table, progress, *rest));
    }
  }
  progress.loaded = true;
  progress.reading = false;
  progress.nulls = false;
  progress.after.clear();
  progress.from.reset();
  progress.read_micros = clock_.wall_micros();
  return {};
}

Status BatchRun::walk(BatchTable& table, TableProgress& progress, const postgres::KeyWalk& walk) {
  size_t page_rows = limits::batch_page_rows_first;
  while (true) {
    auto end = TRY(postgres::page_end(connection_, walk, progress.after, page_rows));
    Block rows;
    for (const auto& column : table.captured.source.columns) rows.add(column.name, column.target);
    std::vector<QuarantinedRow> refused;
    bool whole =
        TRY(read_range(connection_, table, options_.source,
                       postgres::range_condition(walk, progress.after, end.value_or(postgres::KeyText())),
                       limits::batch_cut_bytes_max, rows, refused, stop_));
    if (!whole) {
      page_rows = std::max<size_t>(page_rows / 4, 1);
      continue;
    }
    TRY_VOID(state_.quarantine(refused));
    bool small = 4 * rows.bytes() < limits::batch_cut_bytes_max;
    on_rows_(table, rows.rows());
    auto part = TRY(changed_rows(pool_, table.captured, std::move(rows), !progress.loaded, policy_, stop_));
    if (part) cutter_.add(std::move(part));
    if (!end) return {};
    progress.after = std::move(*end);
    if (cutter_.full()) TRY_VOID(cutter_.close());
    if (small) page_rows = std::min(page_rows * 2, limits::batch_page_rows_max);
  }
}

Status BatchRun::compare(BatchTable& table, Comparison what) {
  if (cutter_.holds(table.captured.name)) {
    TRY_VOID(cutter_.close());
    TRY_VOID(cutter_.settle());
  }
  ComparisonOptions options{.source_name = options_.source, .what = what};
  options.on_part = [&](std::unique_ptr<Part> part) -> Status {
    on_rows_(table, part->operations.size());
    cutter_.add(std::move(part));
    return cutter_.full() ? cutter_.close() : Status();
  };
  options.on_refused = [&](const std::vector<QuarantinedRow>& rows) { return state_.quarantine(rows); };
  return compare_table(connection_, table, pool_, options, stop_);
}

}  // namespace tidemark::ingest
