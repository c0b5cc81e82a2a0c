#include "ingest/table_tender.h"

#include "base/limits.h"
#include "base/log.h"
#include "ingest/bronze_shape.h"
#include "ingest/row_history.h"
#include "ingest/table_limits.h"
#include "postgres/replication_setup.h"

#include <thread>

namespace tidemark::ingest {

Status check_replica_identity(const CapturedTable& table) {
  TRY_VOID(postgres::check_column_list(table.source));
  if (!table.log && table.source.key_deferrable && table.source.identity == postgres::ReplicaIdentity::index)
    return fail(
        ErrorKind::unsupported,
        fmt::format("table {} has a DEFERRABLE primary key and REPLICA IDENTITY index: of two rows that "
                    "exchange their keys the stream does not say which is which",
                    table.source.display()),
        fmt::format("run: ALTER TABLE {} REPLICA IDENTITY FULL", table.source.quoted()));
  if (table.log || table.source.identity == postgres::ReplicaIdentity::primary_key ||
      table.source.identity == postgres::ReplicaIdentity::full)
    return {};
  if (table.source.identity == postgres::ReplicaIdentity::index) {
    bool covered = true;
    for (size_t column : table.source.key)
      covered = covered && table.source.columns[column].in_replica_identity;
    if (covered) return {};
  }
  return fail(ErrorKind::unsupported,
              fmt::format("table {} has REPLICA IDENTITY {}, so its updates and deletes do not say which "
                          "primary key they are about",
                          table.source.display(), postgres::name(table.source.identity)),
              fmt::format("run: ALTER TABLE {} REPLICA IDENTITY DEFAULT", table.source.quoted()));
}

Result<CapturedTable> TableTender::look(postgres::Connection& connection, const CapturedTable& table) {
  return look(TRY(postgres::read_table(connection, table.source.oid)), table);
}

Result<CapturedTable> TableTender::look(postgres::SourceTable source, const CapturedTable& table) {
  CapturedTable now = table;
  if (auto selected = postgres::select(source, table.source.selection); !selected) {
    // It is there, unlike one that cannot be read.
    selected.error().kind = ErrorKind::unsupported;
    return fail(std::move(selected.error()));
  }
  now.source = std::move(source);
  now.log = table.append_only || now.source.key.empty();
  TRY_VOID(check_replica_identity(now));
  return now;
}

Status TableTender::check_unchanged(const CapturedTable& before, const CapturedTable& after) {
  bool same = compare(shape_of(before), after).none() &&
              (before.source.kind == 'p' || before.source.storage == after.source.storage);
  if (same) return {};
  return fail(ErrorKind::dependency_down,
              fmt::format("table {} changed while it was copied", before.source.display()));
}

TableTender::TableTender(TenderStart start, TenderHooks hooks, TableBook& book, ApplierCounters& applied,
                         clickhouse::ClientPool& pool, StateStore& state, const Clock& clock)
    : start_(std::move(start)),
      hooks_(std::move(hooks)),
      book_(book),
      applied_(applied),
      pool_(pool),
      state_(state),
      clock_(clock),
      looked_(clock.monotonic_micros()) {}

void TableTender::stop() {
  stop_ = true;
}

bool TableTender::pause() {
  std::this_thread::sleep_for(limits::table_look_every);
  return !stop_ && !ended_;
}

void TableTender::run() {
  while (pause()) {
    Status tended = tend();
    if (tended || stop_ || tended.error().kind == ErrorKind::cancelled) continue;
    // The stream notices by itself when the source is away.
    log::warn("source {}: {}", start_.source, tended.error().describe());
    connection_.reset();
  }
}

Status TableTender::tend() {
  int64_t now = clock_.monotonic_micros();
  bool joining = false;
  for (const auto& table : start_.tables) {
    if (book_.phase(table.table.source.oid) != TablePhase::joining) continue;
    joining = true;
    if (applied_.late_lsn == 0 && !applied_.in_doubt)
      TRY_VOID(finish_join(table, *book_.find(table.table.source.oid)));
  }
  if (joining) return {};
  for (const auto& table : start_.tables) {
    auto phase = book_.phase(table.table.source.oid);
    if (phase == TablePhase::copied) {
      TRY_VOID(hooks_.at_barrier([&]() -> Status {
        hooks_.end_life();
        return {};
      }));
      ended_ = true;
      return {};
    }
    if (phase != TablePhase::copying || now < patience_[table.table.source.oid].next_try) continue;
    auto record = book_.find(table.table.source.oid);
    Status copied = copy(table, *record);
    if (copied || stop_) return {};
    applied_.hold_lsn = UINT64_MAX;
    be_patient(record->oid);
    Error& error = copied.error();
    log::warn("source {}: table {} cannot be copied: {}", start_.source, table.table.source.display(),
              error.describe());
    record->error = error.message;
    return book_.save(std::move(*record));
  }
  for (const auto& table : start_.tables) {
    uint32_t oid = table.table.source.oid;
    bool wanted = book_.phase(oid) == TablePhase::live && hooks_.parity_wanted(table.table);
    if (!wanted || now < patience_[oid].next_try) continue;
    Status done = hooks_.bring_back(table.table);
    if (!done) be_patient(oid);
    return done;
  }
  if (now - looked_ < limits::shape_look_every_us) return {};
  looked_ = now;
  if (!TRY(catalog_changed())) return {};
  log::info("source {}: a table changed; looking at it", start_.source);
  TRY_VOID(hooks_.at_barrier([&]() -> Status {
    hooks_.end_life();
    return {};
  }));
  ended_ = true;
  return {};
}

void TableTender::be_patient(uint32_t oid) {
  Patience& patience = patience_[oid];
  patience.backoff_us = std::clamp<int64_t>(patience.backoff_us * 2, limits::table_backoff_min.count() * 1000,
                                            limits::source_backoff_max.count() * 1000);
  patience.next_try = clock_.monotonic_micros() + patience.backoff_us;
}

Result<bool> TableTender::catalog_changed() {
  if (!connection_) connection_.emplace(TRY(postgres::Connection::open(start_.connection)));
  std::vector<uint32_t> oids;
  for (const auto& table : start_.tables) oids.push_back(table.table.source.oid);
  return TRY(postgres::shape_fingerprint(*connection_, oids)) != start_.fingerprint;
}

Status TableTender::copy(const TenderTable& tended, TableRecord record) {
  auto connection = TRY(postgres::Connection::open(start_.connection));
  std::vector<CapturedTable> tables{TRY(look(connection, tended.table))};
  const CapturedTable& table = tables.front();
  log::info("source {}: copying table {} while the others go on{}{}", start_.source, table.source.display(),
            record.error.empty() ? "" : "; it failed: ", record.error);
  // Held before the snapshot is taken, so what comes after it stays in the log.
  applied_.hold_lsn = applied_.forgettable_lsn();
  tended.counters->copied = 0;
  if (hooks_.before_copy) TRY_VOID(hooks_.before_copy({table.name}));
  TRY_VOID(hooks_.at_barrier([&]() -> Status {
    TRY_VOID(make_bronze_anew(pool_, table));
    return hooks_.reset ? hooks_.reset({table.name}) : Status();
  }));
  auto replication = start_.connection;
  replication.replication = true;
  auto slot_connection = TRY(postgres::Connection::open(replication));
  auto slot = TRY(postgres::create_slot(slot_connection,
                                        fmt::format("tidemark_copy_{}", connection.backend_pid()), true));
  std::map<const CapturedTable*, TableCounters*> counters{{&table, tended.counters}};
  TRY(copy_tables({.source = start_.source,
                   .epoch = start_.epoch,
                   .connection = start_.connection,
                   .snapshot_name = slot.snapshot_name,
                   .snapshot_lsn = slot.consistent_point},
                  tables, counters, pool_, state_, stop_));
  TRY_VOID(check_unchanged(table, TRY(look(connection, table))));
  if (table.history) TRY_VOID(begin_history(pool_, table, false));
  record.phase = TablePhase::copied;
  record.from = slot.consistent_point;
  record.shape = shape_of(table);
  record.error.clear();
  log::info("source {}: table {} is copied, {} rows as of {}", start_.source, table.source.display(),
            tended.counters->copied.load(), postgres::format_lsn(slot.consistent_point));
  return book_.save(std::move(record));
}

// It has caught up with the others.
Status TableTender::finish_join(const TenderTable& table, TableRecord record) {
  Version version =
      make_version(start_.epoch, std::max<uint64_t>(applied_.fenced_lsn, record.from), ordinal_max);
  if (hooks_.after_copy) TRY_VOID(hooks_.after_copy(version, {table.table.name}));
  record.phase = TablePhase::live;
  TRY_VOID(book_.save(std::move(record)));
  log::info("source {}: table {} has joined the others", start_.source, table.table.source.display());
  return {};
}

}  // namespace tidemark::ingest
