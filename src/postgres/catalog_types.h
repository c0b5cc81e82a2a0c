// From Postgres types to warehouse types: the type map, apart from the catalog queries that feed it.
#pragma once

#include "postgres/catalog.h"

#include <unordered_map>

namespace tidemark::postgres {

// One row of pg_type, what the map needs of it.
struct TypeEntry {
  uint32_t oid = 0;
  std::string name;
  char kind = 'b';        // typtype: b base, d domain, e enum, r range, m multirange, c composite, p pseudo
  uint32_t base = 0;      // domains
  int32_t modifier = -1;  // domains
  uint32_t element = 0;   // true arrays: of what; ranges and multiranges: of what bound
  bool array = false;
  char delimiter = ',';
  std::string send_function;  // C name of the function behind typsend; empty: none
};
using TypeEntries = std::unordered_map<uint32_t, TypeEntry>;

// Fills wire, element_wire, bound_wire, effective_modifier, element_delimiter and target of a column whose
// type_oid, type_modifier, not_null and key_position are set. A type that is not in `types` becomes text.
void map_type(const TypeEntries& types, SourceColumn& column);

}  // namespace tidemark::postgres
