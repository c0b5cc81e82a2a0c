#include "experiments/unit_query.h"

#include "experiments/unit_rows.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::experiments {
namespace {

class Builder {
 public:
  Builder(const Experiment& experiment, const std::vector<const Metric*>& metrics, const ReadAsOf& as_of)
      : experiment_(experiment),
        keeps_(as_of.keeps),
        looks_ahead_(as_of.looks_ahead()),
        measures_(experiment, metrics, as_of.at_us),
        rows_(experiment, measures_, as_of) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  const std::vector<UnitValues>& values() const { return measures_.values(); }
  const UnitRows& rows() const { return rows_; }

  std::string sql(const std::string& exposed) {
    std::vector<std::string> folds;
    if (looks_ahead_) folds.push_back("toInt64(minIf(tm_next, tm_next != 0)) AS next_us");
    for (const Measure& measure : measures_.all()) {
      std::vector<std::string> aggregated;
      for (const Aggregate& one :
           aggregates_of(measure, measures_.row_column(measure), measures_.value_column(measure)))
        aggregated.push_back(one.of_rows());
      folds.push_back(fmt::format("{} AS {}", folded(measure, aggregated), measure.output()));
    }
    return units_sql(exposed, folds, measures_.tables().empty() ? "" : "(\n" + rows_.sql(exposed) + "\n)");
  }

  // SELECT tm_number, tm_point, the states of aggregates: what each point of a series adds to a unit.
  std::string states_sql(const std::string& exposed) {
    std::vector<std::string> states;
    for (const Measure& measure : measures_.all()) {
      auto aggregates =
          aggregates_of(measure, measures_.row_column(measure), measures_.value_column(measure));
      for (size_t place = 0; place < aggregates.size(); ++place)
        states.push_back(fmt::format("{}State({}) AS {}", aggregates[place].function,
                                     aggregates[place].arguments, state_column(measure, place)));
    }
    return fmt::format("SELECT tm_number, tm_point, {}\nFROM\n(\n{}\n)\nGROUP BY tm_number, tm_point",
                       fmt::join(states, ",\n    "), rows_.sql(exposed));
  }

  // The same as sql() of those up to a point.
  std::string point_sql(const std::string& exposed, const std::string& states, size_t point) {
    std::vector<std::string> folds;
    for (const Measure& measure : measures_.all()) {
      auto aggregates =
          aggregates_of(measure, measures_.row_column(measure), measures_.value_column(measure));
      std::vector<std::string> aggregated;
      for (size_t place = 0; place < aggregates.size(); ++place)
        aggregated.push_back(
            fmt::format("{}Merge({})", aggregates[place].function, state_column(measure, place)));
      folds.push_back(fmt::format("{} AS {}", folded(measure, aggregated), measure.output()));
    }
    return units_sql(exposed, folds, fmt::format("{}\nWHERE tm_point <= {}", states, point));
  }

 private:
  static std::string state_column(const Measure& measure, size_t place) {
    return fmt::format("tm_state_{}_{}", measure.index, place);
  }

  // `rows`: what follows FROM; empty: there are none.
  std::string units_sql(const std::string& exposed, const std::vector<std::string>& folds,
                        const std::string& rows) const {
    std::vector<std::string> outputs;
    if (keeps_) {
      outputs.push_back("tm_seen.number AS number");
      outputs.push_back(rows.empty() || !looks_ahead_ ? "toInt64(0) AS next_us"
                                                      : "tm_folded.next_us AS next_us");
    }
    for (const char* column : {"unit", "arm", "known", "several", "first_us"})
      outputs.push_back(fmt::format("tm_seen.{0} AS {0}", column));
    for (const Dimension& dimension : experiment_.dimensions)
      outputs.push_back(fmt::format("tm_seen.dimension_{0} AS dimension_{0}", dimension.name));
    for (const Measure& measure : measures_.all())
      outputs.push_back(fmt::format("{} AS {}", finished(measure), measure.output()));
    std::string selected =
        fmt::format("SELECT {}\nFROM {} AS tm_seen", fmt::join(outputs, ",\n    "), exposed);
    if (rows.empty()) return selected;
    return fmt::format(
        "{}\nANY LEFT JOIN\n(\nSELECT tm_number, {}\nFROM {}\nGROUP BY tm_number\n) AS tm_folded ON "
        "tm_seen.number = tm_folded.tm_number",
        selected, fmt::join(folds, ",\n    "), rows);
  }

  const Experiment& experiment_;
  const bool keeps_, looks_ahead_;
  const Measures measures_;
  const UnitRows rows_;
};

}  // namespace

UnitQuery unit_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                     const std::string& exposed, const ReadAsOf& as_of) {
  Builder builder(experiment, metrics, as_of);
  return {builder.sql(exposed), builder.values()};
}

std::string most_rows_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                          const std::string& exposed, const ReadAsOf& as_of) {
  return Builder(experiment, metrics, as_of).rows().most_rows_sql(exposed);
}

std::string later_rows_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                           const ReadAsOf& as_of) {
  return Builder(experiment, metrics, as_of).rows().later_rows_sql();
}

std::string series_states_sql(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                              const std::string& exposed, const ReadAsOf& as_of) {
  return Builder(experiment, metrics, as_of).states_sql(exposed);
}

UnitQuery point_query(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                      const std::string& exposed, const std::string& states, const ReadAsOf& as_of,
                      size_t point) {
  ReadAsOf then = as_of;
  then.at_us = as_of.points_us.at(point);
  Builder builder(experiment, metrics, then);
  std::string dimensions;
  for (const Dimension& dimension : experiment.dimensions) dimensions += ", dimension_" + dimension.name;
  std::string seen = fmt::format(
      "(SELECT unit, number, known, (several_us != 0 AND several_us <= {0})::UInt8 AS several, {1} AS arm, "
      "first_us{2} FROM {3} WHERE first_us <= {0})",
      then.at_us,
      experiment.multiple_exposure == MultipleExposure::exclude ? "if(several, 0, known)::UInt8" : "known",
      dimensions, exposed);
  return {builder.point_sql(seen, states, point), builder.values()};
}

}  // namespace tidemark::experiments
