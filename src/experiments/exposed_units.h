// Who was seen in an experiment, as of when: the SQL of one row a unit, with the first variant and instant,
// whether it saw several, and its arm by the policy for those that did (0: it counts in none).
//
// What decides between variants that were seen at one instant is their name: instant and rank of the name are
// one number, whose minimum is cheap.
#pragma once

#include "experiments/definition.h"
#include "experiments/experiments_limits.h"

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

// What is read of the rows of units, and for which moment.
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
  // And no row is later than at_us, which later_rows_sql() says: next_us is 0, and rows need not be asked for
  // it. Whoever looked before others came is told of these as of all rows that come.
  bool none_later = false;
  // Exposures are rows, perhaps several a unit and variant: exposure_rows(). Else the model's.
  bool rows = false;
  // Of a series, in order, the last being at_us: exposed units also say since when they saw several variants
  // (several_us, 0: never).
  std::vector<int64_t> points_us;

  bool looks_ahead() const { return keeps && !none_later; }
};

// A DateTime64, and back to microseconds.
std::string instant_sql(int64_t at_us);
std::string microseconds_sql(const std::string& time);

// "bronze.x" -> "bronze.x__current" and so on, quoted. `exposures` and `exposed` below: a name in this form,
// or "(SELECT ...)".
std::string readable_table(const std::string& table);

// SELECT unit, number (stands for it within this query), arm UInt8 (1-based; 0: counts in no arm), known
// UInt8 (the arm whatever the policy; 0: a variant nobody declared), several UInt8 (saw more than one),
// first_us, dimension_<name> ...
std::string exposed_sql(const Experiment& experiment, const std::string& exposures, const ReadAsOf& as_of);

// SELECT unit, at_us: exposures that come after as_of.at_us.
std::string later_exposures_sql(const Experiment& experiment, const ReadAsOf& as_of);
// How many there are, of any unit and experiment.
std::string later_exposures_count_sql(const Experiment& experiment, const ReadAsOf& as_of);

}  // namespace tidemark::experiments
