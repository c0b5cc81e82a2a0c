// The rows of one table of bronze that a deletion takes away: they are copied aside first, then removed, then
// everything that was made of them is corrected by the copies (dependent_views.h). The copies look like
// change rows that take away: _sign is -1, _cut is the deletion's own.
//
// Whoever calls sees to it that no row of these may still come in: they are all behind a fence, and their ids
// are suppressed. Each call may be repeated.
#pragma once

#include "clickhouse/client_pool.h"
#include "profiles/profile_plan.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tidemark::profiles {

struct ErasableTable {
  std::string name;              // in bronze
  bool log = false;              // rows are only ever added
  std::vector<std::string> key;  // empty: rows are known by their version
  std::vector<std::string> columns;
  // Where people INSERT it, and its inbox, quoted; empty: they do not.
  std::string people, inbox;

  std::string bronze() const;
};

// `tidemark`.`erased_7_app_events`
std::string aside_table(uint64_t deletion, const std::string& table);
// The number of the cut that a deletion is to those who count by cuts: of a stream that no source has.
uint64_t cut_of(uint64_t deletion);

// Those that fulfil `condition`; how many.
Result<uint64_t> put_aside(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
                           const std::string& condition);
// What is aside goes, in all its versions.
Status remove_rows(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table);
Status drop_aside(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table);

}  // namespace tidemark::profiles
