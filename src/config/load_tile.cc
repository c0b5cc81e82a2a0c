#include "config/dashboard_reader.h"
#include "config/loading.h"
#include "config/sql_file.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

const std::vector<std::pair<std::string, Chart>> charts = {
    {"number", Chart::number},   {"line", Chart::line},     {"area", Chart::area},
    {"bar", Chart::bar},         {"table", Chart::table},   {"top", Chart::top},
    {"heatmap", Chart::heatmap}, {"funnel", Chart::funnel}, {"retention", Chart::retention},
    {"scatter", Chart::scatter}, {"text", Chart::text}};

const std::vector<std::pair<std::string, ValueFormat>> value_formats = {
    {"auto", ValueFormat::automatic},    {"number", ValueFormat::number},   {"integer", ValueFormat::integer},
    {"decimal", ValueFormat::decimal},   {"percent", ValueFormat::percent}, {"money", ValueFormat::money},
    {"duration", ValueFormat::duration}, {"bytes", ValueFormat::bytes},     {"date", ValueFormat::date},
    {"time", ValueFormat::time},         {"text", ValueFormat::text}};

std::optional<int> small_integer(MappingReader& mapping, const std::string& key, int minimum, int maximum) {
  auto value = mapping.integer(key, minimum, maximum);
  if (!value) return std::nullopt;
  return static_cast<int>(*value);
}

Tone read_tone(Reader reader, const YamlNode& node) {
  Tone tone;
  MappingReader mapping(reader, node, "a tone");
  tone.above = mapping.number("above", -1e300, 1e300);
  tone.below = mapping.number("below", -1e300, 1e300);
  tone.is = mapping.text("is");
  if (!tone.above && !tone.below && tone.is.empty())
    reader.report.error(node.where, "a tone needs `above`, `below` or `is`",
                        "Write: { above: 0.05, tone: bad }, or { is: failed, tone: bad }.");
  if (!tone.is.empty() && (tone.above || tone.below))
    mapping.error("is", "a tone is of a number or of a text", "Make one of each.");
  if (mapping.required_child("tone") != nullptr)
    tone.tone =
        mapping.choice<std::string>("tone", {{"good", "good"}, {"warn", "warn"}, {"bad", "bad"}}, "warn");
  mapping.finish();
  return tone;
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
  column.format = mapping.choice("format", value_formats, ValueFormat::automatic);
  column.unit = mapping.text("unit");
  column.decimals = small_integer(mapping, "decimals", 0, 12);
  column.bar = mapping.boolean("bar");
  column.shade = mapping.boolean("shade");
  for (const YamlNode& tone : mapping.items("tones")) column.tones.push_back(read_tone(reader, tone));
  mapping.finish();
  return column;
}

bool one_of(Chart chart, std::initializer_list<Chart> charts) {
  return std::find(charts.begin(), charts.end(), chart) != charts.end();
}

// The keys a chart cannot do without, and those that would silently do nothing.
void check_chart(MappingReader& mapping, const Tile& tile) {
  auto is = [&](std::initializer_list<Chart> list) { return one_of(tile.chart, list); };
  bool plotted = is({Chart::line, Chart::area, Chart::bar});
  bool grid = is({Chart::heatmap, Chart::retention});
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
  if (tile.chart == Chart::text) needs("text", "what it says, as Markdown");
  if (plotted || grid || is({Chart::scatter, Chart::funnel}) ||
      (tile.chart == Chart::top && tile.sql.empty())) {
    needs("x", tile.chart == Chart::top      ? "the column of the labels"
               : tile.chart == Chart::funnel ? "the column of the steps"
                                             : "the column of the horizontal axis");
    needs("y", "the columns of the values");
  }
  if (grid) needs("series", "the column of the rows");
  if (tile.chart == Chart::number && tile.sql.empty()) needs("y", "the column to show");
  if (tile.chart == Chart::number && tile.y.size() > 1)
    mapping.error("y", "a number shows one column", "Make a tile for each.");
  if ((grid || is({Chart::funnel, Chart::scatter})) && tile.y.size() > 1)
    mapping.error("y", fmt::format("a {} shows one value", name(tile.chart)), "Make a tile for each.");
  if (!tile.series.empty() && tile.y.size() > 1 && plotted)
    mapping.error("series", "`series` splits one value, and `y` names several", "Name one column in `y`.");
  useless("series", plotted || grid || is({Chart::funnel, Chart::scatter}),
          "line, area, bar, heatmap, retention, funnel and scatter");
  useless("stacked", is({Chart::area, Chart::bar}), "area and bar");
  useless("compare", is({Chart::number}), "number");
  useless("trend", is({Chart::number}), "number");
  useless("good", is({Chart::number}), "number");
  useless("columns", is({Chart::table, Chart::top}), "table and top");
  useless("x", !is({Chart::number, Chart::table, Chart::text}), "every chart but number, table and text");
  useless("y", !is({Chart::table, Chart::text}), "every chart but table, which has `columns`, and text");
  useless("size", is({Chart::scatter, Chart::retention}), "scatter and retention");
  useless("label", is({Chart::scatter}), "scatter");
  useless("text", is({Chart::text}), "text");
  useless("sql", !is({Chart::text}), "every chart but text");
  useless("model", !is({Chart::text}), "every chart but text");
  useless("drill", is({Chart::table, Chart::top, Chart::bar, Chart::heatmap, Chart::funnel}),
          "table, top, bar, heatmap and funnel");
}

