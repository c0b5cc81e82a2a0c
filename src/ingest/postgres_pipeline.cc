#include "ingest/postgres_pipeline.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/bronze_shape.h"
#include "ingest/bronze_tables.h"
#include "ingest/dropped_tables.h"
#include "ingest/log_follower.h"
#include "ingest/row_history.h"
#include "ingest/source_images.h"
#include "ingest/table_statuses.h"
#include "ingest/table_tender.h"

namespace tidemark::ingest {

PostgresPipeline::PostgresPipeline(PipelineOptions options, clickhouse::ClientPool& pool, ModelHooks hooks,
                                   const Clock& clock, std::function<void(const CutEvent&)> on_cut)
    : options_(std::move(options)),
      pool_(pool),
      hooks_(std::move(hooks)),
      clock_(clock),
      on_cut_(std::move(on_cut)),
      life_(options_.source.name, clock),
      state_store_(pool, apply_policy("state"), life_.stopping()),
      book_(pool, apply_policy("state"), life_.stopping(), options_.source.name),
      parity_(pool, apply_policy("state"), life_.stopping(), options_.source.name),
      ranges_(pool, apply_policy("state"), life_.stopping(), options_.source.name),
      slot_watch_(options_.source, clock) {
  if (hooks_.barrier == nullptr) hooks_.barrier = &own_barrier_;
}

PostgresPipeline::~PostgresPipeline() {
  stop();
}

std::vector<std::string> PostgresPipeline::table_names() const {
  std::vector<std::string> names;
  for (const auto& table : tables_) names.push_back(table.name);
  return names;
}

Status PostgresPipeline::read_tables(postgres::Connection& connection) {
  auto sources = TRY(read_tables_left(connection, options_.source, pool_, life_.stopping()));
  tables_.clear();
  for (auto& source : sources) {
    bool append_only = false, history = false, drops_columns = false;
    for (const auto& option : options_.source.options) {
      if (option.table != source.name && option.table != source.schema + "." + source.name) continue;
      append_only = option.append_only;
      history = option.history;
      drops_columns = option.drop_columns;
      for (const auto* list : {&option.order_by, &option.key})
        if (!list->empty())
          return fail(ErrorKind::unsupported,
                      fmt::format("order_by and key of {} are not supported in `mode: cdc`", option.table),
                      "remove them from the table's options");
    }
    std::string name = source.schema == "public" ? source.name : source.schema + "_" + source.name;
    if (history && pool_.endpoint().cluster)
      return fail(ErrorKind::unsupported, fmt::format("the history of {} is not kept on a cluster", name),
                  "leave `history` out, or warehouse.cluster");
    tables_.push_back(
        capture(std::move(source), append_only, history || options_.tables_with_changes.contains(name)));
    tables_.back().history = history;
    tables_.back().drops_columns = drops_columns;
    TRY_VOID(check_replica_identity(tables_.back()));
  }
  counters_.clear();
  counter_storage_.clear();
  for (const auto& table : tables_) {
    counter_storage_.push_back(std::make_unique<TableCounters>());
    counters_[&table] = counter_storage_.back().get();
  }
  return {};
}

Status PostgresPipeline::prepare() {
  std::string where = "source " + options_.source.name;
  auto connection = TRY_IN(postgres::Connection::open(connection_options(options_.source)), where);
  if (auto ready = read_tables(connection); !ready) return fail(std::move(ready.error()).in(where));
  auto pause = [this](std::chrono::milliseconds duration) { return life_.pause(duration); };
  if (auto ready = check_source(connection, options_.source, tables_, clock_, pause, warnings_); !ready)
    return fail(std::move(ready.error()).in(where));
  TRY_VOID(state_store_.prepare());
  TRY_VOID(book_.prepare());
  TRY_VOID(parity_.prepare());
  TRY_VOID(ranges_.prepare());
  TRY_VOID(parity_.load());
  auto record = TRY(state_store_.source(options_.source.name));
  if (record && record->copied && !options_.recopy) {
    TRY_VOID(book_.load(record->epoch));
    if (auto looked = look_at_tables(connection, record->epoch); !looked)
      return fail(std::move(looked.error()).in(where));
    // A model that is new asks for change rows, and cuts may flow before it is deployed.
    for (const auto& table : tables_)
      for (const auto& statement : create_statements(table))
        if (table.has_changes && statement.find(table.target("__changes")) != std::string::npos)
          TRY_VOID(pool_.execute(statement));
  } else {
    // A table whose shape is another one is empty from here on.
    if (options_.recopy && hooks_.before_copy) TRY_VOID(hooks_.before_copy(table_names()));
    // So may be one that changed while a first copy was under way that a kill ended; that copy starts over.
    bool anew = options_.recopy || (record && !record->copied);
    if (auto ready = ensure_bronze(pool_, tables_, anew); !ready)
      return fail(std::move(ready.error()).in(where));
  }
  // Of one that is not whole it begins behind the copy.
  for (const auto& table : tables_)
    if (table.history && record && record->copied && !options_.recopy)
      TRY_VOID(begin_history(pool_, table, true));
  auto quarantined = TRY(state_store_.quarantined(options_.source.name));
  for (const auto& table : tables_) counters_.at(&table)->quarantined = quarantined[table.name];
  return {};
}

void PostgresPipeline::start() {
  life_.start({.live = [this] { return live(); }, .proven = [this] { return streamed_.load(); }});
  slot_watch_.start();
}

void PostgresPipeline::stop() {
  slot_watch_.stop();
  life_.stop();
}

Status PostgresPipeline::live() {
  life_.set_state("starting");
  auto connection = TRY(postgres::Connection::open(connection_options(options_.source)));
  auto identity = TRY(postgres::read_identity(connection));
  auto record = TRY(state_store_.source(options_.source.name));
  if (record && record->copied && !options_.recopy && record->system_id != identity.system_id)
    return fail(
        ErrorKind::unsupported,
        "this is not the Postgres server the warehouse was filled from (its system identifier differs)",
        "check the URL; to take this server from now on: tidemark up --recopy");
  if (!record || !record->copied || options_.recopy) {
    if (!TRY(copy(connection, identity, record))) return {};
    record = TRY(state_store_.source(options_.source.name));
  }
  {
    std::lock_guard lock(mutex_);
    epoch_ = record->epoch;
  }
  fingerprint_ = TRY(postgres::shape_fingerprint(connection, oids()));
  TRY_VOID(book_.load(record->epoch));
  TRY_VOID(finish_parity_cuts());
  TRY_VOID(look_at_tables(connection, record->epoch));
  auto fenced = TRY(state_store_.fenced(options_.source.name, record->epoch));
  std::string lost;
  if (fenced) lost = TRY(what_is_lost(connection, identity, *record, *fenced));
  if (!lost.empty()) {
    TRY_VOID(repair_source(connection, identity, *record, *fenced, lost));
    return {};  // the next life is of the new epoch
  }
  {
    std::lock_guard lock(mutex_);
    for (auto& table : tables_) table.has_changes |= pending_change_rows_.contains(table.name);
  }
  TRY_VOID(publish_tables(connection));
  TRY_VOID(join_copied_table(connection, record->epoch));
  return stream(record->epoch, {});
}

// Runs `action` between two cuts; asks for a fence when none comes by itself.
Status PostgresPipeline::between_cuts(const std::function<Status()>& action, const std::atomic<bool>& stop) {
  for (bool asked = false; !stop;) {
    bool ran = false;
    Status done = hooks_.barrier->run(
        limits::barrier_patience, [this] { return at_fence(); },
        [&] {
          ran = true;
          return action();
        });
    if (ran) return done;
    if (!std::exchange(asked, true)) TRY(ask_for_fence());
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
  return fail(ErrorKind::cancelled, "stopped");
}

// The warehouse refuses rows of one table: it is left out from here on, and copied again when that is over.
void PostgresPipeline::set_aside(const CapturedTable& table, const Error& error) {
  log::error("source {}: table {} is left out: {}", options_.source.name, table.source.display(),
             error.describe());
  auto record = book_.find(table.source.oid);
  if (!record) return;
  record->phase = TablePhase::copying;
  record->error = error.message;
  if (auto saved = book_.save(std::move(*record)); !saved)
    log::warn("source {}: {}", options_.source.name, saved.error().describe());
  begins_anew_ = true;
}

Status PostgresPipeline::prepare_change_rows(const std::set<std::string>& tables) {
  for (CapturedTable table : tables_) {
    if (table.has_changes || !tables.contains(table.name)) continue;
    table.has_changes = true;
    for (const auto& statement : create_statements(table)) TRY_VOID(pool_.lease()->execute(statement));
  }
  return {};
}

std::vector<std::string> PostgresPipeline::warnings() const {
  return finding_texts(warnings_);
}

// The message makes the stream close a cut there, also when nothing changes.
Result<uint64_t> PostgresPipeline::ask_for_fence() {
  auto connection = TRY(postgres::Connection::open(connection_options(options_.source)));
  postgres::Lsn position = TRY(postgres::read_identity(connection)).position;
  TRY(connection.query("SELECT pg_logical_emit_message(true, 'tidemark', 'fence')"));
  return position;
}

void PostgresPipeline::begin_change_rows(const std::set<std::string>& tables) {
  std::lock_guard lock(mutex_);
  bool news = false;
  for (const auto& table : tables_)
    if (!table.has_changes && tables.contains(table.name))
      news |= pending_change_rows_.insert(table.name).second;
  if (news && handoff_ != nullptr) handoff_->close();
}

Status PostgresPipeline::stream(uint16_t epoch, const StreamEnd& end) {
  bool settles = end.until != 0;
  auto fenced = TRY(state_store_.fenced(options_.source.name, epoch));
  if (!fenced)
    return fail(ErrorKind::internal, "the initial copy left no fence",
                "start again with: tidemark up --recopy");
  auto planned = TRY(state_store_.planned(options_.source.name, epoch));
  if (planned && planned->cut <= fenced->cut) planned.reset();
  Lanes lanes = lanes_at(*fenced);
  applied_.late_lsn = lanes.late_lsn;
  applied_.hold_lsn = lanes.hold_lsn;
  applied_.fenced_lsn = applied_.queryable_lsn = fenced->end_lsn;
  applied_.cut = fenced->cut;
  begins_anew_ = false;
  // Until the first fence of this life, unless the last one ended in peace.
  applied_.in_doubt = !TRY(state_store_.ended_in_peace(options_.source.name, epoch));
  TRY_VOID(state_store_.began(*fenced));
  if (applied_.as_of_micros == 0) applied_.as_of_micros = fenced->committed_at;

  LogFollower follower(options_.source, tables_, applied_, read_, clock_, life_.stopping());
  CutHandoff handoff([&follower] { follower.wake(); });
  log::info("source {}: streaming from {} (cut {}{})", options_.source.name,
            postgres::format_lsn(fenced->end_lsn), fenced->cut,
            planned ? fmt::format(", replaying cut {}", planned->cut) : "");
  if (!settles) {
    life_.set_state("streaming");
    std::lock_guard lock(mutex_);
    streamed_ = true;
    handoff_ = &handoff;
    // Asked for while this stream was being set up.
    for (const auto& table : tables_)
      if (!table.has_changes && pending_change_rows_.contains(table.name)) handoff.close();
  }
  // The applier finishes what it has when we are told to stop; everything else stops at once.
  StateStore fences(pool_, apply_policy("state"), stop_now_);
  const ModelHooks nobody{.barrier = hooks_.barrier, .parts_gate = hooks_.parts_gate};
  Applier applier(pool_, fences, settles ? nobody : hooks_, handoff, counters_, applied_, clock_,
                  settles ? nullptr : on_cut_, stop_now_);
  auto from = connection_options(options_.source);
  applier.read_from(settles ? source_images_or_ended(std::move(from)) : source_images(std::move(from)));
  applier.set_on_refused([this](const CapturedTable& table, const Error& error) { set_aside(table, error); });
  Status applied;
  std::thread apply_thread([&] {
    applied = applier.run();
    follower.wake();
  });
  StreamReader reader({.source = options_.source.name,
                       .epoch = epoch,
                       .fenced = *fenced,
                       .planned = planned,
                       .streamed = {.directory = options_.source.spool,
                                    .memory_bytes_max = options_.streamed_memory_bytes_max},
                       .lanes = std::move(lanes.of),
                       .late_lsn = lanes.late_lsn,
                       .only_replay = end.only_replay,
                       .on_unknown_form =
                           [this](const CapturedTable& table, const postgres::Relation& relation) {
                             std::lock_guard lock(mutex_);
                             unknown_forms_[table.source.oid] = relation;
                             begins_anew_ = true;
                           }},
                      tables_, counters_, quarantine_of(state_store_), handoff, applied_, read_, clock_,
                      life_.stopping());
  auto end_life = [this, &handoff, &follower] {
    begins_anew_ = true;
    handoff.close();
    follower.wake();
  };
  TableTender tender({.source = options_.source.name,
                      .epoch = epoch,
                      .connection = connection_options(options_.source),
                      .tables = tended_tables(),
                      .fingerprint = fingerprint_},
                     {.at_barrier =
                          [this, &tender](const std::function<Status()>& action) {
                            return between_cuts(action, tender.stopped());
                          },
                      .end_life = end_life,
                      .before_copy = hooks_.before_copy,
                      .after_copy = hooks_.after_copy,
                      .reset = hooks_.reset,
                      .parity_wanted =
                          [this](const CapturedTable& table) {
                            auto known = parity_.find(table.name);
                            return known && known->wanted() && !table.log;
                          },
                      .bring_back =
                          [this, epoch, &tender, end_life](const CapturedTable& table) {
                            return bring_back(
                                table, {.epoch = epoch, .end_life = end_life, .stop = tender.stopped()});
                          }},
                     book_, applied_, pool_, state_store_, clock_);
  std::thread tender_thread;
  if (settles)
    tender_thread = std::thread([&] { end_behind(end.until, tender.stopped(), end_life); });
  else if (!end.only_replay)
    tender_thread = std::thread([&] { tender.run(); });
  Status read = follower.run(reader);
  {
    std::lock_guard lock(mutex_);
    handoff_ = nullptr;
  }
  // Whatever is still being applied had its time in drain(); the next start replays it.
  stop_now_ = true;
  handoff.close();
  apply_thread.join();
  tender.stop();
  if (tender_thread.joinable()) tender_thread.join();
  stop_now_ = false;
  if (begins_anew_ && (applied || applied.error().kind == ErrorKind::cancelled) &&
      (read || read.error().kind == ErrorKind::cancelled))
    return say_farewell(pool_, options_.source.name, epoch, applied_, stop_now_);
  if (!applied) return applied;
  if (!read && read.error().kind != ErrorKind::cancelled) return read;
  return say_farewell(pool_, options_.source.name, epoch, applied_, stop_now_);
}

SourceStatus PostgresPipeline::status() const {
  SourceStatus status;
  uint64_t rows = applied_.rows;
  for (const auto& [table, counters] : counters_) rows += counters->copied;
  life_.describe(status, applied_, rows);
  life_.describe_ladder(status, applied_, read_, applied_.fenced_lsn);
  {
    std::lock_guard lock(mutex_);
    status.epoch = epoch_;
    status.tables = table_statuses(status.state, tables_, counters_);
  }
  if (status.state == "streaming")
    for (size_t index = 0; index < tables_.size(); ++index)
      book_.describe(tables_[index].source.oid, status.tables[index]);
  for (const auto& record : dropped_before()) {
    status.tables.push_back({.table = "bronze." + record.name});
    book_.describe(record.oid, status.tables.back());
  }
  for (auto& table : status.tables) parity_.describe(table.table.substr(7), table);
  status.slot = slot_watch_.health();
  if (status.state == "copying") status.copy_seconds_left = copy_seconds_left();
  return status;
}

std::vector<TenderTable> PostgresPipeline::tended_tables() const {
  std::vector<TenderTable> list;
  for (const auto& table : tables_) list.push_back({.table = table, .counters = counters_.at(&table)});
  return list;
}

std::optional<Error> PostgresPipeline::gave_up() const {
  return life_.gave_up();
}

}  // namespace tidemark::ingest
