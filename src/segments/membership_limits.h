// Bounds of keeping memberships current, each with its reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tidemark::segments::limits {

// Timers are kept this long behind their instant; after a longer stop everybody is evaluated instead.
constexpr int timer_days_kept = 7;
// Entities evaluated by key in one turn. Cuts wait for the clock's turn.
constexpr size_t entities_a_slice = 5'000;
// Above this, evaluating everybody is cheaper than evaluating by key.
constexpr size_t entities_by_key_max = 200'000;
// As many as this whose timers name the same segment are asked for that one alone: a question of its own,
// which costs some milliseconds before it reads a row.
constexpr size_t alone_entities_min = 500;
// Changes written in one block.
constexpr size_t changes_a_block = 20'000;
// Timers that come due are gathered this long: where windows of many people end all the time, each look costs
// as much as a cut, and cuts wait for it.
constexpr int64_t timer_gather_us = 250'000;
// The longest sleep of the clock's thread: the clock may be set.
constexpr int64_t timer_sleep_us_max = 1'000'000;

}  // namespace tidemark::segments::limits
