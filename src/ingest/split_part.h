// Parts of a replayed cut on a cluster, where the bronze rows of a part are one block a shard: after a crash
// some of them may be in and others not. Change rows are in then, all of them, as they go first and whole.
//
// What is still to send is completed from old images, and a row's own image is on its own shard, so it is
// old as long as the row is not in. One case is different: a row that changed its key, and shard, and whose
// large value the stream left out, takes it from the row it was, whose tombstone may be in already. Rows of
// such a part are written down (held_rows.h) before the first of them is sent, and a replay sends
// those.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/part.h"

#include <atomic>

namespace tidemark::ingest {

enum class Arrival { none, some, all };

// Of the bronze rows of a part of a replayed cut. On one server never `some`; else the rows of shards that
// have them are taken out of the part.
Result<Arrival> take_out_arrived(clickhouse::ClientPool& pool, Part& part,
                                 const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

// Whether a row of the part takes a large value from another shard.
Result<bool> takes_from_other_shard(clickhouse::ClientPool& pool, const Part& part,
                                    const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
