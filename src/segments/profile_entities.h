// Segments over profiles (profiles/*.yaml) need not say what every such segment would: a person's key is
// profile_id, and its events are those that the profiles keep by person. Of a profile that is gone they know
// whether it was taken into another one: what they wrote down before they moved its ids says so.
#pragma once

#include "clickhouse/client_pool.h"
#include "profiles/profile_files.h"
#include "segments/definition.h"
#include "segments/membership_flip.h"

namespace tidemark::segments {

// Fills in key and events of a definition whose entity is a profile, where it leaves them out.
void know_profiles(Definition& definition, const profiles::ProfileFiles& profiles);

// The table of what was written down, quoted; empty: the entity is no profile.
Result<std::string> plans_of_profiles(clickhouse::Client& client, const std::string& entity);
// Flips of entities that are gone learn whether they are part of another now. `plans`: as above.
Status mark_absorbed(clickhouse::ClientPool& pool, const std::string& plans, std::vector<Flip>& flips);

}  // namespace tidemark::segments
