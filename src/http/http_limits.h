// Bounds of requests that are answered later, and of those we make, each with its reason.
#pragma once

#include <cstddef>

namespace tidemark::limits {

// Bodies that wait for their answer: 128 batches of 500 KB.
constexpr size_t http_deferred_bytes_max = 64 << 20;
// Clients give up after 10 to 30 s.
constexpr int http_deferred_seconds_max = 30;

// Of an API's answer: GA4's largest page has 250,000 rows; nobody's page is beyond this.
constexpr size_t fetch_answer_bytes_max = 128 << 20;
constexpr size_t fetch_headers_max = 200;
constexpr long fetch_connect_ms = 10'000;
// APIs cut their own work off at 30 to 60 s.
constexpr long fetch_timeout_ms = 90'000;
// A download that is slower than this for so long stands still.
constexpr long fetch_slow_bytes_per_s = 100;
constexpr long fetch_slow_s = 30;
// An answer that is about to come is taken when the program ends.
constexpr int64_t fetch_stop_grace_us = 500'000;

}  // namespace tidemark::limits
