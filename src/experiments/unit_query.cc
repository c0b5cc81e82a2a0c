#include "experiments/unit_query.h"

#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace tidemark::experiments {
namespace {

constexpr int64_t second_us = 1'000'000;

std::string instant(int64_t at_us) {
  return fmt::format("fromUnixTimestamp64Micro({}, 'UTC')", at_us);
}

std::string present(const std::string& expression) {
  return fmt::format("assumeNotNull({})", expression);
}

std::string microseconds(const std::string& time) {
  return fmt::format("toUnixTimestamp64Micro(assumeNotNull(toDateTime64({}, 6, 'UTC')))", time);
}

// How a unit's rows become its value.
enum class Fold { sum, any, first, steps };

struct Measure {
  EventRows rows;
  Fold fold = Fold::sum;
  bool valued = false;             // sum of values; else of ones
  std::vector<std::string> steps;  // conditions
  int64_t low_us = 0, high_us = 0;
  size_t index = 0;

  bool endless() const { return high_us == std::numeric_limits<int64_t>::max(); }
  std::string output() const { return fmt::format("value_{}", index); }
};

struct Table {
  std::string from, unit, time;
  std::vector<size_t> measures;
};

// What a row brings to a measure: one column.
//   sum    a mark whether it counts; the value is another column
//   any    the mark
//   first  the time until the window ends
//   steps  time and fulfilled steps as one number
// All are 0 when it does not count, as for units that have no rows.
// Steps are the lowest bits, and one that is never set lies above them.
std::string steps_type(const Measure& measure) {
  return measure.steps.size() < 12 ? "Int64" : "Int128";
}

std::string neutral(const Measure& measure) {
  if (measure.fold == Fold::first) return "toInt64(0)";
  if (measure.fold == Fold::steps) return fmt::format("to{}(0)", steps_type(measure));
  return "toUInt8(0)";
}

// What a unit's folded rows are worth. Units without rows have 0 there.
std::string finished(const Measure& measure) {
  std::string folded = "tm_folded." + measure.output();
  if (measure.fold != Fold::first) return folded;
  return fmt::format("({} - {}) / {}", measure.high_us - measure.low_us, folded, second_us);
}

struct Aggregate {
  std::string function, arguments;
  std::string of_rows() const { return fmt::format("{}({})", function, arguments); }
};

// Of the grouped rows; `column`: what they bring, `value`: the column of the values.
std::vector<Aggregate> aggregates_of(const Measure& measure, const std::string& column,
                                     const std::string& value) {
  switch (measure.fold) {
    case Fold::sum:
      if (measure.valued) return {{"sumIf", fmt::format("{}, {}", value, column)}};
      return {{"sum", column}};
    case Fold::any:  // counted once, where others want the count
      return {{"sum", column}};
    case Fold::first:
      return {{"max", column}};
    case Fold::steps:
      return {{"groupBitOr",
               fmt::format("toUInt32(bitAnd({}, {}))", column, (uint64_t{1} << measure.steps.size()) - 1)},
              {"groupArrayIf", fmt::format("{0}, {0} != 0", column)}};
  }
  return {};
}

std::string folded(const Measure& measure, const std::vector<std::string>& aggregated) {
  if (measure.fold == Fold::first) return fmt::format("toInt64({})", aggregated[0]);
  if (measure.fold == Fold::any) return fmt::format("toFloat64({} != 0)", aggregated[0]);
  if (measure.fold != Fold::steps) return fmt::format("toFloat64({})", aggregated[0]);
  // Looked at one by one where every step was done at some time.
  return fmt::format(
      "toFloat64(if({} = {}, arrayFold((tm_done, tm_row) -> if(bitTest(tm_row, tm_done), toUInt8(tm_done + "
      "1), tm_done), arraySort({}), toUInt8(0)), toUInt8(0)) = {})",
      aggregated[0], (uint64_t{1} << measure.steps.size()) - 1, aggregated[1], measure.steps.size());
}

class Builder {
 public:
  Builder(const Experiment& experiment, const std::vector<const Metric*>& metrics, const ReadAsOf& as_of)
      : experiment_(experiment), as_of_(as_of) {
    for (const Metric* metric : metrics) values_.push_back(add(*metric));
    collect_tables();
  }

