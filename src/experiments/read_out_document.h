// A read-out as JSON, for `tidemark experiment report --json` and the API. docs/EXPERIMENTS.md names the
// fields. The sums are in the shape that `tidemark stats` reads, so every number can be computed again from
// the document itself.
#pragma once

#include "experiments/read_out.h"

#include <boost/json/object.hpp>
#include <string>

namespace tidemark::experiments {

// "2026-05-03T10:00:00Z"
std::string instant_text(int64_t at_us);

// An arm's sums with `type`, as the calculator reads them.
boost::json::object sums_document(const MetricSums& sums, size_t arm);

// What counters alone say: units, SRM, multiple exposure.
boost::json::object exposures_document(const Experiment& experiment, const Counters& counters);
boost::json::object definition_document(const Experiment& experiment);
boost::json::object read_out_document(const Experiment& experiment, const ExperimentSums& sums,
                                      const ReadOut& read);
// A point of the series: units and effects as of a time.
boost::json::object point_document(const Experiment& experiment, const ExperimentSums& sums,
                                   const ReadOut& read);

}  // namespace tidemark::experiments
