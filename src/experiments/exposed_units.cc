#include "experiments/exposed_units.h"

#include "clickhouse/schema.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace tidemark::experiments {

std::string instant_sql(int64_t at_us) {
  return fmt::format("fromUnixTimestamp64Micro({}, 'UTC')", at_us);
}

std::string microseconds_sql(const std::string& time) {
  return fmt::format("toUnixTimestamp64Micro(assumeNotNull(toDateTime64({}, 6, 'UTC')))", time);
}

std::string UnitRange::condition(const std::string& unit) const {
  std::string low = after ? fmt::format("({}) > {}", unit, *after) : "";
  std::string high = upto ? fmt::format("({}) <= {}", unit, *upto) : "";
  return low.empty() || high.empty() ? low + high : low + " AND " + high;
}

std::string readable_table(const std::string& table) {
  size_t dot = table.find('.');
  std::string database = table.substr(0, dot), name = table.substr(dot + 1);
  return clickhouse::quote_table(database, database == "bronze" ? name + "__current" : name);
}

std::string exposed_sql(const Experiment& experiment, const std::string& exposures, const ReadAsOf& as_of) {
  // Ranks in the order of names: declared ones have odd numbers, what lies between them even ones.
  std::vector<std::pair<std::string, size_t>> declared;
  for (size_t arm = 0; arm < experiment.variants.size(); ++arm)
    declared.emplace_back(experiment.variants[arm].name, arm + 1);
  std::sort(declared.begin(), declared.end());
  std::vector<std::string> names, ranks, arms;
  for (size_t place = 0; place < declared.size(); ++place) {
    names.push_back(clickhouse::quote_string(declared[place].first));
    ranks.push_back(fmt::format("toInt64({})", 2 * place + 1));
    arms.push_back(std::to_string(declared[place].second));
  }
  static_assert(2 * limits::variants_max < 64);
  std::string dimensions;
  for (const Dimension& dimension : experiment.dimensions)
    dimensions += fmt::format(
        ",\n    argMin(dimension_{0}, (first_at, variant, dimension_{0})) AS dimension_{0}", dimension.name);
  if (!as_of.points_us.empty())
    dimensions +=
        ",\n    if(several, arraySort(groupArray(toUnixTimestamp64Micro(first_at)))[2], 0) AS several_us";
  std::string conditions = fmt::format("first_at <= {}", instant_sql(as_of.at_us));
  if (!as_of.only.empty()) conditions += fmt::format(" AND unit IN (SELECT unit FROM {})", as_of.only);
  if (std::string range = as_of.range.condition("unit"); !range.empty()) conditions += " AND " + range;
  return fmt::format(
      "SELECT unit, {7} AS number,\n    transform(bitAnd(tm_first, 63), [{0}], [{1}], 0)::UInt8 AS known, "
      "{8} AS "
      "several,\n    {2} AS arm,\n    bitShiftRight(tm_first, 6) AS first_us{3},\n    "
      "min(toUnixTimestamp64Micro(first_at) * 64 + tm_rank) AS tm_first\n"
      "FROM (SELECT *, transform(variant, [{4}], [{0}], toInt64(-1)) AS tm_declared, if(tm_declared < 0, "
      "toInt64(2 * arrayCount(tm_name -> tm_name < variant, [{4}])), tm_declared) AS tm_rank{9} FROM "
      "{5})\nWHERE {6}\nGROUP BY unit",
      fmt::join(ranks, ", "), fmt::join(arms, ", "),
      experiment.multiple_exposure == MultipleExposure::exclude ? "if(several, 0, known)::UInt8" : "known",
      dimensions, fmt::join(names, ", "), exposures, conditions,
      as_of.only.empty()
          ? fmt::format("rowNumberInAllBlocks() + toUInt64({})", as_of.place * limits::slice_units_most)
          : "unit",
      as_of.rows ? "min(tm_seen) != max(tm_seen)" : "count() > 1",
      // Numbers are compared sooner than names. Declared variants have small ones of their own.
      as_of.rows ? ", if(bitTest(tm_rank, 0), toUInt64(tm_rank), bitOr(sipHash64(variant), 64)) AS tm_seen"
                 : "");
}

// Exposures are rows like others here: grouping them would take longer than to find those of the future.
std::string later_exposures_sql(const Experiment& experiment, const ReadAsOf& as_of) {
  const Exposures& rows = experiment.exposures;
  std::string only =
      as_of.only.empty() ? "" : fmt::format(" AND ({}) IN (SELECT unit FROM {})", rows.unit, as_of.only);
  return fmt::format("SELECT {} AS unit, {} AS at_us FROM {} WHERE {} > {}{}",
                     "assumeNotNull(" + rows.unit + ")", microseconds_sql(rows.time),
                     readable_table(rows.from), rows.time, instant_sql(as_of.at_us), only);
}

std::string later_exposures_count_sql(const Experiment& experiment, const ReadAsOf& as_of) {
  const Exposures& rows = experiment.exposures;
  return fmt::format("SELECT count() FROM {} WHERE {} > {}", readable_table(rows.from), rows.time,
                     instant_sql(as_of.at_us));
}

}  // namespace tidemark::experiments
