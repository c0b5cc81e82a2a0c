#include "experiments/sliced_units.h"

#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"
#include "experiments/exposure_model.h"
#include "experiments/unit_table.h"
#include "segments/key_filter.h"

#include <algorithm>
#include <atomic>
#include <fmt/format.h>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>

namespace tidemark::experiments {
namespace {

// A table that a SELECT reads, and how many rows of it.
struct TableRead {
  std::string database, table;
  uint64_t rows = 0;
};

Result<std::vector<TableRead>> reads_of(clickhouse::Client& client, const std::string& select) {
  Block found = TRY(client.query(
      fmt::format("SELECT database, table, rows FROM (EXPLAIN ESTIMATE {})", select), unit_query_options()));
  std::vector<TableRead> reads;
  for (size_t row = 0; row < found.rows(); ++row)
    reads.push_back({std::string(found.columns[0].text(row)), std::string(found.columns[1].text(row)),
                     found.columns[2].get<uint64_t>(row)});
  return reads;
}

uint64_t rows_of(const std::vector<TableRead>& reads) {
  uint64_t rows = 0;
  for (const TableRead& read : reads) rows += read.rows;
  return rows;
}

Result<std::string> type_of(clickhouse::Client& client, const std::string& expression,
                            const std::string& table) {
  auto described =
      TRY(clickhouse::describe_select(client, fmt::format("SELECT ({}) AS unit FROM {}", expression, table)));
  return segments::bare_type(described.front().type);
}

bool is_integer(const std::string& type) {
  return type.starts_with("Int") || type.starts_with("UInt");
}

// Whether ranges of the one mean the same as ranges of the other.
bool orders_alike(const std::string& type, const std::string& other) {
  return type == other || (is_integer(type) && is_integer(other));
}

std::string literal(const std::string& text, const std::string& type) {
  return type == "String" ? clickhouse::quote_string(text) : text;
}

// Bounds of ranges of about as many units each, in the order of their type: first units of granules, as the
// primary key has them.
Result<std::vector<std::string>> bounds_of(clickhouse::Client& client, const TableRead& store,
                                           const std::string& type, uint64_t slices) {
  Block found = TRY(client.query(
      fmt::format(
          "SELECT toString(tm_unit) FROM (SELECT tm_unit, rowNumberInAllBlocks() AS tm_place, count() "
          "OVER () AS tm_count FROM (SELECT CAST(unit, '{0}') AS tm_unit FROM mergeTreeIndex({1}, {2}) "
          "ORDER BY tm_unit)) WHERE tm_place + 1 != tm_count AND intDiv(tm_place * {3}, tm_count) != "
          "intDiv((tm_place + 1) * {3}, tm_count) GROUP BY tm_unit ORDER BY tm_unit",
          type, clickhouse::quote_string(store.database), clickhouse::quote_string(store.table), slices),
      unit_query_options()));
  std::vector<std::string> bounds;
  for (size_t row = 0; row < found.rows(); ++row) bounds.emplace_back(found.columns[0].text(row));
  return bounds;
}

std::vector<UnitRange> ranges_between(const std::vector<std::string>& bounds, const std::string& type) {
  std::vector<UnitRange> ranges(1);
  for (const std::string& bound : bounds) {
    ranges.back().upto = literal(bound, type);
    ranges.push_back({.after = ranges.back().upto, .upto = std::nullopt});
  }
  return ranges;
}

// Each slice reads what others read, too, where rows of neighbours share a granule.
Result<bool> passes_over(clickhouse::Client& client, const std::string& unit, const std::string& table,
                         const std::vector<UnitRange>& ranges) {
  uint64_t all = rows_of(TRY(reads_of(client, fmt::format("SELECT {} FROM {}", unit, table))));
  const UnitRange& middle = ranges[ranges.size() / 2];
  uint64_t one = rows_of(
      TRY(reads_of(client, fmt::format("SELECT {} FROM {} WHERE {}", unit, table, middle.condition(unit)))));
  return all == 0 || one <= all / ranges.size() * limits::slice_share_max;
}

Result<std::vector<UnitRange>> find_slices(clickhouse::Client& client,
                                           const std::vector<const Metric*>& metrics,
                                           const std::string& exposures, uint64_t units_a_slice) {
  std::vector<UnitRange> whole(1);
  auto stores = TRY(reads_of(client, "SELECT unit FROM " + exposures));
  if (stores.size() != 1 || stores.front().rows < 2 * units_a_slice) return whole;
  std::string type = TRY(type_of(client, "unit", exposures));
  if (type != "String" && !is_integer(type)) return whole;
  std::set<std::pair<std::string, std::string>> tables{{exposures, "unit"}};
  for (const Metric* metric : metrics)
    for (const EventRows* rows : {&metric->rows, metric->denominator ? &*metric->denominator : nullptr})
      if (rows != nullptr) tables.emplace(readable_table(rows->from), rows->unit);
  for (const auto& [table, unit] : tables)
    if (!orders_alike(TRY(type_of(client, unit, table)), type)) return whole;
  uint64_t slices = std::min(stores.front().rows / units_a_slice, limits::slices_max);
  auto ranges = ranges_between(TRY(bounds_of(client, stores.front(), type, slices)), type);
  if (ranges.size() == 1) return whole;
  for (const auto& [table, unit] : tables)
    if (!TRY(passes_over(client, unit, table, ranges))) return whole;
  return ranges;
}

// Of each question. All threads of the server are those of the questions that are under way; one thread needs
// no table to join that several could fill. Questions are alike but for the range, so compiling what they add
// up is paid once.
Result<clickhouse::QueryOptions> slice_options(clickhouse::Client& client) {
  Block found = TRY(client.query(
      "SELECT toUInt64OrZero(extract(value, '[0-9]+')) FROM system.settings WHERE name = 'max_threads'",
      unit_query_options()));
  uint64_t threads = (found.rows() == 1 ? found.columns[0].get<uint64_t>(0) : 0) / limits::slices_at_once;
  clickhouse::QueryOptions options = unit_query_options();
  options.settings["max_threads"] = std::to_string(std::max<uint64_t>(1, threads));
  options.settings["max_insert_threads"] = "1";
  options.settings["compile_aggregate_expressions"] = "1";
  options.settings["min_count_to_compile_aggregate_expression"] = "0";
  if (threads <= 1) options.settings["join_algorithm"] = "hash";
  return options;
}

// What those share that fill at one time.
class Filling {
 public:
  Filling(const SlicedUnits& units, const std::vector<UnitRange>& slices, clickhouse::QueryOptions options)
      : units_(units), slices_(slices), options_(std::move(options)) {}

