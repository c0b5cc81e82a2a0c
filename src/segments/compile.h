// The SQL oracle: definitions as one query over the warehouse that says who is a member at an instant, and
// for each entity the next instant at which the answer can change by the clock alone. It is the meaning of a
// definition; a faster evaluator has to agree with it.
//
// Several definitions over one entity share one query: one reading of the entities, one of the events, and
// every condition they have in common is computed once. They must agree in entity, key, event tables and zone
// (group_of()).
//
// The query has the parameters as_of (Int64, microseconds) and, when compiled for keys, keys0, keys1, ...:
// query_options() binds them. Compiled for everybody it is about a range of keys where that saves reading
// (range_type); who asks binds the range (everybody.h). Its columns: the key, then member_<i> (UInt8) and
// next_change_at_<i> (Nullable(DateTime64(6, 'UTC'))) for the i-th definition; with `leaves` also leaf_<j>,
// leaf_next_<j> and leaf_value_<j> (what was seen, as text). next_change_at may be early (nothing changes
// then), never late.
//
// Nothing a user wrote is spliced: literals are parameters, names are looked up in the warehouse and quoted.
#pragma once

#include "segments/catalog.h"
#include "segments/membership_limits.h"
#include "segments/property_sql.h"

#include <functional>
#include <string>
#include <vector>

namespace tidemark::segments {

struct CompileOptions {
  std::string time_zone = "UTC";   // the project's
  std::vector<EventTable> events;  // the project's
  bool for_keys = false;
  bool leaves = false;
  // For who asks everybody in slices (everybody.h): about a range of keys where that is possible.
  bool in_slices = false;
  size_t slice = limits::everybody_slice;
  // Definitions by name, for `member`; null: there is none of that name.
  std::function<const Definition*(const std::string&)> lookup;
  std::vector<std::string> segment_names;  // for messages
};

struct CompiledLeaf {
  std::string text;  // canonical
  Location where;    // of its first occurrence
};

struct CompiledSegments {
  std::string sql;
  Parameters parameters;
  std::vector<std::string> key;  // names of the result's first columns
  size_t definitions = 0;
  bool for_keys = false;
  // The query is about a range of keys of this type (KeyFilter::range), and `bounds` asks for the keys
  // between ranges, in their order; both empty: about everybody.
  std::string range_type, bounds;
  std::vector<CompiledLeaf> leaves;
};

// Definitions of one group can be compiled together.
std::string group_of(const Definition& definition, const CompileOptions& options);

// Everything that is wrong is in `problems`; the query is then not to be used. Errors: those of the server.
Result<CompiledSegments> compile(Catalog& catalog, const std::vector<const Definition*>& definitions,
                                 const CompileOptions& options, std::vector<Problem>& problems);

// For Client::query and its siblings. `keys`: one text per key column for each entity.
clickhouse::QueryOptions query_options(const CompiledSegments& compiled, int64_t as_of_us,
                                       const std::vector<std::vector<std::string>>& keys = {});

}  // namespace tidemark::segments
