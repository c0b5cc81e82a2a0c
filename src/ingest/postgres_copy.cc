// How a PostgresPipeline copies its source for the first time, or anew. The rest of it is in
// postgres_pipeline.cc.
//
// A source of small tables is copied as of the slot's snapshot, models and all, at once. One with a table of
// several ranges (SnapshotOptions) must not hold a snapshot that long, nor lose hours to a kill:
//
//   begin     the slot is made; tables without a key, or with a DEFERRABLE one, are copied as of its
//             snapshot, which then ends
//   ranges    those with a key, each range in a short transaction (initial_copy.h), into bronze alone
//   settle    the stream, from the slot's place until behind the last range's, into bronze alone: then the
//             tables are what the source was at one place, whatever moved while they were read
//   models    what they are made of is emptied, and given these rows
//
// Nobody who reads models sees a half: they are empty until they are right. Change rows of the ranges
// themselves would count a row twice that an update moved from a range that was read to one that was not.
//
// A kill costs the ranges under way, or the settling, or the filling, each of which begins again and changes
// nothing that is in.
#include "base/log.h"
#include "clickhouse/schema.h"
#include "ingest/bronze_shape.h"
#include "ingest/log_follower.h"
#include "ingest/postgres_pipeline.h"
#include "ingest/row_history.h"

