// Bounds of reading from Kafka, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// How long the client is waited for while nothing is open: a wake-up ends it, so this only bounds how late a
// stop is noticed when that fails.
constexpr std::chrono::milliseconds kafka_wait{100};
// New partitions and what the brokers have are looked for this often.
constexpr int64_t kafka_look_around_us = 5'000'000;
// The group's offsets are for people who watch lag.
constexpr int64_t kafka_commit_every_us = 5'000'000;
// While the client complains, whether a broker answers again is asked this often.
constexpr int64_t kafka_probe_every_us = 1'000'000;
// Rows that are late already lose nothing when they wait a little more: cuts keep a distance of this share of
// how late the oldest waiting row is, between cut_distance_min_us and this. A cut costs ClickHouse some 5 ms
// whatever is in it, and whoever catches up - here, or before the topic - has no latency to win. The bound
// holds for clocks that disagree, too: rows of a source whose clock is behind look late for ever.
constexpr int64_t kafka_cut_late_share = 50;
constexpr int64_t kafka_cut_distance_max_us = 100'000;
// Bytes of a message that quarantine keeps; the rest is in the topic.
constexpr size_t kafka_quarantine_bytes_max = 1 << 20;

}  // namespace tidemark::limits
