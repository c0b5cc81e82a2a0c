#include "experiments/experiment_sums.h"

#include "base/clock.h"
#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"
#include "experiments/exposure_model.h"
#include "experiments/unit_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::experiments {
namespace {

constexpr int64_t day_us = 86'400'000'000;
constexpr int64_t recent_days = 7;

std::string with_if(const char* function, const std::string& argument, const std::string& condition) {
  return condition.empty() ? fmt::format("{}({})", function, argument)
                           : fmt::format("{}If({}, {})", function, argument, condition);
}

// The columns of a metric's sums in a query, and back.
class SumColumns {
 public:
  SumColumns(const UnitValues& values, size_t index, std::optional<double> cap)
      : variables_(variables_of(values.shape)), counted_(values.counted), index_(index) {
    for (size_t place = 0; place < variables_.size(); ++place) {
      bool capped = cap && (variables_[place] == value || variables_[place] == value_before);
      columns_.push_back(capped ? fmt::format("least({}, {:.17g})", values.columns[place], *cap)
                                : values.columns[place]);
    }
    if (values.metric->kind == MetricKind::quantile && values.metric->ignore_zeros)
      counted_ += (counted_.empty() ? "" : " AND ") + values.columns[0] + " != 0";
  }

  void add_to(std::vector<std::string>& outputs) const {
    outputs.push_back(counted_.empty() ? fmt::format("toInt64(count()) AS n{}", index_)
                                       : fmt::format("toInt64(countIf({})) AS n{}", counted_, index_));
    for (size_t left = 0; left < columns_.size(); ++left) {
      outputs.push_back(fmt::format("{} AS s{}_{}", with_if("sum", columns_[left], counted_), index_, left));
      for (size_t right = left; right < columns_.size(); ++right)
        outputs.push_back(fmt::format("{} AS p{}_{}_{}",
                                      with_if("sum", columns_[left] + " * " + columns_[right], counted_),
                                      index_, left, right));
    }
  }

  ArmSums read(const Block& block, size_t row, size_t& column) const {
    ArmSums sums;
    sums.units = block.columns[column++].get<int64_t>(row);
    for (size_t left = 0; left < columns_.size(); ++left) {
      sums.sum[variables_[left]] = block.columns[column++].get<double>(row);
      for (size_t right = left; right < columns_.size(); ++right) {
        double product = block.columns[column++].get<double>(row);
        sums.products[variables_[left]][variables_[right]] = product;
        sums.products[variables_[right]][variables_[left]] = product;
      }
    }
    return sums;
  }

  const std::string& counted() const { return counted_; }

 private:
  std::vector<Variable> variables_;
  std::vector<std::string> columns_;
  std::string counted_;
  size_t index_;
};

void add(MetricSums& sums, const MetricSums& more, int sign) {
  for (size_t arm = 0; arm < sums.arms.size(); ++arm) {
    ArmSums& left = sums.arms[arm];
    const ArmSums& right = more.arms[arm];
    left.units += sign * right.units;
    for (int one = 0; one < variables; ++one) {
      left.sum[one] += sign * right.sum[one];
      for (int other = 0; other < variables; ++other)
        left.products[one][other] += sign * right.products[one][other];
    }
  }
}

class SumsReading {
 public:
  SumsReading(clickhouse::Client& client, const Experiment& experiment, const UnitQuery& query,
              const UnitParts& units)
      : client_(client),
        experiment_(experiment),
        query_(query),
        units_(units),
        table_(units.all),
        caps_(query.metrics.size()) {
    for (size_t index = 0; index < query.metrics.size(); ++index) every_.push_back(index);
  }

