// From definitions to SQL: what every unit of an experiment is worth for each of its metrics, one row a unit.
// Nothing but sums of it ever leaves the warehouse (experiment_sums.h). Two steps, so that exposures are
// grouped once however many tables metrics read:
//
//   exposed   a row a unit that was seen (exposed_units.h)
//   units     the same rows with a value a metric: of each table that metrics read, the rows of exposed units
//             by one hash join and in one pass, each with its distance in time from the unit's exposure and a
//             mark a metric; these are grouped by the unit and joined to the exposed units, so that a unit
//             without rows is a 0 and not missing, and products of two values (ratios, CUPED) can be formed
//
// What metrics ask of rows is in unit_measures.h, how rows are found and joined in unit_rows.h.
//
// Names of units are texts as a rule. They are compared once a row, in the join, which gives a number for
// them that everything after it is grouped by.
#pragma once

#include "experiments/definition.h"
#include "experiments/exposed_units.h"
#include "experiments/unit_measures.h"

#include <string>
#include <vector>

namespace tidemark::experiments {

// What there is a unit beside its values.
inline constexpr const char* unit_columns = "unit, arm, known, several, first_us";

struct UnitQuery {
  // SELECT unit_columns, dimension_<name> ..., a Float64 for each value; of ReadAsOf::keeps before them
  // number and next_us
  std::string sql;
  std::vector<UnitValues> metrics;
};

// `exposed`: what exposed_sql() selects.
UnitQuery unit_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                     const std::string& exposed, const ReadAsOf& as_of);

// SELECT 1 where that is so in every table that metrics read, else 0. `as_of` with first_us.
std::string most_rows_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                          const std::string& exposed, const ReadAsOf& as_of);

// SELECT 1 where any of these tables has a row later than as_of.at_us, of whatever unit, else 0. At least one
// metric.
std::string later_rows_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                           const ReadAsOf& as_of);

// A series over time reads the rows once: what each point adds to each unit is a table, and units as of a
// point are made of what is there up to it. `exposed`: what exposed_sql() selects of as_of with points.
std::string series_states_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                              const std::string& exposed, const ReadAsOf& as_of);
UnitQuery point_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                      const std::string& exposed, const std::string& states, const ReadAsOf& as_of,
                      size_t point);

}  // namespace tidemark::experiments
