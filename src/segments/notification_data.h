// `data` of a notification that somebody entered or left a segment, as JSON text.
#pragma once

#include "segments/definition.h"
#include "segments/membership_store.h"

namespace tidemark::segments {

// `key`, `columns`: texts and names of the entity's key. `properties`: a JSON object; empty: there are none.
std::string notification_data(const Definition& definition, const MembershipChange& change,
                              int64_t evaluated_at, const std::vector<std::string>& key,
                              const std::vector<std::string>& columns, const std::string& properties = {});

}  // namespace tidemark::segments
