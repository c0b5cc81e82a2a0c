// Rows of one table that are to say less of somebody than they do (redaction_files.h). Two images of each are
// put aside first: the one there is, as a row that goes, and the one it gets, as a row that comes. The second
// takes the place of the first in the table, and everything that was made of the first is corrected by both
// (dependent_views.h). What goes and what comes have versions of their own, the old one's plus 1 and plus 2:
// rows of these tables never change by themselves, so nothing else has them.
//
// Each call may be repeated. The old image is no longer seen after take_place(), and off the disk only after
// remove_old_images().
#pragma once

#include "profiles/erased_rows.h"

namespace tidemark::profiles {

// What a redaction's SELECT gives, by the names of its columns. Errors: config, when it lacks a column of the
// key, or sets one that the table has not or that is of its key.
Result<std::vector<std::string>> columns_to_set(clickhouse::Client& client, const ErasableTable& table,
                                                const std::string& select);
// True when the SELECT gives a row.
Result<bool> has_rows(clickhouse::ClientPool& pool, const std::string& select);

struct PutAside {
  uint64_t rows = 0;
  std::vector<std::string> texts;  // that are to be found nowhere
  std::vector<std::string> keys;   // of the rows; of both at most one more than limits::redacted_texts_max
};
Result<PutAside> put_images_aside(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
                                  const std::string& select);

// In bronze; between two cuts of all sources. What people INSERT into gets its rows by an INSERT.
Status take_place(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table);
// Out of the table, or out of the one people know and its inbox.
Status remove_old_images(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table);
Status drop_images(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table);
// Some that were rewritten are asked for again.
Result<bool> asks_again(clickhouse::ClientPool& pool, uint64_t deletion, const ErasableTable& table,
                        const std::string& select);

}  // namespace tidemark::profiles
