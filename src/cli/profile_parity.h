// The profiles' part of the proof: the map of ids and what is kept by person, against the sources' tables.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "profiles/profile_keeper.h"

#include <string>
#include <vector>

namespace tidemark::cli {

// Those of `only` (names of profiles; empty: all) that are made; others are told on stderr. One that differs
// while cuts come in is asked again, limits::model_parity_attempts times.
Result<std::vector<profiles::ProfileProof>> verify_profiles(const config::Project& project,
                                                            clickhouse::ClientPool& pool,
                                                            const std::vector<std::string>& only);

}  // namespace tidemark::cli
