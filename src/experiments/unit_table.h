// The table of units (unit_query.h) in the warehouse, as long as this lives: made in two steps, asked for
// everything, dropped. Its name is its own, so that questions do not meet.
//
// Threads: one client a call, one call at a time. Failure: the server's; tables are dropped all the same, and
// what a killed process left is found by drop_left_units().
#pragma once

#include "clickhouse/client.h"
#include "experiments/unit_query.h"

#include <string>
#include <vector>

namespace tidemark::experiments {

// How such queries are asked: they may be slow, they may not take the warehouse down.
clickhouse::QueryOptions unit_query_options();

// A name for a table of this process: "<prefix><experiment>_<process>_<number>_<what>", quoted.
inline constexpr const char* asked_units = "units_of_";   // while a question is answered
inline constexpr const char* kept_units = "kept_units_";  // between questions: kept_units.h
std::string new_unit_table(const Experiment& experiment, const char* prefix, const char* what);
// Of tables that are filled slice by slice (sliced_units.h): as units are found, and sorted, to read a few of
// them out of many.
std::string found_units_engine();
std::string kept_units_engine();
// Makes `table` of what `sql` selects.
Status make_unit_table(clickhouse::Client& client, const std::string& table, const std::string& sql,
                       const std::string& engine = "MergeTree ORDER BY tuple()");

class UnitTable {
 public:
  UnitTable(clickhouse::Client& client, const Experiment& experiment, const char* prefix = asked_units);
  UnitTable(const UnitTable&) = delete;
  UnitTable& operator=(const UnitTable&) = delete;
  ~UnitTable();

  // `exposures`: as in exposed_sql().
  Result<UnitQuery> fill(const std::vector<const Metric*>& metrics, const std::string& exposures,
                         ReadAsOf as_of);
  // By the last fill(): parts are not merged, and unsorted.
  bool is_sliced() const { return sliced_; }
  const std::string& name() const { return name_; }
  // The table goes on without this.
  std::string release();

 private:
  clickhouse::Client& client_;
  const Experiment& experiment_;
  std::string exposed_, name_;
  bool sliced_ = false;
};

// Units as of several moments, for the time this lives: rows are read by fill(), once.
class UnitSeries {
 public:
  UnitSeries(clickhouse::Client& client, const Experiment& experiment,
             const std::vector<const Metric*>& metrics);
  UnitSeries(const UnitSeries&) = delete;
  UnitSeries& operator=(const UnitSeries&) = delete;
  ~UnitSeries();

  // `points_us`: in order, at least one.
  Status fill(const std::string& exposures, std::vector<int64_t> points_us);
  struct Point {
    UnitQuery query;
    std::string units;  // until the next call
  };
  Result<Point> at(size_t point);

 private:
  clickhouse::Client& client_;
  const Experiment& experiment_;
  const std::vector<const Metric*>& metrics_;
  std::string exposed_, states_, values_;
  ReadAsOf as_of_;
};

Status drop_unit_table(clickhouse::Client& client, const std::string& table);

// Tables of questions that a killed process left: older than any question may take. Each fill() looks for
// them.
Status drop_left_units(clickhouse::Client& client);

}  // namespace tidemark::experiments
