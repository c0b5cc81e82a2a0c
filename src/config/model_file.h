// What computes a project's tables: models, audits of them, dictionaries. Plain values, as their files say;
// whether the SQL means anything is for the room `models`.
#pragma once

#include "config/diagnostic.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::config {

// What a failed audit means. `warning`: it is shown. `error`: `audit` and `verify` fail. `blocking`: so does
// the model, with everything that reads it, and a new version of it is not published.
enum class AuditSeverity { warning, error, blocking };
const char* name(AuditSeverity severity);

// One audit of a model's header: `not_null(campaign_id) severity=warning`.
struct AuditLine {
  std::string call;  // "not_null(campaign_id)"
  AuditSeverity severity = AuditSeverity::error;
  Location where;

  AuditLine() = default;
  AuditLine(std::string text) : call(std::move(text)) {}
  AuditLine(const char* text) : call(text) {}
};

// audits/<name>.sql: a query that must return no rows.
struct AuditFile {
  std::string name;
  std::filesystem::path file;  // relative to the project
  std::string description;
  AuditSeverity severity = AuditSeverity::error;
  std::vector<std::string> models;  // "analytics.x", "bronze.t"; empty: those the SQL reads
  std::string sql;
  int sql_first_line = 1;
  Location models_where;
};

// models/<database>/<name>.sql
// Of models that the program makes itself: which entities a cut touches, for segments.
inline constexpr const char* own_models_database = "tidemark_segments";

struct ModelFile {
  std::string database;
  std::string name;
  std::filesystem::path file;  // relative to the project
  std::string kind = "view";   // view | incremental | keyed | refresh
  std::string description;
  std::vector<AuditLine> audits;
  std::vector<std::string> key;
  std::vector<std::string> order_by;  // expressions
  std::string partition_by;           // expression
  std::string ttl;                    // expression
  int64_t freshness_seconds = 0;      // further behind than this is `stale`; 0: no limit
  // refresh: when. 0: no schedule.
  int64_t every_seconds = 0;
  bool on_change = false;
  // keyed, and made by the program itself: only which keys a cut touches is wanted, not their rows.
  bool watch = false;
  int64_t not_more_often_seconds = 10;  // bounds on_change
  std::string sql;                      // the SELECT, without the header and without a trailing semicolon
  int sql_first_line = 1;               // the file's line on which `sql` starts
  std::map<std::string, Location> header_locations;  // of each header key, its first line

  std::string full_name() const { return database + "." + name; }
  // Line `line` (1-based) and column of `sql` as a place in the file.
  Location location_in_sql(int line, int column) const;
};

// dictionaries/<any name>.yaml: a table held in memory for look-ups by key.
struct DictionaryFile {
  std::string database, name;
  std::filesystem::path file;  // relative to the project
  // Exactly one: a mirrored table or model (database.name), or a table of a source that is read live.
  std::string over;
  std::string source, table;
  std::vector<std::string> key;
  std::vector<std::string> attributes;  // empty: all other columns
  std::string layout;                   // empty: hashed; flat | hashed | sparse_hashed | hashed_array
  int64_t lifetime_seconds = 60;        // live: how old it may become
  Location where;

  std::string full_name() const { return database + "." + name; }
  bool live() const { return over.empty(); }
};

}  // namespace tidemark::config
