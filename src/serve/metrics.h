// /metrics in Prometheus's text format. docs/METRICS.md says how to read each one.
#pragma once

#include "http/server.h"
#include "ingest/pipeline_status.h"
#include "serve/documents.h"
#include "serve/live_dashboards.h"

#include <array>
#include <map>
#include <mutex>
#include <string>

namespace tidemark::serve {

// What cuts add up to. Thread-safe.
class CutMetrics {
 public:
  void add(const ingest::CutEvent& cut);
  void write(std::string& out) const;

 private:
  // Seconds, doubling from 1 ms: fine where the target lies (40 and 200 ms).
  static constexpr std::array<double, 17> bounds = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.2,
                                                    0.32,  0.64,   1.28,  2.56, 5,    10,   30,   60};
  struct OfSource {
    uint64_t cuts = 0;
    uint64_t rows = 0;
    double seconds = 0;
    std::array<uint64_t, bounds.size() + 1> buckets{};
  };
  mutable std::mutex mutex_;
  std::map<std::string, OfSource> sources_;
};

std::string metrics_document(const StatusInputs& inputs, const CutMetrics& cuts, const LiveCounters& live,
                             const http::ServerCounters& server);

}  // namespace tidemark::serve
