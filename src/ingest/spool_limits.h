// Bounds of spools and of what is posted to them, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// One accepted request: a body of 1 MB whose every field is written out again is far below this. A length
// beyond it is damage.
constexpr size_t spool_record_bytes_max = 16 << 20;
// A segment is what is deleted at once, and what a start reads through to find the end: 64 MB take 0.1 s.
// At most an eighth of the spool, so that what has been taken over leaves room soon.
constexpr uint64_t spool_segment_bytes_max = uint64_t{64} << 20;
constexpr uint64_t spool_segment_shares = 8;
// Accepted and not yet on disk: a second of what a slow disk writes. Whoever comes then is told to come
// again.
constexpr size_t spool_pending_bytes_max = 64 << 20;
// What is read ahead at a time.
constexpr size_t spool_read_bytes = 1 << 20;
// Of damaged bytes, in one row of quarantine.
constexpr size_t spool_damage_bytes_max = 256 << 10;

// What Segment's API allows, and what its clients count on.
constexpr size_t event_bytes_max = 32 << 10;
constexpr size_t event_batch_bytes_max = 500 << 10;
// Events of a batch: of 500 KB, none smaller than this many bytes.
constexpr size_t event_batch_items_max = 20'000;
// Identifiers are keys of tables and of joins: nobody's is this long.
constexpr size_t event_identifier_bytes_max = 1'024;
// Rows of one request, unpacked: the server takes bodies of 1 MB, and JSON packs about eightfold.
constexpr size_t posted_rows_bytes_max = 8 << 20;
// Standard Webhooks: what was signed longer ago, or is signed for later, is not taken; as in the reference
// implementations.
constexpr int64_t webhook_age_max_s = 300;
// The Measurement Protocol's own.
constexpr size_t measurement_events_max = 25;
constexpr size_t measurement_name_bytes_max = 40;
// Levels of properties, as deep as nobody reads them; bounds the stack.
constexpr size_t event_depth_max = 100;
// Reasons told of one batch: whoever has more errors than this has one error.
constexpr size_t event_reasons_max = 100;
// How long a client that is told to come again should wait at least.
constexpr int event_retry_after_seconds = 1;
constexpr int spool_full_retry_after_seconds = 5;
// Kept of a refused item in quarantine.
constexpr size_t event_quarantine_bytes_max = 64 << 10;

// What is remembered of ids (known_keys.h): 12.8 bits each of 20 million, which is a wrong "yes" in 150; past
// this many it is one in two and the load not worth its time.
constexpr size_t known_keys_bytes = 32 << 20;
constexpr uint64_t known_keys_max = 150'000'000;
// Of a page: 64 MB.
constexpr uint64_t known_keys_page_rows = 8'000'000;
// INSERTs of a killed process end by themselves: the warehouse has all of their rows or gives up on them.
constexpr int64_t insert_wait_us = 30'000'000;

// The reader of a spool looks this often whether it should end.
constexpr std::chrono::milliseconds spool_wait{200};

}  // namespace tidemark::limits
