// Tables that people write to with INSERT, whatever tool they use (sources/<name>.yaml with `inserts:`).
// docs/INSERTS.md is its reference. Each table is a source of its own to the rest of the program, because
// ClickHouse knows no transaction over two of them. Plain values, checked by the loader.
#pragma once

#include "base/column_type.h"
#include "config/diagnostic.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

struct InsertTable {
  std::string source;    // of the file
  std::string database;  // where people write to; default the source's name
  std::string table;
  std::vector<std::pair<std::string, ColumnType>> columns;
  std::map<std::string, std::string> defaults;  // by column: what an INSERT without it gets
  std::vector<std::string> key;                 // empty: a log
  std::string version;                          // the column whose highest value wins; empty: the last INSERT
  std::string deleted;                          // UInt8: 1 says that the row is gone; empty: none
  Location where;

  // "cdp.entities": what people call it.
  std::string full_name() const { return database + "." + table; }
  // In database bronze.
  std::string mirrored_name() const { return database + "_" + table; }
};

// Rows of one of these tables that are definitions of segments (segments/criteria.h).
struct CriteriaTable {
  std::string source;
  std::string table;                // database.table of an InsertTable
  std::string entity;               // whose segments they are
  std::vector<std::string> notify;  // destinations
  bool tells_initial = false;       // also of those who are members when a row comes
  Location where;
};

}  // namespace tidemark::config