  // `exposed`: a table of the caller's own.
  Status fill(clickhouse::Client& client, const std::string& exposed) {
    for (size_t place; !failed_ && (place = next_++) < slices_.size();) {
      Status done = fill_one(client, exposed, place);
      if (done) continue;
      failed_ = true;
      return done;
    }
    return {};
  }

 private:
  Status fill_one(clickhouse::Client& client, const std::string& exposed, size_t place) {
    ReadAsOf as_of = units_.as_of;
    as_of.range = slices_[place];
    as_of.place = place;
    TRY_VOID(client.execute("TRUNCATE TABLE " + exposed));
    // The model is sorted by unit and variant, which is what it groups by.
    clickhouse::QueryOptions in_order = options_;
    in_order.settings["optimize_aggregation_in_order"] = "1";
    // The earliest of DateTime64 is not found by compiled aggregates (docs/DECISIONS.md).
    in_order.settings["compile_aggregate_expressions"] = "0";
    TRY_VOID(client.execute(
        fmt::format("INSERT INTO {} {}", exposed, exposed_sql(units_.experiment, units_.exposures, as_of)),
        in_order));
    Block first = TRY(client.query(fmt::format("SELECT min(first_us), count() FROM {}", exposed), options_));
    if (first.columns[1].get<uint64_t>(0) == 0) return {};
    as_of.first_us = first.columns[0].get<int64_t>(0);
    // The first and the last slice are open to one side, where rows of any number of others may lie.
    bool open = !as_of.range.after || !as_of.range.upto;
    as_of.most_rows = !open && TRY(most_rows(client, exposed, as_of));
    return client.execute(fmt::format("INSERT INTO {} {}", units_.table,
                                      unit_query(units_.experiment, units_.metrics, exposed, as_of).sql),
                          options_);
  }

