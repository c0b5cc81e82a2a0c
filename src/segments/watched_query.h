// Which entities does a cut touch? As a query that a keyed model could have: the entities of a group of
// definitions, joined with every table that their conditions read, grouped by the entity's key. Kept as a
// model that is only watched (config::ModelFile::watch), it is told of every entity whose answer can be
// another after a cut, found the way keyed models find their keys: by materialized views where the change
// carries the key, by a join with the cut's change rows where it does not.
//
// Conditions over lists that are kept by hand are not in it: who changes a list says whom that touches.
#pragma once

#include "segments/compile.h"

namespace tidemark::segments {

struct WatchedQuery {
  std::string sql;
  std::vector<std::string> key;  // names of its columns
};

// `definitions` of one group, their references expanded (segment_references.h). Errors: those of the server;
// tables that are missing are left out, compile() complains about them.
Result<WatchedQuery> watched_query(Catalog& catalog, const std::vector<const Definition*>& definitions,
                                   const CompileOptions& options, std::vector<Problem>& problems);

}  // namespace tidemark::segments
