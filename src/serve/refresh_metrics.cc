#include "serve/refresh_metrics.h"

namespace tidemark::serve {

std::string refresh_metrics(const std::vector<ModelStatus>& models) {
  std::string out;
  auto each = [&](const char* name, const char* type, const char* help, auto value) {
    bool first = true;
    for (const auto& model : models) {
      if (!model.refresh) continue;
      if (std::exchange(first, false))
        out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
      // Models are named by identifiers, so there is nothing to escape.
      out += fmt::format("{}{{model=\"{}\"}} {}\n", name, model.model, value(model));
    }
  };
  each("tidemark_refresh_runs_total", "counter", "Runs since start that gave a result",
       [](const auto& model) { return model.refresh->runs; });
  each("tidemark_refresh_failed_runs_total", "counter", "Runs since start that failed",
       [](const auto& model) { return model.refresh->failed_runs; });
  each("tidemark_refresh_seconds_total", "counter", "Time the good runs took",
       [](const auto& model) { return static_cast<double>(model.refresh->run_micros) / 1e6; });
  each("tidemark_refresh_failing", "gauge", "1 when the last run failed and the result before is shown",
       [](const auto& model) { return model.refresh->error.empty() ? 0 : 1; });
  each("tidemark_refresh_lag_seconds", "gauge", "How long ago the first change came that the result lacks",
       [](const auto& model) { return static_cast<double>(model.as_of_lag_ms) / 1000.0; });
  each("tidemark_refresh_rows", "gauge", "Rows of the result",
       [](const auto& model) { return model.refresh->rows; });
  each("tidemark_refresh_bytes", "gauge", "Its size on disk",
       [](const auto& model) { return model.refresh->bytes; });
  return out;
}

}  // namespace tidemark::serve
