// What people read of segments, under the names that customer data platforms use: cdp.segment_membership and
// cdp.notifications, views that every account may read.
#pragma once

#include "clickhouse/client.h"

namespace tidemark::cli {

// A table of one of these names that is somebody else's stays as it is.
Status make_segment_views(clickhouse::Client& client);

}  // namespace tidemark::cli
