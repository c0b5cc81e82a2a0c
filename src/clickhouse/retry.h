// Exactly-once inserts. The same block is sent under the same token until the server says yes: the token
// makes the table, and every materialized view behind it, count it once, however often an answer was lost on
// the way.
//
// What the tables must have for that (schema.h has the clause): non_replicated_deduplication_window > 0 on
// every MergeTree table that receives rows, the materialized views' targets above all. An ENGINE = Null table
// needs no setting. A token is remembered for limits::deduplication_window_blocks blocks of a table.
#pragma once

#include "base/error.h"
#include "clickhouse/client_pool.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace tidemark::clickhouse {

struct RetryPolicy {
  std::chrono::milliseconds deadline{600'000};        // of all tries together
  std::chrono::milliseconds attempt_timeout{60'000};  // of one try
  std::chrono::milliseconds backoff_min{20};
  std::chrono::milliseconds backoff_max{2'000};
  // Asked before each try; an error ends it all. May be empty.
  std::function<Status()> before_try;
  // Told about each failed try that will be repeated (for logs and counters); may be empty.
  std::function<void(const Error&, int attempt)> on_retry;
};

// Settings under which a block stays one block, in the table and in every view behind it, and under which a
// token counts. Every one is set explicitly, because defaults differ between versions.
std::map<std::string, std::string> exactly_once_settings(std::string_view token);

// Errors: refused and the like at once; dependency_down or unknown_outcome when the deadline passed;
// cancelled when `stop` became true. After unknown_outcome the block may be in: repeat with the same token,
// never with another. `settings` are added to, and win over, exactly_once_settings.
Status insert_exactly_once(ClientPool& pool, std::string_view table, const Block& block,
                           std::string_view token, const std::map<std::string, std::string>& settings,
                           const RetryPolicy& policy, const std::atomic<bool>& stop);

// Repeats `action` (which must be harmless to repeat: a read, or an INSERT with its token) under the same
// rules.
Status retry(const RetryPolicy& policy, const std::atomic<bool>& stop, const std::function<Status()>& action);

}  // namespace tidemark::clickhouse
