// The part of /metrics that speaks of refresh models; docs/METRICS.md says how to read each one.
#pragma once

#include "serve/live_server.h"

#include <string>
#include <vector>

namespace tidemark::serve {

// Empty when no model is of kind refresh.
std::string refresh_metrics(const std::vector<ModelStatus>& models);

}  // namespace tidemark::serve
