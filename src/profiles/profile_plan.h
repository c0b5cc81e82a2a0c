// What one step is going to write, as it is written down before it is sent: see profile_keeper.h.
#pragma once

#include "base/column.h"
#include "base/version.h"
#include "clickhouse/client_pool.h"
#include "profiles/profile_tables.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::profiles {

// An id whose profile, or first time, is another one now; '' where it had or has none.
struct IdChange {
  std::string id, old_profile, profile;
  int64_t old_seen = 0, seen = 0;
};
struct EdgeChange {
  uint64_t edge = 0;
  std::string origin;  // of an event: ''; of a row: row_origin()
  std::vector<std::string> ids;
  int64_t at = 0;
  std::string order;
  bool gone = false;
};
// Rows of bronze.<table> that a cut brought.
struct CutRows {
  std::string table;
  uint64_t cut = 0;
  std::string floor;  // a version, in digits: older rows have their cut's number from an earlier epoch
};
// A row of a mirrored table that is there, changed or gone, and whose it was before.
struct RowChange {
  std::string table, row_key, old_profile;
};

// Rows that were taken out of bronze.<table>, which is of events or about people; `aside` has copies of them.
struct ErasedRows {
  std::string table, aside;  // aside: quoted
};

struct Plan {
  uint64_t step = 0;
  std::vector<IdChange> ids;
  std::vector<EdgeChange> edges;
  std::vector<CutRows> cuts;
  std::vector<RowChange> rows;
  std::vector<ErasedRows> erased;  // of tables of events

  bool empty() const {
    return ids.empty() && edges.empty() && cuts.empty() && rows.empty() && erased.empty();
  }
};

// The texts of an Array(String).
std::vector<std::string> text_list(const Column& column, size_t row);
// What an edge is known by. `origin`: as in EdgeChange.
uint64_t edge_hash(const std::string& origin, const std::vector<std::string>& ids);

// One block, so that it is there whole or not at all.
Block plan_block(const Plan& plan);
// The newest plan; nothing when there was none.
Result<std::optional<Plan>> newest_plan(clickhouse::ClientPool& pool, const ProfileTables& tables);

// How the entry of a row among edges is called, as if it were an id.
std::string row_origin(const std::string& table, const std::string& row_key);

// Entries of the table of edges, one an id (and one for a row's origin).
Block edge_block(const std::vector<EdgeChange>& edges, uint64_t version);
// Rows of the map, and its change rows when `signed_rows`.
Block map_block(const ProfileTables& tables, const std::vector<IdChange>& ids, uint64_t step,
                int64_t now_micros, bool signed_rows);

}  // namespace tidemark::profiles
