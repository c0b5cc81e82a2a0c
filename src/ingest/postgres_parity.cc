// How a PostgresPipeline brings tables back by parity: one that somebody asked for, while the stream goes on;
// and all of them when the log between the warehouse and the source is lost. What differs goes in as cuts of
// their own, with numbers apart from the stream's, each between two cuts of it, so whatever is derived
// follows as from any cut and nothing is emptied. The steps of one table are in shadow_table.h, what survives
// a kill in parity_book.h; the rest of the pipeline is in postgres_pipeline.cc.
#include "base/cut_number.h"
#include "base/limits.h"
#include "base/log.h"
#include "ingest/bronze_shape.h"
#include "ingest/log_follower.h"
#include "ingest/parity_limits.h"
#include "ingest/postgres_pipeline.h"
#include "ingest/row_history.h"
#include "ingest/shadow_table.h"
#include "postgres/replication_setup.h"

namespace tidemark::ingest {

namespace {

// At the place before the next commit: above every row that is there, those of earlier cuts of parity too,
// and below every row that comes.
Version version_at(uint16_t epoch, postgres::Lsn place, uint64_t cut) {
  constexpr uint64_t above_all_changes = uint64_t{1} << 47;
  return make_version(epoch, place - 1, above_all_changes + 2 * (cut - cuts_a_stream) + 1);
}

bool is_called(const CapturedTable& table, const std::string& name) {
  return name == table.name || name == table.display() || name == table.source.display() ||
         name == table.source.schema + "." + table.source.name;
}

bool may_go_by_itself(const Error& error) {
  return error.kind == ErrorKind::dependency_down || error.kind == ErrorKind::unknown_outcome ||
         error.kind == ErrorKind::cancelled;
}

}  // namespace

Result<uint64_t> PostgresPipeline::resync(const std::string& table) {
  std::string name;
  {
    std::lock_guard lock(mutex_);
    for (const auto& one : tables_) {
      if (!is_called(one, table)) continue;
      if (one.log)
        return fail(ErrorKind::unsupported,
                    fmt::format("{} is an append-only log: without a key its rows cannot be told apart",
                                one.display()),
                    "tidemark up --recopy copies the source again");
      name = one.name;
    }
  }
  if (name.empty())
    return fail(ErrorKind::config, fmt::format("source {} has no table {}", options_.source.name, table));
  if (pool_.endpoint().cluster)
    return fail(ErrorKind::unsupported, "tables are not brought back by parity on a cluster",
                "tidemark up --recopy copies the source again");
  uint64_t asked = 0;
  TRY_VOID(parity_.change(name, [&](ParityRecord& record) {
    asked = ++record.asked;
    if (record.answered + 1 < record.asked) return;  // one is on
    record.state.clear();
    record.error.clear();
    record.rows = record.missing = record.extra = record.different = 0;
  }));
  return asked;
}

std::optional<ParityRecord> PostgresPipeline::parity(const std::string& table) const {
  std::string name;
  {
    std::lock_guard lock(mutex_);
    for (const auto& one : tables_)
      if (is_called(one, table)) name = one.name;
  }
  return parity_.find(name);
}

Result<uint64_t> PostgresPipeline::drop_quarantined(const std::string& table) {
  std::string name;
  {
    std::lock_guard lock(mutex_);
    for (const auto& one : tables_)
      if (is_called(one, table)) name = one.name;
  }
  if (name.empty())
    return fail(ErrorKind::config, fmt::format("source {} has no table {}", options_.source.name, table));
  return forget_quarantined(name, UINT64_MAX);
}

Result<uint64_t> PostgresPipeline::forget_quarantined(const std::string& table, postgres::Lsn before) {
  uint64_t forgotten = TRY(state_store_.forget_quarantined(options_.source.name, table, before));
  for (const auto& one : tables_) {
    if (one.name != table) continue;
    auto& counter = counters_.at(&one)->quarantined;
    for (uint64_t count = counter;
         !counter.compare_exchange_weak(count, count - std::min(count, forgotten));) {
    }
  }
  return forgotten;
}

// Between two cuts. What was planned goes in; repeatable.
Status PostgresPipeline::send_parity_cut(ShadowTable& shadow) {
  const std::string& source = options_.source.name;
  const std::string& name = shadow.mirrored().name;
  ParityRecord record = *parity_.find(name);
  bool doubted = applied_.in_doubt.exchange(true);
  if (hooks_.rows.begins) hooks_.rows.begins(source, record.cut, true);
  // Not left on failure: then the cut is half in until it is sent again.
  if (hooks_.parts_gate != nullptr) hooks_.parts_gate->enter(source);
  bool fits = TRY(shadow.send(
      {.number = record.cut,
       .version = record.version,
       .committed_at = record.committed_at,
       .token = fmt::format("{}:{}:{}:{}:parity", source, version_epoch(record.version), record.cut, name)}));
  if (hooks_.rows.part_in) hooks_.rows.part_in(source, record.cut, name, nullptr);
  if (hooks_.parts_gate != nullptr) hooks_.parts_gate->leave(source);
  if (fits && hooks_.after_parts) TRY_VOID(hooks_.after_parts(record.cut, record.version, {name}));
  if (!fits) {
    auto known = book_.find(shadow.mirrored().source.oid);
    if (known) {
      known->phase = TablePhase::copying;
      known->error = "it changed its columns while it was brought back by parity";
      TRY_VOID(book_.save(std::move(*known)));
    }
  }
  TRY_VOID(parity_.change(name, [](ParityRecord& one) { one.planned = false; }));
  applied_.in_doubt = doubted;
  if (on_cut_ && fits)
    on_cut_(CutEvent{.source = source,
                     .cut = applied_.cut,
                     .end_lsn = applied_.fenced_lsn,
                     .committed_at_micros = applied_.as_of_micros,
                     .queryable_at_micros = clock_.wall_micros(),
                     .rows = record.missing + record.extra + record.different,
                     .tables = {"bronze." + name}});
  return {};
}

// Those that a kill, or a warehouse that went away, left half in.
Status PostgresPipeline::finish_parity_cuts() {
  for (const auto& record : parity_.planned()) {
    auto table = std::find_if(tables_.begin(), tables_.end(),
                              [&](const CapturedTable& one) { return one.name == record.table; });
    if (table == tables_.end() || table->log) {  // not ours any more
      TRY_VOID(parity_.change(record.table, [](ParityRecord& one) { one.planned = false; }));
      continue;
    }
    log::info("source {}: a cut that brings {} back by parity goes in again", options_.source.name,
              table->display());
    ShadowTable shadow(*table, pool_, apply_policy("parity"), life_.stopping());
    Status sent = send_parity_cut(shadow);
    if (sent) continue;
    ErrorKind kind = sent.error().kind;
    bool own = kind == ErrorKind::refused || kind == ErrorKind::unsupported;
    if (!own || !pool_.query("SELECT 1")) return sent;
    set_aside(*table, sent.error());
    if (hooks_.parts_gate != nullptr) hooks_.parts_gate->leave(options_.source.name);
    TRY_VOID(parity_.change(record.table, [](ParityRecord& one) { one.planned = false; }));
  }
  return {};
}

// `place`: of a cut that goes in now. `between` runs its action between two cuts.
Status PostgresPipeline::send_differences(
    ShadowTable& shadow, uint16_t epoch, Version bound, const std::function<postgres::Lsn()>& place,
    const std::function<Status(const std::function<Status()>&)>& between) {
  const std::string& name = shadow.mirrored().name;
  TRY_VOID(parity_.change(name, [](ParityRecord& record) { record.state = "comparing"; }));
  uint64_t keys = TRY(shadow.compare(bound));
  TRY_VOID(parity_.change(name, [&](ParityRecord& record) {
    record.state = "repairing";
    record.rows = shadow.rows();
  }));
  for (uint64_t begin = 0; begin < keys; begin += limits::parity_cut_keys_max)
    TRY_VOID(between([&]() -> Status {
      ParityCounts counts = TRY(shadow.plan(begin, begin + limits::parity_cut_keys_max, bound));
      if (counts.total() == 0) return {};
      uint64_t cut = parity_.next_cut();
      TRY_VOID(parity_.change(name, [&](ParityRecord& record) {
        record.planned = true;
        record.cut = cut;
        record.version = version_at(epoch, place(), cut);
        record.committed_at = clock_.wall_micros();
        record.missing += counts.missing;
        record.extra += counts.extra;
        record.different += counts.different;
      }));
      return send_parity_cut(shadow);
    }));
  return {};
}

Status PostgresPipeline::bring_back(const CapturedTable& captured, const ParityTurn& turn) {
  uint64_t asked = parity_.find(captured.name).value_or(ParityRecord{}).asked;
  Status done = bring_back_now(captured, turn);
  if (!done && (turn.stop || may_go_by_itself(done.error()) || parity_.find(captured.name)->planned))
    return done;
  if (!done)
    log::warn("source {}: table {} cannot be brought back by parity: {}", options_.source.name,
              captured.source.display(), done.error().describe());
  return parity_.change(captured.name, [&](ParityRecord& record) {
    record.answered = asked;
    record.state = done ? "done" : "failed";
    record.error = done ? "" : done.error().message;
  });
}

Status PostgresPipeline::bring_back_now(const CapturedTable& captured, const ParityTurn& turn) {
  const std::string& source = options_.source.name;
  auto connection = TRY(postgres::Connection::open(connection_options(options_.source)));
  std::vector<CapturedTable> tables{TRY(TableTender::look(connection, captured))};
  CapturedTable& table = tables.front();
  if (!compare(shape_of(captured), table).none())
    return fail(ErrorKind::dependency_down,
                fmt::format("table {} is about to be looked at anew", captured.source.display()));
  TRY_VOID(keep_wider_types(pool_, table));
  log::info("source {}: bringing table {} back by parity", source, table.source.display());
  TRY_VOID(parity_.change(table.name, [](ParityRecord& record) {
    record.state = "copying";
    record.error.clear();
    record.rows = record.missing = record.extra = record.different = 0;
  }));
  ShadowTable shadow(table, pool_, apply_policy("parity"), turn.stop);
  TRY_VOID(shadow.make());
  auto replication = connection_options(options_.source);
  replication.replication = true;
  auto slot_connection = TRY(postgres::Connection::open(replication));
  auto slot = TRY(postgres::create_slot(slot_connection,
                                        fmt::format("tidemark_parity_{}", connection.backend_pid()), true));
  TableCounters counted;
  std::vector<CapturedTable> copies{shadow.copy()};
  TRY(copy_tables({.source = source,
                   .epoch = turn.epoch,
                   .connection = connection_options(options_.source),
                   .snapshot_name = slot.snapshot_name,
                   .snapshot_lsn = slot.consistent_point},
                  copies, {{&copies.front(), &counted}}, pool_, state_store_, turn.stop));
  { auto released = std::move(slot_connection); }
  auto check = [&]() -> Status {
    return TableTender::check_unchanged(table, TRY(TableTender::look(connection, table)));
  };
  TRY_VOID(check());
  // Behind the snapshot, and behind every copy the table ever had.
  postgres::Lsn wanted = std::max<uint64_t>(TRY(ask_for_fence()), slot.consistent_point);
  while (!turn.stop && applied_.fenced_lsn <= wanted) std::this_thread::sleep_for(limits::fence_poll_every);
  Version bound = make_version(turn.epoch, slot.consistent_point, 0);
  TRY_VOID(send_differences(
      shadow, turn.epoch, bound, [this] { return applied_.fenced_lsn.load(); },
      [&](const std::function<Status()>& action) {
        auto checked = [&]() -> Status {
          TRY_VOID(check());
          Status done = action();
          // Nothing else may come in before it has.
          if (!done && parity_.find(table.name)->planned) turn.end_life();
          return done;
        };
        return between_cuts(checked, turn.stop);
      }));
  TRY_VOID(shadow.drop());
  // What was set aside before the snapshot is in, or was set aside again.
  counters_
      .at(&*std::find_if(tables_.begin(), tables_.end(),
                         [&](const auto& one) { return one.name == table.name; }))
      ->quarantined += counted.quarantined;
  TRY(forget_quarantined(table.name, slot.consistent_point));
  ParityRecord record = *parity_.find(table.name);
  log::info(
      "source {}: table {} is brought back by parity as of {}: {} rows, {} were missing, {} extra, {} "
      "different",
      source, table.source.display(), postgres::format_lsn(slot.consistent_point), record.rows,
      record.missing, record.extra, record.different);
  return {};
}

// Why what happened since the last fence cannot be read any more; empty: it can.
Result<std::string> PostgresPipeline::what_is_lost(postgres::Connection& connection,
                                                   const postgres::ServerIdentity& identity,
                                                   const SourceRecord& record, const CutRecord& fenced) {
  if (record.timeline != identity.timeline)
    return fmt::format("the Postgres server was failed over or restored (timeline {} instead of {})",
                       identity.timeline, record.timeline);
  // Asked now: that of `identity` may be of before the first copy.
  postgres::Lsn end = TRY(postgres::read_identity(connection)).position;
  if (end < fenced.end_lsn)
    return fmt::format(
        "the log of the Postgres server ends at {} and the warehouse at {}: it was restored "
        "from an older state",
        postgres::format_lsn(end), postgres::format_lsn(fenced.end_lsn));
  auto slot = TRY(postgres::read_slot(connection, options_.source.slot));
  if (!slot) return fmt::format("replication slot {} is gone", options_.source.slot);
  if (slot->wal_status == "lost")
    return fmt::format("replication slot {} was invalidated: its log is removed", options_.source.slot);
  if (slot->confirmed_flush > fenced.end_lsn)
    return fmt::format(
        "replication slot {} is at {} and the warehouse ends at {}: somebody else read from it, or the "
        "warehouse is older than the slot",
        options_.source.slot, postgres::format_lsn(slot->confirmed_flush),
        postgres::format_lsn(fenced.end_lsn));
  return std::string();
}

// A new slot and a new epoch; what differs between its snapshot and the warehouse goes in. Until the new
// epoch is written down a restart finds the log lost, and begins again.
Status PostgresPipeline::repair_source(postgres::Connection& connection,
                                       const postgres::ServerIdentity& identity, const SourceRecord& before,
                                       const CutRecord& fenced, const std::string& lost) {
  const std::string& source = options_.source.name;
  const char* recopy = "copy the source again with: tidemark up --recopy";
  if (pool_.endpoint().cluster) return fail(ErrorKind::unsupported, lost, recopy);
  auto planned = TRY(state_store_.planned(source, before.epoch));
  CutRecord last = fenced;
  if (planned && planned->cut > fenced.cut) {
    if (!TRY(state_store_.ended_in_peace(source, before.epoch)))
      return fail(ErrorKind::unsupported,
                  lost + "; and a cut was half in, so what is derived from its rows is not known", recopy);
    last.cut = planned->cut;  // its number is used up; nothing of it is in
    TRY_VOID(state_store_.fence(last));
  }
  TRY_VOID(state_store_.began(last));
  auto epoch = static_cast<uint16_t>(before.epoch + 1);
  life_.set_state("copying");
  log::warn("source {}: {}; its tables are compared with the source and brought back by parity (epoch {})",
            source, lost, epoch);
  TRY_VOID(publish_tables(connection));
  TRY_VOID(postgres::drop_slot(connection, options_.source.slot));
  auto replication = connection_options(options_.source);
  replication.replication = true;
  auto slot_connection = TRY(postgres::Connection::open(replication));
  auto slot = TRY(postgres::create_slot(slot_connection, options_.source.slot, false));
  postgres::Lsn from = slot.consistent_point;

  std::vector<std::unique_ptr<ShadowTable>> shadows;
  std::vector<CapturedTable> copied;
  std::vector<TableCounters*> counters;
  std::vector<std::string> logs;
  copied.reserve(tables_.size());
  for (const auto& table : tables_) {
    auto known = book_.find(table.source.oid);
    if (!known || known->phase != TablePhase::live) continue;
    counters.push_back(counters_.at(&table));
    counters.back()->copied = 0;
    if (table.log) {  // without a key rows cannot be told apart
      logs.push_back(table.name);
      TRY_VOID(begin_bronze_anew(table));
      copied.push_back(table);
      continue;
    }
    shadows.push_back(std::make_unique<ShadowTable>(table, pool_, apply_policy("parity"), life_.stopping()));
    TRY_VOID(shadows.back()->make());
    copied.push_back(shadows.back()->copy());
  }
  if (!logs.empty() && hooks_.reset) TRY_VOID(hooks_.reset(logs));
  std::map<const CapturedTable*, TableCounters*> counted;
  for (size_t index = 0; index < copied.size(); ++index) counted[&copied[index]] = counters[index];
  TRY(copy_tables({.source = source,
                   .epoch = epoch,
                   .connection = connection_options(options_.source),
                   .snapshot_name = slot.snapshot_name,
                   .snapshot_lsn = from},
                  copied, counted, pool_, state_store_, life_.stopping()));
  for (const auto& table : copied)
    TRY_VOID(TableTender::check_unchanged(table, TRY(TableTender::look(connection, table))));
  for (const auto& table : tables_)
    if (table.log && table.history) TRY_VOID(begin_history(pool_, table, false));
  if (!logs.empty() && hooks_.after_copy) TRY_VOID(hooks_.after_copy(make_version(epoch, from, 0), logs));

  auto between = [this](const std::function<Status()>& action) -> Status {
    while (!life_.stopping()) {
      bool ran = false;
      // Nothing of this source is under way.
      Status done = hooks_.barrier->run(
          limits::barrier_patience, [] { return true; },
          [&] {
            ran = true;
            return action();
          });
      if (ran) return done;
    }
    return fail(ErrorKind::cancelled, "stopped");
  };
  for (const auto& shadow : shadows) {
    const std::string& name = shadow->mirrored().name;
    TRY_VOID(parity_.change(name, [](ParityRecord& record) {
      record.error.clear();
      record.missing = record.extra = record.different = 0;
    }));
    TRY_VOID(send_differences(
        *shadow, epoch, make_version(epoch, from, 0), [from] { return from; }, between));
    TRY_VOID(parity_.change(name, [](ParityRecord& record) { record.state = "done"; }));
    TRY_VOID(shadow->drop());
    TRY(forget_quarantined(name, from));
    ParityRecord record = *parity_.find(name);
    log::info(
        "source {}: table {} is brought back by parity: {} rows, {} were missing, {} extra, {} different",
        source, shadow->mirrored().source.display(), record.rows, record.missing, record.extra,
        record.different);
  }
  for (const auto& table : tables_) {
    auto known = book_.find(table.source.oid);
    bool live = known && known->phase == TablePhase::live;
    TRY_VOID(book_.save({.oid = table.source.oid,
                         .name = table.name,
                         .epoch = epoch,
                         .phase = live ? TablePhase::live : TablePhase::copying,
                         .from = live ? from : 0,
                         .shape = shape_of(table)}));
  }
  TRY_VOID(state_store_.fence({.source = source,
                               .epoch = epoch,
                               .cut = last.cut,
                               .last_lsn = from,
                               .end_lsn = from,
                               .committed_at = clock_.wall_micros()}));
  SourceRecord record = before;
  record.epoch = epoch;
  record.timeline = identity.timeline;
  record.slot = options_.source.slot;
  record.slot_lsn = from;
  return state_store_.save(record);
}

}  // namespace tidemark::ingest
