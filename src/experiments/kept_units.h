// The table of units of one experiment, kept between questions, so that a question costs what has changed:
//
//   base     every unit that was seen, with its values: what unit_query() makes, once. Written as it is
//            found, for the first answer; then copied in the order of units (units_sorter.h), and the copy is
//            the base from then on
//   changed  the rows of units that were touched since, newest version; `gone`: seen no more
//   replaced the base's rows that count no more
//   touched  units that cuts touched since `changed` was last brought up to date
//   later    units with exposures or rows of the future, and when these will count
//
// read as one: base without what is replaced, and changed. The sums of the base are kept, too, so that most
// metrics of a question cost the rows of replaced and changed (UnitParts).
//
// Exact, because a unit's row is a function of its own exposures and rows up to an instant. A cut tells which
// units' rows it changed (watched_units.h) after the rows are in, so whoever takes the list before reading
// misses nothing; time alone changes only units in `later`. Windows that close, caps, quantiles, dimensions
// and the corrections are computed from the units' rows by every question (experiment_sums.h).
//
// Whenever it cannot be sure that it was told of everything - a list that could not be written, a new copy of
// a table, another definition, a deployment - it says so and is made anew by the next question. It belongs to
// a process; what a killed one left is dropped at the next start.
//
// Threads: touched(), all_touched() any; of the others one at a time.
#pragma once

#include "experiments/experiment_sums.h"
#include "experiments/experiments_limits.h"
#include "experiments/unit_table.h"
#include "models/runtime.h"

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tidemark::experiments {

class KeptUnits {
 public:
  // `watched`: the models that tell of it.
  explicit KeptUnits(std::set<std::string> watched, uint64_t units_a_slice = limits::slice_units)
      : watched_(std::move(watched)), units_a_slice_(units_a_slice) {}

  // Of a cut. Never fails: what could not be written down makes the next bring() begin anew.
  void touched(clickhouse::Client& client, const models::TouchedKeys& keys);
  void all_touched();

  struct Brought {
    UnitQuery query;
    UnitParts units;          // until the next call
    bool made_anew = false;   // not from what was kept
    uint64_t recomputed = 0;  // units
  };
  // Up to date with all cuts that were told before the call, as of `at_us`. After an error the next call
  // begins anew. Empty optional: the time lies before that of an earlier question, or there is more to do
  // than `at_most` units; nothing was done then.
  Result<std::optional<Brought>> bring(clickhouse::Client& client, const Experiment& experiment,
                                       const std::vector<const Metric*>& metrics,
                                       const std::string& exposures, int64_t at_us,
                                       std::optional<uint64_t> at_most = std::nullopt);
  // Of the last question.
  int64_t at_us() const { return at_us_; }
  uint64_t size() const { return base_rows_; }

  // Whether the base is as it was found: slower to find few units in.
  bool is_unsorted() const { return unsorted_; }
  // The base and its copy; names of tables.
  struct Sorting {
    std::string from, to;
  };
  // Makes an empty copy. Nothing: there is nothing to sort.
  Result<std::optional<Sorting>> begin_sorting(clickhouse::Client& client);
  // False: what is copied is the base no more, or soon will not be, or the copy is gone.
  bool is_sorting(const Sorting& sorting);
  // The copy is the base now; what was it before is the caller's to drop. Error: the copy is not whole, and
  // was dropped.
  Status end_sorting(clickhouse::Client& client);
  // The base stays as it is, until it is made anew.
  void leave_sorting(clickhouse::Client& client);

  void drop(clickhouse::Client& client);
  const std::set<std::string>& watched() const { return watched_; }

 private:
  Status make(clickhouse::Client& client, const Experiment& experiment,
              const std::vector<const Metric*>& metrics, const std::string& exposures, int64_t at_us);
  Result<bool> follow(clickhouse::Client& client, const Experiment& experiment,
                      const std::vector<const Metric*>& metrics, const std::string& exposures, int64_t at_us,
                      uint64_t& recomputed);
  // Whether that many units or more wait.
  Result<bool> is_more_than(clickhouse::Client& client, uint64_t units, int64_t at_us);
  Status merge_changed(clickhouse::Client& client, const Experiment& experiment);
  Status open_list(clickhouse::Client& client, const Experiment& experiment, const std::string& exposures,
                   std::string& closed);
  UnitParts parts();

  const std::set<std::string> watched_;
  const uint64_t units_a_slice_;
  std::string fingerprint_;  // of the definition that the rows are of
  std::string columns_;
  std::string base_, changed_, replaced_, later_;
  std::string sorted_copy_;  // of the base, while it is made
  bool unsorted_ = false, sorting_left_ = false;
  uint64_t base_rows_ = 0, changed_rows_ = 0, version_ = 0;
  int64_t at_us_ = 0;
  int64_t next_later_us_ = 0;  // the earliest of `later`; 0: none
  BaseSums base_sums_;

  std::mutex listing_;  // of what follows
  std::string touched_;
  bool any_touched_ = false, lost_ = true;
};

// What a killed process left. Only while no process of the project runs.
Status drop_kept_units(clickhouse::Client& client);

}  // namespace tidemark::experiments
