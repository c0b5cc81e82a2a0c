// Settings of every query that computes a model's rows: to fill, refresh, rebuild or verify it. They must be
// the same everywhere, because some change results in the last digit.
#pragma once

#include "base/limits.h"

#include <map>
#include <string>

namespace tidemark::models {

inline std::map<std::string, std::string> model_query_settings() {
  return {
      {"max_bytes_before_external_group_by", std::to_string(limits::model_query_memory_bytes)},
      {"max_bytes_before_external_sort", std::to_string(limits::model_query_memory_bytes)},
      // Compiled max() and min() compare DateTime64 as unsigned (26.7).
      {"compile_aggregate_expressions", "0"},
      // avg(x * 3) would be computed as avg(x) * 3, which is another float, and avg(x * 0) as -0.
      {"optimize_arithmetic_operations_in_aggregate_functions", "0"},
  };
}

}  // namespace tidemark::models
