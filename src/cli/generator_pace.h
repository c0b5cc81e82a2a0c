// When a generator writes: all at once over a stretch of history, in rounds, or at a steady rate. The same
// for every pack, so that `--rows --rate --every --duration --days --until` mean the same everywhere.
//
// Continuous modes (rate or every) put events at the moment they are written; the other spreads them over the
// last `days`. Every call ends early, cleanly and with ok when `stop` becomes true.
#pragma once

#include "base/error.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

namespace tidemark::cli {

struct Pace {
  std::optional<int64_t> rows;   // in total, with `every` in each round
  double rate = 0;               // rows a second; 0: as fast as Postgres takes them
  int64_t every_seconds = 0;     // a round each; 0: one round
  int64_t duration_seconds = 0;  // ends continuous modes; 0: until told
  int64_t days = 30;
  int64_t transaction_rows = 0;  // rows a transaction; 0: the pack's own, at a rate no longer than 50 ms
  std::optional<int64_t> until_micros;     // the end of history instead of now: the same data again
  std::optional<double> updates, deletes;  // as shares of the new rows; else the pack's own

  bool continuous() const { return every_seconds > 0 || (rate > 0 && !rows); }
};

// What a pack does when it is not told.
struct PaceDefaults {
  int64_t history_rows;
  int64_t round_rows;
  int64_t transaction_rows;
  double updates;
  double deletes;
};

// What a generator is to write next.
struct Stretch {
  int64_t rows = 0;
  int64_t from_micros = 0;  // Unix time; from < until
  int64_t until_micros = 0;
  int64_t transaction_rows = 1;
  double updates = 0, deletes = 0;
};

Status keep_pace(const Pace& pace, const PaceDefaults& defaults,
                 const std::function<Status(const Stretch&)>& write, const std::atomic<bool>& stop);

}  // namespace tidemark::cli
