// From definitions to SQL: what every unit of an experiment is worth for each of its metrics, one row a unit.
// Nothing but sums of it ever leaves the warehouse (experiment_sums.h). Two steps, so that exposures are
// grouped once however many tables metrics read:
//
//   exposed   a row a unit that was seen: the first variant and instant, whether it saw several, its arm by
//   the
//             policy for those that did (0: it counts in none)
//   units     the same rows with a value a metric: of each table that metrics read, the rows of exposed units
//             by one hash join and in one pass, each with its distance in time from the unit's exposure and a
//             mark a metric; these are grouped by the unit and joined to the exposed units, so that a unit
//             without rows is a 0 and not missing, and products of two values (ratios, CUPED) can be formed
//
// Names of units are texts as a rule. They are compared once a row, in the join, which gives a number for
// them that everything after it is grouped by.
//
// What decides between variants that were seen at one instant is their name: instant and rank of the name are
// one number, whose minimum is cheap.
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
#include "experiments/experiments_limits.h"
#include "experiments/stats_sums.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

// Units whose name lies behind `after` and up to `upto`; nothing: without that end. Both are SQL literals.
struct UnitRange {
  std::optional<std::string> after, upto;
  std::string condition(const std::string& unit) const;  // empty: all are
};

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

// What there is a unit beside its values.
inline constexpr const char* unit_columns = "unit, arm, known, several, first_us";

struct UnitQuery {
  // SELECT unit_columns, dimension_<name> ..., a Float64 for each value; of ReadAsOf::keeps before them
  // number and next_us
  std::string sql;
  std::vector<UnitValues> metrics;
};

struct ReadAsOf {
  int64_t at_us = 0;  // only exposures and rows up to then
  // Of the first exposure: rows long before it are not looked at. 0: all are.
  int64_t first_us = 0;
  // A table of units, quoted: only rows of these are read. Empty: of all.
  std::string only;
  UnitRange range;     // only these, too
  uint64_t place = 0;  // which of several ranges: numbers of units differ from range to range
  uint64_t units_a_slice = limits::slice_units;  // of a whole table of units: sliced_units.h
  // Most rows are of exposed units and of a time that metrics look at: the others are left out behind the
  // join, which is cheaper then than to look for them before it. most_rows_sql() says whether.
  bool most_rows = false;
  // For units that are kept: next_us says when the first of a unit's later rows will count, 0: none.
  bool keeps = false;
  // Exposures are rows, perhaps several a unit and variant: exposure_rows(). Else the model's.
  bool rows = false;
  // Of a series, in order, the last being at_us: exposed units also say since when they saw several variants
  // (several_us, 0: never).
  std::vector<int64_t> points_us;
};

// "bronze.x" -> "bronze.x__current" and so on, quoted. `exposures` and `exposed` below: a name in this form,
// or
// "(SELECT ...)".
std::string readable_table(const std::string& table);

// SELECT unit, number (stands for it within this query), arm UInt8 (1-based; 0: counts in no arm), known
// UInt8 (the arm whatever the policy; 0: a variant nobody declared), several UInt8 (saw more than one),
// first_us, dimension_<name> ...
std::string exposed_sql(const Experiment& experiment, const std::string& exposures, const ReadAsOf& as_of);

// `exposed`: what exposed_sql() selects.
UnitQuery unit_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                     const std::string& exposed, const ReadAsOf& as_of);

// SELECT 1 where that is so in every table that metrics read, else 0. `as_of` with first_us.
std::string most_rows_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                          const std::string& exposed, const ReadAsOf& as_of);

// A series over time reads the rows once: what each point adds to each unit is a table, and units as of a
// point are made of what is there up to it. `exposed`: what exposed_sql() selects of as_of with points.
std::string series_states_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                              const std::string& exposed, const ReadAsOf& as_of);
UnitQuery point_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                      const std::string& exposed, const std::string& states, const ReadAsOf& as_of,
                      size_t point);

// SELECT unit, at_us: exposures that come after as_of.at_us.
std::string later_exposures_sql(const Experiment& experiment, const ReadAsOf& as_of);
// How many there are, of any unit and experiment.
std::string later_exposures_count_sql(const Experiment& experiment, const ReadAsOf& as_of);

}  // namespace tidemark::experiments
