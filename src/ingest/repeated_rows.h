// Rows of sources that may send a change again, or an older one after a newer one (Kafka): what the warehouse
// has already, or has newer, is taken out of the part before old images are read and change rows made. The
// bronze table would sort it out by versions; models that add change rows up could not.
//
// Also what makes replays right: the bronze rows of a part are one block, sent after its change rows. Either
// they are in, and nothing of the part is left to send; or they are not, and the part is what it was.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/known_keys.h"
#include "ingest/part.h"

#include <atomic>

namespace tidemark::ingest {

// Newest versions of the keys in bronze, also of those that are deleted; keys as Column::encode gives them.
using NewestVersions = std::map<std::string, Version>;
// `known`, when given, spares the look-up of keys that are certainly new; the key is one column of text.
Result<NewestVersions> newest_versions(clickhouse::ClientPool& pool, const Part& part,
                                       const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop,
                                       const KnownKeys* known = nullptr);

// Keeps the rows that are newer than everything before them, in bronze and in the part. How many went.
size_t drop_repeated(Part& part, NewestVersions newest);

// Keeps the first row of each key, in the order of the part: the rows of keys that bronze has already go. How
// many of them are duplicates, that is, not the very row that is in bronze (which a replay brings again).
size_t keep_first(Part& part, NewestVersions newest);

}  // namespace tidemark::ingest
