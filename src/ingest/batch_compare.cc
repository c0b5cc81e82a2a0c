#include "ingest/batch_compare.h"

#include "clickhouse/schema.h"
#include "ingest/batch_limits.h"
#include "ingest/row_hash.h"
#include "postgres/copy_reader.h"

#include <set>
#include <unordered_map>
#include <unordered_set>

namespace tidemark::ingest {
namespace {

using OnRow = std::function<Status(const HashedRow&, const Block&, size_t)>;

// The columns of one kind of scan: all, or those of the key.
struct Columns {
  postgres::SourceTable table;
  RowHasher hasher;
};

Columns whole_rows(const postgres::SourceTable& table) {
  std::vector<size_t> all;
  for (size_t column = 0; column < table.columns.size(); ++column) all.push_back(column);
  return {.table = table, .hasher = RowHasher(table.key, std::move(all))};
}

Columns keys_only(const postgres::SourceTable& table) {
  postgres::SourceTable narrow = table;
  narrow.columns.clear();
  narrow.key.assign(table.key.size(), 0);
  for (size_t column = 0; column < table.columns.size(); ++column)
    for (size_t index = 0; index < table.key.size(); ++index)
      if (table.key[index] == column) {
        narrow.key[index] = narrow.columns.size();
        narrow.columns.push_back(table.columns[column]);
      }
  std::vector<size_t> key = narrow.key;
  return {.table = std::move(narrow), .hasher = RowHasher(std::move(key), {})};
}

class TableComparison {
 public:
  TableComparison(postgres::Connection& connection, const BatchTable& table, clickhouse::ClientPool& pool,
                  const ComparisonOptions& options, const std::atomic<bool>& stop)
      : connection_(connection),
        table_(table.captured),
        pool_(pool),
        options_(options),
        stop_(stop),
        whole_(whole_rows(table_.source)),
        keys_(keys_only(table_.source)),
        compared_(options.what == Comparison::rows ? whole_ : keys_) {}

  Status run() {
    BucketSums source;
    BucketSums warehouse;
    TRY(scan_source(compared_, [&](const HashedRow& row, const Block&, size_t) -> Status {
      source.add(row);
      return {};
    }));
    TRY_VOID(scan_warehouse(compared_, [&](const HashedRow& row, const Block&, size_t) -> Status {
      warehouse.add(row);
      return {};
    }));
    std::set<size_t> suspects;
    for (size_t bucket = 0; bucket < limits::parity_buckets; ++bucket)
      if (source.value[bucket] != warehouse.value[bucket] || source.count[bucket] != warehouse.count[bucket])
        suspects.insert(bucket);
    while (!suspects.empty()) {
      std::set<size_t> round;
      uint64_t rows = 0;
      while (!suspects.empty() && (round.empty() || rows < limits::batch_detail_rows_max)) {
        rows += warehouse.count[*suspects.begin()] + source.count[*suspects.begin()];
        round.insert(suspects.extract(suspects.begin()));
      }
      TRY_VOID(look_closer(round));
    }
    return {};
  }

 private:
  struct Known {
    RowHash value = 0;
    size_t key = 0;  // row of known_keys_
    bool seen = false;
  };

  Status look_closer(const std::set<size_t>& buckets) {
    std::unordered_map<RowHash, Known, HashOfRowHash> known;
    Block known_keys;
    for (size_t column : table_.source.key)
      known_keys.add(table_.source.columns[column].name, table_.source.columns[column].target);
    const auto& key_columns = compared_.table.key;
    TRY_VOID(scan_warehouse(compared_, [&](const HashedRow& row, const Block& block, size_t index) -> Status {
      if (!buckets.contains(row.bucket())) return {};
      known[row.key] = {.value = row.value, .key = known_keys.rows()};
      for (size_t column = 0; column < key_columns.size(); ++column)
        known_keys.columns[column].append_from(block.columns[key_columns[column]], index);
      return {};
    }));
    std::unordered_set<RowHash, HashOfRowHash> missing;
    looking_closer_ = true;
    uint64_t failed =
        TRY(scan_source(compared_, [&](const HashedRow& row, const Block& block, size_t index) -> Status {
          if (!buckets.contains(row.bucket())) return {};
          auto found = known.find(row.key);
          if (found != known.end()) found->second.seen = true;
          if (found != known.end() && found->second.value == row.value) return {};
          if (options_.what == Comparison::rows)
            return take(block, index, found == known.end() ? Operation::insert : Operation::update);
          missing.insert(row.key);
          return {};
        }));
    looking_closer_ = false;
    if (failed > 0)
      TRY(scan_source(keys_, [&](const HashedRow& row, const Block&, size_t) -> Status {
        if (auto found = known.find(row.key); found != known.end()) found->second.seen = true;
        return {};
      }));
    if (!missing.empty()) {
      looking_closer_ = true;
      TRY(scan_source(whole_, [&](const HashedRow& row, const Block& block, size_t index) -> Status {
        return missing.contains(row.key) ? take(block, index, Operation::insert) : Status();
      }));
      looking_closer_ = false;
    }
    // In the order they were read, so that the same differences make the same parts.
    std::vector<size_t> gone;
    for (const auto& [key, row] : known)
      if (!row.seen) gone.push_back(row.key);
    std::sort(gone.begin(), gone.end());
    for (size_t row : gone) TRY_VOID(take_away(known_keys, row));
    return flush();
  }

