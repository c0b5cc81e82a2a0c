#include "ingest/initial_copy.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "ingest/copy_pace.h"
#include "postgres/copy_reader.h"

namespace tidemark::ingest {
namespace {

struct Range {
  const CapturedTable* table;
  PageRange pages;
  uint32_t number;
  bool whole = false;  // the table

  std::string condition() const {
    if (whole) return {};
    std::string text = fmt::format("ctid >= '({},0)'::tid", pages.begin);
    if (pages.end != 0) text += fmt::format(" AND ctid < '({},0)'::tid", pages.end);
    return text;
  }
};

// A range of a partitioned table is the same pages of each partition; how many there are.
uint64_t files_of(const postgres::SourceTable& table) {
  if (table.kind != 'p') return 1;
  return 1 + static_cast<uint64_t>(std::count(table.storage.begin(), table.storage.end(), ','));
}

// Small tables are not worth it. Under one snapshot a partitioned table is one range.
std::vector<Range> ranges_of(const std::vector<CapturedTable>& tables, const CopyOptions& options) {
  std::vector<Range> ranges;
  for (const auto& table : tables) {
    uint64_t pages = table.source.pages;
    bool whole = pages <= options.range_pages || table.source.read_by_columns ||
                 (table.source.kind == 'p' && options.ranges == nullptr);
    uint64_t length = std::max<uint64_t>(1, options.range_pages / files_of(table.source));
    uint32_t number = 0;
    for (uint64_t begin = 0; begin == 0 || (!whole && begin < pages); begin += length) {
      // The last range is open: pages may have been added since the catalog was read.
      bool last = whole || begin + length >= pages;
      Range range{&table, {begin, last ? 0 : begin + length}, number++, whole};
      if (options.ranges == nullptr || !options.ranges->has(table.source, range.pages))
        ranges.push_back(std::move(range));
    }
  }
  return ranges;
}

// The place in the log behind everything that a snapshot shows which was taken before: a commit of our own,
// which is not answered before the log up to it is on the server's disk. So no row is copied that a crash of
// the server could take back.
class LogPlace {
 public:
  Status open(const postgres::ConnectionOptions& options) {
    connection_.emplace(TRY(postgres::Connection::open(options)));
    return connection_->execute("SET synchronous_commit = local");
  }
  Result<postgres::Lsn> now() {
    std::lock_guard lock(mutex_);
    auto place =
        TRY(connection_->query("SELECT pg_catalog.pg_logical_emit_message(true, 'tidemark', 'copy')"));
    return postgres::parse_lsn(std::string(place.at(0, 0))).value_or(0);
  }

 private:
  std::mutex mutex_;
  std::optional<postgres::Connection> connection_;
};

// What a copied row does not say: it is not deleted, and it is of no cut. Both are zero, which is what
// the table fills in for columns left out, and a tenth of a narrow row's bytes.
Block copy_block(const CapturedTable& table) {
  Block block;
  Block whole = bronze_block(table);
  for (size_t column = 0; column < whole.columns.size(); ++column)
    if (whole.names[column] != bookkeeping::deleted && whole.names[column] != bookkeeping::cut)
      block.add(whole.names[column], whole.columns[column].type());
  return block;
}

// Merges of the tables being copied wait: they would take a third of the machine from the copy to sort again
// what a later merge sorts anyway. They start when a table has limits::copy_parts_before_merge parts, and at
// the latest when the copy ends, however it ends. A server that does not let us (a cluster without the right)
// merges as it likes.
class MergePause {
 public:
  MergePause(clickhouse::ClientPool& pool, const std::vector<CapturedTable>& tables) : pool_(pool) {
    for (const auto& table : tables) {
      waiting_[&table] = 0;
      (void)pool_.execute("SYSTEM STOP MERGES " + table.target());
    }
  }
  ~MergePause() {
    for (const auto& [table, parts] : waiting_) start(*table);
  }
  MergePause(const MergePause&) = delete;
  MergePause& operator=(const MergePause&) = delete;

