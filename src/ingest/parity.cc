#include "ingest/parity.h"

#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "ingest/batch_store.h"
#include "ingest/batch_table.h"
#include "ingest/bronze_shape.h"
#include "ingest/dropped_tables.h"
#include "ingest/image_reader.h"
#include "ingest/row_hash.h"
#include "ingest/table_records.h"
#include "postgres/copy_reader.h"
#include "postgres/replication_setup.h"

#include <set>

namespace tidemark::ingest {
namespace {

// Gets every row of a side: its hashes, and where it stands, for the key's text.
using OnRow = std::function<void(const HashedRow&, const Block&, size_t)>;

class TableCheck {
 public:
  TableCheck(const CapturedTable& table, postgres::Connection& source, clickhouse::ClientPool& pool,
             Version bound, const ParityOptions& options, std::function<Status()> before_moving = {})
      : table_(table),
        source_(source),
        pool_(pool),
        bound_(bound),
        options_(options),
        before_moving_(std::move(before_moving)) {
    report_.table = table.display();
    if (!table.log) key_columns_ = table.source.key;
    for (size_t column = 0; table.log && column < table.source.columns.size(); ++column)
      key_columns_.push_back(column);
    std::vector<size_t> all;
    for (size_t column = 0; column < table_.source.columns.size(); ++column) all.push_back(column);
    hasher_.emplace(key_columns_, std::move(all));
  }

  Result<TableParity> run() {
    BucketSums source;
    BucketSums warehouse;
    TRY_VOID(scan_source([&](const HashedRow& row, const Block&, size_t) { source.add(row); }));
    TRY_VOID(scan_warehouse([&](const HashedRow& row, const Block&, size_t) { warehouse.add(row); }));
    for (uint64_t count : source.count) report_.rows += count;
    looking_closer_ = true;
    std::set<size_t> suspects;
    for (size_t bucket = 0; bucket < limits::parity_buckets; ++bucket)
      if (source.value[bucket] != warehouse.value[bucket] || source.count[bucket] != warehouse.count[bucket])
        suspects.insert(bucket);
    // A bucket whose sums agree holds equal rows even if some of them moved; only disagreeing ones are looked
    // into.
    while (!suspects.empty()) {
      std::set<size_t> batch;
      uint64_t rows = 0;
      while (!suspects.empty() && (batch.empty() || rows < limits::parity_detail_rows_max)) {
        size_t bucket = *suspects.begin();
        rows += std::max(source.count[bucket], warehouse.count[bucket]);
        batch.insert(bucket);
        suspects.erase(suspects.begin());
      }
      TRY_VOID(compare_rows(batch));
    }
    return report_;
  }

 private:
  struct Side {
    RowHash value = 0;
    int64_t copies = 0;
    std::string key;
  };
  using Rows = std::unordered_map<RowHash, Side, HashOfRowHash>;

  Status compare_rows(const std::set<size_t>& buckets) {
    Rows source;
    Rows warehouse;
    auto into = [&](Rows& rows) {
      return [&](const HashedRow& row, const Block& block, size_t index) {
        if (!buckets.contains(row.bucket())) return;
        Side& side = rows[row.key];
        side.value = row.value;
        ++side.copies;
        if (side.key.empty()) side.key = key_text(block, index);
      };
    };
    TRY_VOID(scan_source(into(source)));
    TRY_VOID(scan_warehouse(into(warehouse)));
    if (before_moving_) TRY_VOID(before_moving_());
    auto moving = TRY(moving_keys());
    for (const auto& [key, side] : source) {
      if (moving.contains(key)) continue;
      auto found = warehouse.find(key);
      int64_t there = found == warehouse.end() ? 0 : found->second.copies;
      if (there < side.copies)
        note(report_.missing, "missing", side, static_cast<uint64_t>(side.copies - there));
      else if (found->second.value != side.value)
        note(report_.different, "different", side, 1);
    }
    for (const auto& [key, side] : warehouse) {
      if (moving.contains(key)) continue;
      auto found = source.find(key);
      int64_t there = found == source.end() ? 0 : found->second.copies;
      if (there < side.copies) note(report_.extra, "extra", side, static_cast<uint64_t>(side.copies - there));
    }
    report_.moving = moving.size();
    return {};
  }

