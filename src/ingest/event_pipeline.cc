#include "ingest/event_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/bronze_tables.h"
#include "ingest/posted_rows.h"
#include "ingest/spool_limits.h"
#include "ingest/table_statuses.h"

namespace tidemark::ingest {
namespace {

// Reads of one person's events are what segments and profiles live on, so that is the order; ids are looked
// up through a projection of their own, which is part of each part and so exactly as durable.
CapturedTable captured_events(const std::string& name, bool has_changes, bool keyed) {
  CapturedTable table = capture(event_table(name), !keyed, has_changes);
  table.keeps_first = true;
  if (keyed) return table;
  table.order_by = {"user_id", "anonymous_id", "timestamp"};
  table.clauses = {
      "PROJECTION by_message_id (SELECT message_id, _version ORDER BY message_id)",
      // Events of a person before there was a user_id.
      "INDEX by_anonymous_id anonymous_id TYPE bloom_filter(0.01) GRANULARITY 1",
      "INDEX by_timestamp timestamp TYPE minmax GRANULARITY 1",
  };
  return table;
}

}  // namespace

EventPipeline::EventPipeline(EventPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                             const Clock& clock, std::function<void(const CutEvent&)> on_cut)
    : options_(std::move(options)),
      pool_(pool),
      hooks_(std::move(hooks)),
      clock_(clock),
      on_cut_(std::move(on_cut)),
      life_(options_.source.name, clock),
      state_store_(pool, apply_policy("state"), life_.stopping()),
      known_keys_(limits::known_keys_bytes) {}

EventPipeline::~EventPipeline() {
  stop();
}

Status EventPipeline::prepare() {
  TRY_VOID(state_store_.prepare());
  const std::string& name = options_.source.table;
  tables_.push_back(captured_events(name, options_.tables_with_changes.contains(name), options_.keyed));
  shapes_.emplace_back();
  for (const auto& table : options_.source.tables) {
    tables_.push_back(captured_rows(table, options_.tables_with_changes.contains(table.table)));
    shapes_.push_back(posted_shape(table));
  }
  for (const auto& table : tables_) {
    counter_storage_.push_back(std::make_unique<TableCounters>());
    counters_[&table] = counter_storage_.back().get();
  }
  // Never made anew: what was sent cannot be asked for again.
  if (auto ready = ensure_bronze(pool_, tables_, false); !ready)
    return fail(std::move(ready.error()).in(where()));
  if (options_.recopy)
    warnings_.push_back("--recopy changes nothing here: what was sent cannot be asked for again");
  auto quarantined = TRY(state_store_.quarantined(options_.source.name));
  for (const auto& table : tables_) counters_.at(&table)->quarantined = quarantined[table.name];
  spool_ =
      TRY_IN(Spool::open({.directory = options_.source.spool, .bytes_max = options_.source.spool_bytes_max}),
             where());
  door_ = std::make_shared<EventDoor>(options_.source, spool_);
  return {};
}

void EventPipeline::start() {
  life_.start({.live = [this] { return live(); },
               .proven = [this] { return streamed_.load(); },
               .wake = [this] { spool_->wake(); }});
}

void EventPipeline::stop() {
  if (spool_) spool_->close();
  life_.stop();
  if (loader_.joinable()) loader_.join();
}

Status EventPipeline::live() {
  life_.set_state("starting");
  uint16_t epoch = TRY(settle());
  auto fenced = TRY(state_store_.fenced(options_.source.name, epoch));
  if (!fenced) return fail(ErrorKind::internal, "the source's first fence is missing");
  // Behind its end: an older copy of the spool. Its ids say what has been taken.
  if (fenced->end_lsn > spool_->end()) {
    log::warn(
        "{}: the spool ends at {} and the warehouse has {}: it is an older copy and is read from its "
        "beginning",
        where(), spool_->end(), fenced->end_lsn);
    TRY_VOID(begin_epoch(++epoch, false));
    fenced = TRY(state_store_.fenced(options_.source.name, epoch));
  }
  {
    std::lock_guard lock(mutex_);
    epoch_ = epoch;
    for (auto& table : tables_) table.has_changes |= pending_change_rows_.contains(table.name);
  }
  return stream(epoch, std::move(*fenced));
}

Result<uint16_t> EventPipeline::settle() {
  auto record = TRY(state_store_.source(options_.source.name));
  if (record && record->copied && record->system_id == spool_->identity()) return record->epoch;
  bool first = !record || !record->copied;
  if (!first)
    log::warn(
        "{}: the spool in {} is not the one the warehouse knows; what that one had and was not in the "
        "warehouse is lost",
        where(), options_.source.spool.string());
  auto epoch = static_cast<uint16_t>(record ? record->epoch + 1 : 1);
  TRY_VOID(begin_epoch(epoch, first));
  return epoch;
}

// The first: like a copy of nothing, models of these tables begin empty.
Status EventPipeline::begin_epoch(uint16_t epoch, bool first) {
  SourceRecord record{
      .source = options_.source.name, .epoch = epoch, .system_id = spool_->identity(), .slot = "(spool)"};
  if (first) {
    std::vector<std::string> names;
    for (const auto& table : tables_) names.push_back(table.name);
    if (hooks_.reset) TRY_VOID(hooks_.reset(names));
    if (hooks_.after_copy) TRY_VOID(hooks_.after_copy(make_version(epoch, 0, 0), names));
  }
  TRY_VOID(state_store_.fence({.source = record.source,
                               .epoch = epoch,
                               .end_lsn = spool_->first(),
                               .committed_at = clock_.wall_micros()}));
  record.copied = true;
  return state_store_.save(record);
}

Status EventPipeline::stream(uint16_t epoch, CutRecord fenced) {
  const std::string& source = options_.source.name;
  // The applier finishes what it has when we are told to stop; everything else stops at once.
  StateStore fences(pool_, apply_policy("state"), stop_now_);
  auto planned = TRY(fences.planned(source, epoch));
  if (planned && planned->cut <= fenced.cut) planned.reset();
  applied_.fenced_lsn = applied_.queryable_lsn = fenced.end_lsn;
  applied_.cut = fenced.cut;
  // Until the first fence of this life, unless the last one ended in peace.
  applied_.in_doubt = !TRY(state_store_.ended_in_peace(source, epoch));
  if (applied_.in_doubt) TRY_VOID(wait_for_inserts());
  TRY_VOID(state_store_.began(fenced));
  if (applied_.as_of_micros == 0) applied_.as_of_micros = fenced.committed_at;
  read_.received_lsn = read_.cut_lsn = read_.acknowledged_lsn = fenced.end_lsn;
  read_.server_lsn = spool_->end();
  read_.oldest_waiting_micros = read_.oldest_applying_micros = 0;

  CutHandoff handoff([this] { spool_->wake(); });
  log::info("{}: reading the spool in {} ({} bytes wait, cut {}{})", where(), options_.source.spool.string(),
            spool_->end() - fenced.end_lsn, fenced.cut,
            planned ? fmt::format(", replaying cut {}", planned->cut) : "");
  life_.set_state("streaming");
  {
    std::lock_guard lock(mutex_);
    streamed_ = true;
    handoff_ = &handoff;
    // Asked for while this life was being set up.
    for (const auto& table : tables_)
      if (!table.has_changes && pending_change_rows_.contains(table.name)) handoff.close();
  }
  Applier applier(pool_, fences, hooks_, handoff, counters_, applied_, clock_, on_cut_, stop_now_);
  applier.know(tables_.front(), known_keys_);
  if (!known_keys_.is_complete()) {
    if (loader_.joinable()) loader_.join();
    loader_ = std::thread([this] {
      if (auto loaded = load_known_keys(); !loaded && !life_.stopping())
        log::warn("{}: ids are looked up one by one: {}", where(), loaded.error().message);
    });
  }
  Status applied;
  std::thread apply_thread([&] { applied = applier.run(); });
  EventReader reader({.source = source, .epoch = epoch, .fenced = std::move(fenced), .planned = planned},
                     tables_, shapes_, counters_, *spool_, state_store_, handoff, applied_, read_, clock_,
                     wanted_fence_, life_.stopping());
  Status read = reader.run();
  {
    std::lock_guard lock(mutex_);
    handoff_ = nullptr;
  }
  // Whatever is still being applied had its time; the next start replays it.
  stop_now_ = true;
  handoff.close();
  apply_thread.join();
  stop_now_ = false;
  if (!applied) return applied;
  if (!read && read.error().kind != ErrorKind::cancelled) return read;
  return say_farewell(pool_, source, epoch, applied_, stop_now_);
}

// What a killed process had sent may still be on its way into the table, where the ids of the first cut are
// looked up.
Status EventPipeline::wait_for_inserts() {
  std::string sql = fmt::format(
      "SELECT count() AS running FROM system.processes WHERE query_kind = 'Insert' AND position(query, {}) > "
      "0",
      clickhouse::quote_string(tables_.front().target()));
  int64_t deadline = clock_.monotonic_micros() + limits::insert_wait_us;
  while (clock_.monotonic_micros() < deadline) {
    Block block = TRY(pool_.query(sql));
    if (block.columns.front().get<uint64_t>(0) == 0) return {};
    if (!life_.pause(limits::spool_wait)) return fail(ErrorKind::cancelled, "stopped");
  }
  return fail(ErrorKind::dependency_down,
              fmt::format("an INSERT into {} of an earlier run goes on", tables_.front().display()));
}

// In pages, so that memory does not grow with the table. Ids that are added meanwhile are added by the
// applier.
Status EventPipeline::load_known_keys() {
  const std::string table = tables_.front().target();
  Block count = TRY(pool_.query("SELECT count() AS rows FROM " + table));
  uint64_t rows = count.columns.front().get<uint64_t>(0);
  if (rows > limits::known_keys_max)
    return fail(ErrorKind::limit, fmt::format("{} rows are more than can be kept in mind", rows));
  uint64_t pages = rows / limits::known_keys_page_rows + 1;
  for (uint64_t page = 0; page < pages; ++page) {
    if (life_.stopping()) return fail(ErrorKind::cancelled, "stopped");
    Block hashes = TRY(
        pool_.query(fmt::format("SELECT xxHash64(message_id) AS hash FROM {} WHERE hash % {} = {} SETTINGS "
                                "max_threads = 1",
                                table, pages, page)));
    for (size_t row = 0; row < hashes.rows(); ++row)
      known_keys_.add(hashes.columns.front().get<uint64_t>(row));
  }
  known_keys_.complete();
  return {};
}

Result<uint64_t> EventPipeline::ask_for_fence() {
  uint64_t position = spool_->end();
  uint64_t before = wanted_fence_;
  while (before < position && !wanted_fence_.compare_exchange_weak(before, position)) {
  }
  spool_->wake();
  return position;
}

Status EventPipeline::prepare_change_rows(const std::set<std::string>& tables) {
  for (CapturedTable table : tables_) {
    if (table.has_changes || !tables.contains(table.name)) continue;
    table.has_changes = true;
    for (const auto& statement : create_statements(table)) TRY_VOID(pool_.lease()->execute(statement));
  }
  return {};
}

void EventPipeline::begin_change_rows(const std::set<std::string>& tables) {
  {
    std::lock_guard lock(mutex_);
    bool news = false;
    for (const auto& table : tables_)
      if (!table.has_changes && tables.contains(table.name))
        news |= pending_change_rows_.insert(table.name).second;
    if (news && handoff_ != nullptr) handoff_->close();
  }
  spool_->wake();
}

SourceStatus EventPipeline::status() const {
  SourceStatus status;
  life_.describe(status, applied_, applied_.rows);
  life_.describe_ladder(status, applied_, read_, applied_.fenced_lsn);
  if (spool_) status.ladder.server = std::max(status.ladder.server, spool_->end());
  status.ladder.acknowledged = status.ladder.fenced;
  status.lag_bytes = status.ladder.server - std::min(status.ladder.server, status.ladder.fenced);
  // What is in the spool and not read yet waits as well: nobody has looked yet since when.
  if (status.ladder.server > status.ladder.queryable) status.lag_ms = std::max<int64_t>(status.lag_ms, 1);
  std::lock_guard lock(mutex_);
  status.epoch = epoch_;
  if (door_) status.intake = door_->status();
  status.tables = table_statuses(status.state, tables_, counters_);
  if (status.intake)
    for (const auto& [table, counters] : counters_) status.intake->duplicates += counters->duplicates;
  if (status.intake) status.intake->spool_age_ms = status.lag_ms;
  return status;
}

}  // namespace tidemark::ingest
