// What a project shows: dashboards with their tiles, and query endpoints. Plain values, checked by the
// loader.
#pragma once

#include "config/diagnostic.h"
#include "config/time_range.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::config {

enum class Chart { number, line, area, bar, table, top, heatmap, funnel, retention, scatter, text };
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

// What a value of a column says by its colour: the first that fits.
struct Tone {
  std::optional<double> above, below;  // exclusive; numbers
  std::string is;                      // or: exactly this text
  std::string tone;                    // good | warn | bad
};

// A column of a table or top list.
struct TileColumn {
  std::string column;  // in the query's result
  std::string title;   // default: the column's name
  ValueFormat format = ValueFormat::automatic;
  std::string unit;
  std::optional<int> decimals;
  bool bar = false;    // an inline bar behind the number, as a share of the largest
  bool shade = false;  // the cell's ground, the darker the larger
  std::vector<Tone> tones;
};

// A value that ClickHouse binds: {name:Type} in the SQL.
struct TileParameter {
  std::string name;
  std::string type;
  bool operator==(const TileParameter&) const = default;
};

// The rows behind a row: what a click on it asks. Parameters beside those of the dashboard are columns of the
// row that was clicked.
struct Drill {
  std::string title;
  std::string sql;  // empty: there is none
  std::vector<TileParameter> parameters;
};

struct Tile {
  std::string title;
  Chart chart = Chart::number;
  std::string description;
  std::string sql;    // exactly one of sql and model is given
  std::string model;  // database.name of a model or mirrored table
  std::string query;  // what to run: sql, or a SELECT made from model, x, y, series, sort and limit
  std::vector<TileParameter> parameters;  // of sql: the dashboard's time and filters
  Drill drill;
  std::string text;  // text: Markdown; sql and model are empty
  std::string x;     // line, area, bar, heatmap, retention, scatter: across; top: the label; funnel: the step
  std::vector<std::string> y;  // the values; number: the one shown (default: the first column)
  // One line (area, stack of bars, colour of dots) per value of this column; heatmap, retention: the rows.
  std::string series;
  std::string size;      // scatter: how large the dots are; retention: of how many
  std::string label;     // scatter: what a dot is
  bool stacked = false;  // area, bar
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

// The range that tiles are asked for as {from:...} and {to:...}.
struct DashboardTime {
  TimeRange range;                   // until a viewer chooses another; `all` when the file says nothing
  std::vector<std::string> presets;  // what is offered; empty: the page's own
  std::string zone = "UTC";          // of days, and of {zone:String}
  bool compare = false;              // with the period before, unless a viewer says otherwise
};

// Values that a viewer chooses; tiles have them as {name:Array(type)}, empty when nothing is chosen.
struct DashboardFilter {
  std::string name;
  std::string title;
  std::string type;    // of ClickHouse, of one value
  std::string column;  // of results: a click on such a value chooses it; default: the name
  std::string sql;     // the values there are, in its first column; a second one says what they are called
  Location where;
};

struct Dashboard {
  std::string name;  // identifier
  std::string title;
  std::string description;
  DashboardTime time;
  std::vector<DashboardFilter> filters;
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

}  // namespace tidemark::config
