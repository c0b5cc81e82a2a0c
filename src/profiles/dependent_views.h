// Everything that is made of a table's change rows, brought to what it would be if some of its rows had never
// been there. Nothing goes through the table of change rows: a log has no rows that take away, so what hangs
// on it may add states up or keep each row. Instead the SELECT of each materialized view is asked of the rows
// that are aside (erased_rows.h), and what it gives is taken out of the view's target in the target's own
// way:
//
//   sums                          the negative sums are inserted
//   rows that replace each other  a tombstone is inserted
//   rows of a log                 deleted by their version
//   states                        cannot be taken back: their groups are deleted and made again from the
//                                 rows that are left
//   touched keys, by cut          inserted under the deletion's cut, for the runtime to follow
//
// To be called between two cuts of all sources, when the rows are gone from the table itself; it may be
// called again after a kill, before the next cut (inserts have tokens). Views of somebody else's are told,
// not touched.
#pragma once

#include "profiles/erased_rows.h"

#include <atomic>

namespace tidemark::profiles {

struct CorrectedViews {
  size_t targets = 0;
  std::vector<std::string> foreign;  // views we know nothing of
};

Result<CorrectedViews> correct_dependents(clickhouse::ClientPool& pool, uint64_t deletion,
                                          const ErasableTable& table, const std::atomic<bool>& stop);

}  // namespace tidemark::profiles
