// The rows of exposed units in the tables that metrics read, with what each brings to each measure: every
// table once, one hash join with the exposed units each.
#pragma once

#include "experiments/exposed_units.h"
#include "experiments/unit_measures.h"

#include <string>
#include <vector>

namespace tidemark::experiments {

class UnitRows {
 public:
  // `measures` must outlive this.
  UnitRows(const Experiment& experiment, const Measures& measures, const ReadAsOf& as_of)
      : experiment_(experiment), measures_(measures), as_of_(as_of) {}

  // SELECT tm_number, of what is kept tm_next, of a series tm_point, the columns of measures. `exposed`: what
  // exposed_sql() selects.
  std::string sql(const std::string& exposed) const;
  // As most_rows_sql() of unit_query.h.
  std::string most_rows_sql(const std::string& exposed) const;
  std::string later_rows_sql() const;

 private:
  std::string table_part(const MeasuredTable& table, const std::string& exposed) const;
  std::string only_of(const std::string& unit) const;
  std::string before_now(const std::string& time) const;
  std::string inside(const Measure& measure) const;
  // An inner join copies all columns of the rows that it keeps. Where all exposures are later than 1970, rows
  // of others may stay with 0 for theirs, and are known by it: since is their time then.
  bool keeps_others() const;
  // Rows that are not too late, and not too early for all measures.
  void add_rows_in_time(const MeasuredTable& table, std::vector<std::string>& conditions) const;
  // What a row of the table must be to count for any measure, now or later: of what a unit did before its
  // exposure, for example, most rows are of no use.
  std::string counting(const MeasuredTable& table) const;
  std::string row_value(const MeasuredTable& table, const Measure& measure) const;

  const Experiment& experiment_;
  const Measures& measures_;
  const ReadAsOf as_of_;
};

}  // namespace tidemark::experiments
