// Bounds of requests that are answered later, each with its reason.
#pragma once

#include <cstddef>

namespace tidemark::limits {

// Bodies that wait for their answer: 128 batches of 500 KB.
constexpr size_t http_deferred_bytes_max = 64 << 20;
// Clients give up after 10 to 30 s.
constexpr int http_deferred_seconds_max = 30;

}  // namespace tidemark::limits
