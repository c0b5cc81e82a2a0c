// Brings a whole table of the warehouse to what a snapshot of the source says: rows that are gone, rows that
// were missed, and with `rows` also rows whose values differ.
//
// Both sides are read once and added up in buckets by key (row_hash.h), so that a table without differences
// costs one pass over each side and no memory that grows with it. Buckets that differ are read again, as many
// at a time as limits::batch_detail_rows_max allows, and their rows are compared singly. Rows come out as
// parts without bookkeeping, each at most limits::batch_page_rows_max rows.
//
// Precondition: everything read from the source so far is applied, and nothing is while this runs but its own
// parts. A row that cannot be decoded is in the source all the same: the warehouse keeps what it has of it.
#pragma once

#include "ingest/batch_table.h"

namespace tidemark::ingest {

enum class Comparison { keys, rows };

struct ComparisonOptions {
  std::string source_name;
  Comparison what = Comparison::keys;
  std::function<Status(std::unique_ptr<Part>)> on_part;
  std::function<Status(const std::vector<QuarantinedRow>&)> on_refused;
};

// `connection` has the snapshot's transaction.
Status compare_table(postgres::Connection& connection, const BatchTable& table, clickhouse::ClientPool& pool,
                     const ComparisonOptions& options, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
