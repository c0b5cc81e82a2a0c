// What ties segments to notifications: a materialized view that puts the changes of memberships which are for
// somebody into the outbox, so that both are one INSERT. The two rooms do not know of each other.
#pragma once

#include "clickhouse/client.h"
#include "config/destination.h"
#include "notify/outbox.h"
#include "segments/definition.h"
#include "segments/membership_store.h"

#include <vector>

namespace tidemark::cli {

// Once both tables are there and before memberships change. Sends what a server that died between the two
// left out. `wanted`: there are destinations; else the view goes, and nothing gathers that nobody reads.
Status connect_outbox(clickhouse::Client& client, bool wanted);

// What that view makes of changes that have been written, for those who would read it back.
notify::Outbox::News outbox_rows(uint64_t after, const std::vector<segments::MembershipChange>& changes);

// Names in `notify` that no file in destinations/ has.
std::vector<config::Diagnostic> unknown_destinations(const std::vector<segments::Definition>& definitions,
                                                     const std::vector<config::Destination>& destinations);

}  // namespace tidemark::cli
