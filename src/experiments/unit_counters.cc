#include "experiments/unit_counters.h"

#include "experiments/experiment_sums.h"
#include "experiments/exposure_model.h"
#include "experiments/unit_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

namespace tidemark::experiments {

std::string exposures_of(const Experiment& experiment, const std::string& exposures) {
  return exposures.empty() ? readable_table(exposures_table(experiment)) : exposures;
}

int64_t Counters::total() const {
  int64_t all = 0;
  for (int64_t arm : units) all += arm;
  return all;
}

namespace {

constexpr int64_t day_us = 86'400'000'000;
constexpr int64_t recent_days = 7;

// `units`: known, several, first_us of every unit that was seen.
struct Counting {
  const Experiment* experiment = nullptr;
  std::string units;
};

std::string counting_sql(const std::string& units, int64_t recent_after_us, const std::string& where = "") {
  return fmt::format(
      "known, several, toInt64(count()) AS units, min(first_us) AS first, max(first_us) AS last, "
      "toInt64(countIf(first_us > {})) AS recent\nFROM {}{}\nGROUP BY known, several",
      recent_after_us, units, where);
}

UnitCount count_of(const Block& found, size_t row, size_t column) {
  return {.known = found.columns[column].get<uint8_t>(row),
          .several = found.columns[column + 1].get<uint8_t>(row) != 0,
          .units = found.columns[column + 2].get<int64_t>(row),
          .first_us = found.columns[column + 3].get<int64_t>(row),
          .last_us = found.columns[column + 4].get<int64_t>(row),
          .recent = found.columns[column + 5].get<int64_t>(row)};
}

void add_count(const Experiment& experiment, const UnitCount& count, Counters& counters, int64_t& recent) {
  counters.seen += count.units;
  if (count.several) counters.multiple += count.units;
  if (counters.first_us == 0 || count.first_us < counters.first_us) counters.first_us = count.first_us;
  counters.last_us = std::max(counters.last_us, count.last_us);
  bool counts = !count.several || experiment.multiple_exposure == MultipleExposure::first_seen;
  if (count.known == 0) {
    if (counts) counters.unknown += count.units;
  } else if (counts) {
    counters.units[count.known - 1u] += count.units;
    recent += count.recent;
  }
}

void set_units_a_day(Counters& counters, int64_t recent, int64_t at_us) {
  double days = static_cast<double>(at_us - counters.first_us) / day_us;
  if (counters.seen > 0 && days > 0)
    counters.units_a_day = static_cast<double>(recent) / std::min<double>(days, recent_days);
}

// All in one statement.
Result<std::vector<Counters>> count_units(clickhouse::Client& client, const std::vector<Counting>& asked,
                                          int64_t at_us) {
  std::vector<std::string> parts;
  std::vector<Counters> counters(asked.size());
  std::vector<int64_t> recent(asked.size());
  for (size_t index = 0; index < asked.size(); ++index) {
    counters[index].units.resize(asked[index].experiment->variants.size());
    parts.push_back(fmt::format("SELECT toUInt32({}) AS tm_asked, {}", index,
                                counting_sql(asked[index].units, at_us - recent_days * day_us)));
  }
  if (parts.empty()) return counters;
  Block found = TRY(client.query(fmt::format("{}", fmt::join(parts, "\nUNION ALL\n")), unit_query_options()));
  for (size_t row = 0; row < found.rows(); ++row) {
    size_t index = found.columns[0].get<uint32_t>(row);
    add_count(*asked[index].experiment, count_of(found, row, 1), counters[index], recent[index]);
  }
  for (size_t index = 0; index < asked.size(); ++index)
    set_units_a_day(counters[index], recent[index], at_us);
  return counters;
}

Result<std::vector<UnitCount>> count_all(clickhouse::Client& client, const std::string& units,
                                         int64_t recent_after_us, const std::string& where = "") {
  Block found =
      TRY(client.query("SELECT " + counting_sql(units, recent_after_us, where), unit_query_options()));
  std::vector<UnitCount> counts;
  for (size_t row = 0; row < found.rows(); ++row) counts.push_back(count_of(found, row, 0));
  return counts;
}

UnitCount* find_count(std::vector<UnitCount>& counts, const UnitCount& like) {
  for (UnitCount& count : counts)
    if (count.known == like.known && count.several == like.several) return &count;
  return nullptr;
}

// The base's, kept from question to question: only units are read again that are recent no more.
Status count_base(clickhouse::Client& client, const UnitParts& units, int64_t recent_after_us) {
  BaseCounts& kept = units.sums->counts;
  int64_t before = std::exchange(kept.recent_after_us, 0);
  if (before == 0 || before > recent_after_us) {
    kept.units = TRY(count_all(client, units.base, recent_after_us));
  } else if (before < recent_after_us) {
    auto old =
        TRY(count_all(client, units.base, recent_after_us,
                      fmt::format("\nWHERE first_us > {} AND first_us <= {}", before, recent_after_us)));
    for (const UnitCount& count : old)
      if (UnitCount* of = find_count(kept.units, count)) of->recent -= count.units;
  }
  kept.recent_after_us = recent_after_us;
  return {};
}

// Nothing: the first or the last of the base's units may be one that counts no more.
Result<std::optional<std::vector<UnitCount>>> count_parts(clickhouse::Client& client, const UnitParts& units,
                                                          int64_t recent_after_us) {
  TRY_VOID(count_base(client, units, recent_after_us));
  std::vector<UnitCount> counts = units.sums->counts.units;
  if (units.changed.empty()) return std::optional(std::move(counts));
  for (const UnitCount& gone : TRY(count_all(client, units.replaced, recent_after_us))) {
    UnitCount* of = find_count(counts, gone);
    if (of == nullptr || of->units == gone.units || of->first_us == gone.first_us ||
        of->last_us == gone.last_us)
      return std::optional<std::vector<UnitCount>>();
    of->units -= gone.units;
    of->recent -= gone.recent;
  }
  for (const UnitCount& more : TRY(count_all(client, units.changed, recent_after_us))) {
    UnitCount* of = find_count(counts, more);
    if (of == nullptr) {
      counts.push_back(more);
      continue;
    }
    of->units += more.units;
    of->recent += more.recent;
    of->first_us = std::min(of->first_us, more.first_us);
    of->last_us = std::max(of->last_us, more.last_us);
  }
  return std::optional(std::move(counts));
}

}  // namespace

Result<std::vector<Counters>> read_counters(clickhouse::Client& client,
                                            const std::vector<CountersAsked>& asked, int64_t at_us) {
  std::vector<Counting> countings;
  for (const CountersAsked& one : asked) {
    Experiment plain = *one.experiment;
    plain.dimensions.clear();
    std::string exposures = exposures_of(plain, one.exposures);
    countings.push_back({one.experiment, "(" + exposed_sql(plain, exposures, {.at_us = at_us}) + ")"});
  }
  return count_units(client, countings, at_us);
}

Result<Counters> counters_of_units(clickhouse::Client& client, const Experiment& experiment,
                                   const UnitParts& units, int64_t at_us) {
  if (units.sums == nullptr) return TRY(count_units(client, {{&experiment, units.all}}, at_us)).front();
  int64_t recent_after_us = at_us - recent_days * day_us, recent = 0;
  auto counts = TRY(count_parts(client, units, recent_after_us));
  if (!counts) counts = TRY(count_all(client, units.all, recent_after_us));
  Counters counters;
  counters.units.resize(experiment.variants.size());
  for (const UnitCount& count : *counts) add_count(experiment, count, counters, recent);
  set_units_a_day(counters, recent, at_us);
  return counters;
}

}  // namespace tidemark::experiments
