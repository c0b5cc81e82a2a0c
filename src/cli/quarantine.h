// Rows of sources that did not fit, as the warehouse keeps them (tidemark.quarantine).
#pragma once

#include "clickhouse/client.h"

#include <boost/json/array.hpp>
#include <cstdint>

namespace tidemark::cli {

// The newest first: source, table, column, reason, lsn (Kafka: offset), ordinal, bytes (what came, cut),
// at_ms.
Result<boost::json::array> quarantined_rows(clickhouse::Client& client, uint64_t most);

}  // namespace tidemark::cli