  Status read_caps() {
    std::vector<std::string> outputs;
    std::vector<size_t> asked;
    for (size_t index = 0; index < query_.metrics.size(); ++index) {
      const UnitValues& values = query_.metrics[index];
      const auto& cap = values.metric->cap;
      if (!cap) continue;
      if (cap->percentile == 0) {
        caps_[index] = cap->value;
        continue;
      }
      std::string condition = values.counted;
      if (cap->ignore_zeros) condition += (condition.empty() ? "" : " AND ") + values.columns[0] + " != 0";
      outputs.push_back(
          condition.empty()
              ? fmt::format("quantileExact({})({})", cap->percentile, values.columns[0])
              : fmt::format("quantileExactIf({})({}, {})", cap->percentile, values.columns[0], condition));
      asked.push_back(index);
    }
    if (asked.empty()) return {};
    Block found =
        TRY(client_.query(fmt::format("SELECT {} FROM {} WHERE arm != 0", fmt::join(outputs, ", "), table_),
                          unit_query_options()));
    for (size_t place = 0; place < asked.size(); ++place) {
      double cap = found.columns[place].get<double>(0);
      if (cap == cap) caps_[asked[place]] = cap;  // NaN of no units
    }
    return {};
  }

  Result<std::vector<MetricSums>> read_all() {
    std::vector<MetricSums> metrics = TRY(units_.sums ? read_parts() : read_whole(table_, every_));
    for (size_t index = 0; index < metrics.size(); ++index)
      if (metrics[index].metric->kind == MetricKind::quantile)
        TRY_VOID(read_quantiles(query_.metrics[index], index, metrics[index]));
    return metrics;
  }

  Result<DimensionSums> read_dimension(const std::string& name) {
    std::string column = "dimension_" + name;
    std::string top = TRY(client_.query_text(
        fmt::format(
            "SELECT arrayStringConcat(arrayMap(tm_level -> concat('\\'', replaceAll(replaceAll(tm_level, "
            "'\\\\', '\\\\\\\\'), '\\'', '\\\\\\''), '\\''), groupArray(tm_level)), ',') FROM (SELECT {0} AS "
            "tm_level, count() AS tm_units FROM {1} WHERE arm != 0 GROUP BY tm_level ORDER BY tm_units DESC, "
            "tm_level "
            "LIMIT {2}) FORMAT TSVRaw",
            column, table_, limits::dimension_levels),
        unit_query_options()));
    while (top.ends_with('\n')) top.pop_back();
    DimensionSums sums{name, {}};
    sums.levels = TRY(
        read_levels(table_, every_, fmt::format("if(has([{0}], {1}), {1}, '(other)')", top, column), true));
    return sums;
  }

 private:
  Result<std::vector<MetricSums>> read_whole(const std::string& table, const std::vector<size_t>& asked) {
    auto levels = TRY(read_levels(table, asked, "''", false));
    return levels.empty() ? empty() : std::move(levels.front().metrics);
  }

  // What of a metric's sums is not in its units' values.
  std::string summed(size_t index) const {
    return fmt::format("{} {}", caps_[index] ? fmt::format("{:.17g}", *caps_[index]) : "",
                       query_.metrics[index].counted);
  }

  // The base's sums, of which only those metrics are read again whose cap or whose counted units are others.
  Result<std::vector<MetricSums>> read_parts() {
    BaseSums& kept = *units_.sums;
    if (kept.metrics.size() != every_.size()) {
      kept.metrics = empty();
      kept.summed.assign(every_.size(), "?");
    }
    std::vector<size_t> other;
    for (size_t index : every_)
      if (kept.summed[index] != summed(index)) other.push_back(index);
    if (!other.empty()) {
      auto read = TRY(read_whole(units_.base, other));
      for (size_t index : other) {
        kept.metrics[index] = std::move(read[index]);
        kept.summed[index] = summed(index);
      }
    }
    std::vector<MetricSums> metrics = kept.metrics;
    // The definitions of an earlier question are gone.
    for (size_t index : every_) metrics[index].metric = query_.metrics[index].metric;
    if (units_.changed.empty()) return metrics;
    auto changed = TRY(read_whole(units_.changed, every_));
    auto replaced = TRY(read_whole(units_.replaced, every_));
    for (size_t index : every_) {
      add(metrics[index], changed[index], 1);
      add(metrics[index], replaced[index], -1);
    }
    return metrics;
  }

  std::vector<MetricSums> empty() const {
    std::vector<MetricSums> metrics;
    for (size_t index = 0; index < query_.metrics.size(); ++index) {
      MetricSums sums{.metric = query_.metrics[index].metric, .shape = query_.metrics[index].shape};
      sums.arms.resize(experiment_.variants.size());
      sums.cap = caps_[index];
      metrics.push_back(std::move(sums));
    }
    return metrics;
  }