  void note(uint64_t& counter, const char* what, const Side& side, uint64_t count) {
    counter += count;
    if (report_.examples.size() < limits::parity_examples_max)
      report_.examples.push_back(
          fmt::format("{}: {}", what, side.key.substr(0, limits::parity_example_bytes_max)));
  }

  std::string key_text(const Block& block, size_t row) const {
    Block key;
    for (size_t column : key_columns_) {
      ColumnType type = block.columns[column].type();
      key.add(block.names[column], type);
      key.columns.back().append_from(block.columns[column], row);
    }
    return key_literal(key, 0);
  }

  void progress(uint64_t rows) {
    read_ += rows;
    if (options_.progress) options_.progress(report_.table, read_);
  }

  Status scan_source(const OnRow& on_row) {
    postgres::TableDecoder decoder(table_.source);
    Block block;
    decoder.add_columns(block);
    // A row that cannot be decoded is in quarantine, so it is missing in the warehouse; so it is counted
    // here.
    postgres::CopyBinaryReader reader([&](const postgres::CopyBinaryReader::Failure& failure) {
      if (looking_closer_) return;  // counted by the first scan
      ++report_.missing;
      if (report_.examples.size() < limits::parity_examples_max)
        report_.examples.push_back("in quarantine: " + failure.explanation);
    });
    auto drain = [&] {
      for (size_t row = 0; row < block.rows(); ++row) on_row((*hasher_)(block, row), block, row);
      progress(block.rows());
      block.clear();
    };
    TRY(source_.copy_out(postgres::copy_statement(table_.source), [&](std::string_view piece) -> Status {
      TRY(reader.feed(piece.data(), piece.size(), decoder, block));
      if (block.rows() >= limits::parity_block_rows) drain();
      return {};
    }));
    if (!reader.finished()) return fail(ErrorKind::corrupt, "COPY ended without its trailer");
    drain();
    return {};
  }

  Status scan_warehouse(const OnRow& on_row) {
    std::vector<std::string> names;
    for (const auto& column : table_.source.columns) names.push_back(column.name);
    std::string sql = fmt::format("SELECT {} FROM {} ", clickhouse::quote_list(names), table_.target());
    sql += table_.log ? fmt::format("WHERE _version <= toUInt128('{}')", bound_) : "FINAL WHERE _deleted = 0";
    clickhouse::QueryOptions options;
    options.timeout = std::chrono::hours(6);
    options.settings = {{"max_execution_time", "0"}, {"max_result_rows", "0"}};
    return pool_.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
      for (size_t row = 0; row < block.rows(); ++row) on_row((*hasher_)(block, row), block, row);
      progress(block.rows());
      return {};
    });
  }

  Result<std::set<RowHash>> moving_keys() {
    std::set<RowHash> keys;
    // Of a streamed log nothing newer than the snapshot was read, on either side.
    if (table_.log && !before_moving_) return keys;
    std::vector<std::string> names;
    for (size_t column : key_columns_) names.push_back(table_.source.columns[column].name);
    std::string sql = fmt::format("SELECT {} FROM {} WHERE _version > toUInt128('{}')",
                                  clickhouse::quote_list(names), table_.target(), bound_);
    clickhouse::QueryOptions options;
    options.timeout = std::chrono::hours(1);
    TRY_VOID(pool_.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
      for (size_t row = 0; row < block.rows(); ++row) keys.insert(hasher_->key_of(block, row));
      return {};
    }));
    return keys;
  }

  const CapturedTable& table_;
  postgres::Connection& source_;
  clickhouse::ClientPool& pool_;
  Version bound_;
  const ParityOptions& options_;
  std::function<Status()> before_moving_;  // brings what changed after the snapshot behind `bound`
  std::vector<size_t> key_columns_;
  std::optional<RowHasher> hasher_;
  uint64_t read_ = 0;
  bool looking_closer_ = false;
  TableParity report_;
};

