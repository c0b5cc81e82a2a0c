// The segments' part of the proof: memberships against the definitions, for everybody.
#pragma once

#include "clickhouse/client_pool.h"
#include "config/project.h"
#include "segments/membership_proof.h"

#include <string>
#include <vector>

namespace tidemark::cli {

// Those of `only` (names of segments; empty: all) that the warehouse was brought to; a definition that is not
// in force yet is told on stderr. One that differs while cuts come in is asked again,
// limits::model_parity_attempts times.
Result<std::vector<segments::MembershipProof>> verify_segments(const config::Project& project,
                                                               clickhouse::ClientPool& pool,
                                                               const std::vector<std::string>& only);

bool is_segment(const config::Project& project, const std::string& name);

}  // namespace tidemark::cli
