// How a read-out finds out which cut it is true for. Between two cuts of all sources every table is what the
// sources said up to there, and that place has a name: the fence. Whoever reads while cuts come sees parts of
// them.
//
// Only the process that applies all cuts of a project knows such places; elsewhere `hold` is empty and
// answers name no fence.
//
// Threads: any may call them.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <functional>
#include <string>

namespace tidemark::experiments {

struct Fences {
  // Runs `action` between two cuts of all sources; they wait as long as it takes. Errors: those of the
  // action; others when no such place came in a moment (a copy, a source that is broken), without having run
  // it.
  std::function<Status(const std::function<Status()>& action)> hold;
  // Grows with everything that changes rows; looked at while held.
  std::function<uint64_t()> changes;
  // Of the place that is held: a JSON object.
  std::function<std::string()> name;
};

}  // namespace tidemark::experiments
