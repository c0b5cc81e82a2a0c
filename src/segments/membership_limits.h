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
// Entities of one question to everybody, where ranges of keys can be asked for: their aggregates take some
// hundred megabytes with 50 segments, and two questions are under way.
constexpr size_t everybody_slice = 50'000;
// Such questions at a time: while one joins on one core, the other reads.
constexpr size_t everybody_questions = 2;
// The keys between the ranges, read in their order.
constexpr int64_t everybody_bounds_ms_max = 600'000;
// Changes written in one block.
constexpr size_t changes_a_block = 20'000;
// Timers that come due are gathered this long: where windows of many people end all the time, each look costs
// as much as a cut, and cuts wait for it.
constexpr int64_t timer_gather_us = 250'000;
// The longest sleep of the clock's thread: the clock may be set.
constexpr int64_t timer_sleep_us_max = 1'000'000;

// Facts of entities that are kept in memory (kept_facts.h): a quarter of the machine's. A million people with
// twenty million events and 50 segments take some hundred megabytes.
constexpr size_t kept_memory_share = 4;
// Rows of one cut that are handed over in memory: larger ones come when much is caught up with, where asking
// the warehouse once is cheaper than sending rows back to it.
constexpr size_t cut_rows_max = 5'000;
// Questions about rows that go in, asked while they do: a connection each.
constexpr size_t rows_asked_ahead_max = 4;
// Entities read ahead in one question: some tens of milliseconds, and as long again until the next.
constexpr size_t warm_entities = 1'000;
// Names of entities that are read ahead; what is beyond is read when it is looked at.
constexpr size_t warm_names_max = 20'000'000;
// The list of these names, read in the order of the table.
constexpr int64_t warm_names_ms_max = 300'000;

}  // namespace tidemark::segments::limits
