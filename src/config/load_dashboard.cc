#include "config/loading.h"
#include "config/sql_file.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

const std::vector<std::pair<std::string, Chart>> charts = {{"number", Chart::number}, {"line", Chart::line},
                                                           {"area", Chart::area},     {"bar", Chart::bar},
                                                           {"table", Chart::table},   {"top", Chart::top}};

const std::vector<std::pair<std::string, ValueFormat>> formats = {
    {"auto", ValueFormat::automatic},    {"number", ValueFormat::number},   {"integer", ValueFormat::integer},
    {"decimal", ValueFormat::decimal},   {"percent", ValueFormat::percent}, {"money", ValueFormat::money},
    {"duration", ValueFormat::duration}, {"bytes", ValueFormat::bytes},     {"date", ValueFormat::date},
    {"time", ValueFormat::time},         {"text", ValueFormat::text}};

std::optional<int> small_integer(MappingReader& mapping, const std::string& key, int minimum, int maximum) {
  auto value = mapping.integer(key, minimum, maximum);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

// "last 24 hours", "last hour", "last 7 days", "all" -> seconds, 0 for all.
std::optional<int64_t> parse_time_range(const std::string& text) {
  if (text == "all") return 0;
  std::string_view rest = text;
  if (!rest.starts_with("last ")) return std::nullopt;
  rest.remove_prefix(5);
  int64_t count = 0;
  while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9' && count < 1'000'000) {
    count = count * 10 + (rest[0] - '0');
    rest.remove_prefix(1);
  }
  bool counted = rest.size() < text.size() - 5;
  if (!counted) count = 1;
  if (counted && !rest.starts_with(' ')) return std::nullopt;
  if (counted) rest.remove_prefix(1);
  if (rest.ends_with('s')) rest.remove_suffix(1);
  static const std::map<std::string_view, int64_t> units = {{"minute", 60},       {"hour", 3600},
                                                            {"day", 86400},       {"week", 604'800},
                                                            {"month", 2'592'000}, {"year", 31'536'000}};
  auto unit = units.find(rest);
  if (unit == units.end() || count == 0) return std::nullopt;
  return count * unit->second;
}

DashboardTime read_time(Reader reader, MappingReader& dashboard, const YamlNode& node) {
  DashboardTime time;
  Location where = node.where;
  if (node.kind == YamlNode::Kind::mapping) {
    MappingReader mapping(reader, node, "`time`");
    time.text = mapping.text("default", "all");
    time.column = mapping.text("column");
    where = mapping.where("default");
    mapping.finish();
  } else {
    time.text = dashboard.text("time", "all");
  }
  if (auto seconds = parse_time_range(time.text))
    time.seconds = *seconds;
  else
    reader.report.error(where, fmt::format("`{}` is not a range of time", time.text),
                        "Write `all`, or `last 30 minutes`, `last 24 hours`, `last 7 days`.");
  return time;
}

TileColumn read_column(Reader reader, MappingReader& tile, const YamlNode& node) {
  TileColumn column;
  if (node.kind == YamlNode::Kind::scalar) {
    column.column = tile.item_text(node, "columns").value_or("");
    column.title = column.column;
    return column;
  }
  MappingReader mapping(reader, node, "a column");
  column.column = mapping.required_text("column");
  column.title = mapping.text("title", column.column);
  column.format = mapping.choice("format", formats, ValueFormat::automatic);
  column.unit = mapping.text("unit");
  column.decimals = small_integer(mapping, "decimals", 0, 12);
  column.bar = mapping.boolean("bar");
  mapping.finish();
  return column;
}

// The keys a chart cannot do without, and those that would silently do nothing.
void check_chart(MappingReader& mapping, const Tile& tile) {
  bool plotted = tile.chart == Chart::line || tile.chart == Chart::area || tile.chart == Chart::bar;
  auto needs = [&](const char* key, const char* why) {
    if (!mapping.has(key))
      mapping.reader().report.error(tile.where,
                                    fmt::format("a {} needs the key `{}`: {}", name(tile.chart), key, why));
  };
  auto useless = [&](const char* key, bool used, const char* where) {
    if (!used && mapping.has(key))
      mapping.error(key, fmt::format("`{}` has no meaning for chart: {}", key, name(tile.chart)),
                    fmt::format("It belongs to {}.", where));
  };
  if (plotted || (tile.chart == Chart::top && tile.sql.empty())) {
    needs("x", plotted ? "the column of the horizontal axis" : "the column of the labels");
    needs("y", "the columns of the values");
  }
  if (tile.chart == Chart::number && tile.sql.empty()) needs("y", "the column to show");
  if (tile.chart == Chart::number && tile.y.size() > 1)
    mapping.error("y", "a number shows one column", "Make a tile for each.");
  if (!tile.series.empty() && tile.y.size() > 1)
    mapping.error("series", "`series` splits one value, and `y` names several", "Name one column in `y`.");
  useless("series", plotted, "line, area and bar");
  useless("stacked", tile.chart == Chart::area || tile.chart == Chart::bar, "area and bar");
  useless("compare", tile.chart == Chart::number, "number");
  useless("trend", tile.chart == Chart::number, "number");
  useless("good", tile.chart == Chart::number, "number");
  useless("columns", tile.chart == Chart::table || tile.chart == Chart::top, "table and top");
  useless("x", tile.chart != Chart::number && tile.chart != Chart::table, "line, area, bar and top");
  useless("y", tile.chart != Chart::table, "every chart but table, which has `columns`");
}

Tile read_tile(Reader reader, const YamlNode& node) {
  Tile tile;
  MappingReader mapping(reader, node, "a tile");
  tile.where = node.where;
  tile.title = mapping.required_text("title");
  size_t errors_before = reader.report.error_count();
  if (mapping.required_child("chart") != nullptr) tile.chart = mapping.choice("chart", charts, Chart::number);
  bool chart_known = reader.report.error_count() == errors_before;
  tile.description = mapping.text("description");
  tile.sql = mapping.text("sql");
  tile.model = mapping.text("model");
  bool has_sql = mapping.has("sql");
  bool has_model = mapping.has("model");
  if (node.kind == YamlNode::Kind::mapping && has_sql == has_model)
    reader.report.error(has_sql ? mapping.where("model") : node.where,
                        has_sql ? "a tile has either `sql` or `model`, and this one has both"
                                : "a tile needs `sql` (a SELECT) or `model` (database.name)");
  tile.x = mapping.text("x");
  tile.y = mapping.texts("y");
  tile.series = mapping.text("series");
  tile.stacked = mapping.boolean("stacked");
  tile.format = mapping.choice("format", formats, ValueFormat::automatic);
  tile.unit = mapping.text("unit");
  tile.decimals = small_integer(mapping, "decimals", 0, 12);
  tile.width = small_integer(mapping, "width", 1, 12).value_or(0);
  tile.height = small_integer(mapping, "height", 1, 6).value_or(0);
  tile.compare = mapping.text("compare");
  tile.trend = mapping.text("trend");
  tile.good = mapping.choice<std::string>("good", {{"up", "up"}, {"down", "down"}, {"none", "none"}}, "up");
  for (const YamlNode& column : mapping.items("columns"))
    tile.columns.push_back(read_column(reader, mapping, column));
  tile.sort = mapping.text("sort");
  tile.limit = small_integer(mapping, "limit", 1, 5000).value_or(0);
  if (chart_known) check_chart(mapping, tile);
  if (has_model && tile.model.find('.') == std::string::npos)
    mapping.error("model", fmt::format("`{}` is not the name of a model", tile.model),
                  "Write it with its database: analytics.campaign_daily.");
  mapping.finish();
  if (has_sql) {
    // the same look at the statement that models get: one SELECT, quotes that end
    Report scratch(reader.report.root());
    SqlFile parsed = parse_sql_file(scratch, mapping.where("sql").file, tile.sql);
    std::vector<Diagnostic> wrong = scratch.take_errors();
    if (!wrong.empty() && !tile.sql.empty())
      mapping.error("sql", "`sql`: " + wrong[0].message, wrong[0].remedy);
    tile.sql = parsed.sql;
    tile.query = parsed.sql;
  } else if (has_model) {
    tile.query = make_tile_query(tile);
  }
  return tile;
}

std::string quote(std::string_view name) {
  std::string out = "`";
  for (char c : name) {
    if (c == '`' || c == '\\') out += '\\';
    out += c;
  }
  return out + "`";
}

}  // namespace

