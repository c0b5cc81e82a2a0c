#include "experiments/unit_rows.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <set>
#include <utility>

namespace tidemark::experiments {
namespace {

bool has(const MeasuredTable& table, const Measure& measure) {
  return std::find(table.measures.begin(), table.measures.end(), measure.index) != table.measures.end();
}

}  // namespace

std::string UnitRows::sql(const std::string& exposed) const {
  std::vector<std::string> parts;
  for (const MeasuredTable& table : measures_.tables()) parts.push_back(table_part(table, exposed));
  return fmt::format("{}", fmt::join(parts, "\nUNION ALL\n"));
}

std::string UnitRows::most_rows_sql(const std::string& exposed) const {
  std::vector<std::string> parts;
  for (const MeasuredTable& table : measures_.tables()) {
    std::vector<std::string> conditions{
        fmt::format("({}) IN (SELECT unit FROM {} WHERE arm != 0)", table.unit, exposed)};
    add_rows_in_time(table, conditions);
    std::string range = as_of_.range.condition(table.unit);
    parts.push_back(fmt::format(
        "SELECT countIf(tm_counts) AS tm_of_use, count() AS tm_all FROM (SELECT ifNull({}, 0) AS tm_counts "
        "FROM {}{} LIMIT {})",
        fmt::join(conditions, " AND "), readable_table(table.from), range.empty() ? "" : " WHERE " + range,
        limits::slice_units));  // enough to know
  }
  return fmt::format("SELECT toUInt8(min((tm_all - tm_of_use) * {} <= tm_all)) FROM ({})",
                     limits::rows_of_no_use_part, fmt::join(parts, " UNION ALL "));
}

std::string UnitRows::later_rows_sql() const {
  std::vector<std::string> parts;
  for (const MeasuredTable& table : measures_.tables())
    parts.push_back(fmt::format("(SELECT 1 FROM {} WHERE {} > {} LIMIT 1)", readable_table(table.from),
                                table.time, instant_sql(as_of_.at_us)));
  return fmt::format("SELECT toUInt8(count() != 0) FROM ({})", fmt::join(parts, " UNION ALL "));
}

std::string UnitRows::only_of(const std::string& unit) const {
  return fmt::format("({}) IN (SELECT unit FROM {})", unit, as_of_.only);
}

std::string UnitRows::before_now(const std::string& time) const {
  return fmt::format("{} <= {}", time, as_of_.at_us);
}

std::string UnitRows::inside(const Measure& measure) const {
  std::string now = as_of_.looks_ahead() ? " AND " + before_now("tm_time") : "";
  // Until the end, where no window ends it.
  if (measure.endless())
    return fmt::format("tm_since >= {}{}{}", measure.low_us,
                       experiment_.end_us ? fmt::format(" AND tm_time < {}", *experiment_.end_us) : "", now);
  return fmt::format("tm_since >= {} AND tm_since < {}{}", measure.low_us, measure.high_us, now);
}

std::string UnitRows::table_part(const MeasuredTable& table, const std::string& exposed) const {
  std::vector<std::string> read, wanted;
  bool all_wanted = false;
  for (size_t index : table.measures) {
    const Measure& measure = measures_.all()[index];
    if (measure.fold == Fold::steps) {
      std::string mask;
      for (size_t step = 0; step < measure.steps.size(); ++step)
        mask +=
            fmt::format("{}if({}, {}, 0)", step == 0 ? "" : " + ", measure.steps[step], uint64_t{1} << step);
      read.push_back(fmt::format("toUInt32({}) AS tm_mask{}", mask, index));
      wanted.push_back(measures_.mark(measure));
      continue;
    }
    if (measure.rows.where.empty()) {
      all_wanted = true;
    } else if (measures_.first_of_condition(measure) == index) {
      read.push_back(fmt::format("({}) AS {}", measure.rows.where, measures_.mark(measure)));
      wanted.push_back(measures_.mark(measure));
    }
    if (measures_.owns_values(measure))
      read.push_back(
          fmt::format("ifNull(toFloat64({}), 0) AS {}", measure.rows.value, measures_.value_column(measure)));
  }
  std::vector<std::string> conditions{fmt::format("isNotNull({})", table.time)};
  if (!as_of_.most_rows) add_rows_in_time(table, conditions);
  if (!as_of_.only.empty()) conditions.push_back(only_of(table.unit));
  if (std::string range = as_of_.range.condition(table.unit); !range.empty())
    conditions.push_back(std::move(range));
  if (!all_wanted) conditions.push_back(fmt::format("({})", fmt::join(wanted, " OR ")));
  std::string columns = "tm_exposed.number AS tm_number";
  if (as_of_.looks_ahead())
    columns += fmt::format(", if({}, 0, tm_rows.tm_time) AS tm_next", before_now("tm_rows.tm_time"));
  if (!as_of_.points_us.empty())
    columns += fmt::format(", toUInt8(arrayCount(tm_at -> tm_at < tm_rows.tm_time, [{}])) AS tm_point",
                           fmt::join(as_of_.points_us, ", "));
  for (const Measure& measure : measures_.all()) {
    if (measures_.owns_row(measure))
      columns += fmt::format(", {} AS {}", row_value(table, measure), measures_.row_column(measure));
    if (!measures_.owns_values(measure)) continue;
    std::string values = measures_.value_column(measure);
    columns += has(table, measure) ? fmt::format(", tm_rows.{0} AS {0}", values)
                                   : fmt::format(", toFloat64(0) AS {}", values);
  }
  return fmt::format(
      "WITH tm_rows.tm_time - tm_exposed.first_us AS tm_since\nSELECT {}\nFROM\n(\n  SELECT ({}) AS "
      "tm_unit, {} AS tm_time{}{}\n  FROM {}\n  WHERE {}\n) AS tm_rows\n{} JOIN\n(SELECT unit, "
      "number, first_us FROM {} WHERE {} != 0) AS tm_exposed ON tm_rows.tm_unit = tm_exposed.unit\nWHERE "
      "{}",
      columns, table.unit, microseconds_sql(table.time), read.empty() ? "" : ",\n    ",
      fmt::join(read, ",\n    "), readable_table(table.from), fmt::join(conditions, "\n    AND "),
      keeps_others() ? "ANY LEFT" : "INNER", exposed,
      // Who saw a second variant later counts until then.
      as_of_.points_us.empty() ? "arm" : "known", counting(table));
}

bool UnitRows::keeps_others() const {
  return as_of_.most_rows && as_of_.first_us > 0;
}

void UnitRows::add_rows_in_time(const MeasuredTable& table, std::vector<std::string>& conditions) const {
  int64_t low = std::numeric_limits<int64_t>::max();
  for (size_t index : table.measures) low = std::min(low, measures_.all()[index].low_us);
  // The condition on the table's own column is what parts are passed over by.
  auto add = [&](const char* relation, int64_t at_us) {
    conditions.push_back(fmt::format("{} {} {}", microseconds_sql(table.time), relation, at_us));
    conditions.push_back(fmt::format("{} {} {}", table.time, relation, instant_sql(at_us)));
  };
  if (!as_of_.looks_ahead()) add("<=", as_of_.at_us);
  if (as_of_.first_us != 0) add(">=", as_of_.first_us + low);
}

std::string UnitRows::counting(const MeasuredTable& table) const {
  struct Window {
    int64_t low_us, high_us;
    std::set<std::string> marks;
    bool all = false;
  };
  std::vector<Window> windows;
  for (size_t index : table.measures) {
    const Measure& measure = measures_.all()[index];
    auto found = std::find_if(windows.begin(), windows.end(), [&](const Window& window) {
      return window.low_us == measure.low_us && window.high_us == measure.high_us;
    });
    if (found == windows.end())
      found = windows.insert(found, {.low_us = measure.low_us, .high_us = measure.high_us});
    found->all |= measures_.mark(measure).empty();
    found->marks.insert(measures_.mark(measure));
  }
  std::vector<std::string> conditions;
  for (const Window& window : windows) {
    std::string condition = fmt::format("tm_since >= {}", window.low_us);
    if (window.high_us != std::numeric_limits<int64_t>::max())
      condition += fmt::format(" AND tm_since < {}", window.high_us);
    // One mark for each condition, however many measures have it.
    if (!window.all) condition += fmt::format(" AND ({})", fmt::join(window.marks, " OR "));
    conditions.push_back(std::move(condition));
  }
  std::string counts = fmt::format("{}", fmt::join(conditions, "\n  OR "));
  if (as_of_.most_rows && !as_of_.looks_ahead())
    counts = fmt::format("{} AND ({})", before_now("tm_rows.tm_time"), counts);
  // Written so, the server does not make an inner join of it again.
  if (keeps_others()) counts = fmt::format("tm_since != tm_rows.tm_time AND ({})", counts);
  return counts;
}

std::string UnitRows::row_value(const MeasuredTable& table, const Measure& measure) const {
  if (!has(table, measure)) return neutral(measure);
  std::string condition = inside(measure);
  if (measure.fold == Fold::steps)
    return fmt::format("if({}, to{}(tm_since) * {} + tm_mask{}, 0)",
                       condition + " AND " + measures_.mark(measure), steps_type(measure),
                       uint64_t{1} << (measure.steps.size() + 1), measure.index);
  if (!measure.rows.where.empty()) condition += " AND " + measures_.mark(measure);
  if (measure.fold == Fold::first)
    return fmt::format("if({}, {} - tm_since, {})", condition, measure.high_us, neutral(measure));
  return fmt::format("toUInt8({})", condition);
}

}  // namespace tidemark::experiments