  Result<std::vector<DimensionLevel>> read_levels(const std::string& table, const std::vector<size_t>& asked,
                                                  const std::string& level, bool by_level) {
    std::vector<std::string> outputs{level + " AS tm_level", "arm", "toInt64(count()) AS tm_units"};
    std::vector<SumColumns> columns;
    for (size_t index : asked) {
      columns.emplace_back(query_.metrics[index], index, caps_[index]);
      columns.back().add_to(outputs);
    }
    Block found = TRY(client_.query(
        fmt::format(
            "SELECT {}\nFROM {}\nWHERE arm != 0\nGROUP BY tm_level, arm\nORDER BY {}",
            fmt::join(outputs, ",\n    "), table,
            by_level ? "tm_level = '(other)', sum(tm_units) OVER (PARTITION BY tm_level) DESC, tm_level, arm"
                     : "arm"),
        unit_query_options()));
    std::vector<DimensionLevel> levels;
    for (size_t row = 0; row < found.rows(); ++row) {
      std::string name(found.columns[0].text(row));
      if (levels.empty() || levels.back().level != name)
        levels.push_back({name, std::vector<int64_t>(experiment_.variants.size()), empty()});
      size_t arm = found.columns[1].get<uint8_t>(row) - 1u;
      levels.back().units[arm] = found.columns[2].get<int64_t>(row);
      size_t column = 3;
      for (size_t place = 0; place < asked.size(); ++place)
        levels.back().metrics[asked[place]].arms[arm] = columns[place].read(found, row, column);
    }
    return levels;
  }

  // The value at its level and at the two around it that its interval needs for this arm's number of units.
  Status read_quantiles(const UnitValues& values, size_t index, MetricSums& sums) {
    SumColumns columns(values, index, std::nullopt);
    std::vector<std::string> outputs;
    std::string counted = columns.counted().empty() ? "" : " AND " + columns.counted();
    double level = values.metric->level;
    for (size_t arm = 0; arm < sums.arms.size(); ++arm) {
      QuantileArm quantile{
          .observations = sums.arms[arm].units, .levels_for = sums.arms[arm].units, .level = level};
      auto around = quantile_levels(level, std::max<int64_t>(quantile.observations, 1));
      double low = around ? around->lower : level, high = around ? around->upper : level;
      outputs.push_back(fmt::format("quantilesExactIf({:.17g}, {:.17g}, {:.17g})({}, arm = {}{})", low, level,
                                    high, values.columns[0], arm + 1, counted));
      sums.quantiles.push_back(quantile);
    }
    std::vector<std::string> flat;
    for (const auto& output : outputs)
      for (int place = 1; place <= 3; ++place)
        flat.push_back(fmt::format("toFloat64(({})[{}])", output, place));
    Block found = TRY(
        client_.query(fmt::format("SELECT {} FROM {}", fmt::join(flat, ", "), table_), unit_query_options()));
    for (size_t arm = 0; arm < sums.arms.size(); ++arm) {
      if (sums.quantiles[arm].observations == 0) continue;
      sums.quantiles[arm].lower = found.columns[arm * 3].get<double>(0);
      sums.quantiles[arm].quantile = found.columns[arm * 3 + 1].get<double>(0);
      sums.quantiles[arm].upper = found.columns[arm * 3 + 2].get<double>(0);
    }
    return {};
  }

  clickhouse::Client& client_;
  const Experiment& experiment_;
  const UnitQuery& query_;
  const UnitParts& units_;
  const std::string& table_;
  std::vector<size_t> every_;  // metric
  std::vector<std::optional<double>> caps_;
};

}  // namespace

std::string exposures_of(const Experiment& experiment, const SumsOptions& options) {
  return options.exposures.empty() ? readable_table(exposures_table(experiment)) : options.exposures;
}

int64_t Counters::total() const {
  int64_t all = 0;
  for (int64_t arm : units) all += arm;
  return all;
}

