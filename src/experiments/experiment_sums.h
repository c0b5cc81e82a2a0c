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
#include "experiments/unit_counters.h"
#include "experiments/unit_query.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

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
//
// What the base's sums depend on beside it moves little from one question to the next: a percentile that caps
// values, and the moment up to which units are counted. So only units between the two are read again.
struct BaseSums {
  // By metric. `counted`: which units count; nullopt: nothing is summed up yet.
  std::vector<std::optional<std::string>> counted;
  std::vector<MetricSums> metrics;
  // By metric: a value that few are above, among them its cap.
  std::vector<std::optional<double>> cap_floors;
  BaseCounts counts;
};
struct UnitParts {
  std::string all;       // table or "(SELECT ...)"
  std::string base;      // a table
  std::string changed;   // "(SELECT ...)"; empty: nothing has changed
  std::string replaced;  // rows of the base that count no more, a table
  BaseSums* sums = nullptr;
};

Result<ExperimentSums> read_sums(clickhouse::Client& client, const Experiment& experiment,
                                 const std::vector<const Metric*>& metrics, const SumsOptions& options);

// The same of units that are there already, with the query that made them.
Result<ExperimentSums> sums_of_units(clickhouse::Client& client, const Experiment& experiment,
                                     const UnitQuery& query, const UnitParts& units,
                                     const SumsOptions& options);

}  // namespace tidemark::experiments
