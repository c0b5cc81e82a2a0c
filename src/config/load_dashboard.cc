#include "config/dashboard_reader.h"
#include "config/loading.h"
#include "config/sql_file.h"

#include <fmt/format.h>
#include <map>
#include <set>

namespace tidemark::config {
namespace {

// What the address of a dashboard and the time of its tiles are made of: no filter is called that.
const std::vector<std::string> taken = {"from", "to",   "step", "time", "zone",  "compare",
                                        "tile", "rows", "row",  "page", "token", "after"};

const std::vector<std::string> filter_types = {"String", "UUID",   "Bool",   "Date",    "Date32",
                                               "Int8",   "Int16",  "Int32",  "Int64",   "UInt8",
                                               "UInt16", "UInt32", "UInt64", "Float32", "Float64"};

// What an end of the range can be bound as (serve/view_parameters.cc).
bool is_time_type(const std::string& type) {
  static const std::vector<std::string> plain = {"Date", "Date32", "DateTime", "Int64", "UInt32"};
  return std::find(plain.begin(), plain.end(), type) != plain.end() ||
         (type.ends_with(')') && (type.starts_with("DateTime(") || type.starts_with("DateTime64(")));
}

TimeRange read_range(Reader reader, const std::string& text, const Location& where) {
  if (auto range = parse_time_range(text)) return *range;
  reader.report.error(where, fmt::format("`{}` is not a range of time", text),
                      std::string(time_range_remedy));
  return {};
}

DashboardTime read_time(Reader reader, MappingReader& dashboard, const YamlNode& node) {
  DashboardTime time;
  if (node.kind != YamlNode::Kind::mapping) {
    time.range = read_range(reader, dashboard.text("time", "all"), node.where);
    return time;
  }
  MappingReader mapping(reader, node, "`time`");
  std::string text = mapping.text("default", "all");
  time.range = read_range(reader, text, mapping.where("default"));
  for (const std::string& preset : mapping.texts("presets"))
    time.presets.push_back(read_range(reader, preset, mapping.where("presets")).text);
  time.zone = mapping.text("zone", "UTC");
  time.compare = mapping.boolean("compare");
  if (mapping.has("column"))
    mapping.warning("column", "`column` does nothing",
                    "Leave it out, and write the range into the tiles' SQL: day >= {from:Date} AND day < "
                    "{to:Date}.");
  mapping.finish();
  return time;
}

DashboardFilter read_filter(Reader reader, const YamlNode& node) {
  DashboardFilter filter;
  MappingReader mapping(reader, node, "a filter");
  filter.name = mapping.required_text("filter");
  filter.where = mapping.where("filter");
  if (!filter.name.empty()) check_identifier(reader.report, filter.where, "a filter", filter.name);
  if (std::find(taken.begin(), taken.end(), filter.name) != taken.end())
    mapping.error("filter", fmt::format("`{}` means something else in a dashboard's address", filter.name),
                  "Give the filter another name.");
  filter.title = mapping.text("title", filter.name);
  filter.type = mapping.text("type", "String");
  if (std::find(filter_types.begin(), filter_types.end(), filter.type) == filter_types.end())
    mapping.error("type", fmt::format("a filter cannot be of type `{}`", filter.type),
                  "It is of one value: String, UUID, Bool, Date, Date32, Int8 to UInt64, Float32, Float64.");
  filter.column = mapping.text("column", filter.name);
  filter.sql = mapping.text("sql");
  if (mapping.has("sql")) {
    Report scratch(reader.report.root());
    SqlFile parsed = parse_sql_file(scratch, mapping.where("sql").file, filter.sql);
    std::vector<Diagnostic> wrong = scratch.take_errors();
    if (!wrong.empty())
      mapping.error("sql", "`sql`: " + wrong[0].message, wrong[0].remedy);
    else if (!parsed.placeholders.empty())
      mapping.error(
          "sql", "the values of a filter have no parameters",
          fmt::format("Leave {{{}:{}}} out.", parsed.placeholders[0].name, parsed.placeholders[0].type));
    filter.sql = parsed.sql;
  }
  mapping.finish();
  return filter;
}

void check_filters(Report& report, const Dashboard& dashboard) {
  std::set<std::string> names;
  for (const DashboardFilter& filter : dashboard.filters)
    if (!names.insert(filter.name).second)
      report.error(filter.where, fmt::format("the filter `{}` is declared twice", filter.name));
}

// Whether a parameter of that name and type can be bound; else why not.
struct Wrong {
  std::string message, remedy;
};
std::optional<Wrong> wrong_with(const TileParameter& parameter, const Dashboard& dashboard, bool has_time) {
  const std::string& name = parameter.name;
  auto type_of = [&](const std::string& allowed) {
    return Wrong{fmt::format("`{}` is not {}", name, parameter.type), fmt::format("It is {}.", allowed)};
  };
  if (name == "from" || name == "to" || name == "step") {
    if (!has_time)
      return Wrong{fmt::format("`{}` is of the dashboard's time, and it has none", name),
                   "Add, for example: time: { default: last 7 days }"};
    if (name == "step")
      return parameter.type == "UInt32" ? std::nullopt
                                        : std::optional(type_of("seconds between two points, a UInt32"));
    if (is_time_type(parameter.type)) return std::nullopt;
    return type_of("a Date, Date32, DateTime, DateTime64(n), or the seconds since 1970 as Int64 or UInt32");
  }
  if (name == "zone") return parameter.type == "String" ? std::nullopt : std::optional(type_of("a String"));
  std::vector<std::string> known = {"from", "to", "step", "zone"};
  for (const DashboardFilter& filter : dashboard.filters) {
    if (filter.name == name) {
      std::string wanted = fmt::format("Array({})", filter.type);
      if (parameter.type == wanted) return std::nullopt;
      return type_of(
          fmt::format("what a viewer chose, {{{}:{}}}; empty when nothing is chosen", name, wanted));
    }
    known.push_back(filter.name);
  }
  return Wrong{fmt::format("there is no parameter `{}`{}", name, did_you_mean(name, known)),
               "Parameters are the dashboard's `filters`, and from, to, step and zone of its `time`."};
}

// One value is bound to a name, in one form.
void check_one_type(Report& report, const Tile& tile, const std::vector<TileParameter>& parameters) {
  std::map<std::string, std::string> types;
  for (const TileParameter& parameter : parameters)
    if (auto [known, added] = types.emplace(parameter.name, parameter.type); !added)
      report.error(tile.where,
                   fmt::format("`{}` is used as {} and as {} in one query", parameter.name, known->second,
                               parameter.type),
                   "Use one type, and convert the column.");
}

void check_parameters(Report& report, const Dashboard& dashboard, bool has_time) {
  for (const Tile& tile : dashboard.tiles) {
    check_one_type(report, tile, tile.parameters);
    check_one_type(report, tile, tile.drill.parameters);
    for (const TileParameter& parameter : tile.parameters)
      if (auto wrong = wrong_with(parameter, dashboard, has_time))
        report.error(tile.where, wrong->message, wrong->remedy);
    // The others are columns of the row that is clicked, by whatever type the author gives them.
    for (const TileParameter& parameter : tile.drill.parameters) {
      bool ours = parameter.name == "from" || parameter.name == "to" || parameter.name == "step" ||
                  parameter.name == "zone" ||
                  std::any_of(dashboard.filters.begin(), dashboard.filters.end(), [&](const auto& filter) {
                    return filter.name == parameter.name && parameter.type.starts_with("Array(");
                  });
      if (!ours) continue;
      if (auto wrong = wrong_with(parameter, dashboard, has_time))
        report.error(tile.where, "`drill`: " + wrong->message, wrong->remedy);
    }
  }
}

}  // namespace

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
  bool has_time = mapping.child("time") != nullptr;
  if (const YamlNode* time = mapping.child("time")) dashboard.time = read_time(reader, mapping, *time);
  for (const YamlNode& filter : mapping.items("filters"))
    dashboard.filters.push_back(read_filter(reader, filter));
  if (mapping.required_child("tiles") != nullptr) {
    const std::vector<YamlNode>& tiles = mapping.items("tiles");
    if (tiles.empty() && mapping.child("tiles")->kind == YamlNode::Kind::sequence)
      mapping.error("tiles", "`tiles` is empty", "Add at least one tile, or remove the file.");
    for (const YamlNode& tile : tiles) dashboard.tiles.push_back(read_tile(reader, tile));
  }
  check_filters(reader.report, dashboard);
  check_parameters(reader.report, dashboard, has_time);
  mapping.finish();
  project.dashboards.push_back(std::move(dashboard));
}

}  // namespace tidemark::config
