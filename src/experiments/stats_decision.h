// From intervals to a hint what to do, with its reasons. A hint, not a verdict: it knows nothing of cost or
// strategy.
//
// In this order: broken assignment makes every number void; harm on a guardrail ends it; goals that are
// worse, or at odds; goals that are better, once no guardrail is open; nothing found although it would have
// been; otherwise wait.
//
// Guardrails are judged by non-inferiority: the metric may get worse by less than its margin. With a
// two-sided interval of 1 - alpha that is a one-sided test at alpha / 2. No correction for their number: that
// would make harm harder to see.
//
// Intervals of goals are the corrected ones where there is a correction. Intervals that hold at one look only
// (fixed sample) decide nothing in favour before the planned units are in; a harm is told at once, since
// waiting costs users.
#pragma once

#include "experiments/stats_sums.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::experiments {

struct Reading {
  std::string metric;
  Reason reason = Reason::none;
  double lower = 0;  // of the effect's interval
  double upper = 0;
  bool lower_is_better = false;
};

enum class GuardrailState { harmless, harmful, open };
// margin >= 0, on the scale of the interval: how much worse is still fine.
GuardrailState guardrail_state(const Reading& reading, double margin);

struct Guardrail {
  Reading reading;
  double margin = 0;
};

struct DecisionBasis {
  double sample_ratio_p_value = 1;
  int64_t multiple_exposure_units = 0;
  int64_t units = 0;          // exposed, all arms
  int64_t planned_units = 0;  // all arms; 0: no plan
  bool valid_at_every_look = false;
  std::vector<Reading> goals;
  std::vector<Guardrail> guardrails;
  std::optional<double> power_reached;  // for the effect that matters, the weakest goal's
  double power_wished = 0.8;
  std::optional<double> days_left;
};

enum class Hint {
  repair,         // sample-ratio mismatch: find the cause first
  stop,           // harm
  weigh,          // goals point in different directions
  ship,           // better, and nothing is worse
  no_difference,  // an effect that matters would have been found
  wait,           // not enough yet
};
const char* name(Hint hint);

struct Decision {
  Hint hint = Hint::wait;
  std::vector<std::string> reasons;  // sentences, the deciding one first
};

Decision decide(const DecisionBasis& basis);

}  // namespace tidemark::experiments
