// A Postgres that a project captures or reads in batches, as its file in sources/ says. Plain values, checked
// by the loader.
#pragma once

#include "base/secret.h"
#include "config/diagnostic.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::config {

// How a table is loaded in mode batch. Unset: the source's, then the default.
struct BatchOptions {
  std::optional<int64_t> every_seconds;            // 5 minutes
  std::optional<std::vector<std::string>> cursor;  // one or more columns; empty: none, compared as a whole
  std::optional<std::string> overlap;              // "1m" for times, "1000" for numbers
  std::optional<int64_t> deletes_every_seconds;    // 1 hour
  std::optional<bool> compare_rows;                // whole rows with that, not only keys
};

struct TableOptions {
  std::string table;  // as in PostgresSource::tables, a plain name
  bool append_only = false;
  bool history = false;  // keep the change rows
  // What is read of it (postgres/table_selection.h).
  std::vector<std::string> columns;  // only these
  std::vector<std::string> exclude;  // all but these
  std::string row_filter;            // `where`: only these rows
  bool drop_columns = false;         // a column that is dropped at the source is dropped here
  std::vector<std::string> order_by;
  std::vector<std::string> key;  // for tables without a primary key
  BatchOptions batch;            // mode batch: what differs from the source's
  Location where;
};

struct PostgresSource {
  enum class Mode { cdc, batch };

  std::string name;  // identifier
  Secret url;        // libpq URL or key=value text; empty only when offline and a variable is unset
  Mode mode = Mode::cdc;
  BatchOptions batch;
  std::vector<std::string> tables;  // name | schema.name | patterns with *; without a schema: public
  std::string slot;                 // default tidemark_<name>
  std::string publication;          // default: as the slot
  bool streaming = true;            // read large transactions while they run
  std::filesystem::path spool;      // absolute; where they are kept meanwhile
  std::vector<std::string> live;  // name | schema.name: tables live.<name>, read from Postgres by each query
  std::vector<TableOptions> options;
  Location where;
};

}  // namespace tidemark::config
