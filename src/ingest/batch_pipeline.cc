#include "ingest/batch_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/batch_limits.h"
#include "ingest/bronze_tables.h"
#include "ingest/log_follower.h"
#include "postgres/batch_preflight.h"

namespace tidemark::ingest {

namespace {

// What tidemark.sources says of a source without a slot.
constexpr const char* no_slot = "(batch)";

}  // namespace

struct BatchPipeline::Life {
  uint16_t epoch = 0;
  uint32_t timeline = 0;
  SourceProgress progress;
  std::unique_ptr<CutHandoff> handoff;
  std::unique_ptr<BatchCutter> cutter;
};

BatchPipeline::BatchPipeline(PipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                             const Clock& clock, std::function<void(const CutEvent&)> on_cut)
    : options_(std::move(options)),
      pool_(pool),
      hooks_(std::move(hooks)),
      clock_(clock),
      on_cut_(counting(Positions::runs, std::move(on_cut))),
      life_(options_.source.name, clock),
      state_store_(pool, apply_policy("state"), life_.stopping()),
      batch_store_(pool, apply_policy("state"), life_.stopping()) {}

BatchPipeline::~BatchPipeline() {
  stop();
}

Status BatchPipeline::read_tables(postgres::Connection& connection) {
  auto sources = TRY(postgres::read_tables(connection, options_.source.tables));
  tables_.clear();
  states_.clear();
  warnings_.clear();
  for (auto& source : sources) {
    std::string name = source.schema == "public" ? source.name : source.schema + "_" + source.name;
    double rows = source.estimated_rows;
    tables_.push_back(
        TRY(batch_table(std::move(source), options_.source, options_.tables_with_changes.contains(name))));
    states_[name] = std::make_unique<TableState>();
    if (tables_.back().cursor.empty() && rows > limits::batch_whole_table_rows)
      warnings_.push_back(fmt::format(
          "{}: has no cursor and about {:.0f} rows, which are read whole every {} s (name a column "
          "that grows with every change: cursor: updated_at)",
          tables_.back().captured.source.display(), rows, tables_.back().every_micros / 1'000'000));
  }
  return {};
}

Status BatchPipeline::prepare() {
  auto connection = TRY_IN(postgres::Connection::open(connection_options(options_.source)), where());
  if (auto ready = read_tables(connection); !ready) return fail(std::move(ready.error()).in(where()));
  std::vector<postgres::BatchTableChecks> checks;
  std::vector<CapturedTable> captured;
  for (const auto& table : tables_) {
    checks.push_back({.table = table.captured.source, .cursor = table.cursor});
    captured.push_back(table.captured);
  }
  for (const auto& finding : TRY_IN(postgres::batch_preflight(connection, checks), where())) {
    if (finding.level == postgres::Finding::Level::fail)
      return fail(Error(finding.kind, finding.detail, finding.remedy).in(where()));
    if (finding.level == postgres::Finding::Level::warn)
      warnings_.push_back(finding.check + ": " + finding.detail +
                          (finding.remedy.empty() ? "" : " (" + finding.remedy + ")"));
  }
  TRY_VOID(state_store_.prepare());
  TRY_VOID(batch_store_.prepare());
  if (auto ready = ensure_bronze(pool_, captured, options_.recopy); !ready)
    return fail(std::move(ready.error()).in(where()));
  for (const auto& [name, rows] : TRY(state_store_.quarantined(options_.source.name)))
    if (auto state = states_.find(name); state != states_.end()) state->second->counters.quarantined = rows;
  auto record = TRY(state_store_.source(options_.source.name));
  if (record && record->copied && record->slot != no_slot && !options_.recopy)
    return fail(Error(ErrorKind::unsupported, "the warehouse was filled from this source with mode: cdc",
                      "load it again in mode batch with: tidemark up --recopy")
                    .in(where()));
  std::lock_guard lock(mutex_);
  completed_ = 0;
  if (record && record->copied && !options_.recopy) {
    epoch_ = record->epoch;
    auto fenced = TRY(state_store_.fenced(options_.source.name, record->epoch));
    auto planned = TRY(state_store_.planned(options_.source.name, record->epoch));
    // A run whose end is replayed is complete by that.
    completed_ = std::max(fenced ? fenced->end_lsn : 0, planned ? planned->end_lsn : 0);
  }
  return {};
}

std::vector<std::string> BatchPipeline::warnings() const {
  return warnings_;
}

void BatchPipeline::start() {
  life_.start({.live = [this] { return live(); },
               .proven = [this] { return settled_.load(); },
               .wake =
                   [this] {
                     std::lock_guard lock(mutex_);
                     wake_.notify_all();
                   }});
}

void BatchPipeline::stop() {
  life_.stop();
}

Status BatchPipeline::live() {
  life_.set_state("starting");
  postgres::BatchServer server;
  {
    auto connection = TRY(postgres::Connection::open(connection_options(options_.source)));
    server = TRY(postgres::read_batch_server(connection));
  }
  auto record = TRY(state_store_.source(options_.source.name));
  if (record && record->copied && !options_.recopy && record->system_id != server.system_id)
    return fail(
        ErrorKind::unsupported,
        "this is not the Postgres server the warehouse was filled from (its system identifier differs)",
        "check the URL; to take this server from now on: tidemark up --recopy");
  if (!record || !record->copied || options_.recopy) {
    TRY_VOID(begin_epoch(server, static_cast<uint16_t>(record ? record->epoch + 1 : 1)));
    options_.recopy = false;
    record = TRY(state_store_.source(options_.source.name));
  }
  {
    std::lock_guard lock(mutex_);
    epoch_ = record->epoch;
    for (auto& table : tables_)
      table.captured.has_changes |= pending_change_rows_.contains(table.captured.name);
  }
  return follow(server, record->epoch);
}

Status BatchPipeline::begin_epoch(const postgres::BatchServer& server, uint16_t epoch) {
  log::info("{}: first load of {} tables (epoch {})", where(), tables_.size(), epoch);
  SourceRecord record{.source = options_.source.name,
                      .epoch = epoch,
                      .system_id = server.system_id,
                      .timeline = server.timeline,
                      .slot = no_slot};
  TRY_VOID(state_store_.save(record));
  std::vector<std::string> names;
  for (const auto& table : tables_) {
    TRY_VOID(pool_.execute("TRUNCATE TABLE " + table.captured.target()));
    names.push_back(table.captured.name);
  }
  if (hooks_.reset) TRY_VOID(hooks_.reset(names));
  SourceProgress progress;
  progress.timeline = server.timeline;
  TRY_VOID(batch_store_.save(record.source, epoch, 0, progress));
  TRY_VOID(state_store_.fence({.source = record.source, .epoch = epoch}));
  // From here on a kill costs a page.
  record.copied = true;
  return state_store_.save(record);
}

Status BatchPipeline::follow(const postgres::BatchServer& server, uint16_t epoch) {
  const std::string& source = options_.source.name;
  auto fenced = TRY(state_store_.fenced(source, epoch));
  if (!fenced)
    return fail(ErrorKind::internal, "the first load left no fence",
                "start again with: tidemark up --recopy");
  auto planned = TRY(state_store_.planned(source, epoch));
  if (planned && planned->cut <= fenced->cut) planned.reset();
  applied_.fenced_lsn = applied_.queryable_lsn = fenced->end_lsn;
  applied_.cut = fenced->cut;
  // Until the first fence of this life, unless the last one ended in peace.
  applied_.in_doubt = !TRY(state_store_.ended_in_peace(source, epoch));
  TRY_VOID(state_store_.began(*fenced));

  Life life{.epoch = epoch, .timeline = server.timeline};
  life.handoff = std::make_unique<CutHandoff>([this] {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  });
  {
    std::lock_guard lock(mutex_);
    handoff_ = life.handoff.get();
    // Asked for while this life was being set up.
    for (const auto& table : tables_)
      if (!table.captured.has_changes && pending_change_rows_.contains(table.captured.name))
        life.handoff->close();
  }
  std::map<const CapturedTable*, TableCounters*> counters;
  for (const auto& table : tables_) counters[&table.captured] = &states_.at(table.captured.name)->counters;
  // The applier finishes what it has when we are told to stop; everything else stops at once.
  StateStore fences(pool_, apply_policy("state"), stop_now_);
  Applier applier(pool_, fences, hooks_, *life.handoff, counters, applied_, clock_, on_cut_, stop_now_);
  Status applied;
  std::thread apply_thread([&] { applied = applier.run(); });
  Status read = begin_life(life, *fenced, planned);
  while (read && !life_.stopping() && !life.handoff->closed()) read = run_when_due(life);
  if (life_.stopping()) {
    int64_t deadline = clock_.monotonic_micros() + limits::drain_deadline.count() * 1000;
    while (!life.handoff->closed() && clock_.monotonic_micros() < deadline &&
           !life.handoff->wait_settled(limits::batch_wait_step))
      ;
  }
  {
    std::lock_guard lock(mutex_);
    handoff_ = nullptr;
    asked_ |= std::exchange(forced_, false);
    running_ = false;
  }
  // Whatever is still being applied had its time; the next start replays it.
  stop_now_ = true;
  life.handoff->close();
  apply_thread.join();
  stop_now_ = false;
  if (!applied) return applied;
  if (!read && read.error().kind != ErrorKind::cancelled) return read;
  return say_farewell(pool_, source, epoch, applied_, stop_now_);
}

// Finishes what a kill interrupted, and makes sure that nothing is in doubt.
Status BatchPipeline::begin_life(Life& life, const CutRecord& fenced,
                                 const std::optional<CutRecord>& planned) {
  const std::string& source = options_.source.name;
  uint64_t newest = std::max(fenced.cut, TRY(batch_store_.newest_cut(source, life.epoch)));
  uint64_t behind = fenced.cut;
  if (planned) newest = std::max(newest, planned->cut);
  life.cutter = std::make_unique<BatchCutter>(
      BatchCutter::Options{.source = source, .epoch = life.epoch, .next_cut = newest + 1}, batch_store_,
      *life.handoff, life.progress, life_.stopping());
  if (planned) {
    auto parts = TRY(batch_store_.staged(source, life.epoch, planned->cut, [&](std::string_view name) {
      auto found = std::find_if(tables_.begin(), tables_.end(),
                                [&](const auto& table) { return table.captured.name == name; });
      return found == tables_.end() ? nullptr : &found->captured;
    }));
    if (!parts.empty()) {
      log::info("{}: sending cut {} again", where(), planned->cut);
      TRY_VOID(life.cutter->replay(*planned, std::move(parts)));
      behind = planned->cut;
    }
  }
  auto progress = TRY(batch_store_.load(source, life.epoch, behind));
  if (!progress)
    return fail(ErrorKind::internal, fmt::format("no progress is known behind cut {}", behind),
                "load the source again with: tidemark up --recopy");
  life.progress = std::move(*progress);
  for (const auto& table : tables_) {
    // Rows of before the table came to this source, or to it again: nothing may be taken for new.
    const std::string& name = table.captured.name;
    if (life.progress.tables.contains(name)) continue;
    Block some = TRY(pool_.query("SELECT 1 FROM " + table.captured.target() + " LIMIT 1"));
    if (some.rows() > 0) life.progress.tables[name] = {.loaded = true, .walk = table.walk_name()};
  }
  if (applied_.in_doubt) {
    TRY_VOID(life.cutter->close());
    TRY_VOID(life.cutter->settle());
  }
  show_progress(life.progress);
  settled_ = true;
  life_.set_state(resting_state(life.progress));
  return {};
}

void BatchPipeline::show_progress(const SourceProgress& progress) {
  for (const auto& [name, state] : states_) {
    auto table = progress.tables.find(name);
    state->loaded = table != progress.tables.end() && table->second.loaded;
  }
  std::lock_guard lock(mutex_);
  completed_ = std::max(completed_, progress.run);
  fenced_run_ = progress.run;
  as_of_micros_ = progress.as_of_micros;
}

std::string BatchPipeline::resting_state(const SourceProgress& progress) const {
  bool loaded = std::all_of(states_.begin(), states_.end(), [&](const auto& entry) {
    auto table = progress.tables.find(entry.first);
    return table != progress.tables.end() && table->second.loaded;
  });
  return loaded ? "idle" : "copying";
}

std::vector<DueTable> BatchPipeline::due_tables(const Life& life, bool forced) {
  std::vector<DueTable> due;
  int64_t now = clock_.wall_micros();
  bool moved = life.progress.timeline != life.timeline;
  for (auto& table : tables_) {
    const TableState& state = *states_.at(table.captured.name);
    auto found = life.progress.tables.find(table.captured.name);
    TableProgress progress = found == life.progress.tables.end() ? TableProgress() : found->second;
    // A table that failed waits; a clock that was put back does not stop anything.
    if (!forced && state.failed_micros != 0 &&
        clock_.monotonic_micros() - state.failed_micros <
            std::min(table.every_micros, limits::source_backoff_max.count() * 1000))
      continue;
    auto elapsed = [&](int64_t since, int64_t every) { return since > now || now - since >= every; };
    DueTable one{.table = &table};
    one.read = forced || moved || progress.reading || !progress.loaded ||
               elapsed(progress.read_micros, table.every_micros);
    if (progress.loaded && table.deletes && !table.cursor.empty()) {
      if (moved)
        one.compare = Comparison::rows;
      else if (forced || elapsed(progress.compared_micros, table.deletes_every_micros))
        one.compare = table.compare_rows ? Comparison::rows : Comparison::keys;
    }
    if (one.read || one.compare) due.push_back(one);
  }
  return due;
}

Status BatchPipeline::run_when_due(Life& life) {
  uint64_t request = TRY(batch_store_.newest_request(options_.source.name));
  bool wanted = request > life.progress.answered || !due_tables(life, false).empty();
  std::unique_lock lock(mutex_);
  if (wanted || asked_) {
    lock.unlock();
    return one_run(life, request);
  }
  wake_.wait_for(lock, limits::batch_request_poll,
                 [&] { return life_.stopping() || asked_ || life.handoff->closed(); });
  return {};
}

Status BatchPipeline::one_run(Life& life, uint64_t request) {
  {
    // Whoever asks after this gets the next run.
    std::lock_guard lock(mutex_);
    running_ = true;
    forced_ = std::exchange(asked_, false) || request > life.progress.answered;
  }
  auto due = due_tables(life, forced_);
  bool loading = std::any_of(due.begin(), due.end(),
                             [&](const auto& one) { return !states_.at(one.table->captured.name)->loaded; });
  life_.set_state(loading ? "copying" : "loading");
  int64_t started = clock_.monotonic_micros();
  uint64_t rows_before = applied_.rows;
  uint64_t read_rows = 0;
  auto connection = TRY(postgres::Connection::open(connection_options(options_.source)));
  BatchRun run(
      {.source = options_.source.name,
       .application = connection_options(options_.source).application_name,
       .loading = loading},
      connection, pool_, state_store_, *life.cutter, life.progress, clock_,
      [&](const BatchTable& table, uint64_t rows) {
        read_rows += rows;
        TableState& state = *states_.at(table.captured.name);
        if (!state.loaded) state.counters.copied += rows;
      },
      life_.stopping());
  auto failures = TRY(run.run(due));
  std::vector<std::string> first_loaded;
  for (const auto& one : due) {
    const std::string& name = one.table->captured.name;
    if (!states_.at(name)->loaded && life.progress.tables[name].loaded) first_loaded.push_back(name);
  }
  life.progress.run += 1;
  life.progress.as_of_micros = run.taken_micros();
  life.progress.answered = std::max(life.progress.answered, request);
  life.progress.timeline = life.timeline;
  TRY_VOID(life.cutter->close());
  TRY_VOID(life.cutter->settle());
  if (life.cutter->staged())
    if (auto forgotten = batch_store_.forget_staged(options_.source.name); !forgotten && !life_.stopping())
      log::warn("{}: rows kept for a replay could not be dropped: {}", where(), forgotten.error().message);
  note_failures(failures, due);
  if (!first_loaded.empty() && hooks_.after_load) TRY_VOID(hooks_.after_load(first_loaded));
  double seconds = static_cast<double>(clock_.monotonic_micros() - started) / 1e6;
  auto text = fmt::format("{}: run {}: {} tables, {} rows read, {} changes, {:.1f} s", where(),
                          life.progress.run, due.size(), read_rows, applied_.rows - rows_before, seconds);
  if (loading)
    log::info("{}", text);
  else
    log::debug("{}", text);
  {
    std::lock_guard lock(mutex_);
    running_ = forced_ = false;
    completed_ = life.progress.run;
  }
  for (const auto& [name, rows] : TRY(state_store_.quarantined(options_.source.name)))
    if (auto state = states_.find(name); state != states_.end()) state->second->counters.quarantined = rows;
  // Last: whoever waits for the fence may stop us at once, and reads what the run has counted.
  life_.set_state(resting_state(life.progress));
  show_progress(life.progress);
  return {};
}

void BatchPipeline::note_failures(const std::vector<TableFailure>& failures,
                                  const std::vector<DueTable>& due) {
  std::lock_guard lock(mutex_);
  for (const auto& one : due) {
    TableState& state = *states_.at(one.table->captured.name);
    auto failed = std::find_if(failures.begin(), failures.end(), [&](const auto& failure) {
      return failure.table == one.table->captured.name;
    });
    if (failed == failures.end()) {
      state.error.clear();
      state.failed_micros = 0;
      continue;
    }
    if (state.error != failed->error.message)
      log::error("{}: {}: {}", where(), one.table->captured.display(), failed->error.describe());
    state.error = failed->error.message;
    state.failed_micros = clock_.monotonic_micros();
  }
}

Result<uint64_t> BatchPipeline::ask_for_fence() {
  std::lock_guard lock(mutex_);
  asked_ = true;
  wake_.notify_all();
  // The one under way may have its snapshot already.
  return completed_ + (running_ ? 2 : 1);
}

Status BatchPipeline::prepare_change_rows(const std::set<std::string>& tables) {
  for (const auto& table : tables_) {
    CapturedTable captured = table.captured;
    if (captured.has_changes || !tables.contains(captured.name)) continue;
    captured.has_changes = true;
    for (const auto& statement : create_statements(captured)) TRY_VOID(pool_.lease()->execute(statement));
  }
  return {};
}

void BatchPipeline::begin_change_rows(const std::set<std::string>& tables) {
  std::lock_guard lock(mutex_);
  bool news = false;
  for (const auto& table : tables_)
    if (!table.captured.has_changes && tables.contains(table.captured.name))
      news |= pending_change_rows_.insert(table.captured.name).second;
  if (news && handoff_ != nullptr) handoff_->close();
  wake_.notify_all();
}

SourceStatus BatchPipeline::status() const {
  SourceStatus status;
  life_.describe(status, applied_, applied_.rows);
  std::lock_guard lock(mutex_);
  status.epoch = epoch_;
  status.as_of_micros = as_of_micros_;
  status.positions = Positions::runs;
  uint64_t received = fenced_run_ + (running_ ? 1 : 0);
  status.ladder = {.server = received,
                   .received = received,
                   .cut = fenced_run_,
                   .queryable = fenced_run_,
                   .fenced = fenced_run_,
                   .acknowledged = fenced_run_};
  if (as_of_micros_ > 0) status.lag_ms = std::max<int64_t>(0, (clock_.wall_micros() - as_of_micros_) / 1000);
  for (const auto& table : tables_) {
    const TableState& state = *states_.at(table.captured.name);
    TableStatus entry{.table = table.captured.display(), .state = "live"};
    entry.error = state.error;
    if (!state.error.empty() || status.state == "failed")
      entry.state = "failed";
    else if (!state.loaded)
      entry.state = "copying";
    entry.rows_applied = state.counters.applied;
    entry.quarantined = state.counters.quarantined;
    entry.copy_rows = state.counters.copied;
    entry.copy_rows_estimate = static_cast<uint64_t>(table.captured.source.estimated_rows);
    status.tables.push_back(std::move(entry));
  }
  return status;
}

std::optional<Error> BatchPipeline::gave_up() const {
  return life_.gave_up();
}

}  // namespace tidemark::ingest