  const std::vector<UnitValues>& values() const { return values_; }

  std::string sql(const std::string& exposed) {
    std::vector<std::string> folds;
    if (as_of_.keeps) folds.push_back("toInt64(minIf(tm_next, tm_next != 0)) AS next_us");
    for (const Measure& measure : measures_) {
      std::vector<std::string> aggregated;
      for (const Aggregate& one : aggregates_of(measure, row_column(measure), value_column(measure)))
        aggregated.push_back(one.of_rows());
      folds.push_back(fmt::format("{} AS {}", folded(measure, aggregated), measure.output()));
    }
    return units_sql(exposed, folds, tables_.empty() ? "" : "(\n" + rows_sql(exposed) + "\n)");
  }

  std::string most_rows_sql(const std::string& exposed) {
    std::vector<std::string> parts;
    for (const Table& table : tables_) {
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

  // SELECT tm_number, tm_point, the states of aggregates: what each point of a series adds to a unit.
  std::string states_sql(const std::string& exposed) {
    std::vector<std::string> states;
    for (const Measure& measure : measures_) {
      auto aggregates = aggregates_of(measure, row_column(measure), value_column(measure));
      for (size_t place = 0; place < aggregates.size(); ++place)
        states.push_back(fmt::format("{}State({}) AS {}", aggregates[place].function,
                                     aggregates[place].arguments, state_column(measure, place)));
    }
    return fmt::format("SELECT tm_number, tm_point, {}\nFROM\n(\n{}\n)\nGROUP BY tm_number, tm_point",
                       fmt::join(states, ",\n    "), rows_sql(exposed));
  }

  // The same as sql() of those up to a point.
  std::string point_sql(const std::string& exposed, const std::string& states, size_t point) {
    std::vector<std::string> folds;
    for (const Measure& measure : measures_) {
      auto aggregates = aggregates_of(measure, row_column(measure), value_column(measure));
      std::vector<std::string> aggregated;
      for (size_t place = 0; place < aggregates.size(); ++place)
        aggregated.push_back(
            fmt::format("{}Merge({})", aggregates[place].function, state_column(measure, place)));
      folds.push_back(fmt::format("{} AS {}", folded(measure, aggregated), measure.output()));
    }
    return units_sql(exposed, folds, fmt::format("{}\nWHERE tm_point <= {}", states, point));
  }

 private:
  UnitValues add(const Metric& metric) {
    UnitValues values{.metric = &metric};
    int64_t low = (metric.delay_seconds + metric.after_seconds) * second_us;
    int64_t high = std::numeric_limits<int64_t>::max();
    if (metric.window_seconds) high = low + *metric.window_seconds * second_us;
    Fold fold = fold_of(metric.kind);
    bool ratio = metric.kind == MetricKind::ratio, adjusted = metric.before_seconds > 0;
    bool proportion = fold == Fold::any || fold == Fold::steps;
    values.shape = ratio        ? (adjusted ? MetricShape::ratio_adjusted : MetricShape::ratio)
                   : proportion ? (adjusted ? MetricShape::proportion_adjusted : MetricShape::proportion)
                                : (adjusted ? MetricShape::mean_adjusted : MetricShape::mean);
    for (Variable variable : variables_of(values.shape)) {
      bool below = variable == denominator || variable == denominator_before;
      bool before = variable == value_before || variable == denominator_before;
      Measure measure{.rows = below ? *metric.denominator : metric.rows, .fold = fold};
      measure.valued = !measure.rows.value.empty();
      for (const FunnelStep& step : metric.steps)
        measure.steps.push_back(of_experiment(measure.rows, step.where));
      if (metric.steps.empty()) measure.rows.where = of_experiment(measure.rows, measure.rows.where);
      measure.low_us = before ? -metric.before_seconds * second_us : low;
      measure.high_us = before ? 0 : high;
      values.columns.push_back(keep(std::move(measure)));
    }
    if (metric.complete_windows)
      values.counted =
          fmt::format("first_us <= {}",
                      as_of_.at_us - low - (metric.window_seconds ? *metric.window_seconds * second_us : 0));
    return values;
  }

  static std::string state_column(const Measure& measure, size_t place) {
    return fmt::format("tm_state_{}_{}", measure.index, place);
  }

  std::string rows_sql(const std::string& exposed) const {
    std::vector<std::string> parts;
    for (const Table& table : tables_) parts.push_back(table_part(table, exposed));
    return fmt::format("{}", fmt::join(parts, "\nUNION ALL\n"));
  }

  // `rows`: what follows FROM; empty: there are none.
  std::string units_sql(const std::string& exposed, const std::vector<std::string>& folds,
                        const std::string& rows) const {
    std::vector<std::string> outputs;
    if (as_of_.keeps) {
      outputs.push_back("tm_seen.number AS number");
      outputs.push_back(rows.empty() ? "toInt64(0) AS next_us" : "tm_folded.next_us AS next_us");
    }
    for (const char* column : {"unit", "arm", "known", "several", "first_us"})
      outputs.push_back(fmt::format("tm_seen.{0} AS {0}", column));
    for (const Dimension& dimension : experiment_.dimensions)
      outputs.push_back(fmt::format("tm_seen.dimension_{0} AS dimension_{0}", dimension.name));
    for (const Measure& measure : measures_)
      outputs.push_back(fmt::format("{} AS {}", finished(measure), measure.output()));
    std::string selected =
        fmt::format("SELECT {}\nFROM {} AS tm_seen", fmt::join(outputs, ",\n    "), exposed);
    if (rows.empty()) return selected;
    return fmt::format(
        "{}\nANY LEFT JOIN\n(\nSELECT tm_number, {}\nFROM {}\nGROUP BY tm_number\n) AS tm_folded ON "
        "tm_seen.number = tm_folded.tm_number",
        selected, fmt::join(folds, ",\n    "), rows);
  }

  // The condition, of rows that are of this experiment.
  std::string of_experiment(const EventRows& rows, const std::string& condition) const {
    if (rows.experiment.empty()) return condition;
    std::string own =
        fmt::format("toString({}) = {}", rows.experiment, clickhouse::quote_string(experiment_.key));
    return condition.empty() ? own : fmt::format("({}) AND {}", condition, own);
  }

  static Fold fold_of(MetricKind kind) {
    switch (kind) {
      case MetricKind::proportion:
      case MetricKind::retention:
        return Fold::any;
      case MetricKind::time_to_event:
        return Fold::first;
      case MetricKind::funnel:
        return Fold::steps;
      default:
        return Fold::sum;
    }
  }

  // The same for metrics that share it.
  std::string keep(Measure measure) {
    auto same = [](const Measure& one) {
      return std::tie(one.rows.from, one.rows.unit, one.rows.time, one.rows.where, one.rows.value, one.fold,
                      one.steps, one.low_us, one.high_us);
    };
    for (const Measure& other : measures_)
      if (same(other) == same(measure)) return other.output();
    measure.index = measures_.size();
    measures_.push_back(std::move(measure));
    return measures_.back().output();
  }

  std::string only_of(const std::string& unit) const {
    return fmt::format("({}) IN (SELECT unit FROM {})", unit, as_of_.only);
  }

  // Measures over the same values of the same table share their column. Empty: none.
  std::string value_column(const Measure& measure) const {
    if (!measure.valued || measure.fold != Fold::sum) return "";
    for (const Measure& other : measures_)
      if (other.valued && other.fold == Fold::sum && other.rows.value == measure.rows.value &&
          other.rows.from == measure.rows.from && other.rows.unit == measure.rows.unit &&
          other.rows.time == measure.rows.time)
        return fmt::format("tm_of{}", other.index);
    return "";
  }
  bool owns_values(const Measure& measure) const {
    return value_column(measure) == fmt::format("tm_of{}", measure.index);
  }

  void collect_tables() {
    for (size_t index = 0; index < measures_.size(); ++index) {
      const EventRows& rows = measures_[index].rows;
      auto found = std::find_if(tables_.begin(), tables_.end(), [&](const Table& table) {
        return table.from == rows.from && table.unit == rows.unit && table.time == rows.time;
      });
      if (found == tables_.end()) {
        tables_.push_back({rows.from, rows.unit, rows.time, {}});
        found = std::prev(tables_.end());
      }
      found->measures.push_back(index);
    }
  }

  std::string before_now(const std::string& time) const {
    return fmt::format("{} <= {}", time, as_of_.at_us);
  }

  std::string inside(const Measure& measure) const {
    std::string now = as_of_.keeps ? " AND " + before_now("tm_time") : "";
    // Until the end, where no window ends it.
    if (measure.endless())
      return fmt::format("tm_since >= {}{}{}", measure.low_us,
                         experiment_.end_us ? fmt::format(" AND tm_time < {}", *experiment_.end_us) : "",
                         now);
    return fmt::format("tm_since >= {} AND tm_since < {}{}", measure.low_us, measure.high_us, now);
  }

  std::string table_part(const Table& table, const std::string& exposed) const {
    std::vector<std::string> read, wanted;
    bool all_wanted = false;
    for (size_t index : table.measures) {
      const Measure& measure = measures_[index];
      if (measure.fold == Fold::steps) {
        std::string mask;
        for (size_t step = 0; step < measure.steps.size(); ++step)
          mask += fmt::format("{}if({}, {}, 0)", step == 0 ? "" : " + ", measure.steps[step],
                              uint64_t{1} << step);
        read.push_back(fmt::format("toUInt32({}) AS tm_mask{}", mask, index));
        wanted.push_back(mark(measure));
        continue;
      }
      if (measure.rows.where.empty()) {
        all_wanted = true;
      } else if (first_of_condition(measure) == index) {
        read.push_back(fmt::format("({}) AS {}", measure.rows.where, mark(measure)));
        wanted.push_back(mark(measure));
      }
      if (owns_values(measure))
        read.push_back(
            fmt::format("ifNull(toFloat64({}), 0) AS {}", measure.rows.value, value_column(measure)));
    }
    std::vector<std::string> conditions{fmt::format("isNotNull({})", table.time)};
    if (!as_of_.most_rows) add_rows_in_time(table, conditions);
    if (!as_of_.only.empty()) conditions.push_back(only_of(table.unit));
    if (std::string range = as_of_.range.condition(table.unit); !range.empty())
      conditions.push_back(std::move(range));
    if (!all_wanted) conditions.push_back(fmt::format("({})", fmt::join(wanted, " OR ")));
    std::string columns = "tm_exposed.number AS tm_number";
    if (as_of_.keeps)
      columns += fmt::format(", if({}, 0, tm_rows.tm_time) AS tm_next", before_now("tm_rows.tm_time"));
    if (!as_of_.points_us.empty())
      columns += fmt::format(", toUInt8(arrayCount(tm_at -> tm_at < tm_rows.tm_time, [{}])) AS tm_point",
                             fmt::join(as_of_.points_us, ", "));
    for (const Measure& measure : measures_) {
      if (first_of_rows(measure) == measure.index)
        columns += fmt::format(", {} AS {}", row_value(table, measure), row_column(measure));
      if (!owns_values(measure)) continue;
      std::string values = value_column(measure);
      columns += has(table, measure) ? fmt::format(", tm_rows.{0} AS {0}", values)
                                     : fmt::format(", toFloat64(0) AS {}", values);
    }
    return fmt::format(
        "WITH tm_rows.tm_time - tm_exposed.first_us AS tm_since\nSELECT {}\nFROM\n(\n  SELECT ({}) AS "
        "tm_unit, {} AS tm_time{}{}\n  FROM {}\n  WHERE {}\n) AS tm_rows\n{} JOIN\n(SELECT unit, "
        "number, first_us FROM {} WHERE {} != 0) AS tm_exposed ON tm_rows.tm_unit = tm_exposed.unit\nWHERE "
        "{}",
        columns, table.unit, microseconds(table.time), read.empty() ? "" : ",\n    ",
        fmt::join(read, ",\n    "), readable_table(table.from), fmt::join(conditions, "\n    AND "),
        keeps_others() ? "ANY LEFT" : "INNER", exposed,
        // Who saw a second variant later counts until then.
        as_of_.points_us.empty() ? "arm" : "known", counting(table));
  }

  // An inner join copies all columns of the rows that it keeps. Where all exposures are later than 1970, rows
  // of others may stay with 0 for theirs, and are known by it: since is their time then.
  bool keeps_others() const { return as_of_.most_rows && as_of_.first_us > 0; }

  // Rows that are not too late, and not too early for all measures.
  void add_rows_in_time(const Table& table, std::vector<std::string>& conditions) const {
    int64_t low = std::numeric_limits<int64_t>::max();
    for (size_t index : table.measures) low = std::min(low, measures_[index].low_us);
    // The condition on the table's own column is what parts are passed over by.
    auto add = [&](const char* relation, int64_t at_us) {
      conditions.push_back(fmt::format("{} {} {}", microseconds(table.time), relation, at_us));
      conditions.push_back(fmt::format("{} {} {}", table.time, relation, instant(at_us)));
    };
    if (!as_of_.keeps) add("<=", as_of_.at_us);
    if (as_of_.first_us != 0) add(">=", as_of_.first_us + low);
  }

  // What a row of the table must be to count for any measure, now or later: of what a unit did before its
  // exposure, for example, most rows are of no use.
  std::string counting(const Table& table) const {
    struct Window {
      int64_t low_us, high_us;
      std::set<std::string> marks;
      bool all = false;
    };
    std::vector<Window> windows;
    for (size_t index : table.measures) {
      const Measure& measure = measures_[index];
      auto found = std::find_if(windows.begin(), windows.end(), [&](const Window& window) {
        return window.low_us == measure.low_us && window.high_us == measure.high_us;
      });
      if (found == windows.end())
        found = windows.insert(found, {.low_us = measure.low_us, .high_us = measure.high_us});
      found->all |= mark(measure).empty();
      found->marks.insert(mark(measure));
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
    if (as_of_.most_rows && !as_of_.keeps)
      counts = fmt::format("{} AND ({})", before_now("tm_rows.tm_time"), counts);
    // Written so, the server does not make an inner join of it again.
    if (keeps_others()) counts = fmt::format("tm_since != tm_rows.tm_time AND ({})", counts);
    return counts;
  }

  // Whether a row fulfils the measure's condition. Empty: there is none.
  std::string mark(const Measure& measure) const {
    if (measure.fold == Fold::steps) return fmt::format("tm_mask{} != 0", measure.index);
    return measure.rows.where.empty() ? "" : fmt::format("tm_is{}", first_of_condition(measure));
  }

  // Measures over rows of the same table on the same condition share their mark.
  size_t first_of_condition(const Measure& measure) const {
    for (const Measure& other : measures_)
      if (same_condition(measure, other)) return other.index;
    return measure.index;
  }
  static bool same_condition(const Measure& one, const Measure& other) {
    return one.fold != Fold::steps && other.fold != Fold::steps && one.rows.where == other.rows.where &&
           one.rows.from == other.rows.from && one.rows.unit == other.rows.unit &&
           one.rows.time == other.rows.time;
  }

  // Those that are marks share the column, too, where their windows are the same.
  std::string row_column(const Measure& measure) const {
    return fmt::format("tm_{}", first_of_rows(measure));
  }
  size_t first_of_rows(const Measure& measure) const {
    auto is_mark = [](const Measure& one) { return one.fold == Fold::sum || one.fold == Fold::any; };
    for (const Measure& other : measures_)
      if (is_mark(measure) && is_mark(other) && same_condition(measure, other) &&
          measure.low_us == other.low_us && measure.high_us == other.high_us)
        return other.index;
    return measure.index;
  }

  static bool has(const Table& table, const Measure& measure) {
    return std::find(table.measures.begin(), table.measures.end(), measure.index) != table.measures.end();
  }

  std::string row_value(const Table& table, const Measure& measure) const {
    if (!has(table, measure)) return neutral(measure);
    std::string condition = inside(measure);
    if (measure.fold == Fold::steps)
      return fmt::format("if({}, to{}(tm_since) * {} + tm_mask{}, 0)", condition + " AND " + mark(measure),
                         steps_type(measure), uint64_t{1} << (measure.steps.size() + 1), measure.index);
    if (!measure.rows.where.empty()) condition += " AND " + mark(measure);
    if (measure.fold == Fold::first)
      return fmt::format("if({}, {} - tm_since, {})", condition, measure.high_us, neutral(measure));
    return fmt::format("toUInt8({})", condition);
  }

  const Experiment& experiment_;
  ReadAsOf as_of_;
  std::vector<UnitValues> values_;
  std::vector<Measure> measures_;
  std::vector<Table> tables_;
};

}  // namespace

std::string UnitRange::condition(const std::string& unit) const {
  std::string low = after ? fmt::format("({}) > {}", unit, *after) : "";
  std::string high = upto ? fmt::format("({}) <= {}", unit, *upto) : "";
  return low.empty() || high.empty() ? low + high : low + " AND " + high;
}

std::vector<Variable> variables_of(MetricShape shape) {
  bool ratio = shape == MetricShape::ratio || shape == MetricShape::ratio_adjusted;
  bool adjusted = shape == MetricShape::mean_adjusted || shape == MetricShape::proportion_adjusted ||
                  shape == MetricShape::ratio_adjusted;
  if (ratio)
    return adjusted ? std::vector{value, denominator, value_before, denominator_before}
                    : std::vector{value, denominator};
  return adjusted ? std::vector{value, value_before} : std::vector{value};
}

std::string readable_table(const std::string& table) {
  size_t dot = table.find('.');
  std::string database = table.substr(0, dot), name = table.substr(dot + 1);
  return clickhouse::quote_table(database, database == "bronze" ? name + "__current" : name);
}

std::string exposed_sql(const Experiment& experiment, const std::string& exposures, const ReadAsOf& as_of) {
  // Ranks in the order of names: declared ones have odd numbers, what lies between them even ones.
  std::vector<std::pair<std::string, size_t>> declared;
  for (size_t arm = 0; arm < experiment.variants.size(); ++arm)
    declared.emplace_back(experiment.variants[arm].name, arm + 1);
  std::sort(declared.begin(), declared.end());
  std::vector<std::string> names, ranks, arms;
  for (size_t place = 0; place < declared.size(); ++place) {
    names.push_back(clickhouse::quote_string(declared[place].first));
    ranks.push_back(fmt::format("toInt64({})", 2 * place + 1));
    arms.push_back(std::to_string(declared[place].second));
  }
  static_assert(2 * limits::variants_max < 64);
  std::string dimensions;
  for (const Dimension& dimension : experiment.dimensions)
    dimensions += fmt::format(
        ",\n    argMin(dimension_{0}, (first_at, variant, dimension_{0})) AS dimension_{0}", dimension.name);
  if (!as_of.points_us.empty())
    dimensions +=
        ",\n    if(several, arraySort(groupArray(toUnixTimestamp64Micro(first_at)))[2], 0) AS several_us";
  std::string conditions = fmt::format("first_at <= {}", instant(as_of.at_us));
  if (!as_of.only.empty()) conditions += fmt::format(" AND unit IN (SELECT unit FROM {})", as_of.only);
  if (std::string range = as_of.range.condition("unit"); !range.empty()) conditions += " AND " + range;
  return fmt::format(
      "SELECT unit, {7} AS number,\n    transform(bitAnd(tm_first, 63), [{0}], [{1}], 0)::UInt8 AS known, "
      "{8} AS "
      "several,\n    {2} AS arm,\n    bitShiftRight(tm_first, 6) AS first_us{3},\n    "
      "min(toUnixTimestamp64Micro(first_at) * 64 + tm_rank) AS tm_first\n"
      "FROM (SELECT *, transform(variant, [{4}], [{0}], toInt64(-1)) AS tm_declared, if(tm_declared < 0, "
      "toInt64(2 * arrayCount(tm_name -> tm_name < variant, [{4}])), tm_declared) AS tm_rank{9} FROM "
      "{5})\nWHERE {6}\nGROUP BY unit",
      fmt::join(ranks, ", "), fmt::join(arms, ", "),
      experiment.multiple_exposure == MultipleExposure::exclude ? "if(several, 0, known)::UInt8" : "known",
      dimensions, fmt::join(names, ", "), exposures, conditions,
      as_of.only.empty()
          ? fmt::format("rowNumberInAllBlocks() + toUInt64({})", as_of.place * limits::slice_units_most)
          : "unit",
      as_of.rows ? "min(tm_seen) != max(tm_seen)" : "count() > 1",
      // Numbers are compared sooner than names. Declared variants have small ones of their own.
      as_of.rows ? ", if(bitTest(tm_rank, 0), toUInt64(tm_rank), bitOr(sipHash64(variant), 64)) AS tm_seen"
                 : "");
}

UnitQuery unit_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                     const std::string& exposed, const ReadAsOf& as_of) {
  Builder builder(experiment, metrics, as_of);
  return {builder.sql(exposed), builder.values()};
}

std::string most_rows_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                          const std::string& exposed, const ReadAsOf& as_of) {
  return Builder(experiment, metrics, as_of).most_rows_sql(exposed);
}

std::string series_states_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                              const std::string& exposed, const ReadAsOf& as_of) {
  return Builder(experiment, metrics, as_of).states_sql(exposed);
}

