#include "experiments/exposure_model.h"

#include "clickhouse/schema.h"
#include "experiments/unit_query.h"

#include <fmt/format.h>

namespace tidemark::experiments {

std::string exposures_table(const Experiment& experiment) {
  return fmt::format("{}.{}_exposures", exposures_database, experiment.name);
}

namespace {

// The rows are read under names that no table has: an alias `variant` would hide the table's own column of
// that name from the conditions.
std::string select_rows(const Experiment& experiment, const std::string& table) {
  const Exposures& from = experiment.exposures;
  std::string time = fmt::format("toDateTime64({}, 6, 'UTC')", from.time);
  std::string read;
  for (const Dimension& dimension : experiment.dimensions)
    read += fmt::format(", ifNull(toString({}), '') AS tm_{}", dimension.expression, dimension.name);
  std::string conditions =
      fmt::format("isNotNull({}) AND isNotNull({}) AND isNotNull({})", from.unit, from.variant, from.time);
  if (!from.experiment.empty())
    conditions +=
        fmt::format("\n    AND toString({}) = {}", from.experiment, clickhouse::quote_string(experiment.key));
  if (experiment.start_us)
    conditions += fmt::format("\n    AND {} >= {}", time, instant_sql(*experiment.start_us));
  if (experiment.end_us)
    conditions += fmt::format("\n    AND {} < {}", time, instant_sql(*experiment.end_us));
  if (!from.where.empty()) conditions += fmt::format("\n    AND ({})", from.where);
  return fmt::format(
      "SELECT assumeNotNull({}) AS tm_unit, assumeNotNull(toString({})) AS tm_variant, "
      "assumeNotNull({}) AS tm_time{}\n  FROM {}\n  WHERE {}",
      from.unit, from.variant, time, read, table, conditions);
}

std::string select_exposures(const Experiment& experiment, const std::string& table) {
  std::string kept;
  for (const Dimension& dimension : experiment.dimensions)
    kept += fmt::format(",\n    argMin(tm_{0}, (tm_time, tm_{0})) AS dimension_{0}", dimension.name);
  return fmt::format(
      "SELECT tm_unit AS unit, tm_variant AS variant,\n"
      "    min(tm_time) AS first_at, max(tm_time) AS last_at, count() AS exposures{}\n"
      "FROM\n(\n  {}\n)\nGROUP BY unit, variant",
      kept, select_rows(experiment, table));
}

}  // namespace

std::string exposures_sql(const Experiment& experiment) {
  return select_exposures(experiment, experiment.exposures.from);
}

std::string exposures_relation(const Experiment& experiment) {
  return "(" + select_exposures(experiment, readable_table(experiment.exposures.from)) + ")";
}

std::string exposure_rows(const Experiment& experiment) {
  std::string columns = "tm_unit AS unit, tm_variant AS variant, tm_time AS first_at";
  for (const Dimension& dimension : experiment.dimensions)
    columns += fmt::format(", tm_{0} AS dimension_{0}", dimension.name);
  return fmt::format("(SELECT {} FROM ({}))", columns,
                     select_rows(experiment, readable_table(experiment.exposures.from)));
}

std::set<std::string> declared_logs(const config::Project& project) {
  std::set<std::string> logs;
  auto add = [&](const std::string& table) { logs.insert("bronze." + table); };
  for (const auto& source : project.sources)
    for (const auto& options : source.options)
      if (options.append_only) add(options.table);
  for (const auto& source : project.kafka_sources)
    for (const auto& table : source.tables)
      if (table.append_only) add(table.table);
  for (const auto& source : project.event_sources) {
    add(source.table);
    for (const auto& table : source.tables)
      if (table.key.empty()) add(table.table);
  }
  return logs;
}

std::vector<config::ModelFile> exposure_models(const std::vector<Experiment>& experiments,
                                               const std::set<std::string>& logs) {
  std::vector<config::ModelFile> files;
  for (const Experiment& experiment : experiments) {
    config::ModelFile file;
    file.database = exposures_database;
    file.name = experiment.name + "_exposures";
    file.file = experiment.place.file;
    file.description = "who saw which variant of " + experiment.name + " when";
    file.kind = experiment.exposures.store;
    if (file.kind.empty()) file.kind = logs.contains(experiment.exposures.from) ? "incremental" : "keyed";
    if (file.kind == "keyed") file.key = {"unit", "variant"};
    if (file.kind != "view") file.order_by = {"unit", "variant"};
    file.sql = exposures_sql(experiment);
    file.sql_first_line = experiment.exposures.place.line;
    for (const char* key : {"kind", "key", "order_by"})
      file.header_locations[key] = experiment.exposures.place;
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace tidemark::experiments
