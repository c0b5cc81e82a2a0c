// Bounds of sources that ask others, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// Of an object that is kept: an order of 10,000 lines has 8 MB.
constexpr size_t pull_row_bytes_max = 12 << 20;
// Of rows that go to the spool together: a record is at most 16 MiB.
constexpr size_t pull_record_bytes = 2 << 20;
// Tries of one request that fails for no reason of ours, with pauses from 1 s on, each twice the one before:
// a minute; then the pass ends and begins again where it was.
constexpr int pull_tries = 6;
constexpr int64_t pull_pause_first_us = 1'000'000;
constexpr int64_t pull_pause_max_us = 60'000'000;
// An API that asks for more patience than this is asked again in the next pass.
constexpr int64_t pull_wait_max_us = int64_t{3600} * 1'000'000;
// Pages of one pass: more is a cursor that runs in a circle.
constexpr uint64_t pull_pages_max = 10'000'000;
// Of an answer, in a message.
constexpr size_t pull_excerpt_bytes = 300;

// Objects of a page. Shopify counts what a query may cost: it is halved when one costs too much.
constexpr uint64_t shopify_page_rows = 50;
constexpr uint64_t shopify_nested_rows = 50;
constexpr int64_t shopify_poll_first_us = 1'000'000;
constexpr int64_t shopify_poll_max_us = 30'000'000;
// Bulk operations that end without a result, before pages are read instead.
constexpr uint64_t shopify_bulk_tries = 3;
// What is put together in memory at a time of a bulk operation's file, and into how many parts it is cut at
// most.
constexpr uint64_t shopify_bulk_part_bytes = 16 << 20;
constexpr uint64_t shopify_bulk_parts_max = 512;
constexpr size_t shopify_bulk_land_rows = 500;
constexpr size_t shopify_line_bytes_max = 12 << 20;
// GA4: days of one report, rows of one page.
constexpr int64_t ga4_window_days = 31;
constexpr int64_t ga4_since_days = 30;
constexpr uint64_t ga4_page_rows = 50'000;
// A token of an account's key is good for an hour.
constexpr int64_t google_token_us = int64_t{3000} * 1'000'000;

// How often a source that is told to stop, or whose rows are awaited, is looked at.
constexpr std::chrono::milliseconds pull_look_every{50};

}  // namespace tidemark::limits