UnitQuery point_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                      const std::string& exposed, const std::string& states, const ReadAsOf& as_of,
                      size_t point) {
  ReadAsOf then = as_of;
  then.at_us = as_of.points_us.at(point);
  Builder builder(experiment, metrics, then);
  std::string dimensions;
  for (const Dimension& dimension : experiment.dimensions) dimensions += ", dimension_" + dimension.name;
  std::string seen = fmt::format(
      "(SELECT unit, number, known, (several_us != 0 AND several_us <= {0})::UInt8 AS several, {1} AS arm, "
      "first_us{2} FROM {3} WHERE first_us <= {0})",
      then.at_us,
      experiment.multiple_exposure == MultipleExposure::exclude ? "if(several, 0, known)::UInt8" : "known",
      dimensions, exposed);
  return {builder.point_sql(seen, states, point), builder.values()};
}

// Exposures are rows like others here: grouping them would take longer than to find those of the future.
std::string later_exposures_sql(const Experiment& experiment, const ReadAsOf& as_of) {
  const Exposures& rows = experiment.exposures;
  std::string only =
      as_of.only.empty() ? "" : fmt::format(" AND ({}) IN (SELECT unit FROM {})", rows.unit, as_of.only);
  return fmt::format("SELECT {} AS unit, {} AS at_us FROM {} WHERE {} > {}{}", present(rows.unit),
                     microseconds(rows.time), readable_table(rows.from), rows.time, instant(as_of.at_us),
                     only);
}

std::string later_exposures_count_sql(const Experiment& experiment, const ReadAsOf& as_of) {
  const Exposures& rows = experiment.exposures;
  return fmt::format("SELECT count() FROM {} WHERE {} > {}", readable_table(rows.from), rows.time,
                     instant(as_of.at_us));
}

}  // namespace tidemark::experiments
