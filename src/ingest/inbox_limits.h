// Bounds of tables that people write to, each with its reason.
#pragma once

#include <chrono>
#include <cstdint>

namespace tidemark::limits {

// How often an inbox is looked at: the catalog answers in a millisecond or two, and a tenth of a second is a
// small part of the second in which a membership should follow.
constexpr std::chrono::milliseconds inbox_look_every{100};
// Emptying it costs a statement; a few parts that wait for it cost nothing.
constexpr int64_t inbox_empty_every_us = 1'000'000;
// A DELETE FROM a table is noticed by its mutation.
constexpr int64_t inbox_mutations_every_us = 1'000'000;
// Parts that are dropped by one statement.
constexpr size_t inbox_parts_a_drop = 500;
// A row may be in the inbox a moment before it is in the table: only what is older than this is taken for
// deleted at a start. INSERTs that write one block for longer than that are none.
constexpr int64_t inbox_settled_us = 60'000'000;

// What is on its way is in the mirror within a second; several, because more may come meanwhile.
constexpr int inbox_parity_attempts = 8;
constexpr std::chrono::milliseconds inbox_parity_again_after{500};

}  // namespace tidemark::limits
