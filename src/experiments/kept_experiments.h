// The experiments whose units are kept (kept_units.h) in a running project, one entry each from its first
// question on, dropped when nobody asks any more. Where an experiment cannot be followed, or a question is
// about the past, units are read for that question alone: the answer is the same, only slower.
//
// An answer is true for one fence (fences.h), and names it. Kept units are brought up to date beside the
// cuts, and what these touched meanwhile once more between two of them: few units, so nobody waits long.
// What is read for one question is at a fence when no cut came meanwhile; what takes a moment is read again
// with the cuts held back. Else the answer says why it names none.
//
// Threads: any. Questions about one experiment come one after the other, those about several side by side;
// cuts wait for no question.
#pragma once

#include "experiments/experiment_sums.h"
#include "experiments/fences.h"
#include "experiments/units_sorter.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>

namespace tidemark::experiments {

class KeptExperiments {
 public:
  // `followed`: whether a watched model tells of cuts now.
  explicit KeptExperiments(std::function<bool(const std::string& model)> followed,
                           uint64_t units_a_slice = limits::slice_units)
      : followed_(std::move(followed)), units_a_slice_(units_a_slice) {}

  // Before anything is asked.
  void set_fences(Fences fences) { fences_ = std::move(fences); }

  // For models::WatchHooks.
  void touched(clickhouse::Client& client, const models::TouchedKeys& keys);
  // Something else than cuts changed rows, or what is watched.
  void all_touched();
  // Nothing is sorted any more: before the warehouse stops.
  void stop() { sorter_.stop(); }
  // Drops what is kept; waits for a question that is being answered.
  void forget(clickhouse::Client& client);

  struct Answer {
    ExperimentSums sums;
    bool kept = false;        // from units that are kept
    bool made_anew = false;   // and had to be read for that
    bool sorted = false;      // and are where a few of them are found quickly
    uint64_t recomputed = 0;  // units
    std::string fence;        // a JSON object; empty: none, and why
    std::string no_fence;
  };
  // options.at_us: now.
  Result<Answer> sums(clickhouse::Client& client, const Experiment& experiment,
                      const std::vector<const Metric*>& metrics, SumsOptions options);
  // Read for this question alone, as of any time.
  Result<Answer> read(clickhouse::Client& client, const Experiment& experiment,
                      const std::vector<const Metric*>& metrics, const SumsOptions& options);
  // Counters of now out of units that are kept, when that is quicker than to group exposures.
  Result<std::optional<Counters>> counters(clickhouse::Client& client, const Experiment& experiment,
                                           const std::vector<const Metric*>& metrics,
                                           const SumsOptions& options);

 private:
  using Entry = AskedUnits;
  std::shared_ptr<Entry> entry_of(clickhouse::Client& client, const std::string& experiment,
                                  const std::set<std::string>& watched);
  std::vector<std::shared_ptr<Entry>> entries();
  bool is_followed(const std::optional<std::set<std::string>>& watched) const;
  Status bring_to_fence(clickhouse::Client& client, KeptUnits& units, const Experiment& experiment,
                        const std::vector<const Metric*>& metrics, const SumsOptions& options,
                        KeptUnits::Brought& brought, Answer& answer);
  std::optional<uint64_t> changes_at_fence(Answer& answer);

  const std::function<bool(const std::string&)> followed_;
  const uint64_t units_a_slice_;
  Fences fences_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Entry>> kept_;  // by experiment
  UnitsSorter sorter_;
};

}  // namespace tidemark::experiments
