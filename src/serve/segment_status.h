// Segments in the status and in the metrics.
#pragma once

#include "segments/segment_counts.h"

#include <vector>

namespace tidemark::serve {

std::string segment_metrics(const std::vector<segments::SegmentCounts>& segments);

}  // namespace tidemark::serve
