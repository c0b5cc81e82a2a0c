// The part of /metrics that speaks of sources that ask others by themselves; docs/METRICS.md says how to read
// each one.
#pragma once

#include "ingest/pipeline_status.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::serve {

// Empty when no source asks. `now_micros`: what ages are measured from.
std::string pull_metrics(const std::vector<ingest::SourceStatus>& sources, int64_t now_micros);

}  // namespace tidemark::serve
