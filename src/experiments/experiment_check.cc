#include "experiments/experiment_check.h"

#include "base/clock.h"
#include "experiments/exposure_model.h"
#include "experiments/unit_query.h"

#include <fmt/format.h>

namespace tidemark::experiments {
namespace {

class Checker {
 public:
  explicit Checker(clickhouse::Client& client) : client_(client) {}

  // Reports what the server says no to; false then.
  Result<bool> explain(const std::string& sql, const Location& where, const std::string& what) {
    auto answer = client_.query_text("EXPLAIN PLAN " + sql);
    if (answer) return true;
    if (answer.error().kind != ErrorKind::refused && answer.error().kind != ErrorKind::limit)
      return tl::unexpected(std::move(answer.error()));
    diagnostics_.push_back({where,
                            fmt::format("ClickHouse does not take {}: {}", what, answer.error().message),
                            "Tables are those of the warehouse; expressions are over the columns of `from`.",
                            {}});
    return false;
  }

  Result<bool> rows(const EventRows& rows, const std::vector<FunnelStep>& steps, const std::string& what) {
    std::string columns =
        fmt::format("({}) AS tm_unit, toDateTime64({}, 6, 'UTC') AS tm_time", rows.unit, rows.time);
    if (!rows.where.empty()) columns += fmt::format(", if({}, 1, 0) AS tm_is", rows.where);
    if (!rows.value.empty()) columns += fmt::format(", toFloat64({}) AS tm_of", rows.value);
    if (!rows.experiment.empty()) columns += fmt::format(", toString({}) AS tm_experiment", rows.experiment);
    for (size_t step = 0; step < steps.size(); ++step)
      columns += fmt::format(", if({}, 1, 0) AS tm_step{}", steps[step].where, step);
    return explain(fmt::format("SELECT {} FROM {}", columns, readable_table(rows.from)), rows.place, what);
  }

  std::vector<config::Diagnostic> take() { return std::move(diagnostics_); }

 private:
  clickhouse::Client& client_;
  std::vector<config::Diagnostic> diagnostics_;
};

}  // namespace

Result<std::vector<config::Diagnostic>> check_experiments(clickhouse::Client& client,
                                                          const ExperimentFiles& files) {
  Checker checker(client);
  std::vector<const Metric*> good;
  for (const Metric& metric : files.metrics) {
    bool fits = TRY(checker.rows(metric.rows, metric.steps, "metric " + metric.name));
    if (fits && metric.denominator)
      fits = TRY(checker.rows(*metric.denominator, {}, "the denominator of metric " + metric.name));
    if (fits) good.push_back(&metric);
  }
  int64_t now = system_clock().wall_micros();
  for (const Experiment& experiment : files.experiments) {
    std::string exposures = exposures_relation(experiment);
    if (!TRY(checker.explain("SELECT * FROM " + exposures, experiment.exposures.place,
                             "the exposures of " + experiment.name)))
      continue;
    std::string exposed = "(" + exposed_sql(experiment, exposures, {.at_us = now}) + ")";
    for (const auto* uses : {&experiment.goals, &experiment.guardrails})
      for (const MetricUse& use : *uses)
        for (const Metric* metric : good)
          if (metric->name == use.metric)
            TRY(checker.explain(
                unit_query(experiment, {metric}, exposed, {.at_us = now}).sql, use.place,
                fmt::format("metric {} over the exposures of {}", metric->name, experiment.name)));
  }
  return checker.take();
}

}  // namespace tidemark::experiments
