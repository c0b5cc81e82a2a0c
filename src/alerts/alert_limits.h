// The bounds of alerts, each with its reason. Units are the last word of the name.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tidemark::alerts::limits {

// A check of an alert: what a person would wait for a number, and far below the pause between two cuts that
// anybody notices.
constexpr int64_t check_seconds_max = 5;
// All checks together have this share of the time at most: after one that took 10 ms nothing is asked for
// 90 ms. Ingestion has the machine.
constexpr double checking_share_max = 0.1;
// Cuts may come ten times a second; one alert is looked at so often at most.
constexpr int64_t cut_pause_ms = 1'000;
// Viewers of dashboards wait for a cut with their eyes: alerts look a moment later.
constexpr int64_t after_cut_ms = 300;
// An alert whose query fails, or whose change could not be written, is tried again after this.
constexpr int64_t again_after_ms = 2'000;
// Writing a change: rows of a few hundred bytes. What takes longer is looked up and done again.
constexpr std::chrono::milliseconds write_deadline{10'000};

// Values of an alert that are kept for its picture: one in ten seconds, the newest so many, a week in the
// warehouse.
constexpr int64_t sample_every_ms = 10'000;
constexpr size_t samples_max = 200;
constexpr int sample_keep_days = 7;
// Changes are kept so long; the newest of an alert is its state.
constexpr int change_keep_days = 400;
// A change that a kill left untold is told by the next start, unless it is older: notifications themselves
// are forgotten after notify's 30 days, and then nothing says whether it was told.
constexpr int untold_days_max = 7;
// Shown of an alert's changes.
constexpr size_t history_max = 100;

}  // namespace tidemark::alerts::limits
