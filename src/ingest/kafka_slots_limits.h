// Bounds of sharing a Kafka source among processes, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// How long the group does without a sign of life of a process before it gives its slots away, when the
// project's settings do not say (session.timeout.ms): a pause of the machine is shorter, a dead process is
// not waited for long.
constexpr int64_t kafka_lease_ms = 10'000;
// One wait for the group's word; also how late the end of the program is noticed.
constexpr std::chrono::milliseconds kafka_lease_poll{100};
// Topics that were just made are shown by all brokers within a second.
constexpr std::chrono::milliseconds kafka_topics_wait{10'000};
// Another process is starting: models are made and the first epoch begins while we wait.
constexpr std::chrono::milliseconds kafka_start_wait{600'000};
// The coordinator of a group that is new, or whose members were killed, takes up to a session.
constexpr std::chrono::milliseconds kafka_join_wait{120'000};
// Processes that were killed are members until the session ends; then a little.
constexpr int64_t kafka_gone_after_ms = 5'000;
// What all processes have fenced is read this often: a query of a few milliseconds.
constexpr int64_t kafka_slots_watch_us = 250'000;
// Where the partitions of slots that others work on end is asked this often, or less when asking takes longer
// than a tenth of it; but not less than an idle source shows its fences.
constexpr int64_t kafka_slots_ends_us = 1'000'000;
constexpr int64_t kafka_slots_ends_us_max = 10'000'000;
// A pipeline that could not be set up is tried again.
constexpr int64_t kafka_slot_retry_us = 1'000'000;
// While a dead process's slots wait for the end of its session, the other slots write on into the same
// tables; its tokens must be known until its cut is replayed. 64 slots with 20 cuts a second for 30 seconds.
constexpr size_t kafka_slots_window_blocks = 40'000;

}  // namespace tidemark::limits