  // As in the slice that asks first.
  Result<bool> most_rows(clickhouse::Client& client, const std::string& exposed, const ReadAsOf& as_of) {
    std::lock_guard lock(asking_);
    if (units_.metrics.empty()) return false;
    if (!most_rows_) {
      Block found =
          TRY(client.query(most_rows_sql(units_.experiment, units_.metrics, exposed, as_of), options_));
      most_rows_ = found.columns[0].get<uint8_t>(0) != 0;
    }
    return *most_rows_;
  }

  const SlicedUnits& units_;
  const std::vector<UnitRange>& slices_;
  const clickhouse::QueryOptions options_;
  std::mutex asking_;
  std::optional<bool> most_rows_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
};

// As a rule none is; to ask all rows for their times at once costs a fraction of asking each in its slice,
// for the next one of its unit and for every metric whether it counts already.
Result<bool> none_is_later(clickhouse::Client& client, const SlicedUnits& units) {
  if (!units.as_of.keeps || units.metrics.empty()) return false;
  Block found =
      TRY(client.query(later_rows_sql(units.experiment, units.metrics, units.as_of), unit_query_options()));
  return found.columns[0].get<uint8_t>(0) == 0;
}

// A table of exposed units of one slice after the other.
class Exposed {
 public:
  Exposed(clickhouse::Client& client, const Experiment& experiment)
      : client_(client), name_(new_unit_table(experiment, asked_units, "exposed")) {}
  Exposed(const Exposed&) = delete;
  Exposed& operator=(const Exposed&) = delete;
  ~Exposed() { (void)drop_unit_table(client_, name_); }
  Status make(const SlicedUnits& units) {
    return client_.execute(fmt::format("CREATE TABLE {} ENGINE = Memory EMPTY AS\n{}", name_,
                                       exposed_sql(units.experiment, units.exposures, units.as_of)),
                           unit_query_options());
  }
  const std::string& name() const { return name_; }

 private:
  clickhouse::Client& client_;
  const std::string name_;
};

}  // namespace

Result<std::vector<UnitRange>> unit_slices(clickhouse::Client& client, const Experiment& experiment,
                                           const std::vector<const Metric*>& metrics,
                                           const std::string& exposures, uint64_t units_a_slice) {
  if (exposures != readable_table(exposures_table(experiment))) return std::vector<UnitRange>(1);
  auto slices = find_slices(client, metrics, exposures, units_a_slice);
  // A server that does not tell, or does not let us ask: what is asked in one question says what is wrong.
  if (!slices && slices.error().kind == ErrorKind::refused) return std::vector<UnitRange>(1);
  return slices;
}

Status fill_slices(clickhouse::Client& client, const SlicedUnits& asked,
                   const std::vector<UnitRange>& slices) {
  SlicedUnits units = asked;
  units.as_of.none_later = TRY(none_is_later(client, asked));
  Filling filling(units, slices, TRY(slice_options(client)));
  Exposed exposed(client, units.experiment);
  TRY_VOID(exposed.make(units));
  TRY_VOID(client.execute(
      fmt::format("CREATE TABLE {} ENGINE = {} EMPTY AS\n{}", units.table, units.engine,
                  unit_query(units.experiment, units.metrics, exposed.name(), units.as_of).sql),
      unit_query_options()));
  std::vector<std::future<Status>> others;
  for (size_t one = 1; one < std::min(limits::slices_at_once, slices.size()); ++one)
    others.push_back(std::async(std::launch::async, [&]() -> Status {
      clickhouse::Client own(client.endpoint());
      Exposed seen(own, units.experiment);
      TRY_VOID(seen.make(units));
      return filling.fill(own, seen.name());
    }));
  Status done = filling.fill(client, exposed.name());
  for (auto& other : others)
    if (Status ended = other.get(); done && !ended) done = std::move(ended);
  return done;
}

}  // namespace tidemark::experiments
