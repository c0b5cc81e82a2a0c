// Which entities does a cut touch? As a query that a keyed model could have: the entities of a group of
// definitions, joined with every table that their conditions read, grouped by the entity's key. Kept as a
// model that is only watched (config::ModelFile::watch), it is told of every entity whose answer can be
// another after a cut, found the way keyed models find their keys: by materialized views where the change
// carries the key, by a join with the cut's change rows where it does not.
//
// Conditions over lists that are kept by hand are not in it: who changes a list says whom that touches.
#pragma once

#include "config/model_file.h"
#include "segments/compile.h"

#include <set>

namespace tidemark::segments {

struct WatchedGroup {
  std::string name;   // "bronze.people#0123456789abcdef"
  std::string model;  // what it is kept as, in database watch_database
  std::string sql;
  std::vector<std::string> key;  // names of its columns
};

inline constexpr const char* watch_database = config::own_models_database;

// Of a group of definitions (group_of): short, and the same as long as its entities, events and zone are.
std::string group_name(const Definition& definition, const CompileOptions& options);
std::string watch_model(const std::string& group_name);

// Of all groups there are. Errors: those of the server; tables that are missing are left out, compile()
// complains about them.
Result<std::vector<WatchedGroup>> watched_groups(Catalog& catalog, const std::vector<Definition>& definitions,
                                                 const CompileOptions& options);

// The same before there are tables: the names of all that definitions read, directly.
std::set<std::string> tables_read(const std::vector<Definition>& definitions,
                                  const std::vector<EventTable>& events);

}  // namespace tidemark::segments
