// Bounds of loading in batches, each with its reason.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::limits {

// A cut is read whole before it is applied, written down where models add it up, and lost work after a kill.
// Two are in memory: one is read while the other is applied.
constexpr size_t batch_cut_rows_max = 131'072;
constexpr size_t batch_cut_bytes_max = 24 << 20;
// Pages grow while they fit, and are halved when one does not: rows may have a gigabyte.
constexpr size_t batch_page_rows_first = 8'192;
constexpr size_t batch_page_rows_max = 65'536;

// Every table and every source, unless told otherwise.
constexpr int64_t batch_every_seconds = 300;
constexpr int64_t batch_deletes_every_seconds = 3'600;
// Covers clocks of applications that write their own times, and the instant between BEGIN's now() and its
// lock. For numbers: sequences that sessions cache.
constexpr int64_t batch_overlap_seconds = 60;
constexpr int64_t batch_overlap_seconds_min = 1;

// Places of a cursor that are waited for, by table. Dropping one only means that more is read again.
constexpr size_t batch_checkpoints_max = 16;
// A run waits this long for the transactions that are open at its start, so that the next begins where this
// one does. The first load waits longer: without a trusted place the run after it would read all again.
constexpr std::chrono::milliseconds batch_settle_run{500};
constexpr std::chrono::milliseconds batch_settle_load{20'000};
constexpr std::chrono::milliseconds batch_settle_poll{20};

// A table without a cursor is read whole each time; above this it is said aloud.
constexpr double batch_whole_table_rows = 1'000'000;

// Rows of one comparison that are looked at singly; the rest waits for the next round over the table.
constexpr uint64_t batch_detail_rows_max = 200'000;

// Whether somebody (verify) asked for a run is looked up this often.
constexpr std::chrono::milliseconds batch_request_poll{500};
// Lets a failed run's table wait before it is tried again.
constexpr std::chrono::milliseconds batch_wait_step{200};

}  // namespace tidemark::limits
