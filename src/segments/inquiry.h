// Questions about memberships: why somebody is a member, who was one at an instant, and what happened.
// Answers are JSON texts, as verbs and the API give them; instants are ISO 8601, UTC.
#pragma once

#include "segments/compile.h"

#include <boost/json.hpp>
#include <optional>
#include <string>

namespace tidemark::segments {

// The condition of `definition` for one entity, leaf by leaf: what each asks, whether it holds, what was
// seen, and when its answer may change by the clock. `entity`: its name (membership_store.h); for a key of
// several columns also their texts with commas between. Errors: config when the definition does not fit.
Result<boost::json::object> explain(clickhouse::Client& client, const Definition& definition,
                                    const CompileOptions& options, const std::string& entity,
                                    int64_t as_of_us);

// Members now, or at an instant, by name; at most `most` of them.
Result<boost::json::array> members(clickhouse::Client& client, const std::string& segment,
                                   std::optional<int64_t> at_us, size_t most);

// Entries and exits, the newest first; of one entity or of all.
Result<boost::json::array> history(clickhouse::Client& client, const std::string& segment,
                                   const std::string& entity, size_t most);

// Entries and exits by day (UTC), of the last `days` days; days without any are left out.
Result<boost::json::array> flows(clickhouse::Client& client, const std::string& segment, size_t days);

}  // namespace tidemark::segments
