#include "alerts/alert_query.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

#include "alerts/alert_limits.h"
#include "alerts/alert_state.h"

namespace tidemark::alerts {
namespace {

Result<std::optional<double>> ask_period(clickhouse::Client& client, const config::Alert& alert,
                                         int64_t to_s) {
  clickhouse::QueryOptions options;
  options.settings = {{"max_execution_time", std::to_string(limits::check_seconds_max)},
                      {"max_threads", "1"},
                      {"limit", "1"}};
  options.timeout = std::chrono::seconds(limits::check_seconds_max + 1);
  options.parameters = alert.parameters;
  for (const auto& [name, type] : alert.times) {
    int64_t moment = name == "from" ? to_s - alert.period_seconds : to_s;
    // The point keeps DateTime64 from taking seconds for a scaled number.
    options.parameters[name] = fmt::format("{}{}", moment, type.starts_with("DateTime64") ? ".0" : "");
  }
  // On a line of its own: the query may end in a comment.
  std::string text = TRY(client.query_text(alert.sql + "\nFORMAT TabSeparated", options));
  if (text.empty()) return std::nullopt;
  return value_of(std::string_view(text).substr(0, text.find_first_of("\t\n")));
}

}  // namespace

Result<std::optional<double>> value_of(std::string_view text) {
  if (text == "\\N") return std::nullopt;
  if (text == "true") return 1.0;
  if (text == "false") return 0.0;
  double value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size())
    return fail(ErrorKind::refused, fmt::format("the value is no number: `{}`", text),
                "the first column of the query's first row is what is compared");
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

Result<std::optional<double>> ask_value(clickhouse::Client& client, const config::Alert& alert,
                                        int64_t now_ms) {
  int64_t to_s = now_ms / 1000;
  auto value = TRY(ask_period(client, alert, to_s));
  if (!alert.compares()) return value;
  return change_percent(value, TRY(ask_period(client, alert, to_s - alert.period_seconds)));
}

}  // namespace tidemark::alerts
