// What is left of a person in the warehouse after everything was corrected: history that is kept by person,
// outdated versions of rows, tombstones, keys that were once touched. It is taken off the disk, and what is
// found afterwards is told.
//
// Two ways. Tables that keep something by entity (memberships, notifications, lists) are known by name: there
// the person's rows go. In every other table of the warehouse texts are looked for that are an id of the
// person, as a whole; of what is found only what nobody sees goes: versions of rows that are not the newest,
// tombstones, groups without rows, keys of cuts that are fenced. Rows that are seen stay and are counted:
// they are the source's (a mirrored table) or another person's (who wrote down this one's id).
#pragma once

#include "clickhouse/client_pool.h"
#include "profiles/profile_definition.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tidemark::profiles {

struct Traces {
  const Definition& definition;
  std::vector<std::string> ids, people;   // as of a Deletion
  std::vector<std::string> row_keys;      // of erased rows that are entities themselves
  std::vector<std::string> row_entities;  // and how their table is called in segments
};

// What was told of the person: a JSON list of {"destination", "subject", "type", "at", "state"}.
Result<std::string> told_outside(clickhouse::ClientPool& pool, const Traces& traces);

// Rows by table ("tidemark.outbox"). `removed`: taken off the disk. `left`: what is seen and still has an id.
struct TraceCounts {
  std::map<std::string, uint64_t> removed, left;
};
// Between two cuts of all sources: keys of cuts under way are not traces.
Status remove_touched_keys(clickhouse::ClientPool& pool, const Traces& traces, TraceCounts& counts);
Status remove_traces(clickhouse::ClientPool& pool, const Traces& traces, TraceCounts& counts);

}  // namespace tidemark::profiles