namespace tidemark::ingest {

namespace {

constexpr uint64_t pages_a_megabyte = 128;

// Of which two rows cannot be told apart, for good or within a transaction.
bool needs_one_snapshot(const CapturedTable& table) {
  return table.log || table.source.key_deferrable;
}

// The rows of a table that is whole as change rows. Nothing of it may be in; one that a process before us
// began and a server of the user's own still runs is ended first, as ours is when we are told to stop.
Status insert_change_rows(clickhouse::ClientPool& pool, const CapturedTable& table, const std::string& who,
                          const std::atomic<bool>& stop) {
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::hours(24);
  options.query_id = fmt::format("{}:{}", who, table.name);
  // Each block counts, also one that is equal to another.
  options.settings = {{"insert_deduplicate", "0"},
                      {"deduplicate_blocks_in_dependent_materialized_views", "0"},
                      {"max_partitions_per_insert_block", "0"},
                      {"max_execution_time", "0"},
                      {"materialized_views_ignore_errors", "0"}};
  const std::string kill =
      "KILL QUERY WHERE query_id = " + clickhouse::quote_string(options.query_id) + " SYNC";
  TRY_VOID(pool.execute(kill));
  std::vector<std::string> names;
  for (const auto& column : table.source.columns) names.push_back(column.name);
  std::string columns = clickhouse::quote_list(names);
  std::atomic<bool> over{false};
  std::thread watch([&] {
    while (!over && !stop) std::this_thread::sleep_for(limits::fence_poll_every);
    if (!over) (void)pool.execute(kill);
  });
  Status done =
      pool.execute(fmt::format("INSERT INTO {} ({}, _sign, _op, _version, _committed_at, _cut) SELECT {}, 1, "
                               "'insert', _version, _committed_at, 0 FROM {}{}",
                               table.target("__changes"), columns, columns, table.target(),
                               table.log ? "" : " FINAL WHERE _deleted = 0"),
                   options);
  over = true;
  watch.join();
  return done;
}

// Tables in bronze that have rows, so that a thousand new ones need not be emptied; nothing: not known of a
// cluster's shards.
Result<std::optional<std::set<std::string>>> filled_tables(clickhouse::ClientPool& pool) {
  if (pool.endpoint().cluster) return std::nullopt;
  Block block =
      TRY(pool.query("SELECT DISTINCT table FROM system.parts WHERE database = 'bronze' AND active"));
  std::set<std::string> filled;
  for (size_t row = 0; row < block.rows(); ++row) filled.emplace(block.columns[0].text(row));
  return filled;
}

}  // namespace

uint64_t PostgresPipeline::range_pages() const {
  return static_cast<uint64_t>(options_.snapshot.range_megabytes) * pages_a_megabyte;
}

bool PostgresPipeline::is_large() const {
  return !pool_.endpoint().cluster &&
         std::any_of(tables_.begin(), tables_.end(), [this](const CapturedTable& table) {
           return !needs_one_snapshot(table) && table.source.pages > range_pages();
         });
}

CopyOptions PostgresPipeline::copy_options(const SourceRecord& record) const {
  return {.source = options_.source.name,
          .epoch = record.epoch,
          .connection = connection_options(options_.source),
          .snapshot_lsn = record.slot_lsn,
          .range_pages = range_pages(),
          .rows_per_second_max = static_cast<uint64_t>(options_.snapshot.rows_per_second_max)};
}

Result<bool> PostgresPipeline::copy(postgres::Connection& connection,
                                    const postgres::ServerIdentity& identity,
                                    const std::optional<SourceRecord>& before) {
  life_.set_state("copying");
  if (before && !options_.recopy && TRY(can_go_on(connection, identity, *before)))
    return copy_in_ranges(connection, *before);
  auto epoch = static_cast<uint16_t>(before ? before->epoch + 1 : 1);
  log::info("source {}: initial copy of {} tables (epoch {})", options_.source.name, tables_.size(), epoch);
  std::string before_looking = TRY(fingerprint(connection));
  SourceRecord record = TRY(begin_copy(connection, identity, epoch));
  options_.recopy = false;  // what is written down says that it is to be copied

  auto replication = connection_options(options_.source);
  replication.replication = true;
  auto slot_connection = TRY(postgres::Connection::open(replication));
  auto slot = TRY(postgres::create_slot(slot_connection, options_.source.slot, false));
  record.slot_lsn = slot.consistent_point;
  copied_before_ = 0;
  copying_since_ = clock_.monotonic_micros();
  if (!is_large()) {
    TRY_VOID(copy_at_once(connection, std::move(record), slot));
    return true;
  }
  TRY_VOID(begin_ranges(connection, record, slot));
  TRY_VOID(ranges_.begin(epoch, std::move(before_looking)));
  { auto ended = std::move(slot_connection); }
  return copy_in_ranges(connection, record);
}

// Everything is empty, and the publication is as the slot needs it.
Result<SourceRecord> PostgresPipeline::begin_copy(postgres::Connection& connection,
                                                  const postgres::ServerIdentity& identity, uint16_t epoch) {
  if (hooks_.before_copy) TRY_VOID(hooks_.before_copy(table_names()));
  auto looked = TRY(look_at_all(connection));
  for (size_t index = 0; index < tables_.size(); ++index) {
    CapturedTable& table = tables_[index];
    CapturedTable& now = looked[index];
    if (!compare(shape_of(table), now).none()) TRY_VOID(make_bronze_anew(pool_, now));
    std::lock_guard lock(mutex_);
    table.source = std::move(now.source);
    table.log = now.log;
  }
  TRY_VOID(publish_tables(connection));
  TRY_VOID(postgres::drop_slot(connection, options_.source.slot));
  SourceRecord record{.source = options_.source.name,
                      .epoch = epoch,
                      .system_id = identity.system_id,
                      .timeline = identity.timeline,
                      .slot = options_.source.slot};
  TRY_VOID(state_store_.save(record));
  auto filled = TRY(filled_tables(pool_));
  for (const auto& table : tables_) {
    if (!filled || filled->contains(table.name)) TRY_VOID(pool_.execute("TRUNCATE TABLE " + table.target()));
    counters_.at(&table)->copied = 0;
  }
  if (hooks_.reset) TRY_VOID(hooks_.reset(table_names()));
  return record;
}

Status PostgresPipeline::copy_at_once(postgres::Connection& connection, SourceRecord record,
                                      const postgres::CreatedSlot& slot) {
  CopyOptions options = copy_options(record);
  options.snapshot_name = slot.snapshot_name;
  uint64_t rows = TRY(copy_tables(options, tables_, counters_, pool_, state_store_, life_.stopping()));
  auto after = TRY(look_at_all(connection));
  std::vector<TableRecord> records;
  for (size_t index = 0; index < tables_.size(); ++index) {
    const CapturedTable& table = tables_[index];
    TRY_VOID(TableTender::check_unchanged(table, after[index]));
    records.push_back({.oid = table.source.oid,
                       .name = table.name,
                       .epoch = record.epoch,
                       .from = slot.consistent_point,
                       .shape = shape_of(table)});
    if (table.history) TRY_VOID(begin_history(pool_, table, false));
  }
  TRY_VOID(book_.save(std::move(records)));
  if (hooks_.after_copy)
    TRY_VOID(hooks_.after_copy(make_version(record.epoch, slot.consistent_point, 0), table_names()));
  record.copied = true;
  TRY_VOID(state_store_.fence({.source = options_.source.name,
                               .epoch = record.epoch,
                               .cut = 0,
                               .last_lsn = slot.consistent_point,
                               .end_lsn = slot.consistent_point,
                               .rows = rows,
                               .committed_at = clock_.wall_micros()}));
  TRY_VOID(state_store_.save(record));
  double seconds = static_cast<double>(clock_.monotonic_micros() - copying_since_) / 1e6;
  log::info("source {}: initial copy done, {} rows in {:.1f} s ({:.0f} rows/s), as of {}",
            options_.source.name, rows, seconds, static_cast<double>(rows) / std::max(seconds, 1e-3),
            postgres::format_lsn(slot.consistent_point));
  return {};
}

// What needs the slot's own snapshot.
Status PostgresPipeline::begin_ranges(postgres::Connection& connection, const SourceRecord& record,
                                      const postgres::CreatedSlot& slot) {
  std::vector<CapturedTable> whole;
  std::vector<TableCounters*> counted;
  for (const auto& table : tables_) {
    if (!needs_one_snapshot(table)) continue;
    whole.push_back(table);
    whole.back().has_changes = false;
    counted.push_back(counters_.at(&table));
  }
  std::map<const CapturedTable*, TableCounters*> counters;
  for (size_t index = 0; index < whole.size(); ++index) counters[&whole[index]] = counted[index];
  CopyOptions options = copy_options(record);
  options.snapshot_name = slot.snapshot_name;
  if (!whole.empty()) TRY(copy_tables(options, whole, counters, pool_, state_store_, life_.stopping()));
  for (const auto& table : whole)
    TRY_VOID(TableTender::check_unchanged(table, TRY(TableTender::look(connection, table))));
  TRY_VOID(wait_until_shown(connection, slot.snapshot_name, life_.stopping()));
  TRY_VOID(state_store_.save(record));
  return state_store_.fence({.source = options_.source.name,
                             .epoch = record.epoch,
                             .cut = 0,
                             .last_lsn = slot.consistent_point,
                             .end_lsn = slot.consistent_point,
                             .committed_at = clock_.wall_micros()});
}

// The slot still has everything since the ranges began, and the tables have the same columns.
Result<bool> PostgresPipeline::can_go_on(postgres::Connection& connection,
                                         const postgres::ServerIdentity& identity,
                                         const SourceRecord& record) {
  if (record.system_id != identity.system_id || record.slot != options_.source.slot) return false;
  if (pool_.endpoint().cluster || !TRY(ranges_.load(record.epoch))) return false;
  auto fenced = TRY(state_store_.fenced(record.source, record.epoch));
  if (!fenced) return false;
  std::string why = TRY(what_is_lost(connection, identity, record, *fenced));
  if (why.empty() && TRY(fingerprint(connection)) != ranges_.fingerprint())
    why = "a table changed its columns";
  for (const auto& table : tables_)
    if (why.empty() && ranges_.rows_of(table.source.oid) > 0 &&
        TRY(pool_.query("SELECT _version FROM " + table.target() + " LIMIT 1")).rows() == 0)
      why = "the rows of " + table.display() + " are gone";
  if (!why.empty())
    log::warn("source {}: the copy that was interrupted starts over: {}", options_.source.name, why);
  return why.empty();
}

Result<bool> PostgresPipeline::copy_in_ranges(postgres::Connection& connection, const SourceRecord& record) {
  std::vector<CapturedTable> keyed;
  std::vector<TableCounters*> counted;
  uint64_t before = 0;
  for (const auto& table : tables_) {
    if (needs_one_snapshot(table)) continue;
    keyed.push_back(table);
    keyed.back().has_changes = false;
    keyed.back().source = TRY(TableTender::look(connection, table)).source;
    counted.push_back(counters_.at(&table));
    counted.back()->copied = ranges_.rows_of(table.source.oid);
    before += counted.back()->copied;
  }
  if (before > 0)
    log::info("source {}: the initial copy goes on: {} rows are in", options_.source.name, before);
  copied_before_ = before;
  copying_since_ = clock_.monotonic_micros();
  std::map<const CapturedTable*, TableCounters*> counters;
  for (size_t index = 0; index < keyed.size(); ++index) counters[&keyed[index]] = counted[index];
  CopyOptions options = copy_options(record);
  options.ranges = &ranges_;
  // A table that the server wrote anew (VACUUM FULL, TRUNCATE) has its rows at other places: once more.
  for (bool same = false; !same;) {
    TRY(copy_tables(options, keyed, counters, pool_, state_store_, life_.stopping()));
    same = true;
    for (auto& table : keyed) {
      auto now = TRY(TableTender::look(connection, table)).source;
      same = same && now.storage == table.source.storage;
      table.source = std::move(now);
    }
  }
  if (TRY(fingerprint(connection)) != ranges_.fingerprint())
    return fail(ErrorKind::dependency_down, "a table changed its columns while the source was copied");
  TRY_VOID(book_.load(record.epoch));
  for (const auto& table : tables_)
    if (!book_.find(table.source.oid))
      TRY_VOID(book_.save({.oid = table.source.oid,
                           .name = table.name,
                           .epoch = record.epoch,
                           .from = record.slot_lsn,
                           .shape = shape_of(table)}));
  return settle(record);
}

// The tables as of one place.
Result<bool> PostgresPipeline::settle(const SourceRecord& record) {
  // And behind whatever a kill left of a cut.
  postgres::Lsn until = std::max<uint64_t>(ranges_.seen(), TRY(ask_for_fence()));
  log::info("source {}: all rows are read; the log from {} to {} makes them one state", options_.source.name,
            postgres::format_lsn(record.slot_lsn), postgres::format_lsn(until));
  std::set<std::string> with_changes;
  auto put = [&](bool changes) {
    std::lock_guard lock(mutex_);
    for (auto& table : tables_)
      if (changes ? with_changes.contains(table.name) : table.has_changes) {
        table.has_changes = changes;
        if (!changes) with_changes.insert(table.name);
      }
  };
  put(false);
  Status streamed = stream(record.epoch, {.until = until});
  put(true);
  TRY_VOID(std::move(streamed));
  life_.set_state("copying");
  if (life_.stopping() || applied_.in_doubt || applied_.fenced_lsn <= until) return false;
  TRY_VOID(give_to_models(record, with_changes));
  return true;
}

Status PostgresPipeline::give_to_models(SourceRecord record, const std::set<std::string>& with_changes) {
  postgres::Lsn place = applied_.fenced_lsn;
  if (hooks_.reset) TRY_VOID(hooks_.reset(table_names()));
  for (const auto& table : tables_)
    if (with_changes.contains(table.name))
      TRY_VOID(insert_change_rows(pool_, table, fmt::format("copied {} {}", record.source, record.epoch),
                                  life_.stopping()));
  for (const auto& table : tables_)
    if (table.history) TRY_VOID(begin_history(pool_, table, false));
  if (hooks_.after_copy) TRY_VOID(hooks_.after_copy(make_version(record.epoch, place, 0), table_names()));
  record.copied = true;
  TRY_VOID(state_store_.save(record));
  uint64_t rows = 0;
  for (const auto& [table, counters] : counters_) rows += counters->copied;
  double seconds = static_cast<double>(clock_.monotonic_micros() - copying_since_) / 1e6;
  log::info("source {}: initial copy done, {} rows, {} of them in the last {:.1f} s, as of {}",
            options_.source.name, rows, rows - std::min(rows, copied_before_.load()), seconds,
            postgres::format_lsn(place));
  return {};
}

// Between two cuts: what is in then is what the source was there.
void PostgresPipeline::end_behind(postgres::Lsn until, const std::atomic<bool>& stop,
                                  const std::function<void()>& end_life) {
  for (bool ended = false; !ended && !stop; std::this_thread::sleep_for(limits::fence_poll_every)) {
    if (applied_.fenced_lsn <= until) continue;
    (void)hooks_.barrier->run(
        limits::barrier_patience, [this] { return !applied_.in_doubt; },
        [&]() -> Status {
          ended = true;
          end_life();
          return {};
        });
  }
}

std::optional<int64_t> PostgresPipeline::copy_seconds_left() const {
  uint64_t copied = 0, left = 0;
  std::lock_guard lock(mutex_);
  for (const auto& table : tables_) {
    uint64_t rows = counters_.at(&table)->copied;
    // As dense as the ranges that are in; of a partitioned table each is of several files.
    uint64_t pages = table.source.kind == 'p' ? 0 : ranges_.pages_of(table.source);
    auto all = pages == 0 ? static_cast<uint64_t>(table.source.estimated_rows)
                          : ranges_.rows_of(table.source.oid) * table.source.pages / pages;
    copied += rows;
    left += all > rows ? all - rows : 0;
  }
  uint64_t now = copied - std::min(copied, copied_before_.load());
  if (copying_since_ == 0 || now == 0) return std::nullopt;
  double seconds = static_cast<double>(clock_.monotonic_micros() - copying_since_) / 1e6;
  return static_cast<int64_t>(static_cast<double>(left) * seconds / static_cast<double>(now));
}

}  // namespace tidemark::ingest
