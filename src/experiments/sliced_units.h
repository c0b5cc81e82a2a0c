// The table of units made slice by slice, where the tables that it is made of are sorted by the unit: each
// question is about the units of one range of names, two at a time. Hash tables of a slice fit the
// processor's caches, and one thread needs no merging of what others found; all units at once cost twice the
// processor time, and the memory of all states.
//
// Exact, because a unit is in one slice with all its rows; what is written meanwhile may be in later slices
// and not in earlier ones, as within one question.
//
// Whether slices are worth it is asked of the warehouse: by a range's conditions it must pass over most rows
// of every table. If not, or what cannot be found out, there are no slices.
//
// Threads: any; of one connection one at a time. Failure: the server's, the first one; other slices are not
// begun then.
#pragma once

#include "clickhouse/client.h"
#include "experiments/unit_query.h"

#include <string>
#include <vector>

namespace tidemark::experiments {

// In order, all units together. One: no slices. `exposures`: as in exposed_sql().
Result<std::vector<UnitRange>> unit_slices(clickhouse::Client& client, const Experiment& experiment,
                                           const std::vector<const Metric*>& metrics,
                                           const std::string& exposures, uint64_t units_a_slice);

struct SlicedUnits {
  const Experiment& experiment;
  const std::vector<const Metric*>& metrics;
  const std::string& exposures;  // as in exposed_sql()
  ReadAsOf as_of;
  const std::string &table, engine;  // that is made
};
// Makes the table. `slices`: several.
Status fill_slices(clickhouse::Client& client, const SlicedUnits& units,
                   const std::vector<UnitRange>& slices);

}  // namespace tidemark::experiments
