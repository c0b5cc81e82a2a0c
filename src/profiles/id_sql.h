// Ids as SQL: what of an event, or of a row of a mirrored table, is an id of a person. One place says it, so
// that steps, the whole map and its proof read the same ids.
//
// An id is "kind:value". Values are trimmed, and lowered where the kind ignores case. What is no id: empty,
// longer than limits::id_bytes_max, only zeros and dashes, a word like null or anonymous, a JSON object or
// list, and what the definition blocks.
#pragma once

#include "profiles/profile_definition.h"

#include <string>

namespace tidemark::profiles {

// Words that are no ids, in lower case.
inline constexpr const char* never_ids[] = {"null",      "undefined", "none",  "nil", "nan",  "n/a",  "na",
                                            "anonymous", "unknown",   "guest", "-1",  "true", "false"};

// Array(String) of the ids of an event, strongest first. Over the columns of a table of events.
std::string event_ids(const Definition& definition);
// The same of a row of a mirrored table.
std::string row_ids(const Definition& definition, const IdTable& table);
// String: a value as it would be written in an id, '' when it is none.
std::string id_value(const Definition& definition, const IdKind& kind, const std::string& expression);

}  // namespace tidemark::profiles
