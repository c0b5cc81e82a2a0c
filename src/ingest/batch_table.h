// A table of a batch source: what it is in the warehouse, how it is walked, and reading a range of it.
#pragma once

#include "config/postgres_source.h"
#include "ingest/applier.h"
#include "postgres/key_pages.h"

namespace tidemark::ingest {

struct BatchTable {
  CapturedTable captured;
  std::vector<size_t> cursor;  // column indices; empty: compared as a whole each time
  std::string overlap;         // as configured; empty: the default of the cursor's type
  int64_t every_micros = 0;
  int64_t deletes_every_micros = 0;
  bool compare_rows = false;
  bool deletes = true;  // append-only logs have none

  // "updated_at,id"; another text means that a remembered place is of no use.
  std::string walk_name() const;
  postgres::KeyWalk by_key() const;
  // The rows whose cursor is at or behind `from`, less the overlap.
  postgres::KeyWalk by_cursor(const std::optional<std::string>& from) const;
  // The rows without a cursor value, if there can be any.
  std::optional<postgres::KeyWalk> without_cursor() const;
  // SELECT of the newest cursor value, no later than the server's clock where the type allows to say so: a
  // value from the future would hide everything before it.
  std::string newest_cursor_sql() const;
};

// Takes a source's table with its options. Errors: config (no such column, no key, an overlap that does not
// go with the cursor), each naming the option.
Result<BatchTable> batch_table(postgres::SourceTable table, const config::PostgresSource& source,
                               bool has_changes);

// Rows of `condition` appended to `rows` (the source's columns). False: they were more than bytes_max, the
// copy was broken off and `rows` is as it was; only rows of less than that are worth a smaller page. Rows
// that cannot be decoded are added to `refused`. Needs a transaction; leaves it as it was.
Result<bool> read_range(postgres::Connection& connection, const BatchTable& table,
                        const std::string& source_name, const std::string& condition, size_t bytes_max,
                        Block& rows, std::vector<QuarantinedRow>& refused, const std::atomic<bool>& stop);

// A quarantined row of a table that is read again and again: it is known by its bytes.
QuarantinedRow refused_row(const std::string& source_name, const CapturedTable& table,
                           const std::string& column, const std::string& reason, std::string_view raw);

// What is new in `rows` against the warehouse, as a part without bookkeeping: inserts, and updates with their
// old images. Null when nothing is. `loading`: no row of these keys can be there.
Result<std::unique_ptr<Part>> changed_rows(clickhouse::ClientPool& pool, const CapturedTable& table,
                                           Block rows, bool loading, const clickhouse::RetryPolicy& policy,
                                           const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