  void part_written(const CapturedTable& table) {
    std::lock_guard lock(mutex_);
    auto found = waiting_.find(&table);
    if (found == waiting_.end() || ++found->second < limits::copy_parts_before_merge) return;
    waiting_.erase(found);
    start(table);
  }

 private:
  void start(const CapturedTable& table) { (void)pool_.execute("SYSTEM START MERGES " + table.target()); }

  clickhouse::ClientPool& pool_;
  std::mutex mutex_;
  std::map<const CapturedTable*, size_t> waiting_;
};

class Copy {
 public:
  Copy(const CopyOptions& options, const std::vector<CapturedTable>& tables,
       const std::map<const CapturedTable*, TableCounters*>& counters, clickhouse::ClientPool& pool,
       StateStore& state, const std::atomic<bool>& stop)
      : options_(options),
        counters_(counters),
        pool_(pool),
        state_(state),
        stop_(stop),
        policy_(apply_policy("initial copy")),
        ranges_(ranges_of(tables, options)),
        merges_(pool, tables),
        pace_(options.rows_per_second_max) {}

  Result<uint64_t> run() {
    size_t workers = std::min(limits::copy_connections, ranges_.size());
    if (apart() && workers > 0) TRY_VOID(place_.open(options_.connection));
    // Every connection takes the snapshot before any of them works: it is good only while the slot's
    // connection waits.
    std::vector<postgres::Connection> connections;
    for (size_t index = 0; index < workers; ++index) {
      connections.push_back(TRY(postgres::Connection::open(options_.connection)));
      TRY_VOID(connections.back().execute("SET statement_timeout = 0"));
      if (apart()) continue;
      TRY_VOID(connections.back().execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
      TRY_VOID(connections.back().execute("SET TRANSACTION SNAPSHOT " +
                                          postgres::quote_literal(options_.snapshot_name)));
    }
    std::vector<std::thread> threads;
    for (auto& connection : connections) threads.emplace_back([this, &connection] { work(connection); });
    for (auto& thread : threads) thread.join();
    if (error_) return fail(*error_);
    if (stop_)
      return fail(ErrorKind::cancelled, fmt::format("the initial copy was stopped; it {} at the next start",
                                                    apart() ? "goes on" : "starts over"));
    return rows_.load();
  }

 private:
  void work(postgres::Connection& connection) {
    while (!stop_ && !failed_) {
      size_t index = next_range_++;
      if (index >= ranges_.size()) return;
      Status copied = copy_one(connection, ranges_[index]);
      if (copied) continue;
      std::lock_guard lock(mutex_);
      if (!error_)
        error_ = std::move(copied.error()).in("initial copy of " + ranges_[index].table->source.display());
      failed_ = true;
    }
  }

  bool apart() const { return options_.ranges != nullptr; }

  Status copy_one(postgres::Connection& connection, const Range& range) {
    if (!apart()) {
      TRY(copy_range(connection, range, options_.snapshot_lsn));
      return {};
    }
    TRY_VOID(connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
    TRY(connection.query("SELECT 1"));  // takes the snapshot
    postgres::Lsn seen = TRY(place_.now());
    uint64_t rows = TRY(copy_range(connection, range, seen));
    TRY_VOID(connection.execute("COMMIT"));
    TRY_VOID(options_.ranges->add(range.table->source, range.pages, seen, rows));
    pace_.wait_for(rows, stop_);
    return {};
  }

  // `place`: no other try of the range has it, because the rows may be others.
  Result<uint64_t> copy_range(postgres::Connection& connection, const Range& range, postgres::Lsn place) {
    const CapturedTable& table = *range.table;
    TableCounters& counters = *counters_.at(&table);
    postgres::TableDecoder decoder(table.source);
    Part part;
    part.table = &table;
    part.rows = copy_block(table);
    uint32_t number = 0;
    std::vector<QuarantinedRow> refused;
    postgres::CopyBinaryReader reader([&](const postgres::CopyBinaryReader::Failure& failure) {
      log::warn("{}: a row of the initial copy went to quarantine: {}", table.display(), failure.explanation);
      ++counters.quarantined;
      refused.push_back({.source = options_.source,
                         .table = table.copy_of.empty() ? table.name : table.copy_of,
                         .column = table.source.columns[failure.error.column].name,
                         .reason = failure.explanation,
                         .bytes = std::string(failure.raw),
                         .lsn = options_.snapshot_lsn,
                         .ordinal = (static_cast<uint64_t>(range.number) << 32) + failure.row});
    });
    size_t received = 0;
    uint64_t copied = 0;
    auto flush = [&]() -> Status {
      TRY_VOID(state_.quarantine(refused));
      refused.clear();
      size_t rows = part.rows.columns.front().rows();
      if (rows == 0) return {};
      std::string token = fmt::format("{}:{}:copy:{}:{}:{}:{}", options_.source, options_.epoch, place,
                                      table.name, range.number, number++);
      fill_bookkeeping(part, rows);
      TRY_VOID(send_inserts(pool_, part, token, policy_, stop_));
      merges_.part_written(table);
      counters.copied += rows;
      rows_ += rows;
      copied += rows;
      part.rows.clear();
      received = 0;
      if (!apart()) pace_.wait_for(rows, stop_);
      return {};
    };
    TRY(connection.copy_out(postgres::copy_statement(table.source, range.condition()),
                            [&](std::string_view piece) -> Status {
                              if (stop_ || failed_) return fail(ErrorKind::cancelled, "stopped");
                              TRY(reader.feed(piece.data(), piece.size(), decoder, part.rows));
                              received += piece.size();
                              if (part.rows.columns.front().rows() >= limits::copy_part_rows_max ||
                                  received >= limits::part_bytes_max)
                                return flush();
                              return {};
                            }));
    if (!reader.finished()) return fail(ErrorKind::corrupt, "COPY ended without its trailer");
    TRY_VOID(flush());
    return copied;
  }

  void fill_bookkeeping(Part& part, size_t rows) const {
    size_t column = part.table->source.columns.size();
    Version version = make_version(options_.epoch, options_.snapshot_lsn, 0);
    part.rows.columns[column++].fill(version, rows);
    part.rows.columns[column].fill<int64_t>(copied_at_, rows);
  }

  const CopyOptions& options_;
  const std::map<const CapturedTable*, TableCounters*>& counters_;
  clickhouse::ClientPool& pool_;
  StateStore& state_;
  const std::atomic<bool>& stop_;
  clickhouse::RetryPolicy policy_;
  std::vector<Range> ranges_;
  MergePause merges_;
  CopyPace pace_;
  LogPlace place_;
  std::atomic<size_t> next_range_{0};
  std::atomic<uint64_t> rows_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::optional<Error> error_;
  int64_t copied_at_ = system_clock().wall_micros();
};

}  // namespace

Status wait_until_shown(postgres::Connection& connection, const std::string& snapshot_name,
                        const std::atomic<bool>& stop) {
  TRY_VOID(connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"));
  TRY_VOID(connection.execute("SET TRANSACTION SNAPSHOT " + postgres::quote_literal(snapshot_name)));
  auto shown = TRY(connection.query("SELECT pg_catalog.txid_current_snapshot()"));
  TRY_VOID(connection.execute("COMMIT"));
  // Shown to the slot, and running to everybody else.
  std::string running = fmt::format(
      "SELECT count(*) FROM pg_catalog.txid_snapshot_xip(pg_catalog.txid_current_snapshot()) AS x WHERE "
      "pg_catalog.txid_visible_in_snapshot(x, {})",
      postgres::quote_literal(shown.at(0, 0)));
  while (TRY(connection.query(running)).integer(0, 0) != 0) {
    if (stop) return fail(ErrorKind::cancelled, "stopped");
    std::this_thread::sleep_for(limits::fence_poll_every);
  }
  return {};
}

Result<uint64_t> copy_tables(const CopyOptions& options, const std::vector<CapturedTable>& tables,
                             const std::map<const CapturedTable*, TableCounters*>& counters,
                             clickhouse::ClientPool& pool, StateStore& state, const std::atomic<bool>& stop) {
  return Copy(options, tables, counters, pool, state, stop).run();
}

}  // namespace tidemark::ingest
