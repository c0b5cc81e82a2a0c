#include "experiments/kept_units.h"

#include "base/log.h"
#include "clickhouse/schema.h"
#include "experiments/experiments_limits.h"
#include "experiments/exposure_model.h"
#include "models/query_settings.h"

#include <fmt/format.h>
#include <future>

namespace tidemark::experiments {
namespace {

Result<uint64_t> number_of(clickhouse::Client& client, const std::string& sql) {
  Block found = TRY(client.query(sql, unit_query_options()));
  return found.rows() == 1 ? found.columns[0].get<uint64_t>(0) : 0;
}

// All that decides what the rows are, but for the time.
std::string definition_of(const Experiment& experiment, const std::vector<const Metric*>& metrics,
                          const std::string& exposures) {
  return exposed_sql(experiment, exposures, {}) + exposures_sql(experiment) +
         unit_query(experiment, metrics, "", {}).sql;
}

}  // namespace

void KeptUnits::touched(clickhouse::Client& client, const models::TouchedKeys& keys) {
  std::lock_guard lock(listing_);
  if (lost_) return;
  clickhouse::QueryOptions options;
  options.settings = models::model_query_settings();
  // All of them: who follows the list counts them.
  options.parameters = {{"cut", std::to_string(keys.cut)},
                        {"key_offset", "0"},
                        {"key_count", std::to_string(limits::touched_units_a_cut_max)}};
  any_touched_ = true;
  auto written = client.execute(fmt::format("INSERT INTO {} SELECT unit FROM ({}) WHERE isNotNull(unit)",
                                            touched_, keys.model.keyed.touched_keys),
                                options);
  if (written) return;
  lost_ = true;
  log::info(
      "experiments: what a cut touched could not be written down, so the next read-out is made anew: {}",
      written.error().describe());
}

void KeptUnits::all_touched() {
  std::lock_guard lock(listing_);
  lost_ = true;
}

// A new list; what the one before is called goes to `closed`.
Status KeptUnits::open_list(clickhouse::Client& client, const Experiment& experiment,
                            const std::string& exposures, std::string& closed) {
  std::string fresh = new_unit_table(experiment, kept_units, "touched");
  TRY_VOID(make_unit_table(client, fresh,
                           fmt::format("SELECT unit FROM {} LIMIT 0", base_.empty() ? exposures : base_)));
  std::lock_guard lock(listing_);
  closed = std::exchange(touched_, fresh);
  any_touched_ = false;
  return {};
}

Status KeptUnits::make(clickhouse::Client& client, const Experiment& experiment,
                       const std::vector<const Metric*>& metrics, const std::string& exposures,
                       int64_t at_us) {
  drop(client);
  TRY_VOID(client.execute(fmt::format("CREATE DATABASE IF NOT EXISTS {}", exposures_database)));
  std::string none;
  TRY_VOID(open_list(client, experiment, exposures, none));
  {
    std::lock_guard lock(listing_);
    lost_ = false;
  }
  UnitTable units(client, experiment, kept_units);
  ReadAsOf as_of{.at_us = at_us, .units_a_slice = units_a_slice_, .keeps = true};
  TRY(units.fill(metrics, exposures, as_of));
  unsorted_ = units.is_sliced();
  sorting_left_ = false;
  base_rows_ = TRY(number_of(client, "SELECT count() FROM " + units.name()));
  later_ = new_unit_table(experiment, kept_units, "later");
  TRY_VOID(
      make_unit_table(client, later_,
                      fmt::format("{}\nUNION ALL\nSELECT unit, next_us AS at_us FROM {} WHERE next_us != 0",
                                  later_exposures_sql(experiment, as_of), units.name())));
  replaced_ = new_unit_table(experiment, kept_units, "replaced");
  TRY_VOID(make_unit_table(client, replaced_, fmt::format("SELECT * FROM {} LIMIT 0", units.name())));
  changed_ = new_unit_table(experiment, kept_units, "changed");
  TRY_VOID(make_unit_table(
      client, changed_,
      fmt::format("SELECT * EXCEPT number, toUInt64(0) AS tm_version, toUInt8(0) AS tm_gone FROM {} LIMIT 0",
                  units.name()),
      "ReplacingMergeTree(tm_version, tm_gone) ORDER BY unit"));
  Block described = TRY(client.query(
      fmt::format(
          "SELECT arrayStringConcat(groupArray(name), ', ') FROM (SELECT name FROM system.columns WHERE "
          "concat('`', database, '`.`', table, '`') = {} AND name != 'number' ORDER BY position)",
          clickhouse::quote_string(units.name())),
      unit_query_options()));
  columns_ = described.columns[0].text(0);
  base_ = units.release();
  base_sums_ = {};
  changed_rows_ = version_ = 0;
  fingerprint_ = definition_of(experiment, metrics, exposures);
  return {};
}

UnitParts KeptUnits::parts() {
  UnitParts parts{.all = base_, .base = base_, .sums = &base_sums_};
  if (changed_rows_ == 0) return parts;
  parts.changed = fmt::format("(SELECT {} FROM {} FINAL WHERE tm_gone = 0)", columns_, changed_);
  parts.replaced = replaced_;
  parts.all = fmt::format("(SELECT {0} FROM {1} WHERE number NOT IN (SELECT number FROM {2}) UNION ALL {3})",
                          columns_, base_, replaced_, parts.changed);
  return parts;
}

// False: so much has changed that it is cheaper to begin anew.
Result<bool> KeptUnits::follow(clickhouse::Client& client, const Experiment& experiment,
                               const std::vector<const Metric*>& metrics, const std::string& exposures,
                               int64_t at_us, uint64_t& recomputed) {
  bool due = next_later_us_ != 0 && next_later_us_ <= at_us;
  {
    std::lock_guard lock(listing_);
    if (!any_touched_ && !due) return true;
  }
  std::string list;
  TRY_VOID(open_list(client, experiment, exposures, list));
  struct Dropped {
    clickhouse::Client& client;
    const std::string& table;
    ~Dropped() { (void)drop_unit_table(client, table); }
  } dropped{client, list};
  if (due)
    TRY_VOID(client.execute(fmt::format("INSERT INTO {} SELECT unit FROM {} WHERE at_us > {} AND at_us <= {}",
                                        list, later_, at_us_, at_us)));
  recomputed = TRY(number_of(client, fmt::format("SELECT uniqExact(unit) FROM {}", list)));
  if (recomputed == 0) return true;  // cuts touched none
  if (recomputed > limits::touched_units_least && recomputed > base_rows_ / limits::touched_units_part)
    return false;
  ReadAsOf as_of{.at_us = at_us, .only = list, .keeps = true};
  ++version_;
  // What the base has of them counts no more. Beside the others: it reads other tables.
  auto replacing = std::async(std::launch::async, [&]() -> Result<uint64_t> {
    clickhouse::Client own(client.endpoint());
    TRY_VOID(own.execute(fmt::format("INSERT INTO {0} SELECT * FROM {1} WHERE unit IN (SELECT unit FROM {2}) "
                                     "AND number NOT IN (SELECT number FROM {0})",
                                     replaced_, base_, list),
                         unit_query_options()));
    return number_of(own, later_exposures_count_sql(experiment, as_of));
  });
  std::string seen = new_unit_table(experiment, kept_units, "seen");
  Dropped seen_dropped{client, seen};
  TRY_VOID(make_unit_table(client, seen, exposed_sql(experiment, exposures, as_of), "Memory"));
  UnitQuery query = unit_query(experiment, metrics, seen, as_of);
  TRY_VOID(client.execute(fmt::format("INSERT INTO {} ({}, tm_version, tm_gone) SELECT {}, {}, 0 FROM ({})",
                                      changed_, columns_, columns_, version_, query.sql),
                          unit_query_options()));
  // Who is seen no more has no row at all.
  TRY_VOID(client.execute(
      fmt::format("INSERT INTO {0} (unit, tm_version, tm_gone) SELECT DISTINCT unit, {1}, 1 FROM {2} WHERE "
                  "unit NOT IN (SELECT unit FROM {3}) AND unit IN (SELECT unit FROM {0})",
                  changed_, version_, list, seen),
      unit_query_options()));
  std::string later = fmt::format(
      "SELECT unit, next_us AS at_us FROM {} WHERE tm_version = {} AND next_us != 0", changed_, version_);
  // As a rule there are none, which their times alone say.
  if (TRY(replacing.get()) > 0) later += "\nUNION ALL\n" + later_exposures_sql(experiment, as_of);
  TRY_VOID(client.execute(fmt::format("INSERT INTO {} {}", later_, later), unit_query_options()));
  changed_rows_ += recomputed;
  return true;
}

// What waits to be recomputed. A lost list is everything.
Result<bool> KeptUnits::is_more_than(clickhouse::Client& client, uint64_t units, int64_t at_us) {
  std::string list;
  {
    std::lock_guard lock(listing_);
    if (lost_ || base_.empty()) return true;
    if (any_touched_) list = touched_;
  }
  bool due = next_later_us_ != 0 && next_later_us_ <= at_us;
  if (list.empty() && !due) return false;
  std::string waiting = list.empty() ? "" : "SELECT unit FROM " + list;
  if (due)
    waiting += fmt::format("{}SELECT unit FROM {} WHERE at_us > {} AND at_us <= {}",
                           waiting.empty() ? "" : " UNION ALL ", later_, at_us_, at_us);
  return TRY(number_of(client, fmt::format("SELECT uniqExact(unit) FROM ({})", waiting))) > units;
}

// What has changed becomes part of the base.
Status KeptUnits::merge_changed(clickhouse::Client& client, const Experiment& experiment) {
  std::string merged = new_unit_table(experiment, kept_units, "values");
  auto made = make_unit_table(
      client, merged, "SELECT rowNumberInAllBlocks() AS number, * FROM " + parts().all, kept_units_engine());
  if (!made) {
    (void)drop_unit_table(client, merged);
    return made;
  }
  leave_sorting(client);
  unsorted_ = false;
  std::string before = std::exchange(base_, merged);
  (void)drop_unit_table(client, before);
  for (const std::string* table : {&changed_, &replaced_})
    TRY_VOID(client.execute("TRUNCATE TABLE " + *table));
  changed_rows_ = 0;
  base_sums_ = {};
  base_rows_ = TRY(number_of(client, "SELECT count() FROM " + base_));
  return {};
}

Result<std::optional<KeptUnits::Brought>> KeptUnits::bring(clickhouse::Client& client,
                                                           const Experiment& experiment,
                                                           const std::vector<const Metric*>& metrics,
                                                           const std::string& exposures, int64_t at_us,
                                                           std::optional<uint64_t> at_most) {
  if (!base_.empty() && at_us < at_us_) return std::optional<Brought>();
  if (at_most && (fingerprint_ != definition_of(experiment, metrics, exposures) ||
                  TRY(is_more_than(client, *at_most, at_us))))
    return std::optional<Brought>();
  Brought brought;
  auto work = [&]() -> Status {
    bool lost = base_.empty() || fingerprint_ != definition_of(experiment, metrics, exposures);
    {
      std::lock_guard lock(listing_);
      lost |= lost_;
    }
    if (!lost) lost = !TRY(follow(client, experiment, metrics, exposures, at_us, brought.recomputed));
    brought.made_anew = lost;
    if (lost) TRY_VOID(make(client, experiment, metrics, exposures, at_us));
    if (changed_rows_ > limits::touched_units_least &&
        changed_rows_ > base_rows_ / limits::touched_units_part)
      TRY_VOID(merge_changed(client, experiment));
    at_us_ = at_us;
    bool same_later = next_later_us_ == 0 || next_later_us_ > at_us;
    if (!lost && brought.recomputed == 0 && same_later) return {};
    Block next = TRY(client.query(
        fmt::format("SELECT minIf(at_us, at_us > {0}), countIf(at_us > {0}) FROM {1}", at_us, later_),
        unit_query_options()));
    next_later_us_ = next.columns[1].get<uint64_t>(0) == 0 ? 0 : next.columns[0].get<int64_t>(0);
    return {};
  };
  if (Status done = work(); !done) {
    all_touched();
    return tl::unexpected(std::move(done.error()));
  }
  brought.query = unit_query(experiment, metrics, "", {.at_us = at_us});
  brought.units = parts();
  return std::optional(std::move(brought));
}

Result<std::optional<KeptUnits::Sorting>> KeptUnits::begin_sorting(clickhouse::Client& client) {
  if (!unsorted_ || sorting_left_ || base_.empty() || !sorted_copy_.empty()) return std::optional<Sorting>();
  std::string copy = base_.substr(0, base_.size() - 1) + "_sorted`";
  Status made = client.execute(
      fmt::format("CREATE TABLE {} ENGINE = {} EMPTY AS SELECT * FROM {}", copy, kept_units_engine(), base_),
      unit_query_options());
  if (!made) {
    sorting_left_ = true;
    return tl::unexpected(std::move(made.error()));
  }
  sorted_copy_ = std::move(copy);
  return std::optional(Sorting{base_, sorted_copy_});
}

bool KeptUnits::is_sorting(const Sorting& sorting) {
  std::lock_guard lock(listing_);
  return !lost_ && base_ == sorting.from && sorted_copy_ == sorting.to;
}

Status KeptUnits::end_sorting(clickhouse::Client& client) {
  auto rows = number_of(client, "SELECT count() FROM " + sorted_copy_);
  if (rows && *rows != base_rows_)
    rows = fail(ErrorKind::internal, fmt::format("{} of {} units are in the sorted copy", *rows, base_rows_));
  if (!rows) {
    leave_sorting(client);
    return tl::unexpected(std::move(rows.error()));
  }
  unsorted_ = false;
  base_ = std::exchange(sorted_copy_, {});
  return {};
}

void KeptUnits::leave_sorting(clickhouse::Client& client) {
  sorting_left_ = true;
  if (!sorted_copy_.empty()) (void)drop_unit_table(client, std::exchange(sorted_copy_, {}));
}

void KeptUnits::drop(clickhouse::Client& client) {
  std::string list;
  {
    std::lock_guard lock(listing_);
    lost_ = true;
    list = std::exchange(touched_, {});
  }
  for (std::string* table : {&base_, &sorted_copy_, &changed_, &replaced_, &later_, &list})
    if (!table->empty()) (void)drop_unit_table(client, std::exchange(*table, {}));
  fingerprint_.clear();
  unsorted_ = false;
}

Status drop_kept_units(clickhouse::Client& client) {
  Block found = TRY(client.query(
      fmt::format("SELECT name FROM system.tables WHERE database = '{}' AND startsWith(name, '{}')",
                  exposures_database, kept_units)));
  for (size_t row = 0; row < found.rows(); ++row)
    TRY_VOID(drop_unit_table(
        client, clickhouse::quote_table(exposures_database, std::string(found.columns[0].text(row)))));
  return {};
}

}  // namespace tidemark::experiments
