#include "serve/view_parameters.h"

#include "serve/live_limits.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace tidemark::serve {

namespace {

bool is_zone(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '_' || c == '+' || c == '-';
  });
}

bool is_integer_type(std::string_view type) {
  return type.starts_with("Int") || type.starts_with("UInt");
}

// Quoted for an array's text; numbers stand as they are.
std::string array_text(const std::string& type, const std::vector<std::string>& values) {
  if (!is_integer_type(type) && !type.starts_with("Float")) return clickhouse::array_parameter(values);
  std::string text = "[";
  for (const auto& value : values) text += (text.size() > 1 ? "," : "") + value;
  return text + "]";
}

// Length before each text: no choice of values looks like another one.
std::string lengths_and_values(const std::vector<std::string>& values) {
  std::string text;
  for (const auto& value : values) text += fmt::format("{}:{},", value.size(), value);
  return text;
}

tl::unexpected<Error> refuse_choice(std::string message, std::string remedy = {}) {
  return fail(ErrorKind::usage, std::move(message), std::move(remedy));
}

std::string parameter_names(const config::Dashboard& dashboard) {
  std::string names = "time, zone, compare";
  for (const auto& filter : dashboard.filters) names += ", " + filter.name;
  return names;
}

Status take_value(ViewParameters& view, const config::DashboardFilter& filter, const std::string& value) {
  if (value.size() > limits::filter_value_bytes_max)
    return refuse_choice(
        fmt::format("a value of {} is longer than {} bytes", filter.name, limits::filter_value_bytes_max));
  if (!fits_number(filter.type, value))
    return refuse_choice(fmt::format("{} is of type {}, and '{}' is not", filter.name, filter.type, value));
  auto& values = view.filters[filter.name];
  if (values.size() >= limits::filter_values_max)
    return refuse_choice(
        fmt::format("more than {} values of {} are chosen", limits::filter_values_max, filter.name));
  values.push_back(value);
  return {};
}

}  // namespace

bool fits_number(const std::string& type, std::string_view text) {
  if (is_integer_type(type)) {
    std::string_view rest = text;
    if (type[0] == 'I' && rest.starts_with('-')) rest.remove_prefix(1);
    return !rest.empty() && rest.size() <= 20 &&
           std::all_of(rest.begin(), rest.end(), [](char c) { return c >= '0' && c <= '9'; });
  }
  if (!type.starts_with("Float")) return true;
  double number = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc{} && end == text.data() + text.size() && std::isfinite(number);
}

uint32_t Instants::step() const {
  if (everything) return 86'400;
  constexpr uint32_t steps[] = {10, 60, 300, 900, 3'600, 21'600, 86'400, 604'800};
  for (uint32_t step : steps)
    if ((to - from) / step <= 150) return step;
  return 2'592'000;
}

std::string ViewParameters::key() const {
  std::string text = fmt::format("{}|{}|{}", range.text, zone, compare ? 1 : 0);
  for (const auto& [name, values] : filters) text += fmt::format("|{}={}", name, lengths_and_values(values));
  return text;
}

std::string ViewParameters::key(const std::vector<config::TileParameter>& used, bool before) const {
  std::string text;
  bool timed = asks_for_time(used);
  if (timed) text += fmt::format("|time={}{}", range.text, before ? " before" : "");
  for (const auto& parameter : used) {
    if (parameter.name == "zone" || timed) text += "|zone=" + zone;
    if (auto chosen = filters.find(parameter.name); chosen != filters.end())
      text += fmt::format("|{}={}", parameter.name, lengths_and_values(chosen->second));
  }
  return text;
}

bool asks_for_time(const std::vector<config::TileParameter>& parameters) {
  return std::any_of(parameters.begin(), parameters.end(), [](const auto& parameter) {
    return parameter.name == "from" || parameter.name == "to" || parameter.name == "step";
  });
}

Result<ViewParameters> read_view_parameters(const config::Dashboard& dashboard, const http::Request& request,
                                            const std::vector<std::string>& others) {
  ViewParameters view;
  view.range = dashboard.time.range;
  view.zone = dashboard.time.zone;
  view.compare = dashboard.time.compare;
  for (const auto& [name, value] : request.query) {
    if (name.starts_with("row.") || std::find(others.begin(), others.end(), name) != others.end()) continue;
    if (name == "time") {
      auto range = config::parse_time_range(value);
      if (!range)
        return refuse_choice(fmt::format("'{}' is not a range of time", value),
                             std::string(config::time_range_remedy));
      view.range = *range;
      continue;
    }
    if (name == "zone") {
      if (!is_zone(value))
        return refuse_choice(fmt::format("'{}' is not a time zone", value), "Write UTC or Europe/Berlin.");
      view.zone = value;
      continue;
    }
    if (name == "compare") {
      if (value != "0" && value != "1") return refuse_choice("compare is 0 or 1");
      view.compare = value == "1";
      continue;
    }
    auto filter = std::find_if(dashboard.filters.begin(), dashboard.filters.end(),
                               [&](const auto& one) { return one.name == name; });
    if (filter == dashboard.filters.end())
      return refuse_choice(fmt::format("the dashboard {} has no parameter {}", dashboard.name, name),
                           "There are: " + parameter_names(dashboard));
    TRY_VOID(take_value(view, *filter, value));
  }
  for (auto& [name, values] : view.filters) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
  }
  return view;
}

std::string bound_text(const std::string& type, int64_t seconds, const std::string& day, bool everything,
                       bool end) {
  // Everything: the ends of what the type has, a day inside them, so that no zone pushes them out.
  bool wide = type == "Date32" || type.starts_with("DateTime64");
  std::string edge = end ? (wide ? "2299-12-30" : "2100-01-01") : (wide ? "1900-01-02" : "1970-01-02");
  if (type.starts_with("Date32") || type == "Date") return everything ? edge : day;
  if (type == "Int64" || type == "UInt32")
    return everything ? (end ? "4102444800" : "0") : std::to_string(seconds);
  if (everything) return edge + " 00:00:00";
  // Seconds since 1970 are the same moment in every zone. The point keeps DateTime64 from taking them for a
  // scaled number.
  return type.starts_with("DateTime64") ? fmt::format("{}.0", seconds) : std::to_string(seconds);
}

void bind_choice(clickhouse::QueryOptions& options, const std::vector<config::TileParameter>& parameters,
                 const config::Dashboard& dashboard, const ViewParameters& view, const Instants& instants) {
  for (const auto& [name, type] : parameters) {
    if (name == "from")
      options.parameters[name] =
          bound_text(type, instants.from, instants.from_day, instants.everything, false);
    else if (name == "to")
      options.parameters[name] = bound_text(type, instants.to, instants.to_day, instants.everything, true);
    else if (name == "step")
      options.parameters[name] = std::to_string(instants.step());
    else if (name == "zone")
      options.parameters[name] = view.zone;
    else
      for (const auto& filter : dashboard.filters) {
        if (filter.name != name) continue;
        auto chosen = view.filters.find(name);
        options.raw_parameters[name] =
            chosen == view.filters.end() ? "[]" : array_text(filter.type, chosen->second);
      }
  }
}

}  // namespace tidemark::serve
