#include "config/loading.h"
#include "config/sql_file.h"

#include <charconv>
#include <fmt/format.h>

namespace tidemark::config {
namespace {

std::optional<double> parse_double(std::string_view text) {
  double value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Splits at spaces outside brackets and quotes: `Array(UInt8, 2)` and `"Two words"` are one part.
std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  std::string part;
  int depth = 0;
  char quote = 0;
  for (char c : text) {
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      --depth;
    }
    bool space = (c == ' ' || c == '\t') && quote == 0 && depth <= 0;
    if (!space) part += c;
    if (space && !part.empty()) parts.push_back(std::exchange(part, {}));
  }
  if (!part.empty()) parts.push_back(std::move(part));
  return parts;
}

void read_option(Report& report, const Location& where, const std::string& part,
                 EndpointParameter& parameter) {
  static const std::vector<std::string> known = {"required", "optional", "default", "min", "max"};
  size_t equals = part.find('=');
  std::string key = part.substr(0, equals);
  std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
  if (value.size() >= 2 && (value[0] == '"' || value[0] == '\'') && value.back() == value[0])
    value = value.substr(1, value.size() - 2);
  if (part == "required") {
    parameter.required = true;
  } else if (part == "optional") {
    parameter.required = false;
  } else if (key == "default" && equals != std::string::npos) {
    parameter.default_value = value;
  } else if ((key == "min" || key == "max") && equals != std::string::npos) {
    auto bound = parse_double(value);
    if (!bound) report.error(where, fmt::format("`{}` must be a number, not `{}`", key, value));
    (key == "min" ? parameter.minimum : parameter.maximum) = bound;
  } else {
    report.error(where, fmt::format("`{}` is not known in a parameter{}", part, did_you_mean(key, known)),
                 "Write: -- param name Type [required] [default=value] [min=n] [max=n] [\"What it is\"]");
  }
}

std::optional<EndpointParameter> read_parameter(Report& report, const ParameterLine& line) {
  std::vector<std::string> parts = parts_of(line.text);
  EndpointParameter parameter;
  parameter.where = line.where;
  if (parts.size() < 2 || !is_identifier(parts[0])) {
    report.error(line.where, "a parameter needs a name and a type",
                 "Write: -- param campaign_id UInt32 required");
    return std::nullopt;
  }
  parameter.name = parts[0];
  parameter.type = parts[1];
  for (size_t i = 2; i < parts.size(); ++i) {
    if (parts[i].size() >= 2 && parts[i].front() == '"' && parts[i].back() == '"')
      parameter.description = parts[i].substr(1, parts[i].size() - 2);
    else
      read_option(report, line.where, parts[i], parameter);
  }
  if (parameter.required && parameter.default_value)
    report.error(line.where, fmt::format("`{}` is required and has a default", parameter.name),
                 "Leave one of them out.");
  if (!parameter.required && !parameter.default_value)
    report.error(line.where, fmt::format("`{}` is neither required nor has a default", parameter.name),
                 "Add `required`, or `default=...`: ClickHouse needs a value.");
  if (parameter.minimum && parameter.maximum && *parameter.minimum > *parameter.maximum)
    report.error(line.where, fmt::format("`min` of `{}` is above its `max`", parameter.name));
  return parameter;
}

void check_placeholders(Report& report, const SqlFile& parsed, const EndpointFile& endpoint) {
  std::vector<std::string> names;
  for (const EndpointParameter& parameter : endpoint.parameters) names.push_back(parameter.name);
  for (const Placeholder& placeholder : parsed.placeholders) {
    auto found =
        std::find_if(endpoint.parameters.begin(), endpoint.parameters.end(),
                     [&](const EndpointParameter& parameter) { return parameter.name == placeholder.name; });
    if (found == endpoint.parameters.end())
      report.error(
          placeholder.where,
          fmt::format("the parameter `{}` is not declared{}", placeholder.name,
                      did_you_mean(placeholder.name, names)),
          fmt::format("Add a header line: -- param {} {} required", placeholder.name, placeholder.type));
    else if (found->type != placeholder.type)
      report.error(placeholder.where,
                   fmt::format("`{}` is declared as {} and used as {}", placeholder.name, found->type,
                               placeholder.type),
                   "Use one type in both places.");
  }
  for (const EndpointParameter& parameter : endpoint.parameters) {
    bool used =
        std::any_of(parsed.placeholders.begin(), parsed.placeholders.end(),
                    [&](const Placeholder& placeholder) { return placeholder.name == parameter.name; });
    if (!used)
      report.error(parameter.where, fmt::format("the parameter `{}` is not used in the SQL", parameter.name),
                   fmt::format("Use it as {{{}:{}}}, or leave it out.", parameter.name, parameter.type));
  }
}

}  // namespace

void load_endpoint(Reader reader, const std::filesystem::path& file, Project& project) {
  Report& report = reader.report;
  auto text = report.read(file);
  if (!text) return;
  EndpointFile endpoint;
  endpoint.file = file;
  endpoint.name = file.stem().string();
  if (!check_identifier(report, {file}, "an endpoint", endpoint.name)) return;
  SqlFile parsed = parse_sql_file(report, file, *text);
  for (const HeaderEntry& entry : parsed.header) {
    if (entry.key == "description")
      endpoint.description = entry.value;
    else
      report.error(entry.key_where,
                   fmt::format("unknown key `{}` in an endpoint's header{}", entry.key,
                               did_you_mean(entry.key, {"description", "param"})),
                   "Known: `description: ...` and `param name Type ...` (without a colon).");
  }
  for (const ParameterLine& line : parsed.parameters) {
    auto parameter = read_parameter(report, line);
    if (!parameter) continue;
    bool twice = std::any_of(endpoint.parameters.begin(), endpoint.parameters.end(),
                             [&](const EndpointParameter& other) { return other.name == parameter->name; });
    if (twice)
      report.error(line.where, fmt::format("the parameter `{}` is declared twice", parameter->name));
    else
      endpoint.parameters.push_back(std::move(*parameter));
  }
  check_placeholders(report, parsed, endpoint);
  endpoint.sql = std::move(parsed.sql);
  endpoint.sql_first_line = parsed.sql_first_line;
  project.endpoints.push_back(std::move(endpoint));
}

}  // namespace tidemark::config
