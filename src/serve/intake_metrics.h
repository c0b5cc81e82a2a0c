// The part of /metrics and of the status that speaks of sources that are sent to; docs/METRICS.md says how to
// read each one.
#pragma once

#include "ingest/pipeline_status.h"

#include <string>
#include <vector>

namespace tidemark::serve {

// Empty when no source is sent to.
std::string intake_metrics(const std::vector<ingest::SourceStatus>& sources);

}  // namespace tidemark::serve
