// Rows read from Postgres itself, for an update that leaves out a large value (TOAST) of a row that the
// warehouse does not have: it went to quarantine when it came, or a row filter let it in only now.
//
// Such an update alone does not say what the row is. The source does, as of a moment later than the update:
// the watermark, which is logged. The value is right at the watermark at the latest: whoever changed it in
// between had it sent, and that change is still to come in the stream. A row that is gone meanwhile, or does
// not fit itself, is not found: then the update follows its row into quarantine.
//
// What was read is written down under the part's token before anything of the part is sent, because a second
// reading may differ: a replay uses what the first one found.
#pragma once

#include "clickhouse/retry.h"
#include "ingest/change_rows.h"
#include "postgres/connection.h"

#include <atomic>

namespace tidemark::ingest {

// Rows by key, found ones only, in any order; at most limits::source_keys_max of them and about
// limits::source_bytes_max. Keys of a type that cannot be written as Postgres reads it are not found.
// Errors: dependency_down. When Postgres refuses, nothing is found, and a warning says why.
ImageReader source_images(postgres::ConnectionOptions connection);

// For a time in which the warehouse lacks rows that have ended at the source since: those of `keys` that the
// source does not have come back with their key and otherwise with defaults, because their end is still to
// come in the stream and nobody needs them. Of any number of keys.
ImageReader source_images_or_ended(postgres::ConnectionOptions connection);

// What `source` finds, the same at each call with this token. `again`: the part may have been sent in part.
Result<Block> read_once(clickhouse::ClientPool& pool, const ImageReader& source, const CapturedTable& table,
                        const Block& keys, const std::string& token, bool again,
                        const clickhouse::RetryPolicy& policy, const std::atomic<bool>& stop);

}  // namespace tidemark::ingest
