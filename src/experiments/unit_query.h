// From definitions to SQL: what every unit of an experiment is worth for each of its metrics, one row a unit.
// Nothing but sums of it ever leaves the warehouse (experiment_sums.h).
//
//   exposed   a row a unit: its arm by the policy for units that saw two variants, and its first exposure
//   rows      of each table that metrics read, the rows of exposed units by a hash join, each with its
//   distance
//             in time from the unit's exposure; tables are read once, however many metrics read them
//   units     all of them and the exposed units themselves, grouped by unit: so that a unit without rows is a
//             0 and not missing, and products of two metrics' values (ratios, CUPED) can be formed
//
// A row counts for a metric when since >= delay (+ after) and since < that + window, since being the time
// from the unit's first exposure; with window none until the experiment's end. CUPED's part is -before <=
// since < 0.
//
// Funnels: the unit's rows in the order of time, at one time in the order of the steps; the next step is done
// by the first row behind the last step's that fulfils it; one row does one step. (windowFunnel() has other
// answers for equal times in other versions.)
#pragma once

#include "experiments/definition.h"
#include "experiments/stats_sums.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::experiments {

// What a metric is in the table of units.
struct UnitValues {
  const Metric* metric = nullptr;
  MetricShape shape = MetricShape::mean;  // of quantiles: mean
  std::vector<std::string> columns;       // in the order of `variables_of`
  // SQL: whether the unit is counted. Empty: always.
  std::string counted;
};
// Which of the four variables of ArmSums a shape has.
std::vector<Variable> variables_of(MetricShape shape);

struct UnitQuery {
  // SELECT unit, arm (1-based UInt8), first_us, dimension_<name> ..., a Float64 for each value
  std::string sql;
  std::vector<UnitValues> metrics;
};

struct ReadAsOf {
  int64_t at_us = 0;  // only exposures and rows up to then
  // Of the first exposure: rows long before it are not looked at. 0: all are.
  int64_t first_us = 0;
};

// "bronze.x" -> "bronze.x__current" and so on, quoted. `exposures` below: a name in this form, or "(SELECT
// ...)".
std::string readable_table(const std::string& table);

// A row a unit with `arm` 1.. by the experiment's policy; units without an arm are left out.
std::string exposed_sql(const Experiment& experiment, const std::string& exposures, int64_t at_us,
                        bool with_dimensions);

UnitQuery unit_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                     const std::string& exposures, const ReadAsOf& as_of);

}  // namespace tidemark::experiments
