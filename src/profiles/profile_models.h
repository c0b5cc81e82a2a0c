// The wide row of a person, as a keyed model like any other: cdp.profiles over the tables that the keeper
// keeps by person. Plan, apply, verify and lineage treat it as if the project had the file.
//
// Traits: of the identify events, the newest value of each key wins, by (timestamp, message_id); keys of
// objects are keys of their own, limits::trait_steps_max deep; null and "" clear; a value that takes the
// place of an object clears what was in it, and the other way round. An empty object says nothing.
#pragma once

#include "clickhouse/client.h"
#include "config/model_file.h"
#include "profiles/profile_definition.h"

#include <string>
#include <vector>

namespace tidemark::profiles {

// The models of those definitions whose tables are there. Errors: those of the server.
Result<std::vector<config::ModelFile>> profile_models(clickhouse::Client& client,
                                                      const std::vector<Definition>& definitions);

// Columns of `<database>.<table>` that ids make: the newest, and for kinds with a limit above 1 all of them.
std::string all_column(const IdKind& kind);

}  // namespace tidemark::profiles
