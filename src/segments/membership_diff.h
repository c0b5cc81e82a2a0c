// The oracle's answer beside the memberships there are, as one query: who flips, and when to look again.
#pragma once

#include "segments/compile.h"

#include <optional>
#include <string>
#include <vector>

namespace tidemark::segments {

struct DiffQuery {
  std::string sql;
  CompiledSegments compiled;
};

// Columns of the answer, a row for each entity that has something to tell:
//   entity String, due Int64 (the next instant to look at it; `never`), flips Array(UInt16) (which of
//   `segments`, from 0), entered Array(UInt8), previous Array(UInt64) (seq of the change before; 0: none),
//   there UInt8 (it is an entity now)
// `segments`: names, in the order of the compiled definitions. With `by_key` the parameter entities
// (Array(String)) names those that are asked for, beside the keys that query_options() binds.
DiffQuery diff_query(CompiledSegments compiled, const std::vector<std::string>& segments, bool by_key);

// Above `after` and up to `upto`, as texts; nothing: without that bound.
struct KeyRange {
  std::optional<std::string> after, upto;
};

// `range`: of a query that has one (CompiledSegments::range_type).
clickhouse::QueryOptions diff_options(const DiffQuery& query, const std::vector<std::string>& segments,
                                      int64_t as_of, const std::vector<std::string>* entities,
                                      const KeyRange& range = {});

// The texts of an entity's key columns, from its name.
std::vector<std::string> key_of_entity(const std::string& entity, size_t columns);

}  // namespace tidemark::segments
