// Conditions over events, answered in memory from one entity's events: what event_sql.h says in SQL, for the
// path of few entities (few_entities.h). The warehouse says of each event which selections it belongs to and
// what its properties are worth (event_row_columns.h); here is only counting, windows and order.
//
// Pure functions. The oracle is the meaning: random_segments_test.cc holds both against plain loops.
#pragma once

#include "segments/definition.h"

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tidemark::segments {

inline constexpr int64_t never_us = std::numeric_limits<int64_t>::max();

// A condition's answer, and the instant before which it stays so if no row changes.
struct LeafAnswer {
  bool value = false;
  int64_t next = never_us;
};

// One entity's events by instant, those of one instant by id. Columns are numbered as EventPass::row_number
// and row_text handed them out.
class EntityEvents {
 public:
  virtual ~EntityEvents() = default;
  virtual size_t size() const = 0;
  virtual int64_t at(size_t event) const = 0;
  virtual int64_t number(size_t column, size_t event) const = 0;
  virtual std::optional<std::string_view> text(size_t column, size_t event) const = 0;
};

// Events that a condition is about: number columns, and the window around the instant of evaluation.
struct LeafEvents {
  size_t match = 0;            // 1: selected, and inside of the window's fixed bounds
  std::optional<size_t> turn;  // when that may change by the clock
  std::optional<int64_t> older_us;
  int64_t newer_us = 0;
};

struct CountLeaf {
  CountRange range;
};
// Numbers are texts of Decimal(38, 10); values of count_distinct any texts.
struct ValueLeaf {
  EventValue::Function function = EventValue::Function::sum;
  size_t text = 0;
  NumberRange range;
};
// `test`: 1 when the event passes; `next`: when that may change.
struct EdgeLeaf {
  bool last = true;
  size_t test = 0;
  std::optional<size_t> next;
};
struct ActiveDaysLeaf {
  size_t day = 0;
  CountRange range;
};
// `period`: the event's; `today`: that of the instant of evaluation; `next_start`: when the next one begins.
struct RegularlyLeaf {
  size_t period = 0, today = 0, next_start = 0;
  int64_t times = 1, periods = 1, of = 1;
};
// `all`: selected, whatever the fixed bounds.
struct RestartedLeaf {
  size_t all = 0;
  int64_t gap_us = 0;
};
struct SequenceLeaf {
  LeafEvents then;
  int64_t within_us = 0;
  bool absent = false;
};

struct EventLeaf {
  LeafEvents events;
  std::variant<CountLeaf, ValueLeaf, EdgeLeaf, ActiveDaysLeaf, RegularlyLeaf, RestartedLeaf, SequenceLeaf>
      test;
};

LeafAnswer answer(const EventLeaf& leaf, const EntityEvents& events, int64_t as_of);

}  // namespace tidemark::segments
