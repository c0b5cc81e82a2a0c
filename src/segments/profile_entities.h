// Segments over profiles (profiles/*.yaml) need not say what every such segment would: a person's key is
// profile_id, and its events are those that the profiles keep by person.
#pragma once

#include "profiles/profile_files.h"
#include "segments/definition.h"

namespace tidemark::segments {

// Fills in key and events of a definition whose entity is a profile, where it leaves them out.
void know_profiles(Definition& definition, const profiles::ProfileFiles& profiles);

}  // namespace tidemark::segments
