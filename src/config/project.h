// A project as the user wrote it: the typed form of tidemark.yaml and the folders beside it. load_project()
// reads all of it, offline, and reports every mistake of every file at once; nothing here asks a server
// anything.
//
// Plain values: built once by the loader, read by everybody after. When LoadedProject::errors is empty every
// invariant written below holds. Secrets are Secret and never part of a Diagnostic.
#pragma once

#include "base/secret.h"
#include "config/diagnostic.h"
#include "config/event_source.h"
#include "config/kafka_source.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tidemark::config {

struct EmbeddedWarehouse {
  std::filesystem::path data;  // absolute; default <project>/data
  uint16_t http_port = 8123;   // 0: any free port
  uint16_t tcp_port = 9000;    // 0: any free port
};

struct RemoteWarehouse {
  std::string url;  // http(s)://host:port
  std::string user = "default";
  Secret password;
  std::string cluster;              // empty: a single server
  std::vector<std::string> shards;  // URLs, one a shard; empty: from system.clusters
};

struct Warehouse {
  std::variant<EmbeddedWarehouse, RemoteWarehouse> where;

  const EmbeddedWarehouse* embedded() const { return std::get_if<EmbeddedWarehouse>(&where); }
  const RemoteWarehouse* remote() const { return std::get_if<RemoteWarehouse>(&where); }
};

struct Http {
  std::string host = "127.0.0.1";
  uint16_t port = 8088;  // 0: any free port
};

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
  bool history = false;              // keep the change rows
  std::vector<std::string> exclude;  // columns never read
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
  std::string publication;          // default tidemark_<name>
  std::vector<std::string> live;  // name | schema.name: tables live.<name>, read from Postgres by each query
  std::vector<TableOptions> options;
  Location where;
};

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

enum class Chart { number, line, area, bar, table, top };
const char* name(Chart chart);

// How values are written. `number` is compact (1.2 M), `integer` is not; `percent` takes a ratio (0.031
// -> 3.1 %); `money` uses `unit` as the currency code or sign; `duration` takes seconds; `bytes` takes bytes.
enum class ValueFormat {
  automatic,
  number,
  integer,
  decimal,
  percent,
  money,
  duration,
  bytes,
  date,
  time,
  text
};
const char* name(ValueFormat format);

// A column of a table or top list.
struct TileColumn {
  std::string column;  // in the query's result
  std::string title;   // default: the column's name
  ValueFormat format = ValueFormat::automatic;
  std::string unit;
  std::optional<int> decimals;
  bool bar = false;  // an inline bar behind the number, as a share of the largest
};

struct Tile {
  std::string title;
  Chart chart = Chart::number;
  std::string description;
  std::string sql;             // exactly one of sql and model is given
  std::string model;           // database.name of a model or mirrored table
  std::string query;           // what to run: sql, or a SELECT made from model, x, y, series, sort and limit
  std::string x;               // line, area, bar: the horizontal axis; top: the label
  std::vector<std::string> y;  // the values; number: the one shown (default: the first column)
  std::string series;          // one line (area, stack of bars) per value of this column
  bool stacked = false;        // area, bar
  ValueFormat format = ValueFormat::automatic;
  std::string unit;                 // shown after the number, or the currency for money
  std::optional<int> decimals;      // digits after the point
  int width = 0;                    // of 12 columns; 0: the page chooses by chart (number 3, others 6)
  int height = 0;                   // rows of the page's grid, 1..6; 0: by chart
  std::string compare;              // number: column with the earlier value, shown as a difference
  std::string trend;                // number: column with an array of numbers, drawn as a sparkline
  std::string good = "up";          // up | down | none: which direction of `compare` is good news
  std::vector<TileColumn> columns;  // table, top: empty shows all as they come
  std::string sort;  // "column" or "-column" (descending); model tiles: in SQL; tables: initial order
  int limit = 0;     // rows; 0: the page's own bound
  Location where;
};

// What the page starts with: the last `seconds` seconds by `column`; 0 seconds: everything.
struct DashboardTime {
  std::string text = "all";  // as written: "last 24 hours"
  int64_t seconds = 0;
  std::string column;
};

struct Dashboard {
  std::string name;  // identifier
  std::string title;
  std::string description;
  DashboardTime time;
  std::vector<Tile> tiles;
  Location where;
};

struct EndpointParameter {
  std::string name;
  std::string type;  // of ClickHouse: "UInt32"
  bool required = false;
  std::optional<std::string> default_value;
  std::optional<double> minimum;
  std::optional<double> maximum;
  std::string description;
  Location where;
};

// endpoints/<name>.sql
struct EndpointFile {
  std::string name;
  std::filesystem::path file;  // relative to the project
  std::string description;
  std::vector<EndpointParameter> parameters;  // exactly those the SQL names as {name:Type}
  std::string sql;
  int sql_first_line = 1;
};

struct Project {
  std::filesystem::path root;  // absolute
  std::string name;
  Warehouse warehouse;
  Http http;
  std::vector<PostgresSource> sources;  // by file name, as all of these
  std::vector<KafkaSource> kafka_sources;
  std::vector<EventSource> event_sources;
  std::vector<ModelFile> models;
  std::vector<AuditFile> audits;
  std::vector<DictionaryFile> dictionaries;
  std::vector<Dashboard> dashboards;
  std::vector<EndpointFile> endpoints;
};

struct LoadOptions {
  bool offline = false;  // unset variables are warnings, not errors: `check` on a machine without the secrets
};

struct LoadedProject {
  Project project;
  std::vector<Diagnostic> errors;    // by file, then line
  std::vector<Diagnostic> warnings;  // likewise

  bool ok() const { return errors.empty(); }
};

// Never fails as a call: an unreadable directory is a diagnostic like any other.
LoadedProject load_project(const std::filesystem::path& directory, const LoadOptions& options = {});

}  // namespace tidemark::config
