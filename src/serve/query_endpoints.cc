#include "serve/query_endpoints.h"

#include "base/limits.h"
#include "serve/tile_query.h"

#include <cmath>
#include <cstdlib>

namespace tidemark::serve {

namespace {

struct Format {
  std::string_view name;
  const char* clickhouse;
  const char* content_type;
};
constexpr Format formats[] = {{"json", "JSON", "application/json"},
                              {"jsonl", "JSONEachRow", "application/jsonl"},
                              {"csv", "CSVWithNames", "text/csv; charset=utf-8"},
                              {"tsv", "TSVWithNames", "text/tab-separated-values; charset=utf-8"}};

http::Response bad(const std::string& detail) {
  return http::Response::problem(400, "bad request", detail);
}

// What is wrong with `value`; nothing when it fits. The type itself is checked by ClickHouse.
std::optional<std::string> complaint(const config::EndpointParameter& parameter, const std::string& value) {
  if (!parameter.minimum && !parameter.maximum) return std::nullopt;
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0' || !std::isfinite(number))
    return fmt::format("{} is a number, not '{}'", parameter.name, value);
  if (parameter.minimum && number < *parameter.minimum)
    return fmt::format("{} is at least {}", parameter.name, *parameter.minimum);
  if (parameter.maximum && number > *parameter.maximum)
    return fmt::format("{} is at most {}", parameter.name, *parameter.maximum);
  return std::nullopt;
}

}  // namespace

http::Response answer_endpoint(const config::EndpointFile& endpoint, const http::Request& request,
                               clickhouse::ClientPool& pool) {
  const std::string wanted = request.query_value("format").value_or("json");
  const Format* format = nullptr;
  for (const Format& candidate : formats)
    if (candidate.name == wanted) format = &candidate;
  if (format == nullptr) return bad("format is json, jsonl, csv or tsv");

  for (const auto& given : request.query) {
    const std::string& name = given.first;
    const bool known =
        name == "format" || std::any_of(endpoint.parameters.begin(), endpoint.parameters.end(),
                                        [&](const auto& parameter) { return parameter.name == name; });
    if (known) continue;
    std::string names;
    for (const auto& parameter : endpoint.parameters) names += (names.empty() ? "" : ", ") + parameter.name;
    return bad(fmt::format("there is no parameter {}; there are: {}, format", name, names));
  }

  clickhouse::QueryOptions options;
  for (const auto& parameter : endpoint.parameters) {
    auto value = request.query_value(parameter.name);
    if (!value) value = parameter.default_value;
    if (!value) {
      if (parameter.required || !parameter.type.starts_with("Nullable("))
        return bad(fmt::format("parameter {} ({}) is missing", parameter.name, parameter.type));
      options.raw_parameters[parameter.name] = "\\N";
      continue;
    }
    if (const auto wrong = complaint(parameter, *value)) return bad(*wrong);
    options.parameters[parameter.name] = *value;
  }
  add_exact_json(options.settings);
  options.settings["max_execution_time"] = std::to_string(limits::endpoint_query_seconds_max);
  options.settings["max_result_rows"] = std::to_string(limits::endpoint_result_rows_max);
  options.settings["result_overflow_mode"] = "throw";
  options.timeout = std::chrono::seconds(limits::endpoint_query_seconds_max + 2);
  auto text = pool.lease()->query_text(endpoint.sql + "\nFORMAT " + format->clickhouse, options);
  if (!text) {
    // A value that does not fit its type is the caller's mistake.
    if (text.error().message.find("BAD_QUERY_PARAMETER") != std::string::npos)
      return bad(text.error().message);
    return http::Response::problem(text.error());
  }
  return http::Response::text(std::move(*text), format->content_type);
}

}  // namespace tidemark::serve
