#include "experiments/unit_query.h"

#include "clickhouse/schema.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <limits>
#include <map>
#include <tuple>

namespace tidemark::experiments {
namespace {

constexpr int64_t second_us = 1'000'000;

std::string instant(int64_t at_us) {
  return fmt::format("fromUnixTimestamp64Micro({}, 'UTC')", at_us);
}

// How a unit's rows become its value.
enum class Fold { sum, any, first, steps };

struct Measure {
  EventRows rows;
  Fold fold = Fold::sum;
  bool valued = false;             // sum of values; else of ones
  std::vector<std::string> steps;  // conditions
  int64_t low_us = 0, high_us = 0;
  std::string column;
};

struct Table {
  std::string from, unit, time;
  std::vector<size_t> measures;
};

std::string neutral(const Measure& measure) {
  if (measure.fold == Fold::steps) return "tuple(toInt64(0), toUInt32(0))";
  return measure.fold == Fold::first ? fmt::format("toFloat64({})", measure.high_us - measure.low_us)
                                     : "toFloat64(0)";
}

// Of the grouped rows.
std::string folded(const Measure& measure) {
  const std::string& name = measure.column;
  switch (measure.fold) {
    case Fold::sum:
      return fmt::format("sum({})", name);
    case Fold::any:
      return fmt::format("max({})", name);
    case Fold::first:
      return fmt::format("min({}) / {}", name, second_us);
    case Fold::steps:
      return fmt::format(
          "toFloat64(arrayFold((tm_done, tm_row) -> if(bitTest(tm_row.2, tm_done), toUInt8(tm_done + 1), "
          "tm_done), arraySort(groupArrayIf({0}, {0}.2 != 0)), toUInt8(0)) = {1})",
          name, measure.steps.size());
  }
  return "";
}

class Builder {
 public:
  Builder(const Experiment& experiment, const ReadAsOf& as_of) : experiment_(experiment), as_of_(as_of) {}

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

  std::string sql(const std::string& exposures) {
    collect_tables();
    std::vector<std::string> outputs{"tm_unit AS unit", "toUInt8(max(tm_arm)) AS arm",
                                     "max(tm_first) AS first_us"};
    std::vector<std::string> parts{own_part(exposures)};
    for (const Dimension& dimension : experiment_.dimensions)
      outputs.push_back(fmt::format("max(tm_dimension_{0}) AS dimension_{0}", dimension.name));
    for (const Measure& measure : measures_)
      outputs.push_back(fmt::format("{} AS {}", folded(measure), output_name(measure)));
    for (const Table& table : tables_) parts.push_back(table_part(table, exposures));
    return fmt::format("SELECT {}\nFROM\n(\n{}\n)\nGROUP BY tm_unit", fmt::join(outputs, ",\n    "),
                       fmt::join(parts, "\nUNION ALL\n"));
  }

 private:
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

  static std::string output_name(const Measure& measure) { return "value" + measure.column.substr(3); }

