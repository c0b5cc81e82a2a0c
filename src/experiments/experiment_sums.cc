#include "experiments/experiment_sums.h"

#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"
#include "experiments/unit_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::experiments {
namespace {

std::string with_if(const char* function, const std::string& argument, const std::string& condition) {
  return condition.empty() ? fmt::format("{}({})", function, argument)
                           : fmt::format("{}If({}, {})", function, argument, condition);
}

// The columns of a metric's sums in a query, and back.
class SumColumns {
 public:
  SumColumns(const UnitValues& values, size_t index, std::optional<double> cap, std::string counted)
      : variables_(variables_of(values.shape)), counted_(std::move(counted)), index_(index) {
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

void add(ArmSums& sums, const ArmSums& more, int sign) {
  sums.units += sign * more.units;
  for (int one = 0; one < variables; ++one) {
    sums.sum[one] += sign * more.sum[one];
    for (int other = 0; other < variables; ++other)
      sums.products[one][other] += sign * more.products[one][other];
  }
}

void add(MetricSums& sums, const MetricSums& more, int sign) {
  for (size_t arm = 0; arm < sums.arms.size(); ++arm) add(sums.arms[arm], more.arms[arm], sign);
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
    std::vector<AskedCap> asked;
    for (size_t index = 0; index < query_.metrics.size(); ++index) {
      const UnitValues& values = query_.metrics[index];
      const auto& cap = values.metric->cap;
      if (!cap) continue;
      if (cap->percentile == 0) {
        caps_[index] = cap->value;
        continue;
      }
      std::string condition = values.counted.empty() ? "1" : values.counted;
      if (cap->ignore_zeros) condition += " AND " + values.columns[0] + " != 0";
      asked.push_back({index, cap->percentile, values.columns[0], std::move(condition)});
    }
    if (units_.sums != nullptr) {
      units_.sums->cap_floors.resize(query_.metrics.size());
      TRY_VOID(read_caps_above_floors(asked));
    }
    return asked.empty() ? Status() : read_caps_of_all(asked);
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
  struct AskedCap {
    size_t index = 0;  // of the metric
    double percentile = 0;
    std::string value, condition;
  };

  Status read_caps_of_all(const std::vector<AskedCap>& asked) {
    std::vector<std::string> outputs;
    for (const AskedCap& cap : asked)
      outputs.push_back(fmt::format("quantilesExactIf({}, {})({}, {})", cap.percentile,
                                    std::max(0.0, 1 - limits::cap_floor_share * (1 - cap.percentile)),
                                    cap.value, cap.condition));
    Block found =
        TRY(client_.query(fmt::format("SELECT {} FROM {} WHERE arm != 0", fmt::join(outputs, ", "), table_),
                          unit_query_options()));
    for (size_t place = 0; place < asked.size(); ++place) {
      const Column& levels = found.columns[place];
      size_t first = levels.array_begin(0);
      double cap = levels.element().get<double>(first), floor = levels.element().get<double>(first + 1);
      if (cap != cap) continue;  // NaN of no units
      caps_[asked[place].index] = cap;
      if (units_.sums != nullptr) units_.sums->cap_floors[asked[place].index] = floor;
    }
    return {};
  }

  // The same value out of those above a floor, counted from the top. `asked`: afterwards those for which too
  // few are above it, or none is known.
  Status read_caps_above_floors(std::vector<AskedCap>& asked) {
    std::vector<AskedCap> tried, left;
    std::vector<std::string> inner, outer;
    for (AskedCap& cap : asked) {
      const auto& floor = units_.sums->cap_floors[cap.index];
      if (!floor) {
        left.push_back(std::move(cap));
        continue;
      }
      size_t place = tried.size();
      inner.push_back(
          fmt::format("countIf({0}) AS tm_n{1}, arrayReverseSort(groupArrayIf({2}, {0} AND {2} > "
                      "{3:.17g})) AS tm_top{1}",
                      cap.condition, place, cap.value, *floor));
      outer.push_back(
          fmt::format("toInt64(tm_n{0} - toUInt64({1} * tm_n{0})) AS tm_rank{0}, "
                      "toInt64(length(tm_top{0})), tm_top{0}[tm_rank{0}]",
                      place, cap.percentile));
      tried.push_back(std::move(cap));
    }
    if (!tried.empty()) {
      Block found = TRY(client_.query(fmt::format("SELECT {} FROM (SELECT {} FROM {} WHERE arm != 0)",
                                                  fmt::join(outer, ", "), fmt::join(inner, ", "), table_),
                                      unit_query_options()));
      for (size_t place = 0; place < tried.size(); ++place) {
        int64_t rank = found.columns[place * 3].get<int64_t>(0);
        if (rank > 0 && rank <= found.columns[place * 3 + 1].get<int64_t>(0))
          caps_[tried[place].index] = found.columns[place * 3 + 2].get<double>(0);
        else
          left.push_back(std::move(tried[place]));
      }
    }
    asked = std::move(left);
    return {};
  }

  Result<std::vector<MetricSums>> read_whole(const std::string& table, const std::vector<size_t>& asked) {
    auto levels = TRY(read_levels(table, asked, "''", false));
    return levels.empty() ? empty() : std::move(levels.front().metrics);
  }

  // A cap or a condition where there was none is nothing that moved.
  bool moved(size_t index) const {
    const BaseSums& kept = *units_.sums;
    return kept.counted[index] && kept.counted[index]->empty() == query_.metrics[index].counted.empty() &&
           kept.metrics[index].cap.has_value() == caps_[index].has_value();
  }

  bool same(size_t index) const {
    return moved(index) && *units_.sums->counted[index] == query_.metrics[index].counted &&
           units_.sums->metrics[index].cap == caps_[index];
  }

  // The base's sums, of which only units are read again that count otherwise than before.
  Result<std::vector<MetricSums>> read_parts() {
    BaseSums& kept = *units_.sums;
    if (kept.metrics.size() != every_.size()) {
      kept.metrics = empty();
      kept.counted.assign(every_.size(), std::nullopt);
    }
    std::vector<size_t> anew, other;
    for (size_t index : every_)
      if (!same(index)) (moved(index) ? other : anew).push_back(index);
    if (!other.empty()) TRY_VOID(move_base(other));
    if (!anew.empty()) {
      auto read = TRY(read_whole(units_.base, anew));
      for (size_t index : anew) kept.metrics[index] = std::move(read[index]);
    }
    for (size_t index : every_) {
      kept.counted[index] = query_.metrics[index].counted;
      kept.metrics[index].cap = caps_[index];
      // The definitions of an earlier question are gone.
      kept.metrics[index].metric = query_.metrics[index].metric;
    }
    std::vector<MetricSums> metrics = kept.metrics;
    if (units_.changed.empty()) return metrics;
    auto changed = TRY(read_whole(units_.changed, every_));
    auto replaced = TRY(read_whole(units_.replaced, every_));
    for (size_t index : every_) {
      add(metrics[index], changed[index], 1);
      add(metrics[index], replaced[index], -1);
    }
    return metrics;
  }

  // From what they were to what they are: the sums of units that count otherwise, by both.
  Status move_base(const std::vector<size_t>& moved) {
    BaseSums& kept = *units_.sums;
    std::vector<std::string> outputs{"arm"}, otherwise;
    std::vector<SumColumns> columns;
    for (size_t place = 0; place < moved.size(); ++place) {
      const UnitValues& values = query_.metrics[moved[place]];
      const std::string& counted = *kept.counted[moved[place]];
      std::optional<double> cap = kept.metrics[moved[place]].cap, cap_now = caps_[moved[place]];
      columns.emplace_back(values, 2 * place, cap, counted);
      columns.emplace_back(values, 2 * place + 1, cap_now, values.counted);
      if (counted != values.counted)
        otherwise.push_back(fmt::format("({}) != ({})", counted, values.counted));
      if (cap == cap_now) continue;
      auto variables = variables_of(values.shape);
      for (size_t column = 0; column < variables.size(); ++column)
        if (variables[column] == value || variables[column] == value_before)
          otherwise.push_back(fmt::format("{} > {:.17g}", values.columns[column], std::min(*cap, *cap_now)));
    }
    for (const SumColumns& one : columns) one.add_to(outputs);
    Block found = TRY(
        client_.query(fmt::format("SELECT {}\nFROM {}\nWHERE arm != 0 AND ({})\nGROUP BY arm",
                                  fmt::join(outputs, ",\n    "), units_.base, fmt::join(otherwise, " OR ")),
                      unit_query_options()));
    for (size_t row = 0; row < found.rows(); ++row) {
      size_t arm = found.columns[0].get<uint8_t>(row) - 1u, column = 1;
      for (size_t place = 0; place < moved.size(); ++place) {
        ArmSums& sums = kept.metrics[moved[place]].arms[arm];
        add(sums, columns[2 * place].read(found, row, column), -1);
        add(sums, columns[2 * place + 1].read(found, row, column), 1);
      }
    }
    return {};
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
      columns.emplace_back(query_.metrics[index], index, caps_[index], query_.metrics[index].counted);
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
    SumColumns columns(values, index, std::nullopt, values.counted);
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
  UnitQuery query =
      TRY(table.fill(metrics, exposures_of(experiment, options.exposures), {.at_us = options.at_us}));
  return sums_of_units(client, experiment, query, {.all = table.name()}, options);
}

}  // namespace tidemark::experiments