namespace {

// `units`: known, several, first_us of every unit that was seen.
struct Counting {
  const Experiment* experiment = nullptr;
  std::string units;
};

void add_counts(const Experiment& experiment, const Block& found, size_t row, Counters& counters,
                int64_t& recent) {
  size_t arm = found.columns[1].get<uint8_t>(row);
  bool several = found.columns[2].get<uint8_t>(row) != 0;
  int64_t units_seen = found.columns[3].get<int64_t>(row);
  int64_t first = found.columns[4].get<int64_t>(row), last = found.columns[5].get<int64_t>(row);
  counters.seen += units_seen;
  if (several) counters.multiple += units_seen;
  if (counters.first_us == 0 || first < counters.first_us) counters.first_us = first;
  counters.last_us = std::max(counters.last_us, last);
  bool counts = !several || experiment.multiple_exposure == MultipleExposure::first_seen;
  if (arm == 0) {
    if (counts) counters.unknown += units_seen;
  } else if (counts) {
    counters.units[arm - 1] += units_seen;
    recent += found.columns[6].get<int64_t>(row);
  }
}

// All in one statement.
Result<std::vector<Counters>> count_units(clickhouse::Client& client, const std::vector<Counting>& asked,
                                          int64_t at_us) {
  std::vector<std::string> parts;
  std::vector<Counters> counters(asked.size());
  std::vector<int64_t> recent(asked.size());
  for (size_t index = 0; index < asked.size(); ++index) {
    counters[index].units.resize(asked[index].experiment->variants.size());
    parts.push_back(fmt::format(
        "SELECT toUInt32({}) AS tm_asked, known, several, toInt64(count()) AS units, min(first_us) AS first, "
        "max(first_us) AS last, toInt64(countIf(first_us > {})) AS recent\nFROM {}\nGROUP BY known, several",
        index, at_us - recent_days * day_us, asked[index].units));
  }
  if (parts.empty()) return counters;
  Block found = TRY(client.query(fmt::format("{}", fmt::join(parts, "\nUNION ALL\n")), unit_query_options()));
  for (size_t row = 0; row < found.rows(); ++row) {
    size_t index = found.columns[0].get<uint32_t>(row);
    add_counts(*asked[index].experiment, found, row, counters[index], recent[index]);
  }
  for (size_t index = 0; index < asked.size(); ++index) {
    double days = static_cast<double>(at_us - counters[index].first_us) / day_us;
    if (counters[index].seen > 0 && days > 0)
      counters[index].units_a_day = static_cast<double>(recent[index]) / std::min<double>(days, recent_days);
  }
  return counters;
}

}  // namespace

Result<std::vector<Counters>> read_counters(clickhouse::Client& client,
                                            const std::vector<CountersAsked>& asked, int64_t at_us) {
  std::vector<Counting> countings;
  for (const CountersAsked& one : asked) {
    Experiment plain = *one.experiment;
    plain.dimensions.clear();
    std::string exposures = exposures_of(plain, {.exposures = one.exposures});
    countings.push_back({one.experiment, "(" + exposed_sql(plain, exposures, {.at_us = at_us}) + ")"});
  }
  return count_units(client, countings, at_us);
}

Result<Counters> counters_of_units(clickhouse::Client& client, const Experiment& experiment,
                                   const UnitParts& units, int64_t at_us) {
  return TRY(count_units(client, {{&experiment, units.all}}, at_us)).front();
}

Result<ExperimentSums> sums_of_units(clickhouse::Client& client, const Experiment& experiment,
                                     const UnitQuery& query, const UnitParts& units,
                                     const SumsOptions& options) {
  ExperimentSums sums{.at_us = options.at_us};
  sums.counters = TRY(counters_of_units(client, experiment, units, options.at_us));
  SumsReading reading(client, experiment, query, units);
  TRY_VOID(reading.read_caps());
  sums.metrics = TRY(reading.read_all());
  for (const std::string& dimension : options.dimensions)
    sums.dimensions.push_back(TRY(reading.read_dimension(dimension)));
  return sums;
}

Result<ExperimentSums> read_sums(clickhouse::Client& client, const Experiment& experiment,
                                 const std::vector<const Metric*>& metrics, const SumsOptions& options) {
  UnitTable table(client, experiment);
  UnitQuery query = TRY(table.fill(metrics, exposures_of(experiment, options), {.at_us = options.at_us}));
  return sums_of_units(client, experiment, query, {.all = table.name()}, options);
}

}  // namespace tidemark::experiments