// The same look at the statement that models get: one SELECT, quotes that end.
std::string read_sql(MappingReader& mapping, const std::string& key, const std::string& sql,
                     std::vector<TileParameter>& parameters) {
  Report scratch(mapping.reader().report.root());
  SqlFile parsed = parse_sql_file(scratch, mapping.where(key).file, sql);
  std::vector<Diagnostic> wrong = scratch.take_errors();
  if (!wrong.empty() && !sql.empty())
    mapping.error(key, fmt::format("`{}`: {}", key, wrong[0].message), wrong[0].remedy);
  for (const Placeholder& placeholder : parsed.placeholders) {
    TileParameter parameter{placeholder.name, placeholder.type};
    if (std::find(parameters.begin(), parameters.end(), parameter) == parameters.end())
      parameters.push_back(std::move(parameter));
  }
  return parsed.sql;
}

Drill read_drill(Reader reader, const YamlNode& node) {
  Drill drill;
  MappingReader mapping(reader, node, "`drill`");
  drill.title = mapping.text("title", "Rows");
  drill.sql = read_sql(mapping, "sql", mapping.required_text("sql"), drill.parameters);
  mapping.finish();
  return drill;
}

}  // namespace

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
  bool text = chart_known && tile.chart == Chart::text;
  if (node.kind == YamlNode::Kind::mapping && has_sql == has_model && !text)
    reader.report.error(has_sql ? mapping.where("model") : node.where,
                        has_sql ? "a tile has either `sql` or `model`, and this one has both"
                                : "a tile needs `sql` (a SELECT) or `model` (database.name)");
  tile.x = mapping.text("x");
  tile.y = mapping.texts("y");
  tile.series = mapping.text("series");
  tile.size = mapping.text("size");
  tile.label = mapping.text("label");
  tile.text = mapping.text("text");
  tile.stacked = mapping.boolean("stacked");
  tile.format = mapping.choice("format", value_formats, ValueFormat::automatic);
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
  if (const YamlNode* drill = mapping.child("drill")) tile.drill = read_drill(reader, *drill);
  if (chart_known) check_chart(mapping, tile);
  if (has_model && tile.model.find('.') == std::string::npos)
    mapping.error("model", fmt::format("`{}` is not the name of a model", tile.model),
                  "Write it with its database: analytics.campaign_daily.");
  mapping.finish();
  if (text) return tile;
  if (has_sql) {
    tile.sql = read_sql(mapping, "sql", tile.sql, tile.parameters);
    tile.query = tile.sql;
  } else if (has_model) {
    tile.query = make_tile_query(tile);
  }
  return tile;
}

const char* name(Chart chart) {
  for (const auto& [word, value] : charts)
    if (value == chart) return word.c_str();
  return "";
}

const char* name(ValueFormat format) {
  for (const auto& [word, value] : value_formats)
    if (value == format) return word.c_str();
  return "";
}

namespace {

std::string quote(std::string_view name) {
  std::string out = "`";
  for (char c : name) {
    if (c == '`' || c == '\\') out += '\\';
    out += c;
  }
  return out + "`";
}

}  // namespace

std::string make_tile_query(const Tile& tile) {
  std::vector<std::string> names;
  auto take = [&](const std::string& name) {
    if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  take(tile.x);
  take(tile.series);
  take(tile.size);
  take(tile.label);
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

}  // namespace tidemark::config
