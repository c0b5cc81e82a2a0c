// One run of a refresh model: fill the second table, let both change places, write down what happened.
//
// What the run is as of. The tables a query reads are taken hold of while it is planned, so the run begins at
// a fence (RefreshHooks::at_fence: between two cuts of every source) and cuts go on as soon as its first row
// is read. It then sees exactly what was there at that fence, however long it takes. Only a subquery that is
// computed while planning (a scalar one) reads before the tables behind it are held; for such models cuts
// wait until the run ends or limits::refresh_hold_max has passed.
//
// Never empty or partial: EXCHANGE TABLES is atomic, and the table that went out of use keeps its rows until
// the next run, for queries that had already found it. A run that fails or is killed leaves the result
// before; whatever it left in the second table is removed by the next run, after a query of an earlier life
// that may still write there has been killed (it has the run's name as its id).
//
// tidemark.refreshes: one row a run, kept limits::refresh_facts_days.
#pragma once

#include "base/clock.h"
#include "clickhouse/client_pool.h"
#include "models/compiled_model.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::models {

struct FencePosition {
  std::string source;
  uint64_t epoch = 0, cut = 0, end_lsn = 0;
  bool operator==(const FencePosition&) const = default;
};

struct RefreshRun {
  std::string model, fingerprint;
  int64_t started_at = 0, finished_at = 0;  // wall clock, microseconds; also what the model's now() is
  uint64_t rows = 0, bytes = 0;
  std::string error;  // empty: good
  std::vector<FencePosition> as_of;
};

struct RefreshHooks {
  // Runs the action between two cuts of every source. Empty: nothing is applied meanwhile anyway, or the
  // caller does not mind.
  std::function<Status(const std::function<Status()>& action)> at_fence;
  // Asked before the result is shown, with the table that holds it; an error keeps the result before.
  std::function<Status(const CompiledModel& model, const std::string& table)> before_swap;
  // The new result is what readers see.
  std::function<void(const CompiledModel& model)> after_swap;
};

// Creates database and table when they are not there.
Status prepare_refresh_facts(clickhouse::Client& client);

// The error of the run is in `error` of what is returned too. Errors: those of the queries; limit when it
// took too long or too much memory; cancelled when `stop` became true.
Result<RefreshRun> run_refresh(clickhouse::ClientPool& pool, const CompiledModel& model,
                               const RefreshHooks& hooks, const Clock& clock, const std::atomic<bool>& stop);

// The last good run of each model, with the fingerprint it had.
Result<std::map<std::string, RefreshRun>> last_refreshes(clickhouse::Client& client);
// Of one; nothing when it has never run under this fingerprint.
Result<std::optional<RefreshRun>> last_refresh(clickhouse::Client& client, const CompiledModel& model);

// What now() was for the rows that the model shows, in microseconds: of its last run, or, when it has only
// been filled by apply, when its table was made.
Result<int64_t> instant_of_result(clickhouse::Client& client, const CompiledModel& model);

}  // namespace tidemark::models
