#include "ingest/parity.h"

#define XXH_INLINE_ALL
#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/schema.h"
#include "ingest/applier.h"
#include "ingest/image_reader.h"
#include "postgres/copy_reader.h"
#include "postgres/replication_setup.h"

#include <set>
#include <xxhash.h>

namespace tidemark::ingest {
namespace {

using Hash = unsigned __int128;

struct HashOfHash {
  size_t operator()(const Hash& hash) const { return static_cast<size_t>(hash); }
};

Hash hash_of(const std::string& bytes) {
  XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return (static_cast<Hash>(hash.high64) << 64) | hash.low64;
}

struct Row {
  Hash key = 0;
  Hash value = 0;
  size_t bucket() const { return static_cast<size_t>(key >> 64) % limits::parity_buckets; }
};

struct Sums {
  std::vector<Hash> value = std::vector<Hash>(limits::parity_buckets);
  std::vector<uint64_t> count = std::vector<uint64_t>(limits::parity_buckets);
  void add(const Row& row) {
    value[row.bucket()] += row.value;
    ++count[row.bucket()];
  }
};

// Gets every row of a side: its hashes, and where it stands, for the key's text.
using OnRow = std::function<void(const Row&, const Block&, size_t)>;

class TableCheck {
 public:
  TableCheck(const CapturedTable& table, postgres::Connection& source, clickhouse::ClientPool& pool,
             Version bound, const ParityOptions& options)
      : table_(table), source_(source), pool_(pool), bound_(bound), options_(options) {
    report_.table = table.display();
    if (!table.log) key_columns_ = table.source.key;
    for (size_t column = 0; table.log && column < table.source.columns.size(); ++column)
      key_columns_.push_back(column);
  }

  Result<TableParity> run() {
    Sums source;
    Sums warehouse;
    TRY_VOID(scan_source([&](const Row& row, const Block&, size_t) { source.add(row); }));
    TRY_VOID(scan_warehouse([&](const Row& row, const Block&, size_t) { warehouse.add(row); }));
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
    Hash value = 0;
    int64_t copies = 0;
    std::string key;
  };
  using Rows = std::unordered_map<Hash, Side, HashOfHash>;

  Status compare_rows(const std::set<size_t>& buckets) {
    Rows source;
    Rows warehouse;
    auto into = [&](Rows& rows) {
      return [&](const Row& row, const Block& block, size_t index) {
        if (!buckets.contains(row.bucket())) return;
        Side& side = rows[row.key];
        side.value = row.value;
        ++side.copies;
        if (side.key.empty()) side.key = key_text(block, index);
      };
    };
    TRY_VOID(scan_source(into(source)));
    TRY_VOID(scan_warehouse(into(warehouse)));
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

  Row row_of(const Block& block, size_t row) {
    key_bytes_.clear();
    value_bytes_.clear();
    for (size_t column : key_columns_) block.columns[column].encode(row, key_bytes_);
    for (size_t column = 0; column < table_.source.columns.size(); ++column)
      block.columns[column].encode(row, value_bytes_);
    return {.key = hash_of(key_bytes_), .value = hash_of(value_bytes_)};
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
      for (size_t row = 0; row < block.rows(); ++row) on_row(row_of(block, row), block, row);
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
      for (size_t row = 0; row < block.rows(); ++row) on_row(row_of(block, row), block, row);
      progress(block.rows());
      return {};
    });
  }

  Result<std::set<Hash>> moving_keys() {
    std::set<Hash> keys;
    if (table_.log) return keys;
    std::string sql = fmt::format("SELECT {} FROM {} WHERE _version > toUInt128('{}')",
                                  clickhouse::quote_list(table_.key_names()), table_.target(), bound_);
    clickhouse::QueryOptions options;
    options.timeout = std::chrono::hours(1);
    TRY_VOID(pool_.lease()->query_blocks(sql, options, [&](const Block& block) -> Status {
      for (size_t row = 0; row < block.rows(); ++row) {
        key_bytes_.clear();
        for (const auto& column : block.columns) column.encode(row, key_bytes_);
        keys.insert(hash_of(key_bytes_));
      }
      return {};
    }));
    return keys;
  }

  const CapturedTable& table_;
  postgres::Connection& source_;
  clickhouse::ClientPool& pool_;
  Version bound_;
  const ParityOptions& options_;
  std::vector<size_t> key_columns_;
  std::string key_bytes_;
  std::string value_bytes_;
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

}  // namespace

Result<ParityReport> verify_tables(const config::PostgresSource& source, clickhouse::ClientPool& pool,
                                   const ParityOptions& options, const std::atomic<bool>& stop) {
  postgres::ConnectionOptions url{.url = source.url.reveal(), .application_name = "tidemark verify"};
  auto connection = TRY(postgres::Connection::open(url));
  auto sources = TRY(postgres::read_tables(connection, source.tables));
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
  std::set<std::string> unknown(options.only.begin(), options.only.end());
  for (auto& table_source : sources) {
    bool append_only = false;
    for (const auto& option : source.options)
      if (option.table == table_source.name || option.table == table_source.schema + "." + table_source.name)
        append_only = option.append_only;
    std::string display = table_source.display();
    CapturedTable table = capture(std::move(table_source), append_only, false);
    if (!options.only.empty()) {
      bool wanted = false;
      for (const auto& name : {table.name, table.display(), display}) {
        if (std::find(options.only.begin(), options.only.end(), name) == options.only.end()) continue;
        wanted = true;
        unknown.erase(name);
      }
      if (!wanted) continue;
    }
    report.tables.push_back(
        TRY_IN(TableCheck(table, connection, pool, bound, options).run(), table.display()));
  }
  if (!unknown.empty() && report.tables.empty())
    return fail(ErrorKind::config, fmt::format("source {} has no table {}", source.name, *unknown.begin()),
                "tidemark status lists the tables");
  return report;
}

}  // namespace tidemark::ingest
