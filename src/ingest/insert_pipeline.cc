#include "ingest/insert_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/bronze_tables.h"
#include "ingest/inbox_limits.h"
#include "ingest/table_statuses.h"

namespace tidemark::ingest {

InsertPipeline::InsertPipeline(InsertPipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                               const Clock& clock, std::function<void(const CutEvent&)> on_cut)
    : options_(std::move(options)),
      name_(options_.table.full_name()),
      pool_(pool),
      hooks_(std::move(hooks)),
      clock_(clock),
      on_cut_(counting(Positions::messages, std::move(on_cut))),
      life_(name_, clock),
      state_store_(pool, apply_policy("state"), life_.stopping()),
      inbox_(options_.table, pool) {}

InsertPipeline::~InsertPipeline() {
  stop();
}

Status InsertPipeline::prepare() {
  TRY_VOID(state_store_.prepare());
  TRY_VOID(inbox_.prepare());
  tables_.clear();
  std::string mirrored = options_.table.mirrored_name();
  counters_.clear();
  tables_.push_back(captured_insert_table(options_.table, options_.tables_with_changes.contains(mirrored)));
  counters_[&tables_.front()] = &table_counters_;
  // Never made anew by itself: the table of the people is compared with it anyway.
  if (auto ready = ensure_bronze(pool_, tables_, false); !ready)
    return fail(std::move(ready.error()).in("source " + name_));
  return {};
}

void InsertPipeline::start() {
  life_.start({.live = [this] { return live(); },
               .proven = [this] { return streamed_.load(); },
               .wake = [this] { wake(); }});
}

void InsertPipeline::wake() {
  std::lock_guard lock(mutex_);
  wake_ = true;
  woken_.notify_all();
}

bool InsertPipeline::pause(std::chrono::milliseconds duration) {
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, duration, [&] { return wake_ || life_.stopping(); });
  wake_ = false;
  return !life_.stopping();
}

Status InsertPipeline::live() {
  life_.set_state("starting");
  auto waiting = TRY(inbox_.look(0, 0));
  uint16_t epoch = TRY(settle(waiting.newest));
  auto fenced = TRY(state_store_.fenced(name_, epoch));
  if (!fenced) return fail(ErrorKind::internal, "the source's first fence is missing");
  {
    std::lock_guard lock(mutex_);
    epoch_ = epoch;
    tables_.front().has_changes |= pending_change_rows_;
  }
  return stream(epoch, std::move(*fenced));
}

Result<uint16_t> InsertPipeline::settle(uint64_t newest) {
  auto record = TRY(state_store_.source(name_));
  if (record && record->copied) {
    auto fenced = TRY(state_store_.fenced(name_, record->epoch));
    if (fenced && fenced->end_lsn <= newest) return record->epoch;
    if (fenced && newest == 0 && fenced->end_lsn == 0) return record->epoch;
    log::warn("source {}: its inbox ends at block {} and was read up to {}: it begins anew", name_, newest,
              fenced ? fenced->end_lsn : 0);
  }
  auto epoch = static_cast<uint16_t>(record ? record->epoch + 1 : 1);
  TRY_VOID(begin_epoch(epoch, !record || !record->copied, 0));
  return epoch;
}

// The first: like a copy of nothing, models of this table begin empty.
Status InsertPipeline::begin_epoch(uint16_t epoch, bool first, uint64_t position) {
  SourceRecord record{.source = name_, .epoch = epoch, .slot = "(inserts)"};
  std::vector<std::string> names{tables_.front().name};
  if (first) {
    if (hooks_.reset) TRY_VOID(hooks_.reset(names));
    if (hooks_.after_copy) TRY_VOID(hooks_.after_copy(make_version(epoch, 0, 0), names));
  }
  TRY_VOID(state_store_.fence(
      {.source = name_, .epoch = epoch, .end_lsn = position, .committed_at = clock_.wall_micros()}));
  record.copied = true;
  return state_store_.save(record);
}

