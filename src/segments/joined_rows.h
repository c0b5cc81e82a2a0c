// What a condition needs from rows of other tables, grouped so that there is one row per entity to join:
// related rows, the users of an account, the history of a value. Each has a query with key columns of its
// own, texts, and a truth over the columns it adds.
#pragma once

#include "segments/compile.h"
#include "segments/event_sql.h"

namespace tidemark::segments {

struct Joined {
  std::string sql;
  std::vector<std::string> columns;  // of sql: equal to the texts of the entity's (or row's) columns
  Truth truth;
  std::string observed;
};

// `id`: prefix of its column names. `types`: of the columns that `related.of` names, found by the caller.
Result<Joined> related_rows(SqlContext& context, Catalog& catalog, const Related& related,
                            const KeyFilter& keys, const std::string& id, const Location& where);

// The instant since which the property of the entity has been one of the values: column <id>_since, 0 when it
// is not known.
Result<Joined> value_history(SqlContext& context, const TableShape& shape,
                             const std::vector<std::string>& key, const KeyFilter& keys,
                             const PropertyCondition& condition, const std::string& id,
                             const Location& where);

}  // namespace tidemark::segments
