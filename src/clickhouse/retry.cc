#include "clickhouse/retry.h"

#include "base/clock.h"

#include <fmt/format.h>
#include <random>
#include <thread>

namespace tidemark::clickhouse {
namespace {

using std::chrono::milliseconds;

// How often a pause looks at the stop flag.
constexpr milliseconds stop_check{20};

int64_t now_ms() {
  return system_clock().monotonic_micros() / 1000;
}

// A bound of the server (memory, disk space) passes when its other work is done.
bool worth_another_try(const Error& error) {
  return error.kind == ErrorKind::dependency_down || error.kind == ErrorKind::unknown_outcome ||
         error.kind == ErrorKind::limit;
}

// Sleeps up to `pause`, less when stop becomes true.
void pause_for(milliseconds pause, const std::atomic<bool>& stop) {
  int64_t until = now_ms() + pause.count();
  while (!stop.load() && now_ms() < until)
    std::this_thread::sleep_for(std::min(stop_check, milliseconds(until - now_ms() + 1)));
}

Error cancelled(const std::optional<Error>& last) {
  return Error(ErrorKind::cancelled, last ? fmt::format("stopped while trying again after: {}", last->message)
                                          : "stopped before the first try");
}

}  // namespace

std::map<std::string, std::string> exactly_once_settings(std::string_view token) {
  return {
      {"async_insert", "0"},
      {"insert_deduplicate", "1"},
      {"insert_deduplication_token", std::string(token)},
      {"deduplicate_blocks_in_dependent_materialized_views", "1"},
      // A repeated block must still be pushed to the views: the first try may have failed between them.
      {"materialized_views_ignore_errors", "0"},
      {"parallel_view_processing", "0"},
      // One block in, one block in every view: no splitting, no squashing.
      {"max_insert_block_size", "1048576000"},
      {"min_insert_block_size_rows", "0"},
      {"min_insert_block_size_bytes", "0"},
      {"min_insert_block_size_rows_for_materialized_views", "0"},
      {"min_insert_block_size_bytes_for_materialized_views", "0"},
      // Tables are sent side by side by us; threads inside one small INSERT only cost wake-ups.
      {"max_insert_threads", "1"},
      {"max_threads", "1"},
      // A GROUP BY in a view must not come out in 256 buckets, each a part of its own.
      {"group_by_two_level_threshold", "0"},
      {"group_by_two_level_threshold_bytes", "0"},
      {"max_block_size", "1048576"},
      {"max_partitions_per_insert_block", "0"},
      // Rows of one key are told apart by their version when they are read; merging each block before it is
      // written would do that work twice.
      {"optimize_on_insert", "0"},
      {"input_format_native_allow_types_conversion", "1"},
      {"input_format_parallel_parsing", "0"},
      // A NULL for a column that cannot hold it is an error, never a silent default.
      {"input_format_null_as_default", "0"},
      {"insert_null_as_default", "0"},
  };
}

Status retry(const RetryPolicy& policy, const std::atomic<bool>& stop,
             const std::function<Status()>& action) {
  std::minstd_rand random(static_cast<unsigned>(system_clock().monotonic_micros()));
  int64_t deadline = now_ms() + policy.deadline.count();
  milliseconds pause = policy.backoff_min;
  std::optional<Error> last;
  for (int attempt = 1;; ++attempt) {
    if (stop.load()) return fail(cancelled(last));
    if (policy.before_try) TRY_VOID(policy.before_try());
    Status outcome = action();
    if (outcome || !worth_another_try(outcome.error())) return outcome;
    int64_t left = deadline - now_ms();
    if (left <= 0)
      return fail(std::move(outcome.error()).in(fmt::format("given up after {} tries", attempt)));
    last = std::move(outcome.error());
    if (policy.on_retry) policy.on_retry(*last, attempt);
    // Between half and all of the pause, so that many lanes do not come back in step.
    auto jittered =
        milliseconds(pause.count() / 2 + static_cast<int64_t>(random() % (pause.count() / 2 + 1)));
    pause_for(std::min(jittered, milliseconds(left)), stop);
    pause = std::min(pause * 2, policy.backoff_max);
  }
}

Status insert_exactly_once(ClientPool& pool, std::string_view table, const Block& block,
                           std::string_view token, const std::map<std::string, std::string>& settings,
                           const RetryPolicy& policy, const std::atomic<bool>& stop) {
  QueryOptions options;
  options.settings = exactly_once_settings(token);
  for (const auto& [name, value] : settings) options.settings[name] = value;
  options.timeout = policy.attempt_timeout;
  return retry(policy, stop, [&] { return pool.lease()->insert(table, block, options); });
}

}  // namespace tidemark::clickhouse
