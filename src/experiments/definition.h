// What a project says of its experiments: metrics/<name>.yaml and experiments/<name>.yaml as plain values.
// Expressions are ClickHouse SQL over the columns of one table or model; whether they mean anything only the
// warehouse knows (experiment_check.h). docs/EXPERIMENTS.md is the reference of the keys.
//
// A metric is what a unit (a user, an account) is worth inside its window: every kind ends in one number a
// unit, or two for a ratio, so that the statistics are sums over units (stats_sums.h).
#pragma once

#include "config/diagnostic.h"
#include "experiments/stats_bayesian.h"
#include "experiments/stats_effect.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

using config::Location;

enum class MetricKind {
  proportion,     // 1 when the unit has a row
  count,          // its rows
  mean,           // the sum of its values
  ratio,          // sum of values / sum of denominator values, over units
  retention,      // 1 when it has a row at least `after` past its exposure
  funnel,         // 1 when it did all steps in their order
  quantile,       // of the units' sums
  time_to_event,  // seconds to its first row, at most the window
};
const char* name(MetricKind kind);

// Rows of a table that count for a unit.
struct EventRows {
  std::string from;   // database.table; bronze.<table> are the current rows
  std::string unit;   // equal to the exposure's unit
  std::string time;   // Date, DateTime, DateTime64
  std::string where;  // empty: all rows
  std::string value;  // empty: 1
  // Compared with the experiment's key as text: rows that say which experiment they are of. Empty: a unit's
  // rows count for all its experiments.
  std::string experiment;
  Location place;
};

struct FunnelStep {
  std::string name;
  std::string where;
};

// Outliers: a unit's value above the cap counts as the cap.
struct Cap {
  double percentile = 0;  // of all units' values, in (0, 1); 0: `value` is the cap
  double value = 0;
  bool ignore_zeros = false;  // the percentile of the values that are not 0
};

struct Metric {
  std::string name;
  std::string description;
  MetricKind kind = MetricKind::proportion;
  EventRows rows;
  std::optional<EventRows> denominator;  // ratio
  std::vector<FunnelStep> steps;         // funnel; rows.where is empty
  // A row counts from exposure + delay (which may be negative) until `window` later.
  int64_t delay_seconds = 0;
  std::optional<int64_t> window_seconds;  // nothing: to the end
  int64_t after_seconds = 0;              // retention
  bool complete_windows = false;          // only units whose window is over
  std::optional<Cap> cap;
  int64_t before_seconds = 0;  // CUPED's time before the exposure; 0: off
  double level = 0.5;          // quantile
  bool ignore_zeros = false;   // quantile: only units with a value
  bool lower_is_better = false;
  Difference difference = Difference::relative;
  double effect = 0.05;  // that matters, on the scale of `difference`
  double margin = 0.01;  // as a guardrail: how much worse is still fine
  Location place;
};

struct Variant {
  std::string name;
  double weight = 1;
  bool control = false;
};

struct MetricUse {
  std::string metric;
  std::optional<double> effect, margin;  // other than the metric's
  Location place;
};

struct Dimension {
  std::string name;
  std::string expression;  // over the rows of exposures
};

// Where units are seen to get a variant: at most one row, or many, a unit.
struct Exposures {
  std::string from;
  std::string experiment;  // compared with the key as text; empty: all rows are of this experiment
  std::string unit, variant, time, where;
  std::string store;  // incremental | keyed | view; empty: the cheapest that is exact
  Location place;
};

enum class MultipleExposure { exclude, first_seen };
enum class Analysis { fixed, sequential, hybrid, bayesian };
enum class Correction { none, holm, benjamini_hochberg };
const char* name(MultipleExposure policy);
const char* name(Analysis analysis);
const char* name(Correction correction);

struct Experiment {
  std::string name;
  std::string key;  // what the rows of exposures call it
  std::string description;
  Exposures exposures;
  std::vector<Variant> variants;
  std::vector<MetricUse> goals, guardrails;
  std::vector<Dimension> dimensions;
  MultipleExposure multiple_exposure = MultipleExposure::exclude;
  std::optional<int64_t> start_us, end_us;  // exposures outside are none
  int64_t planned_units = 0;                // of all arms; 0: no plan
  Analysis analysis = Analysis::sequential;
  Correction correction = Correction::holm;
  double alpha = 0.05;
  double power = 0.8;
  double tuning = 5000;  // of sequences; never changed once the experiment runs (stats_sequential.h)
  std::optional<Prior> prior;
  Location place;

  size_t control() const;  // index into variants
};

}  // namespace tidemark::experiments