const char* name(Chart chart) {
  for (const auto& [word, value] : charts)
    if (value == chart) return word.c_str();
  return "";
}

const char* name(ValueFormat format) {
  for (const auto& [word, value] : formats)
    if (value == format) return word.c_str();
  return "";
}

std::string make_tile_query(const Tile& tile) {
  std::vector<std::string> names;
  auto take = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  take(tile.x);
  take(tile.series);
  for (const std::string& y : tile.y) take(y);
  for (const TileColumn& column : tile.columns) take(column.column);
  take(tile.compare);
  take(tile.trend);
  std::string columns;
  for (const std::string& name : names) columns += (columns.empty() ? "" : ", ") + quote(name);
  if (columns.empty()) columns = "*";
  size_t dot = tile.model.find('.');
  std::string sql = fmt::format("SELECT {} FROM {}.{}", columns, quote(tile.model.substr(0, dot)),
                                quote(dot == std::string::npos ? "" : tile.model.substr(dot + 1)));
  bool plotted = tile.chart == Chart::line || tile.chart == Chart::area || tile.chart == Chart::bar;
  std::string sort = tile.sort;
  if (sort.empty() && plotted) sort = tile.x;
  if (sort.empty() && tile.chart == Chart::top && !tile.y.empty()) sort = "-" + tile.y[0];
  bool descending = sort.starts_with('-');
  if (!sort.empty())
    sql +=
        fmt::format(" ORDER BY {}{}", quote(descending ? sort.substr(1) : sort), descending ? " DESC" : "");
  int limit = tile.limit != 0 ? tile.limit : tile.chart == Chart::top ? 10 : 0;
  if (limit != 0) sql += fmt::format(" LIMIT {}", limit);
  return sql;
}

void load_dashboard(Reader reader, const std::filesystem::path& file, Project& project) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader mapping(reader, *node, "a dashboard");
  Dashboard dashboard;
  dashboard.name = mapping.required_text("dashboard");
  dashboard.where = mapping.where("dashboard");
  dashboard.where.file = file;
  if (!dashboard.name.empty())
    check_identifier(reader.report, dashboard.where, "a dashboard", dashboard.name);
  dashboard.title = mapping.text("title", dashboard.name);
  dashboard.description = mapping.text("description");
  if (const YamlNode* time = mapping.child("time")) dashboard.time = read_time(reader, mapping, *time);
  if (mapping.required_child("tiles") != nullptr) {
    const std::vector<YamlNode>& tiles = mapping.items("tiles");
    if (tiles.empty() && mapping.child("tiles")->kind == YamlNode::Kind::sequence)
      mapping.error("tiles", "`tiles` is empty", "Add at least one tile, or remove the file.");
    for (const YamlNode& tile : tiles) dashboard.tiles.push_back(read_tile(reader, tile));
  }
  mapping.finish();
  project.dashboards.push_back(std::move(dashboard));
}

}  // namespace tidemark::config
