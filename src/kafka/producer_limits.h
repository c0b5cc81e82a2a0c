// The bounds of what goes out to Kafka, each with its reason. Units are the last word of the name.
#pragma once

#include <chrono>
#include <cstddef>

namespace tidemark::kafka::limits {

// Messages that wait in the client, and their bytes: half a second of the fastest encoding. Past it send()
// waits.
constexpr int send_queue_messages_max = 200'000;
constexpr int send_queue_kilobytes_max = 65'536;
// send() waits this long for room, commit() for the brokers: a rolling restart of brokers takes less, and who
// waits longer should hear of it.
constexpr std::chrono::milliseconds send_wait_max{60'000};
constexpr std::chrono::milliseconds commit_wait_max{60'000};
// One round of waiting: after it the caller's stop is looked at.
constexpr std::chrono::milliseconds send_wait_step{100};
// A transaction's age at which the brokers abort it: their own upper bound (transaction.max.timeout.ms),
// because a large transaction of the source is one here. A killed producer's transaction ends when it starts
// again.
constexpr std::chrono::milliseconds transaction_age_max{900'000};
// Fetching an id from the transaction coordinator, which may be starting itself.
constexpr std::chrono::milliseconds initialise_wait_max{60'000};
// Making topics.
constexpr std::chrono::milliseconds create_topics_wait_max{30'000};
// One message: what brokers take unless told otherwise is 1 MiB; theirs is the say.
constexpr int send_message_bytes_max = 64 << 20;

}  // namespace tidemark::kafka::limits
