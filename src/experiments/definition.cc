#include "experiments/definition.h"

namespace tidemark::experiments {

const char* name(MetricKind kind) {
  switch (kind) {
    case MetricKind::proportion:
      return "proportion";
    case MetricKind::count:
      return "count";
    case MetricKind::mean:
      return "mean";
    case MetricKind::ratio:
      return "ratio";
    case MetricKind::retention:
      return "retention";
    case MetricKind::funnel:
      return "funnel";
    case MetricKind::quantile:
      return "quantile";
    case MetricKind::time_to_event:
      return "time_to_event";
  }
  return "";
}

const char* name(MultipleExposure policy) {
  return policy == MultipleExposure::exclude ? "exclude" : "first_seen";
}

const char* name(Analysis analysis) {
  switch (analysis) {
    case Analysis::fixed:
      return "fixed";
    case Analysis::sequential:
      return "sequential";
    case Analysis::hybrid:
      return "hybrid";
    case Analysis::bayesian:
      return "bayesian";
  }
  return "";
}

const char* name(Correction correction) {
  switch (correction) {
    case Correction::none:
      return "none";
    case Correction::holm:
      return "holm";
    case Correction::benjamini_hochberg:
      return "benjamini_hochberg";
  }
  return "";
}

size_t Experiment::control() const {
  for (size_t arm = 0; arm < variants.size(); ++arm)
    if (variants[arm].control) return arm;
  return 0;
}

}  // namespace tidemark::experiments
