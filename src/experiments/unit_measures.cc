#include "experiments/unit_measures.h"

#include "clickhouse/schema.h"

#include <algorithm>
#include <fmt/format.h>
#include <tuple>
#include <utility>

namespace tidemark::experiments {
namespace {

constexpr int64_t second_us = 1'000'000;

Fold fold_of(MetricKind kind) {
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

bool same_condition(const Measure& one, const Measure& other) {
  return one.fold != Fold::steps && other.fold != Fold::steps && one.rows.where == other.rows.where &&
         one.rows.from == other.rows.from && one.rows.unit == other.rows.unit &&
         one.rows.time == other.rows.time;
}

}  // namespace

std::string steps_type(const Measure& measure) {
  return measure.steps.size() < 12 ? "Int64" : "Int128";
}

std::string neutral(const Measure& measure) {
  if (measure.fold == Fold::first) return "toInt64(0)";
  if (measure.fold == Fold::steps) return fmt::format("to{}(0)", steps_type(measure));
  return "toUInt8(0)";
}

std::string finished(const Measure& measure) {
  std::string folded = "tm_folded." + measure.output();
  if (measure.fold != Fold::first) return folded;
  return fmt::format("({} - {}) / {}", measure.high_us - measure.low_us, folded, second_us);
}

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

Measures::Measures(const Experiment& experiment, const std::vector<const Metric*>& metrics, int64_t at_us)
    : experiment_(experiment) {
  for (const Metric* metric : metrics) values_.push_back(add(*metric, at_us));
  collect_tables();
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

UnitValues Measures::add(const Metric& metric, int64_t at_us) {
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
    values.counted = fmt::format(
        "first_us <= {}", at_us - low - (metric.window_seconds ? *metric.window_seconds * second_us : 0));
  return values;
}

// The condition, of rows that are of this experiment.
std::string Measures::of_experiment(const EventRows& rows, const std::string& condition) const {
  if (rows.experiment.empty()) return condition;
  std::string own =
      fmt::format("toString({}) = {}", rows.experiment, clickhouse::quote_string(experiment_.key));
  return condition.empty() ? own : fmt::format("({}) AND {}", condition, own);
}

// The same for metrics that share it.
std::string Measures::keep(Measure measure) {
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

std::string Measures::value_column(const Measure& measure) const {
  if (!measure.valued || measure.fold != Fold::sum) return "";
  for (const Measure& other : measures_)
    if (other.valued && other.fold == Fold::sum && other.rows.value == measure.rows.value &&
        other.rows.from == measure.rows.from && other.rows.unit == measure.rows.unit &&
        other.rows.time == measure.rows.time)
      return fmt::format("tm_of{}", other.index);
  return "";
}

bool Measures::owns_values(const Measure& measure) const {
  return value_column(measure) == fmt::format("tm_of{}", measure.index);
}

void Measures::collect_tables() {
  for (size_t index = 0; index < measures_.size(); ++index) {
    const EventRows& rows = measures_[index].rows;
    auto found = std::find_if(tables_.begin(), tables_.end(), [&](const MeasuredTable& table) {
      return table.from == rows.from && table.unit == rows.unit && table.time == rows.time;
    });
    if (found == tables_.end()) {
      tables_.push_back({rows.from, rows.unit, rows.time, {}});
      found = std::prev(tables_.end());
    }
    found->measures.push_back(index);
  }
}

std::string Measures::mark(const Measure& measure) const {
  if (measure.fold == Fold::steps) return fmt::format("tm_mask{} != 0", measure.index);
  return measure.rows.where.empty() ? "" : fmt::format("tm_is{}", first_of_condition(measure));
}

size_t Measures::first_of_condition(const Measure& measure) const {
  for (const Measure& other : measures_)
    if (same_condition(measure, other)) return other.index;
  return measure.index;
}

std::string Measures::row_column(const Measure& measure) const {
  return fmt::format("tm_{}", first_of_rows(measure));
}

bool Measures::owns_row(const Measure& measure) const {
  return first_of_rows(measure) == measure.index;
}

size_t Measures::first_of_rows(const Measure& measure) const {
  auto is_mark = [](const Measure& one) { return one.fold == Fold::sum || one.fold == Fold::any; };
  for (const Measure& other : measures_)
    if (is_mark(measure) && is_mark(other) && same_condition(measure, other) &&
        measure.low_us == other.low_us && measure.high_us == other.high_us)
      return other.index;
  return measure.index;
}

}  // namespace tidemark::experiments
