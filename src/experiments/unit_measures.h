// What metrics ask of a unit's rows: measures, each one column of the table of units. A metric has one for
// each of its variables (stats_sums.h); metrics that ask the same share one, and measures over the same rows
// share the columns that rows carry through the join.
//
// A row counts for a metric when since >= delay (+ after) and since < that + window, since being the time
// from the unit's first exposure; with window none until the experiment's end. CUPED's part is -before <=
// since < 0.
//
// Funnels: the unit's rows in the order of time, at one time in the order of the steps; the next step is done
// by the first row behind the last step's that fulfils it; one row does one step. (windowFunnel() has other
// answers for equal times in other versions.) Time and fulfilled steps are one number, so that sorting is
// cheap.
#pragma once

#include "experiments/definition.h"
#include "experiments/stats_sums.h"

#include <cstdint>
#include <fmt/format.h>
#include <limits>
#include <string>
#include <vector>

namespace tidemark::experiments {

// What a metric is in the table of units.
struct UnitValues {
  const Metric* metric = nullptr;
  MetricShape shape = MetricShape::mean;  // of quantiles: mean
  std::vector<std::string> columns;       // in the order of `variables_of`
  // SQL over the table of units: whether the unit is counted. Empty: always. Depends on the time of the
  // question.
  std::string counted;
};
// Which of the four variables of ArmSums a shape has.
std::vector<Variable> variables_of(MetricShape shape);

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

// Rows that measures are over.
struct MeasuredTable {
  std::string from, unit, time;
  std::vector<size_t> measures;
};

// What a row brings to a measure: one column.
//   sum    a mark whether it counts; the value is another column
//   any    the mark
//   first  the time until the window ends
//   steps  time and fulfilled steps as one number
// All are 0 (neutral()) when it does not count, as for units that have no rows. Steps are the lowest bits,
// and one that is never set lies above them.
std::string steps_type(const Measure& measure);
std::string neutral(const Measure& measure);
// What a unit's folded rows are worth. Units without rows have 0 there.
std::string finished(const Measure& measure);

struct Aggregate {
  std::string function, arguments;
  std::string of_rows() const { return fmt::format("{}({})", function, arguments); }
};
// Of the grouped rows; `column`: what they bring, `value`: the column of the values.
std::vector<Aggregate> aggregates_of(const Measure& measure, const std::string& column,
                                     const std::string& value);
// What the unit's value is of what these found.
std::string folded(const Measure& measure, const std::vector<std::string>& aggregated);

class Measures {
 public:
  // `at_us`: of the question.
  Measures(const Experiment& experiment, const std::vector<const Metric*>& metrics, int64_t at_us);

  const std::vector<UnitValues>& values() const { return values_; }
  const std::vector<Measure>& all() const { return measures_; }
  const std::vector<MeasuredTable>& tables() const { return tables_; }

  // Whether a row fulfils the measure's condition. Empty: there is none.
  std::string mark(const Measure& measure) const;
  // Measures over rows of the same table on the same condition share their mark.
  size_t first_of_condition(const Measure& measure) const;
  // Those that are marks share the column, too, where their windows are the same.
  std::string row_column(const Measure& measure) const;
  bool owns_row(const Measure& measure) const;
  // Measures over the same values of the same table share their column. Empty: none.
  std::string value_column(const Measure& measure) const;
  bool owns_values(const Measure& measure) const;

 private:
  UnitValues add(const Metric& metric, int64_t at_us);
  std::string keep(Measure measure);
  std::string of_experiment(const EventRows& rows, const std::string& condition) const;
  void collect_tables();
  size_t first_of_rows(const Measure& measure) const;

  const Experiment& experiment_;
  std::vector<UnitValues> values_;
  std::vector<Measure> measures_;
  std::vector<MeasuredTable> tables_;
};

}  // namespace tidemark::experiments
