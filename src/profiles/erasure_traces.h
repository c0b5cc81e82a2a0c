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

#include <atomic>
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

// The same for texts, anywhere in the columns of any table, also inside of longer ones: versions of rows that
// are not seen go, and what Tidemark has written down of them (notifications, quarantine, results of audits).
Status remove_touched_texts(clickhouse::ClientPool& pool, const std::vector<std::string>& texts,
                            TraceCounts& counts);
// `keys`: of rows that were rewritten; what is kept by one of them goes whatever it says, when it is not
// seen.
Status remove_texts(clickhouse::ClientPool& pool, const std::vector<std::string>& texts,
                    const std::vector<std::string>& keys, TraceCounts& counts);

// Waits until every destination is past the notifications that fulfil `condition` (columns of
// tidemark.outbox), not for ever: exits are told before what would tell them is removed.
Status wait_until_told(clickhouse::ClientPool& pool, const std::string& condition,
                       const std::atomic<bool>& stop);

}  // namespace tidemark::profiles
