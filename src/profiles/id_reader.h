// Ids of what is sent, before it is anywhere: the same rules as id_sql.h, in the program. Used only while ids
// are suppressed, so nothing of it is paid for by those who suppress none. Pure.
#pragma once

#include "ingest/event_record.h"
#include "profiles/profile_definition.h"

#include <string>
#include <string_view>

namespace tidemark::profiles {

// The id that an event belongs by, "kind:value": the strongest it has. Empty: none.
std::string strongest_id(const Definition& definition, const ingest::EventRow& event);
// Of a row of a table, as a line of JSON.
std::string strongest_id(const Definition& definition, const IdTable& table, std::string_view line);
// "email: Ann@Example.com" as the id it would be, "email:ann@example.com"; empty: it is none.
std::string canonical_id(const Definition& definition, const std::string& asked);

}  // namespace tidemark::profiles
