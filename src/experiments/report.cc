#include "experiments/report.h"

#include "base/clock.h"
#include "clickhouse/cluster.h"
#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"
#include "experiments/exposure_model.h"
#include "experiments/read_out_document.h"
#include "experiments/unit_table.h"
#include "experiments/watched_units.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <set>

namespace tidemark::experiments {
namespace {

namespace json = boost::json;

// Of each: empty when the experiment's model is there.
Result<std::vector<std::string>> relations_of(clickhouse::Client& client,
                                              const std::vector<const Experiment*>& experiments) {
  Block found = TRY(client.query(fmt::format(
      "SELECT concat(database, '.', name) FROM system.tables WHERE database = '{}'", exposures_database)));
  std::set<std::string> tables;
  for (size_t row = 0; row < found.rows(); ++row) tables.emplace(found.columns[0].text(row));
  std::vector<std::string> relations;
  for (const Experiment* experiment : experiments)
    relations.push_back(tables.contains(exposures_table(*experiment)) ? std::string()
                                                                      : exposures_relation(*experiment));
  return relations;
}

// Evenly from the first exposure on, the last being the time of the report: each as if it had been asked
// then. Rows are read once for all of them.
Result<json::array> series(clickhouse::Client& client, const Experiment& experiment,
                           const std::vector<const Metric*>& metrics, const Report& report,
                           const std::string& relation, size_t points) {
  json::array list;
  const ExperimentSums& last = report.sums;
  int64_t first = last.counters.first_us;
  if (first == 0) return list;
  std::vector<int64_t> points_us;
  for (size_t point = 1; point < points; ++point)
    points_us.push_back(first +
                        (last.at_us - first) / static_cast<int64_t>(points) * static_cast<int64_t>(point));
  UnitSeries units(client, experiment, metrics);
  if (!points_us.empty()) TRY_VOID(units.fill(exposures_of(experiment, relation), points_us));
  for (size_t point = 0; point < points_us.size(); ++point) {
    auto then = TRY(units.at(point));
    ExperimentSums sums =
        TRY(sums_of_units(client, experiment, then.query, {.all = then.units}, {.at_us = points_us[point]}));
    list.push_back(point_document(experiment, sums, read_out(experiment, sums)));
  }
  list.push_back(point_document(experiment, last, report.read));
  return list;
}

}  // namespace

Result<std::unique_ptr<Report>> make_report(clickhouse::Client& client, const ExperimentFiles& files,
                                            const Experiment& experiment, const ReportOptions& options,
                                            KeptExperiments* kept) {
  if (options.points > limits::series_points_max)
    return fail(ErrorKind::usage, fmt::format("{} points of a series", options.points),
                fmt::format("At most {}: each groups all units once.", limits::series_points_max));
  if (const auto cluster = client.endpoint().cluster; cluster && cluster->shards() > 1)
    return fail(ErrorKind::unsupported, "read-outs on a warehouse of several shards are not there yet",
                "Units' rows would have to be brought together; use one shard for experiments.");
  std::vector<std::string> known;
  for (const Dimension& dimension : experiment.dimensions) known.push_back(dimension.name);
  for (const std::string& name : options.dimensions)
    if (std::find(known.begin(), known.end(), name) == known.end())
      return fail(
          ErrorKind::usage,
          fmt::format("{} has no dimension `{}`{}", experiment.name, name, config::did_you_mean(name, known)),
          "`dimensions` of its file names them.");
  auto report = std::make_unique<Report>();
  report->experiment = &experiment;
  std::string relation = TRY(relations_of(client, {&experiment})).front();
  auto metrics = metrics_of(files, experiment);
  int64_t begun = system_clock().monotonic_micros();
  SumsOptions asked{.at_us = options.at_us.value_or(system_clock().wall_micros()),
                    .exposures = relation,
                    .dimensions = options.dimensions};
  KeptExperiments::Answer answer;
  if (kept == nullptr) {
    answer.sums = TRY(read_sums(client, experiment, metrics, asked));
    answer.no_fence = "the process that applies cuts was not asked";
  } else {
    bool of_now = !options.at_us && relation.empty();
    answer = TRY(of_now ? kept->sums(client, experiment, metrics, asked)
                        : kept->read(client, experiment, metrics, asked));
  }
  report->sums = std::move(answer.sums);
  report->read = read_out(experiment, report->sums);
  json::object document = read_out_document(experiment, report->sums, report->read);
  document["deployed"] = relation.empty();
  document["fence"] = answer.fence.empty() ? json::value() : json::parse(answer.fence);
  if (answer.fence.empty()) document["no_fence"] = answer.no_fence;
  document["units_recomputed"] =
      answer.kept && !answer.made_anew ? json::value(answer.recomputed) : json::value("all");
  document["units_sorted"] = answer.kept ? json::value(answer.sorted) : json::value();
  if (options.points > 0)
    document["series"] = TRY(series(client, experiment, metrics, *report, relation, options.points));
  document["seconds"] = static_cast<double>(system_clock().monotonic_micros() - begun) / 1e6;
  report->document = json::serialize(document);
  return report;
}

Result<std::string> list_document(clickhouse::Client& client, const ExperimentFiles& files,
                                  KeptExperiments* kept) {
  int64_t now_us = system_clock().wall_micros();
  std::vector<const Experiment*> experiments;
  for (const Experiment& experiment : files.experiments) experiments.push_back(&experiment);
  std::vector<std::string> relations = TRY(relations_of(client, experiments));
  std::vector<std::optional<Counters>> counters(experiments.size());
  std::vector<CountersAsked> asked;
  for (size_t index = 0; index < experiments.size(); ++index) {
    if (kept != nullptr && relations[index].empty())
      counters[index] = TRY(kept->counters(client, *experiments[index],
                                           metrics_of(files, *experiments[index]), {.at_us = now_us}));
    if (!counters[index]) asked.push_back({experiments[index], relations[index]});
  }
  std::vector<Counters> counted = TRY(read_counters(client, asked, now_us));
  auto next = counted.begin();
  json::array list;
  for (size_t index = 0; index < experiments.size(); ++index) {
    json::object one = definition_document(*experiments[index]);
    one["deployed"] = relations[index].empty();
    if (!counters[index]) counters[index] = *next++;
    one["exposures"] = exposures_document(*experiments[index], *counters[index]);
    list.push_back(std::move(one));
  }
  return json::serialize(json::object{{"experiments", std::move(list)}});
}

}  // namespace tidemark::experiments
