// The bounds of notifications, each with its reason. Units are the last word of the name.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::notify::limits {

// Of one destination: notifications in memory and their bytes. The rest waits in the outbox; some thousands
// keep any receiver busy while the next page is read.
constexpr size_t in_hand_max = 10'000;
constexpr size_t in_hand_bytes_max = 32 << 20;
// One page of the outbox. Small enough to begin sending at once, large enough that reading (2 ms) is cheap.
constexpr size_t page_rows_max = 2'000;
// Entities of one destination whose next notification waits for another try. About 200 bytes each; when there
// are more, nothing new is read until some have been delivered or are dead: the receiver is down, not an
// entity.
constexpr size_t waiting_entities_max = 10'000;
// Of these, as many are read again in one query: their names go along as a parameter.
constexpr size_t resumed_entities_max = 200;
// Outcomes that wait to be written. Past it nothing is sent until the warehouse takes them: all of them would
// be sent again after a kill.
constexpr size_t unwritten_outcomes_max = 10'000;
// Outcomes are written when so many are there, or the oldest is so old, or nothing else is to do.
constexpr size_t written_outcomes_max = 2'000;
constexpr int64_t outcome_age_us_max = 100'000;
// The warehouse is away: how long one try to write takes, and the pause before the next.
constexpr std::chrono::milliseconds store_try_max{5'000};
constexpr int64_t store_pause_us = 1'000'000;
// The outbox is looked at so often when nobody calls wake().
constexpr std::chrono::milliseconds poll_every{500};
// Counting what waits and what is dead, for status and metrics.
constexpr std::chrono::milliseconds count_every{2'000};
// Where it takes long, a pause is so many times as long.
constexpr int64_t count_share = 50;

// A try. Standard Webhooks advises 15 to 30 s; a slow receiver holds one connection of a few.
constexpr std::chrono::milliseconds attempt_timeout{15'000};
constexpr std::chrono::milliseconds attempt_timeout_max{60'000};
constexpr std::chrono::milliseconds connect_timeout{5'000};
// What a try under way may still take when the project stops; it is sent again after the next start.
constexpr std::chrono::milliseconds stop_grace{2'000};
// Standard Webhooks' example: the pause before the second try, the third, ... then the notification is dead.
constexpr std::array<int64_t, 9> retry_pauses_s = {5,          5 * 60,     30 * 60,    2 * 3'600, 5 * 3'600,
                                                   10 * 3'600, 14 * 3'600, 20 * 3'600, 24 * 3'600};
// Each pause is longer by up to this share, so that what failed together does not come back together.
constexpr double retry_jitter = 0.2;
// A receiver's Retry-After counts up to this.
constexpr int64_t retry_after_s_max = 24 * 3'600;
// A receiver that says "too many" (429) is left alone as a whole for as long as it asks, up to this; longer
// waits are the entity's alone.
constexpr int64_t slow_down_s_max = 300;
constexpr int64_t slow_down_s = 1;
// A destination that is away as a whole (a database, a broker, a disk) is tried again after these pauses.
constexpr int64_t away_pause_us_min = 200'000;
constexpr int64_t away_pause_us_max = 30'000'000;
// So many failures with no success between them: the receiver was down, so with the next success everything
// that waits is tried again within this time, instead of hours later.
constexpr size_t outage_failures = 20;
constexpr int64_t recovery_spread_us = 5'000'000;

// Of a receiver's answer: what is read, and what is kept to be shown.
constexpr size_t answer_bytes_max = 64 << 10;
constexpr size_t answer_excerpt_bytes_max = 300;
// `data` of a notification. Standard Webhooks advises less than 20 kB for all of it.
constexpr size_t data_bytes_max = 256 << 10;

// Delivered notifications and their outcomes are kept for replays and questions; what is not settled stays.
constexpr int keep_days = 30;
constexpr int keep_dead_days = 90;
constexpr std::chrono::minutes expire_every{60};
// One list of dead letters.
constexpr size_t listed_max = 1'000;
// What a listener of a feed is sent at once of what it missed, beside page_rows_max: half of what waits for a
// client of the server at most.
constexpr size_t feed_page_bytes_max = 2 << 20;

}  // namespace tidemark::notify::limits
