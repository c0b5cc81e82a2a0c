// A source that is sent to (sources/<name>.yaml with `events:`): SDKs and servers post events and rows to
// Tidemark's own HTTP server. docs/EVENTS.md is its reference. Plain values, checked by the loader; column
// types are those of base/column_type.h.
#pragma once

#include "base/column_type.h"
#include "base/secret.h"
#include "config/diagnostic.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

// Who may send. The name is what people see; the key never leaves the project file.
struct WriteKey {
  std::string name;
  Secret key;  // empty only when offline and a variable is unset
};

// Rows that are posted as NDJSON to /v1/ingest/<table>.
struct PostedTable {
  std::string table;  // name in database bronze
  std::vector<std::pair<std::string, ColumnType>> columns;
  std::vector<std::string> key;  // empty: a log
  Location where;
};

struct EventSource {
  std::string name;
  std::vector<WriteKey> write_keys;
  std::string table;            // of events, in database bronze; default <name>_events
  std::filesystem::path spool;  // absolute
  uint64_t spool_bytes_max = uint64_t{4} << 30;
  std::vector<PostedTable> tables;
  Location where;
};

}  // namespace tidemark::config
