// The numbers of an experiment that come out of the warehouse: how many units each arm has, and for every
// metric and arm the sums that the statistics are made of (stats_sums.h); the same by dimension.
//
// Two speeds. read_counters() reads the exposures alone and is what SRM needs: within a second. read_sums()
// makes the table of units (unit_table.h) and asks it for everything - counters, caps, sums, dimensions,
// quantiles -, then drops it; sums_of_units() asks one that is kept (kept_units.h).
//
// As of a time: exposures and rows after it are not there. Rows that arrive late are, as soon as they are in.
// Threads: one client a call. Failure: the server's; the table of units is dropped all the same.
#pragma once

#include "clickhouse/client.h"
#include "experiments/definition.h"
#include "experiments/stats_quantile.h"
#include "experiments/unit_query.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

struct Counters {
  std::vector<int64_t> units;         // by arm, by the experiment's policy
  int64_t multiple = 0;               // units that saw more than one variant
  int64_t unknown = 0;                // units whose variant the definition does not have
  int64_t seen = 0;                   // all units
  int64_t first_us = 0, last_us = 0;  // of first exposures; 0: none
  double units_a_day = 0;             // new ones in the last seven days, or as long as there are any

  int64_t total() const;
};

struct MetricSums {
  const Metric* metric = nullptr;
  MetricShape shape = MetricShape::mean;
  std::vector<ArmSums> arms;
  std::vector<QuantileArm> quantiles;  // of quantile metrics, instead
  std::optional<double> cap;           // that was applied
};

struct DimensionLevel {
  std::string level;
  std::vector<int64_t> units;  // by arm
  std::vector<MetricSums> metrics;
};
struct DimensionSums {
  std::string dimension;
  std::vector<DimensionLevel> levels;  // largest first; "(other)" last
};

struct ExperimentSums {
  int64_t at_us = 0;
  Counters counters;
  std::vector<MetricSums> metrics;  // as they were asked for
  std::vector<DimensionSums> dimensions;
};

struct SumsOptions {
  int64_t at_us = 0;
  // The relation of exposures; empty: the experiment's model.
  std::string exposures;
  std::vector<std::string> dimensions;  // names; empty: none
};

// Units in two parts: most of them in a table that stays as it is, whose sums are kept from question to
// question, and those that have changed since. All units are the base without `replaced`, and `changed`.
struct BaseSums {
  // Of each metric what was summed up: the cap, and which units count. Another one: it is summed up anew.
  std::vector<std::string> summed;
  std::vector<MetricSums> metrics;
};
struct UnitParts {
  std::string all;       // table or "(SELECT ...)"
  std::string base;      // a table
  std::string changed;   // "(SELECT ...)"; empty: nothing has changed
  std::string replaced;  // rows of the base that count no more, a table
  BaseSums* sums = nullptr;
};

// Of several experiments, in one statement.
struct CountersAsked {
  const Experiment* experiment = nullptr;
  std::string exposures;  // as SumsOptions::exposures
};
Result<std::vector<Counters>> read_counters(clickhouse::Client& client,
                                            const std::vector<CountersAsked>& asked, int64_t at_us);
// Of a table of units.
Result<Counters> counters_of_units(clickhouse::Client& client, const Experiment& experiment,
                                   const UnitParts& units, int64_t at_us);
Result<ExperimentSums> read_sums(clickhouse::Client& client, const Experiment& experiment,
                                 const std::vector<const Metric*>& metrics, const SumsOptions& options);

// The same of units that are there already, with the query that made them.
Result<ExperimentSums> sums_of_units(clickhouse::Client& client, const Experiment& experiment,
                                     const UnitQuery& query, const UnitParts& units,
                                     const SumsOptions& options);

// What is read when options.exposures is empty.
std::string exposures_of(const Experiment& experiment, const SumsOptions& options);

}  // namespace tidemark::experiments
