// What is kept of an event so that all leaves can be answered again later from memory (kept_facts.h): which
// of them it belongs to (flags, a bit each), numbers that follow from its instant (days, periods), and texts
// that some leaf compares or adds up. Numbers that only depend on the instant of evaluation (which week it
// is) are constants of the question and not of the event.
//
// Pure: made of leaves as event_leaf_plan.h numbered their columns.
#pragma once

#include "segments/event_leaf.h"

#include <cstddef>
#include <optional>
#include <vector>

namespace tidemark::segments {

struct KeptColumns {
  enum class Kind { flag, time, constant };
  struct Number {
    Kind kind = Kind::flag;
    size_t place = 0;  // among those of its kind
  };
  std::vector<Number> numbers;                  // by number column
  std::vector<size_t> flags, times, constants;  // number columns, by place
  std::vector<size_t> ends;   // constants: the instants until which all constants stay as they are
  std::vector<bool> selects;  // by flag: it says that the event is one of a leaf's, not only how it is tested
  size_t texts = 0;
  // Of which flags (places) one must be set for the value to be looked at.
  std::vector<std::vector<size_t>> time_flags, text_flags;

  size_t words() const { return (flags.size() + 63) / 64; }
};

// Nothing: a leaf looks at the clock through the event's values, so what is kept would grow old.
std::optional<KeptColumns> kept_columns(const std::vector<EventLeaf>& leaves, size_t numbers, size_t texts);

}  // namespace tidemark::segments
