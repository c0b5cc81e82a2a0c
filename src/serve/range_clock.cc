#include "serve/range_clock.h"

#include "base/limits.h"

#include <charconv>

namespace tidemark::serve {

namespace {

using Kind = config::TimeRange::Kind;

// Two days, the second not in the range; or two moments.
std::string ends_sql(const config::TimeRange& range, bool before) {
  switch (range.kind) {
    case Kind::days:
      return fmt::format(
          "toDate(now(), {{zone:String}}) - {} AS first, toDate(now(), {{zone:String}}) - {} AS last",
          range.days * (before ? 2 : 1) - 1, (before ? range.days : 0) - 1);
    case Kind::fixed_days:
      return fmt::format("toDate({{a:String}}) - {0} AS first, toDate({{b:String}}) + 1 - {0} AS last",
                         before ? range.days : 0);
    case Kind::rolling:
      return fmt::format("toInt64(toUnixTimestamp(now())) - {} AS first, first + {} AS last",
                         range.seconds * (before ? 2 : 1), range.seconds);
    case Kind::fixed:
      return fmt::format(
          "toInt64(toUnixTimestamp(toDateTime({{a:String}}, {{zone:String}}))) AS a, "
          "toInt64(toUnixTimestamp(toDateTime({{b:String}}, {{zone:String}}))) AS b, "
          "{0} * (b - a) AS back, a - back AS first, b - back AS last",
          before ? 1 : 0);
    case Kind::all:
      break;
  }
  return "";
}

Result<int64_t> moment_number(std::string_view text) {
  int64_t value = 0;
  auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size())
    return fail(ErrorKind::internal, fmt::format("'{}' is not a moment", text));
  return value;
}

}  // namespace

Result<Instants> instants_of(clickhouse::Client& client, const config::TimeRange& range,
                             const std::string& zone, bool before) {
  Instants instants;
  if (range.kind == Kind::all) {
    instants.everything = true;
    return instants;
  }
  bool days = range.kind == Kind::days || range.kind == Kind::fixed_days;
  clickhouse::QueryOptions options;
  options.timeout = std::chrono::seconds(limits::tile_query_seconds_max);
  options.parameters["zone"] = zone;
  if (!range.from.empty()) {
    options.parameters["a"] = range.from;
    options.parameters["b"] = range.to;
  }
  std::string columns = days ? "toUnixTimestamp(toDateTime(first, {zone:String})), "
                               "toUnixTimestamp(toDateTime(last, {zone:String})), "
                               "toString(first), toString(last)"
                             : "first, last, toString(toDate(toDateTime(first, {zone:String}))), "
                               "toString(toDate(toDateTime(last - 1, {zone:String})) + 1)";
  std::string text = TRY(client.query_text(
      fmt::format("WITH {} SELECT {} FORMAT TabSeparated", ends_sql(range, before), columns), options));
  while (text.ends_with('\n')) text.pop_back();
  std::vector<std::string> fields;
  for (size_t at = 0; at <= text.size();) {
    size_t tab = std::min(text.find('\t', at), text.size());
    fields.push_back(text.substr(at, tab - at));
    at = tab + 1;
  }
  if (fields.size() != 4) return fail(ErrorKind::internal, fmt::format("'{}' is not a range", text));
  instants.from = TRY(moment_number(fields[0]));
  instants.to = TRY(moment_number(fields[1]));
  instants.from_day = fields[2];
  instants.to_day = fields[3];
  return instants;
}

}  // namespace tidemark::serve
