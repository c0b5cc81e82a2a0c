#include "experiments/unit_table.h"

#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"
#include "experiments/exposure_model.h"
#include "experiments/sliced_units.h"

#include <atomic>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

namespace tidemark::experiments {

clickhouse::QueryOptions unit_query_options() {
  clickhouse::QueryOptions options;
  options.timeout = limits::query_time;
  // Every query is another text: compiling its expressions takes longer than it gives. Grouping spills when
  // half of the server's memory is taken, which is the server's default.
  options.settings = {
      {"compile_expressions", "0"},
      {"compile_aggregate_expressions", "0"},
      {"compile_sort_description", "0"},
      // Units without rows have zeros.
      {"join_use_nulls", "0"},
      // The units are what is looked up, whatever is thought of how many rows conditions pass.
      {"query_plan_join_swap_table", "false"},
      {"max_insert_threads", "4"}};
  return options;
}

std::string new_unit_table(const Experiment& experiment, const char* prefix, const char* what) {
  static std::atomic<uint64_t> made{0};
  return clickhouse::quote_table(
      exposures_database, fmt::format("{}{}_{}_{}_{}", prefix, experiment.name, getpid(), ++made, what));
}

namespace {

// Of tables that slices are written to, each as a part: merging them would take longer than to read them.
constexpr const char* not_merged = "max_bytes_to_merge_at_max_space_in_pool = 1";

}  // namespace

std::string found_units_engine() {
  // Read at once: to press it together would take longer than to write it.
  return fmt::format("MergeTree ORDER BY tuple() SETTINGS {}, default_compression_codec = 'NONE'",
                     not_merged);
}

std::string kept_units_engine() {
  return fmt::format("MergeTree ORDER BY unit SETTINGS {}, index_granularity = 512, {}", not_merged,
                     clickhouse::point_read_settings);
}

Status make_unit_table(clickhouse::Client& client, const std::string& table, const std::string& sql,
                       const std::string& engine) {
  return client.execute(fmt::format("CREATE TABLE {} ENGINE = {} AS\n{}", table, engine, sql),
                        unit_query_options());
}

Status drop_unit_table(clickhouse::Client& client, const std::string& table) {
  return client.execute(fmt::format("DROP TABLE IF EXISTS {} SYNC", table));
}

UnitTable::UnitTable(clickhouse::Client& client, const Experiment& experiment, const char* prefix)
    : client_(client),
      experiment_(experiment),
      exposed_(new_unit_table(experiment, prefix, "exposed")),
      name_(new_unit_table(experiment, prefix, "values")) {}

UnitTable::~UnitTable() {
  (void)drop_unit_table(client_, exposed_);
  if (!name_.empty()) (void)drop_unit_table(client_, name_);
}

namespace {

// Grouping by unit and variant and then by unit takes twice as long as once. Where exposures are a log that
// has hardly more rows than the model, its rows are read instead.
Result<bool> rows_are_quicker(clickhouse::Client& client, const Experiment& experiment) {
  const std::string& from = experiment.exposures.from;
  std::string model = exposures_table(experiment);
  Block found = TRY(client.query(
      fmt::format("SELECT maxIf(ifNull(total_rows, 0), database = 'bronze' AND engine = 'MergeTree'), "
                  "maxIf(ifNull(total_rows, 0), database = '{0}') FROM system.tables WHERE concat(database, "
                  "'.', name) = "
                  "{1} "
                  "OR (database = '{0}' AND startsWith(concat(database, '.', name), {2}))",
                  exposures_database, clickhouse::quote_string(from), clickhouse::quote_string(model + "__")),
      unit_query_options()));
  uint64_t rows = found.columns[0].get<uint64_t>(0), units = found.columns[1].get<uint64_t>(0);
  return rows > 0 && rows <= limits::rows_an_exposure * units;
}

}  // namespace

Result<UnitQuery> UnitTable::fill(const std::vector<const Metric*>& metrics, const std::string& exposures,
                                  ReadAsOf as_of) {
  TRY_VOID(client_.execute(fmt::format("CREATE DATABASE IF NOT EXISTS {}", exposures_database)));
  TRY_VOID(drop_left_units(client_));
  auto slices = TRY(unit_slices(client_, experiment_, metrics, exposures, as_of.units_a_slice));
  sliced_ = slices.size() > 1;
  if (sliced_) {
    std::string engine = found_units_engine();
    TRY_VOID(fill_slices(client_, {experiment_, metrics, exposures, as_of, name_, engine}, slices));
    return unit_query(experiment_, metrics, "", as_of);
  }
  as_of.rows = exposures == readable_table(exposures_table(experiment_)) &&
               TRY(rows_are_quicker(client_, experiment_));
  TRY_VOID(
      make_unit_table(client_, exposed_,
                      exposed_sql(experiment_, as_of.rows ? exposure_rows(experiment_) : exposures, as_of)));
  if (as_of.first_us == 0) {
    Block found =
        TRY(client_.query(fmt::format("SELECT min(first_us) FROM {}", exposed_), unit_query_options()));
    if (found.rows() == 1) as_of.first_us = found.columns[0].get<int64_t>(0);
  }
  UnitQuery query = unit_query(experiment_, metrics, exposed_, as_of);
  TRY_VOID(make_unit_table(client_, name_, query.sql));
  return query;
}

std::string UnitTable::release() {
  return std::exchange(name_, {});
}

UnitSeries::UnitSeries(clickhouse::Client& client, const Experiment& experiment,
                       const std::vector<const Metric*>& metrics)
    : client_(client),
      experiment_(experiment),
      metrics_(metrics),
      exposed_(new_unit_table(experiment, asked_units, "exposed")),
      states_(new_unit_table(experiment, asked_units, "states")),
      values_(new_unit_table(experiment, asked_units, "values")) {}

UnitSeries::~UnitSeries() {
  for (const std::string* table : {&exposed_, &states_, &values_}) (void)drop_unit_table(client_, *table);
}

Status UnitSeries::fill(const std::string& exposures, std::vector<int64_t> points_us) {
  TRY_VOID(client_.execute(fmt::format("CREATE DATABASE IF NOT EXISTS {}", exposures_database)));
  as_of_ = {.at_us = points_us.back(), .points_us = std::move(points_us)};
  TRY_VOID(make_unit_table(client_, exposed_, exposed_sql(experiment_, exposures, as_of_)));
  Block found =
      TRY(client_.query(fmt::format("SELECT min(first_us) FROM {}", exposed_), unit_query_options()));
  if (found.rows() == 1) as_of_.first_us = found.columns[0].get<int64_t>(0);
  return make_unit_table(client_, states_, series_states_sql(experiment_, metrics_, exposed_, as_of_),
                         "MergeTree ORDER BY tm_point");
}

Result<UnitSeries::Point> UnitSeries::at(size_t point) {
  TRY_VOID(drop_unit_table(client_, values_));
  Point made{point_query(experiment_, metrics_, exposed_, states_, as_of_, point), values_};
  TRY_VOID(make_unit_table(client_, values_, made.query.sql));
  return made;
}

Status drop_left_units(clickhouse::Client& client) {
  Block found = TRY(client.query(
      fmt::format("SELECT name FROM system.tables WHERE database = '{}' AND startsWith(name, '{}') AND "
                  "metadata_modification_time < now() - INTERVAL 1 HOUR",
                  exposures_database, asked_units)));
  for (size_t row = 0; row < found.rows(); ++row)
    TRY_VOID(drop_unit_table(
        client, clickhouse::quote_table(exposures_database, std::string(found.columns[0].text(row)))));
  return {};
}

}  // namespace tidemark::experiments
