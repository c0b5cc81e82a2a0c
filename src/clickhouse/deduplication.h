// How many tokens tables remember, changed while they are in use. What creates tables says how many they
// begin with (schema.h); that is enough where one process writes to a table, and it alone repeats what it
// sent. Stateless.
#pragma once

#include "clickhouse/client.h"

#include <set>
#include <string>

namespace tidemark::clickhouse {

// Tables of these databases that remember fewer blocks than this, and some, remember as many from now on; on
// a cluster also those of the shards, where tokens are looked up.
Status widen_deduplication(Client& client, const std::set<std::string>& databases, size_t blocks);

}  // namespace tidemark::clickhouse
