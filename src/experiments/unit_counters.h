// How many units saw which arm, when the first and the last did, and how many come a day: what the sample
// ratio needs, read from the exposures alone, or from units that are kept (kept_units.h).
//
// Threads: one client a call. Failure: the server's.
#pragma once

#include "clickhouse/client.h"
#include "experiments/definition.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::experiments {

struct Counters {
  std::vector<int64_t> units;         // by arm, by the experiment's policy
  int64_t multiple = 0;               // units that saw more than one variant
  int64_t unknown = 0;                // units whose variant the definition does not have
  int64_t seen = 0;                   // all units
  int64_t first_us = 0, last_us = 0;  // of first exposures; 0: none
  double units_a_day = 0;             // new ones in the last seven days, or as long as there are any

  int64_t total() const;
};

// Units that saw the same: of an arm, or of none that is known (0).
struct UnitCount {
  uint8_t known = 0;
  bool several = false;
  int64_t units = 0, first_us = 0, last_us = 0;
  int64_t recent = 0;  // first seen after some moment
};

// Of a table of units that stays as it is, kept from question to question.
struct BaseCounts {
  std::vector<UnitCount> units;
  int64_t recent_after_us = 0;  // what is recent in them; 0: nothing is counted yet
};

// Of several experiments, in one statement.
struct CountersAsked {
  const Experiment* experiment = nullptr;
  std::string exposures;  // the relation of exposures; empty: the experiment's model
};
Result<std::vector<Counters>> read_counters(clickhouse::Client& client,
                                            const std::vector<CountersAsked>& asked, int64_t at_us);
// Of a table of units.
struct UnitParts;
Result<Counters> counters_of_units(clickhouse::Client& client, const Experiment& experiment,
                                   const UnitParts& units, int64_t at_us);

// What is read when `exposures` is empty.
std::string exposures_of(const Experiment& experiment, const std::string& exposures);

}  // namespace tidemark::experiments