Status wait_for_fence(StateStore& state, const SourceRecord& record, postgres::Lsn lsn,
                      const ParityOptions& options, const std::atomic<bool>& stop) {
  int64_t deadline = system_clock().monotonic_micros() + options.fence_timeout.count() * 1000;
  while (!stop) {
    auto fenced = TRY(state.fenced(record.source, record.epoch));
    if (fenced && fenced->end_lsn >= lsn) return {};
    if (system_clock().monotonic_micros() > deadline)
      return fail(ErrorKind::dependency_down,
                  fmt::format("source {} did not reach {} within {} s; the warehouse is at {}", record.source,
                              postgres::format_lsn(lsn), options.fence_timeout.count() / 1000,
                              fenced ? postgres::format_lsn(fenced->end_lsn) : "nothing"),
                  "verify needs the project to run: tidemark up; tidemark status shows how far it is");
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
  return fail(ErrorKind::cancelled, "stopped");
}

// A table that is copied again is not there, or as of a later place, until it has joined the others.
Status wait_for_copies(clickhouse::ClientPool& pool, const SourceRecord& record,
                       const std::vector<CapturedTable>& tables, const ParityOptions& options,
                       const std::atomic<bool>& stop) {
  TableRecords records(pool, apply_policy("verify"), stop);
  int64_t deadline = system_clock().monotonic_micros() + options.fence_timeout.count() * 1000;
  while (!stop) {
    auto known = TRY(records.load(record.source, record.epoch));
    auto copied = std::find_if(tables.begin(), tables.end(), [&](const CapturedTable& table) {
      auto found = known.find(table.source.oid);
      // One that cannot be copied is compared as it is.
      return found != known.end() && found->second.phase != TablePhase::live && found->second.error.empty();
    });
    if (copied == tables.end()) return {};
    if (system_clock().monotonic_micros() > deadline)
      return fail(
          ErrorKind::dependency_down,
          fmt::format("{} is still being copied again after {} s", copied->display(),
                      options.fence_timeout.count() / 1000),
          "tidemark status shows how far it is; --timeout waits longer, names of other tables leave it out");
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
  return fail(ErrorKind::cancelled, "stopped");
}

// Asks the running project for a run of the source and waits until it is fenced; returns the cut it ended in.
Result<uint64_t> await_batch_run(clickhouse::ClientPool& pool, StateStore& state, const SourceRecord& record,
                                 const ParityOptions& options, const std::atomic<bool>& stop) {
  BatchStore store(pool, apply_policy("verify"), stop);
  uint64_t request = TRY(store.ask(record.source));
  int64_t deadline = system_clock().monotonic_micros() + options.fence_timeout.count() * 1000;
  while (!stop) {
    auto fenced = TRY(state.fenced(record.source, record.epoch));
    if (fenced) {
      auto progress = TRY(store.load(record.source, record.epoch, fenced->cut));
      if (progress && progress->answered >= request) return fenced->cut;
    }
    if (system_clock().monotonic_micros() > deadline)
      return fail(ErrorKind::dependency_down,
                  fmt::format("source {} did not end a run within {} s", record.source,
                              options.fence_timeout.count() / 1000),
                  "verify needs the project to run: tidemark up; --timeout gives a long run more time");
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
  return fail(ErrorKind::cancelled, "stopped");
}

bool wanted_table(const CapturedTable& table, const ParityOptions& options) {
  if (options.only.empty()) return true;
  auto named = [&](const std::string& name) {
    return std::find(options.only.begin(), options.only.end(), name) != options.only.end();
  };
  return named(table.name) || named(table.display()) || named(table.source.display());
}

// A source that is read in batches: first a run, which also looks for deleted rows; then both sides as of a
// snapshot; then, only when something differs, another run, which shows what changed in between.
Result<ParityReport> verify_batch_tables(const config::PostgresSource& source, clickhouse::ClientPool& pool,
                                         const ParityOptions& options, const std::atomic<bool>& stop) {
  auto connection = TRY(postgres::Connection::open(
      {.url = source.url.reveal(), .application_name = "tidemark " + source.name}));
  auto sources = TRY(postgres::read_tables(connection, source.tables));
  StateStore state(pool, apply_policy("verify"), stop);
  auto record = TRY(state.source(source.name));
  if (!record || !record->copied)
    return fail(ErrorKind::dependency_down, fmt::format("source {} was never loaded", source.name),
                "start the project: tidemark up");
  uint64_t cut = TRY(await_batch_run(pool, state, *record, options, stop));
  for (const char* setting : {"statement_timeout = 0", "idle_in_transaction_session_timeout = 0"})
    TRY_VOID(connection.execute(std::string("SET ") + setting));
  ParityReport report;
  report.as_of = TRY(postgres::begin_snapshot(connection)).position;
  Version bound = make_version(record->epoch, cut, ordinal_max);
  auto before_moving = [&]() -> Status {
    TRY(await_batch_run(pool, state, *record, options, stop));
    return {};
  };
  for (auto& table_source : sources) {
    auto table = TRY(batch_table(std::move(table_source), source, false));
    if (!wanted_table(table.captured, options)) continue;
    report.tables.push_back(
        TRY_IN(TableCheck(table.captured, connection, pool, bound, options, before_moving).run(),
               table.captured.display()));
  }
  return report;
}

}  // namespace

Result<ParityReport> verify_tables(const config::PostgresSource& source, clickhouse::ClientPool& pool,
                                   const ParityOptions& options, const std::atomic<bool>& stop) {
  if (source.mode == config::PostgresSource::Mode::batch)
    return verify_batch_tables(source, pool, options, stop);
  postgres::ConnectionOptions url{.url = source.url.reveal(), .application_name = "tidemark verify"};
  auto connection = TRY(postgres::Connection::open(url));
  auto sources = TRY(read_tables_left(connection, source, pool, stop));
  StateStore state(pool, apply_policy("verify"), stop);
  auto record = TRY(state.source(source.name));
  if (!record || !record->copied)
    return fail(ErrorKind::dependency_down,
                fmt::format("source {} has no complete initial copy yet", source.name),
                "wait for it with: tidemark status");
  auto replication = url;
  replication.replication = true;
  auto slot_connection = TRY(postgres::Connection::open(replication));
  auto slot = TRY(postgres::create_slot(slot_connection,
                                        fmt::format("tidemark_verify_{}", connection.backend_pid()), true));
  TRY_VOID(connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  TRY_VOID(connection.execute("SET TRANSACTION SNAPSHOT " + postgres::quote_literal(slot.snapshot_name)));
  // The snapshot is ours now; the slot need not hold back the log any longer.
  { auto released = std::move(slot_connection); }
  auto messenger = TRY(postgres::Connection::open(url));
  TRY(messenger.query("SELECT pg_logical_emit_message(true, 'tidemark', 'verify')"));
  TRY_VOID(wait_for_fence(state, *record, slot.consistent_point, options, stop));

  ParityReport report;
  report.as_of = slot.consistent_point;
  Version bound = make_version(record->epoch, slot.consistent_point, 0);
  std::vector<CapturedTable> tables;
  for (auto& table_source : sources) {
    bool append_only = false;
    for (const auto& option : source.options)
      if (option.table == table_source.name || option.table == table_source.schema + "." + table_source.name)
        append_only = option.append_only;
    CapturedTable table = capture(std::move(table_source), append_only, false);
    if (wanted_table(table, options)) tables.push_back(std::move(table));
  }
  TRY_VOID(wait_for_copies(pool, *record, tables, options, stop));
  for (CapturedTable& table : tables) {
    TRY_VOID(keep_wider_types(pool, table));
    report.tables.push_back(
        TRY_IN(TableCheck(table, connection, pool, bound, options).run(), table.display()));
  }
  return report;
}

}  // namespace tidemark::ingest
