// What becomes of an alert when its value is known: a pure function of the definition, the state before, the
// value and the clock. Everything that is remembered is in AlertState, which is kept in the warehouse
// (alert_store.h), so that a restart goes on where it was: what waited goes on waiting, what was told is not
// told again.
//
//            met                  met for `for`
//     ok ─────────▶ pending ──────────────────▶ firing ──┐ repeat: told again
//      ◀───────────    │                          │ ◀────┘
//        not met       └─ for: 0 at once          │
//      ◀──────────────────────────────────────────┘
//                over for `recover_for`: resolved
//
// "Met": beyond the limit. "Over": not met, and at or on the good side of `recover`; between the two a firing
// alert stays as it is. No value (no row, NULL, NaN) is over, unless the alert says it is met.
#pragma once

#include "config/alert.h"

#include <cstdint>
#include <optional>
#include <string>

namespace tidemark::alerts {

enum class Phase : uint8_t { ok, pending, firing };
const char* name(Phase phase);
Phase phase_named(const std::string& text);  // ok for anything else

struct AlertState {
  std::string alert;
  uint64_t revision = 0;  // counts its changes; 0: there was none
  Phase phase = Phase::ok;
  int64_t since_ms = 0;       // of the phase, since 1970
  int64_t over_since_ms = 0;  // firing, and over since; 0: it is not over
  int64_t told_at_ms = 0;     // the last notification
  uint64_t seq = 0;           // of that one
};

// What somebody is to be told.
enum class Telling : uint8_t { nothing, firing, repeated, resolved };
// "alert.firing"; empty for nothing.
std::string kind_of(Telling telling);

struct Step {
  AlertState state;  // revision and seq are those of before
  Telling telling = Telling::nothing;
  bool changed = false;       // there is something to remember
  int64_t look_again_ms = 0;  // the clock alone can change something then; INT64_MAX: it cannot
};

// `value`: of what is looked at; rises and falls in percent. Nothing: there is none.
Step step(const config::Alert& alert, const AlertState& before, std::optional<double> value, int64_t now_ms);
// Of an alert that is in no file any more.
Step withdrawn(const AlertState& before, int64_t now_ms);

// Percent by which `now` differs from `before`; nothing when there is nothing to compare with.
std::optional<double> change_percent(std::optional<double> now, std::optional<double> before);

}  // namespace tidemark::alerts
