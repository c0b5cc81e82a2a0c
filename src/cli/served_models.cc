#include "cli/served_models.h"

#include "base/clock.h"

#include <fmt/format.h>

namespace tidemark::cli {

void add_refresh_status(std::vector<serve::ModelStatus>& list, const models::RefreshService& refreshes) {
  for (const auto& status : refreshes.status())
    for (auto& model : list) {
      if (model.model != status.model) continue;
      if (status.state == "failed") model.state = status.state;
      if (status.stale_since > 0)
        model.as_of_lag_ms += (system_clock().wall_micros() - status.stale_since) / 1000;
      if (model.state == "live" && model.freshness_ms > 0 && model.as_of_lag_ms > model.freshness_ms) {
        model.state = "stale";
        model.reason =
            fmt::format("{} ms behind, and it allows {} ms", model.as_of_lag_ms, model.freshness_ms);
      }
      model.refresh = serve::RefreshFacts{.runs = status.runs,
                                          .failed_runs = status.failed_runs,
                                          .run_micros = status.run_micros,
                                          .error = status.error,
                                          .asked = status.asked,
                                          .answered = status.answered,
                                          .answer_error = status.answer_error};
      if (!status.last) continue;
      model.refresh->as_of_micros = status.last->started_at;
      model.refresh->rows = status.last->rows;
      model.refresh->bytes = status.last->bytes;
    }
}

void add_building(std::vector<serve::ModelStatus>& list, const ModelDesk& desk) {
  auto building = desk.building();
  if (!building) return;
  for (auto& model : list)
    if (model.model == building->model) {
      model.state = "building";
      model.percent = building->percent;
      return;
    }
  list.push_back({.model = building->model, .state = "building", .percent = building->percent});
}

}  // namespace tidemark::cli
