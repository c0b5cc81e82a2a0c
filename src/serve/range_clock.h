// Ranges of time as instants: "last 7 days" in Europe/Berlin is from a midnight there to one. The time zones
// are ClickHouse's, and so is the clock: what a query means by now() and what its range means by it are the
// same.
//
// Not thread-safe.
#pragma once

#include "clickhouse/client.h"
#include "serve/view_parameters.h"

namespace tidemark::serve {

// The range now, or, `before`, the stretch of the same length that ends where it begins. Errors: `refused`
// for a zone that ClickHouse does not know.
Result<Instants> instants_of(clickhouse::Client& client, const config::TimeRange& range,
                             const std::string& zone, bool before);

}  // namespace tidemark::serve