Status InsertPipeline::stream(uint16_t epoch, CutRecord fenced) {
  // The applier finishes what it has when we are told to stop; everything else stops at once.
  StateStore fences(pool_, apply_policy("state"), stop_now_);
  auto planned = TRY(fences.planned(name_, epoch));
  if (planned && planned->cut <= fenced.cut) planned.reset();
  applied_.fenced_lsn = applied_.queryable_lsn = fenced.end_lsn;
  applied_.cut = fenced.cut;
  // Until the first fence of this life, unless the last one ended in peace.
  applied_.in_doubt = !TRY(state_store_.ended_in_peace(name_, epoch));
  TRY_VOID(state_store_.began(fenced));
  if (applied_.as_of_micros == 0) applied_.as_of_micros = fenced.committed_at;
  read_.server_lsn = read_.received_lsn = read_.cut_lsn = fenced.end_lsn;
  read_.oldest_waiting_micros = read_.oldest_applying_micros = 0;

  CutHandoff handoff([this] { wake(); });
  log::info("source {}: reading what is inserted, from block {} on{}", name_, fenced.end_lsn + 1,
            planned ? fmt::format(", replaying cut {}", planned->cut) : "");
  life_.set_state("streaming");
  {
    std::lock_guard lock(mutex_);
    streamed_ = true;
    handoff_ = &handoff;
    // Asked for while this life was being set up.
    if (pending_change_rows_ && !tables_.front().has_changes) handoff.close();
  }
  Applier applier(pool_, fences, hooks_, handoff, counters_, applied_, clock_, on_cut_, stop_now_);
  Status applied;
  std::thread apply_thread([&] { applied = applier.run(); });
  InboxReader reader({.source = name_, .epoch = epoch, .fenced = std::move(fenced), .planned = planned},
                     tables_.front(), !options_.table.version.empty(), inbox_, handoff, applied_, read_,
                     clock_, wanted_fence_, life_.stopping(),
                     {.pause = [this](std::chrono::milliseconds duration) { return pause(duration); },
                      .at_rest = [this] { return at_rest(); }});
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
  return say_farewell(pool_, name_, epoch, applied_, stop_now_);
}

// Everything that was inserted is in. After each start, and after a DELETE FROM, the table and its mirror are
// compared; and once more after a comparison that found something, because what it took for deleted may have
// been on its way into the table.
Status InsertPipeline::at_rest() {
  if (tables_.front().log) return {};
  int64_t now = clock_.monotonic_micros();
  if (looked_at_ != 0 && now - looked_at_ < limits::inbox_mutations_every_us) return {};
  looked_at_ = now;
  std::string mutations = TRY(inbox_.mutations());
  if (std::exchange(mutations_, mutations) != mutations && !compare_) compare_ = clock_.wall_micros();
  if (!compare_) return {};
  // What came before the last look at least.
  if (!compared_) compare_ = clock_.wall_micros() - limits::inbox_settled_us;
  uint64_t before = TRY(inbox_.look(0, 0)).newest;
  int64_t began = clock_.wall_micros();
  if (began - *compare_ < limits::inbox_mutations_every_us) return {};
  TRY_VOID(inbox_.reconcile(tables_.front(), *compare_));
  compare_.reset();
  if (!std::exchange(compared_, true) || TRY(inbox_.look(0, 0)).newest != before) compare_ = began;
  return {};
}

// What is in the inbox now; without the warehouse nothing can be.
Result<uint64_t> InsertPipeline::ask_for_fence() {
  uint64_t position = TRY(inbox_.look(0, 0)).newest;
  uint64_t before = wanted_fence_;
  while (before < position && !wanted_fence_.compare_exchange_weak(before, position)) {
  }
  wake();
  return position;
}

Status InsertPipeline::prepare_change_rows(const std::set<std::string>& tables) {
  CapturedTable table = tables_.front();
  if (table.has_changes || !tables.contains(table.name)) return {};
  table.has_changes = true;
  for (const auto& statement : create_statements(table)) TRY_VOID(pool_.lease()->execute(statement));
  return {};
}

void InsertPipeline::begin_change_rows(const std::set<std::string>& tables) {
  {
    std::lock_guard lock(mutex_);
    if (!tables_.front().has_changes && tables.contains(tables_.front().name)) {
      pending_change_rows_ = true;
      if (handoff_ != nullptr) handoff_->close();
    }
  }
  wake();
}

SourceStatus InsertPipeline::status() const {
  SourceStatus status;
  life_.describe(status, applied_, applied_.rows);
  life_.describe_ladder(status, applied_, read_, applied_.fenced_lsn);
  status.positions = Positions::messages;
  status.ladder.acknowledged = status.ladder.fenced;
  std::lock_guard lock(mutex_);
  status.epoch = epoch_;
  status.tables = table_statuses(status.state, tables_, counters_);
  return status;
}

}  // namespace tidemark::ingest
