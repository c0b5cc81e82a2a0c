#include "serve/query_endpoints.h"

#include "base/limits.h"
#include "clickhouse/cancellation.h"
#include "http/url.h"
#include "serve/live_limits.h"
#include "serve/result_format.h"
#include "serve/tile_query.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace tidemark::serve {

namespace {

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

// How many rows, and from which one on; an endpoint's own parameters of these names are its own.
struct Window {
  std::optional<size_t> limit;
  size_t offset = 0;
};

bool declares(const config::EndpointFile& endpoint, std::string_view name) {
  return std::any_of(endpoint.parameters.begin(), endpoint.parameters.end(),
                     [&](const auto& parameter) { return parameter.name == name; });
}

tl::expected<Window, std::string> window_of(const config::EndpointFile& endpoint,
                                            const http::Request& request) {
  Window window;
  for (const char* name : {"limit", "offset"}) {
    auto value = declares(endpoint, name) ? std::nullopt : request.query_value(name);
    if (!value) continue;
    size_t number = 0;
    auto [end, failure] = std::from_chars(value->data(), value->data() + value->size(), number);
    bool read = failure == std::errc{} && end == value->data() + value->size();
    size_t least = name[0] == 'l' ? 1 : 0;
    size_t most = name[0] == 'l' ? limits::endpoint_result_rows_max : limits::endpoint_offset_max;
    if (!read || number < least || number > most)
      return tl::unexpected(fmt::format("{} is a number from {} to {}, not '{}'", name, least, most, *value));
    if (name[0] == 'l')
      window.limit = number;
    else
      window.offset = number;
  }
  return window;
}

// Where the next rows are: this request with another offset.
std::string next_link(const http::Request& request, const Window& window) {
  std::string query;
  for (const auto& [name, value] : request.query)
    if (name != "offset")
      query += fmt::format("{}={}&", http::percent_encode(name), http::percent_encode(value));
  return fmt::format("<{}?{}offset={}>; rel=\"next\"", request.path, query, window.offset + *window.limit);
}

// The request in one form: what is bound, which rows, in which format.
std::string request_key(const config::EndpointFile& endpoint, const clickhouse::QueryOptions& options,
                        const Window& window, const ResultFormat& format) {
  return fmt::format("{}\n{}\n{} {} {}\n{}", endpoint.name, endpoint.sql, format.name,
                     window.limit.value_or(0), window.offset, bound_text(options));
}

// The first thing that is wrong with the parameters; what to bind otherwise.
tl::expected<clickhouse::QueryOptions, std::string> bound(const config::EndpointFile& endpoint,
                                                          const http::Request& request) {
  for (const auto& given : request.query) {
    const std::string& name = given.first;
    if (name == "format" || name == "limit" || name == "offset" || declares(endpoint, name)) continue;
    std::string names;
    for (const auto& parameter : endpoint.parameters) names += parameter.name + ", ";
    return tl::unexpected(
        fmt::format("there is no parameter {}; there are: {}limit, offset, format", name, names));
  }
  clickhouse::QueryOptions options;
  for (const auto& parameter : endpoint.parameters) {
    auto value = request.query_value(parameter.name);
    if (!value) value = parameter.default_value;
    if (!value) {
      if (parameter.required || !parameter.type.starts_with("Nullable("))
        return tl::unexpected(fmt::format("parameter {} ({}) is missing", parameter.name, parameter.type));
      options.raw_parameters[parameter.name] = "\\N";
      continue;
    }
    if (const auto wrong = complaint(parameter, *value)) return tl::unexpected(*wrong);
    options.parameters[parameter.name] = *value;
  }
  return options;
}

}  // namespace

http::Response answer_endpoint(const config::EndpointFile& endpoint, const http::Request& request,
                               clickhouse::ClientPool& pool, const AnswerTime& time,
                               AnswerCounters& counters) {
  const ResultFormat* format =
      find_format(declares(endpoint, "format") ? "json" : request.query_value("format").value_or("json"));
  if (format == nullptr) return bad("format is one of " + format_names());
  auto options = bound(endpoint, request);
  if (!options) return bad(options.error());
  const auto window = window_of(endpoint, request);
  if (!window) return bad(window.error());

  std::string tag;
  if (!time.version.empty())
    tag = tag_of(time.version + "\n" + request_key(endpoint, *options, *window, *format));
  auto with_time = [&](http::Response response) {
    if (time.as_of_micros > 0)
      response.headers.emplace_back("Tidemark-As-Of",
                                    fmt::format("{:.3f}", static_cast<double>(time.as_of_micros) / 1e6));
    return response;
  };
  if (has_answer(request, tag)) {
    ++counters.unchanged;
    return with_time(unchanged(tag));
  }
  ++counters.queries;
  add_exact_json(options->settings);
  options->settings["max_execution_time"] = std::to_string(limits::endpoint_query_seconds_max);
  options->settings["max_result_rows"] = std::to_string(limits::endpoint_result_rows_max);
  options->settings["result_overflow_mode"] = "throw";
  options->settings["cancel_http_readonly_queries_on_client_close"] = "1";
  if (window->limit) options->settings["limit"] = std::to_string(*window->limit);
  if (window->offset > 0) options->settings["offset"] = std::to_string(window->offset);
  options->timeout = std::chrono::seconds(limits::endpoint_query_seconds_max + 2);
  const clickhouse::CancellationScope while_wanted(request.gone);
  auto text = pool.lease()->query_text(endpoint.sql + "\nFORMAT " + format->clickhouse, *options);
  if (!text) {
    // A value that does not fit its type is the caller's mistake.
    if (text.error().message.find("BAD_QUERY_PARAMETER") != std::string::npos)
      return bad(text.error().message);
    return http::Response::problem(text.error());
  }
  if (tag.empty()) tag = tag_of(*text);
  if (has_answer(request, tag)) return with_time(unchanged(tag));
  http::Response response = with_time(http::Response::text(std::move(*text), format->content_type));
  response.headers.emplace_back("ETag", tag);
  response.headers.emplace_back("Cache-Control", "no-cache");
  if (window->limit && format->rows(response.body) >= static_cast<long>(*window->limit))
    response.headers.emplace_back("Link", next_link(request, *window));
  return response;
}

}  // namespace tidemark::serve