  // The same for metrics that share it.
  std::string keep(Measure measure) {
    auto same = [](const Measure& one) {
      return std::tie(one.rows.from, one.rows.unit, one.rows.time, one.rows.where, one.rows.value, one.fold,
                      one.steps, one.low_us, one.high_us);
    };
    for (const Measure& other : measures_)
      if (same(other) == same(measure)) return output_name(other);
    measure.column = fmt::format("tm_{}", measures_.size());
    measures_.push_back(std::move(measure));
    return output_name(measures_.back());
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

  std::string own_part(const std::string& exposures) const {
    std::string columns = "unit AS tm_unit, arm AS tm_arm, first_us AS tm_first";
    for (const Dimension& dimension : experiment_.dimensions)
      columns += fmt::format(", dimension_{0} AS tm_dimension_{0}", dimension.name);
    for (const Measure& measure : measures_)
      columns += fmt::format(", {} AS {}", neutral(measure), measure.column);
    return fmt::format("SELECT {}\nFROM ({})", columns,
                       exposed_sql(experiment_, exposures, as_of_.at_us, true));
  }

  std::string inside(const Measure& measure) const {
    // Until the end, where no window ends it.
    if (measure.high_us == std::numeric_limits<int64_t>::max())
      return fmt::format("tm_since >= {}{}", measure.low_us,
                         experiment_.end_us ? fmt::format(" AND tm_time < {}", *experiment_.end_us) : "");
    return fmt::format("tm_since >= {} AND tm_since < {}", measure.low_us, measure.high_us);
  }

  std::string table_part(const Table& table, const std::string& exposures) const {
    std::vector<std::string> read, wanted;
    bool all_wanted = false;
    int64_t low = std::numeric_limits<int64_t>::max(), high = std::numeric_limits<int64_t>::min();
    for (size_t index : table.measures) {
      const Measure& measure = measures_[index];
      low = std::min(low, measure.low_us);
      high = std::max(high, measure.high_us);
      if (measure.fold == Fold::steps) {
        std::string mask;
        for (size_t step = 0; step < measure.steps.size(); ++step)
          mask += fmt::format("{}if({}, {}, 0)", step == 0 ? "" : " + ", measure.steps[step],
                              uint64_t{1} << step);
        read.push_back(fmt::format("toUInt32({}) AS tm_mask{}", mask, index));
        wanted.push_back(fmt::format("tm_mask{} != 0", index));
        continue;
      }
      if (!measure.rows.where.empty()) {
        read.push_back(fmt::format("({}) AS tm_is{}", measure.rows.where, index));
        wanted.push_back(fmt::format("tm_is{}", index));
      } else {
        all_wanted = true;
      }
      if (measure.valued)
        read.push_back(fmt::format("ifNull(toFloat64({}), 0) AS tm_of{}", measure.rows.value, index));
    }
    std::vector<std::string> conditions{fmt::format("tm_time <= {}", as_of_.at_us)};
    if (as_of_.first_us != 0) conditions.push_back(fmt::format("tm_time >= {}", as_of_.first_us + low));
    // The condition on the table's own column is what parts are passed over by.
    conditions.push_back(fmt::format("{} <= {}", table.time, instant(as_of_.at_us)));
    if (as_of_.first_us != 0)
      conditions.push_back(fmt::format("{} >= {}", table.time, instant(as_of_.first_us + low)));
    if (!all_wanted) conditions.push_back(fmt::format("({})", fmt::join(wanted, " OR ")));
    std::string columns = "tm_exposed.unit AS tm_unit, toUInt8(0) AS tm_arm, toInt64(0) AS tm_first";
    for (const Dimension& dimension : experiment_.dimensions)
      columns += fmt::format(", '' AS tm_dimension_{}", dimension.name);
    for (size_t index = 0; index < measures_.size(); ++index)
      columns += fmt::format(", {} AS {}", row_value(table, index), measures_[index].column);
    std::string near = fmt::format("tm_since >= {}", low);
    if (high != std::numeric_limits<int64_t>::max()) near += fmt::format(" AND tm_since < {}", high);
    return fmt::format(
        "WITH tm_rows.tm_time - tm_exposed.first_us AS tm_since\nSELECT {}\nFROM\n(\n  SELECT ({}) AS "
        "tm_unit, toUnixTimestamp64Micro(assumeNotNull(toDateTime64({}, 6, "
        "'UTC'))) AS tm_time{}{}\n  FROM {}\n  WHERE {}\n) AS tm_rows\nINNER JOIN\n({}) AS tm_exposed ON "
        "tm_rows.tm_unit = tm_exposed.unit\nWHERE {}",
        columns, table.unit, table.time, read.empty() ? "" : ",\n    ", fmt::join(read, ",\n    "),
        readable_table(table.from), fmt::join(conditions, "\n    AND "),
        exposed_sql(experiment_, exposures, as_of_.at_us, false), near);
  }

  std::string row_value(const Table& table, size_t index) const {
    const Measure& measure = measures_[index];
    if (std::find(table.measures.begin(), table.measures.end(), index) == table.measures.end())
      return neutral(measure);
    if (measure.fold == Fold::steps)
      return fmt::format("if({}, tuple(tm_since, tm_mask{}), {})", inside(measure), index, neutral(measure));
    std::string condition = inside(measure);
    if (!measure.rows.where.empty()) condition += fmt::format(" AND tm_is{}", index);
    std::string value = measure.fold == Fold::first ? fmt::format("toFloat64(tm_since - {})", measure.low_us)
                        : measure.valued            ? fmt::format("tm_of{}", index)
                                                    : "toFloat64(1)";
    return fmt::format("if({}, {}, {})", condition, value, neutral(measure));
  }

  const Experiment& experiment_;
  ReadAsOf as_of_;
  std::vector<Measure> measures_;
  std::vector<Table> tables_;
};

}  // namespace

std::vector<Variable> variables_of(MetricShape shape) {
  switch (shape) {
    case MetricShape::mean:
    case MetricShape::proportion:
      return {value};
    case MetricShape::ratio:
      return {value, denominator};
    case MetricShape::mean_adjusted:
    case MetricShape::proportion_adjusted:
      return {value, value_before};
    case MetricShape::ratio_adjusted:
      return {value, denominator, value_before, denominator_before};
  }
  return {};
}

std::string readable_table(const std::string& table) {
  size_t dot = table.find('.');
  std::string database = table.substr(0, dot), name = table.substr(dot + 1);
  return clickhouse::quote_table(database, database == "bronze" ? name + "__current" : name);
}

std::string exposed_sql(const Experiment& experiment, const std::string& exposures, int64_t at_us,
                        bool with_dimensions) {
  std::vector<std::string> names;
  for (const Variant& variant : experiment.variants) names.push_back(clickhouse::quote_string(variant.name));
  std::string dimensions;
  if (with_dimensions)
    for (const Dimension& dimension : experiment.dimensions)
      dimensions +=
          fmt::format(", argMin(dimension_{0}, (first_at, variant)) AS dimension_{0}", dimension.name);
  return fmt::format(
      "SELECT unit, toUInt8(indexOf([{}], argMin(variant, (first_at, variant)))) AS arm, "
      "toUnixTimestamp64Micro(min(first_at)) AS first_us{} FROM {} WHERE first_at <= {} GROUP BY unit HAVING "
      "arm "
      "!= 0{}",
      fmt::join(names, ", "), dimensions, exposures, instant(at_us),
      experiment.multiple_exposure == MultipleExposure::exclude ? " AND count() = 1" : "");
}

UnitQuery unit_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                     const std::string& exposures, const ReadAsOf& as_of) {
  Builder builder(experiment, as_of);
  UnitQuery query;
  for (const Metric* metric : metrics) query.metrics.push_back(builder.add(*metric));
  query.sql = builder.sql(exposures);
  return query;
}

}  // namespace tidemark::experiments
