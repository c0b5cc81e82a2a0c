// From sums to what people read: per metric and arm the value, the effect against the control with its
// intervals, and what to do, with the reason. Pure: the same sums give the same read-out, so any past one can
// be made again.
//
// Three intervals are computed of every effect - fixed, sequential, Bayesian -, one of them is the
// experiment's
// (`analysis`). p-values of goals are corrected over goals x arms; guardrails and dimensions are not (a
// correction would make a harm harder to see; dimensions are for looking, not for deciding).
#pragma once

#include "experiments/experiment_sums.h"
#include "experiments/stats_decision.h"
#include "experiments/stats_fixed_sample.h"
#include "experiments/stats_power.h"
#include "experiments/stats_sample_ratio.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

// A treatment against the control.
struct Comparison {
  size_t arm = 0;
  Effect effect;
  TestResult chosen;  // by the experiment's analysis; Bayesian: p is that of the fixed test
  TestResult fixed, sequential;
  Posterior bayesian;
  double adjusted_p_value = 1;  // goals; else the same as chosen's
  // That agrees with the adjusted p.
  double adjusted_lower = 0, adjusted_upper = 0;
  std::optional<Remaining> power;  // to find the effect that matters
  std::optional<double> days_left;
  std::optional<GuardrailState> guardrail;
};

struct MetricReading {
  const MetricUse* use = nullptr;
  const MetricSums* sums = nullptr;
  bool is_goal = true;
  double effect_wished = 0, margin = 0;
  std::vector<double> values;  // by arm, unadjusted
  std::vector<Comparison> comparisons;
};

struct ArmDecision {
  size_t arm = 0;
  Decision decision;
};

struct LevelReading {
  const DimensionLevel* level = nullptr;
  std::vector<MetricReading> metrics;
};
struct DimensionReading {
  std::string dimension;
  std::vector<LevelReading> levels;
};

struct ReadOut {
  SampleRatio sample_ratio;
  bool multiple_exposure_alarm = false;
  std::vector<MetricReading> metrics;  // goals, then guardrails
  std::vector<ArmDecision> decisions;  // of each treatment
  std::vector<DimensionReading> dimensions;
};

SampleRatio sample_ratio_of(const Experiment& experiment, const Counters& counters);

// `sums.metrics`: of the goals and then of the guardrails. Experiment and sums must outlive what comes back.
ReadOut read_out(const Experiment& experiment, const ExperimentSums& sums);

}  // namespace tidemark::experiments