  Part& part() {
    if (!part_) {
      part_ = std::make_unique<Part>();
      part_->table = &table_;
      for (const auto& column : table_.source.columns) part_->rows.add(column.name, column.target);
    }
    return *part_;
  }

  Status take(const Block& block, size_t row, Operation operation) {
    Part& part = this->part();
    for (size_t column = 0; column < part.rows.columns.size(); ++column)
      part.rows.columns[column].append_from(block.columns[column], row);
    part.operations.push_back(operation);
    return part.operations.size() >= limits::batch_page_rows_max || part.bytes() >= limits::part_bytes_max
               ? flush()
               : Status();
  }

  Status take_away(const Block& keys, size_t row) {
    Part& part = this->part();
    for (size_t column = 0; column < part.rows.columns.size(); ++column) {
      auto place = std::find(table_.source.key.begin(), table_.source.key.end(), column);
      if (place == table_.source.key.end())
        part.rows.columns[column].append_default();
      else
        part.rows.columns[column].append_from(
            keys.columns[static_cast<size_t>(place - table_.source.key.begin())], row);
    }
    part.operations.push_back(Operation::remove);
    return part.operations.size() >= limits::batch_page_rows_max ? flush() : Status();
  }

  Status flush() {
    if (!part_) return {};
    return options_.on_part(std::move(part_));
  }

  // Returns the rows that could not be decoded; they are handed on while looking closer, else only counted.
  Result<uint64_t> scan_source(Columns& columns, const OnRow& on_row) {
    postgres::TableDecoder decoder(columns.table);
    Block block;
    decoder.add_columns(block);
    std::vector<QuarantinedRow> refused;
    postgres::CopyBinaryReader reader([&](const postgres::CopyBinaryReader::Failure& failure) {
      if (looking_closer_ && &columns == &whole_)
        refused.push_back(refused_row(options_.source_name, table_,
                                      columns.table.columns[failure.error.column].name, failure.explanation,
                                      failure.raw));
    });
    auto drain = [&]() -> Status {
      for (size_t row = 0; row < block.rows(); ++row)
        TRY_VOID(on_row(columns.hasher(block, row), block, row));
      block.clear();
      TRY_VOID(options_.on_refused(refused));
      refused.clear();
      return {};
    };
    TRY(connection_.copy_out(postgres::copy_statement(columns.table), [&](std::string_view piece) -> Status {
      if (stop_) return fail(ErrorKind::cancelled, "stopped");
      TRY(reader.feed(piece.data(), piece.size(), decoder, block));
      return block.rows() >= limits::parity_block_rows || block.bytes() >= limits::part_bytes_max ? drain()
                                                                                                  : Status();
    }));
    if (!reader.finished()) return fail(ErrorKind::corrupt, "COPY ended without its trailer");
    TRY_VOID(drain());
    return reader.failed_rows();
  }

  Status scan_warehouse(Columns& columns, const OnRow& on_row) {
    std::vector<std::string> names;
    for (const auto& column : columns.table.columns) names.push_back(column.name);
    clickhouse::QueryOptions options;
    options.timeout = std::chrono::hours(6);
    options.settings = {{"max_execution_time", "0"}, {"max_result_rows", "0"}};
    return pool_.lease()->query_blocks(
        fmt::format("SELECT {} FROM {} {}", clickhouse::quote_list(names), table_.target(),
                    table_.log ? "" : "FINAL WHERE _deleted = 0"),
        options, [&](const Block& block) -> Status {
          if (stop_) return fail(ErrorKind::cancelled, "stopped");
          for (size_t row = 0; row < block.rows(); ++row)
            TRY_VOID(on_row(columns.hasher(block, row), block, row));
          return {};
        });
  }

  postgres::Connection& connection_;
  const CapturedTable& table_;
  clickhouse::ClientPool& pool_;
  const ComparisonOptions& options_;
  const std::atomic<bool>& stop_;
  Columns whole_;
  Columns keys_;
  Columns& compared_;
  std::unique_ptr<Part> part_;
  bool looking_closer_ = false;
};

}  // namespace

Status compare_table(postgres::Connection& connection, const BatchTable& table, clickhouse::ClientPool& pool,
                     const ComparisonOptions& options, const std::atomic<bool>& stop) {
  return TableComparison(connection, table, pool, options, stop).run();
}

}  // namespace tidemark::ingest
