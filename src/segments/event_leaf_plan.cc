#include "segments/event_leaf_plan.h"

#include "segments/event_sql.h"

#include <fmt/format.h>

namespace tidemark::segments {
namespace {

LeafEvents leaf_events(SqlContext& context, EventPass& pass, const EventSelection& events,
                       const Window& window, const Location& where) {
  LeafEvents leaf;
  std::string match = pass.match(events, where);
  leaf.match = pass.row_number(all_of(within_fixed_bounds(context, match, window)));
  if (std::string turn = pass.match_next(events); !turn.empty()) leaf.turn = pass.row_number(turn);
  if (window.older_seconds) leaf.older_us = *window.older_seconds * 1'000'000;
  leaf.newer_us = window.newer_seconds * 1'000'000;
  pass.reach_back(window.from ? std::nullopt : window.older_seconds);
  return leaf;
}

struct Plan {
  SqlContext& context;
  EventPass& pass;
  const EventCondition& condition;
  const Location& where;
  EventLeaf& leaf;

  void operator()(const EventCount& test) const { leaf.test = CountLeaf{test.range}; }

  void operator()(const EventValue& test) const {
    std::string text = pass.value(condition.events, test.path, where);
    if (test.function != EventValue::Function::count_distinct)
      text = fmt::format("toString({})", number_of(text));
    leaf.test = ValueLeaf{test.function, pass.row_text(text), test.range};
  }

  void operator()(const EdgeEvent& test) const {
    RowScope scope{[&](const Path& path) -> std::optional<Operand> {
                     return Operand{.text = pass.value(condition.events, path, where)};
                   },
                   "",
                   {}};
    Truth tested = filter_sql(context, scope, test.test);
    EdgeLeaf edge{test.last, pass.row_number(tested.value), std::nullopt};
    if (!tested.next.empty()) edge.next = pass.row_number(tested.next);
    leaf.test = edge;
  }

  void operator()(const ActiveDays& test) const {
    leaf.test = ActiveDaysLeaf{pass.row_number(context.zone.day_of("_ts")), test.range};
  }

  void operator()(const Regularly& test) const {
    PeriodSql period = period_sql(context.zone, test.period);
    leaf.test = RegularlyLeaf{pass.row_number(period.of_event),
                              pass.row_number(period.today),
                              pass.row_number(period.next_start),
                              test.times,
                              test.periods,
                              test.of};
  }

  void operator()(const Restarted& test) const {
    pass.reach_back(std::nullopt);
    leaf.test =
        RestartedLeaf{pass.row_number(pass.match(condition.events, where)), test.gap_seconds * 1'000'000};
  }
};

}  // namespace

EventLeaf event_leaf(SqlContext& context, EventPass& pass, const EventCondition& condition,
                     const Location& where) {
  Window window = condition.window;
  if (const auto* test = std::get_if<Regularly>(&condition.test)) window.older_seconds = seconds_of(*test);
  EventLeaf leaf;
  leaf.events = leaf_events(context, pass, condition.events, window, where);
  std::visit(Plan{context, pass, condition, where, leaf}, condition.test);
  return leaf;
}

EventLeaf sequence_leaf(SqlContext& context, EventPass& pass, const Sequence& sequence,
                        const Location& where) {
  EventLeaf leaf;
  leaf.events = leaf_events(context, pass, sequence.first, sequence.window, where);
  // A `then` lies behind a first, so it is as old as the window at most.
  Window any_time = {.older_seconds = sequence.window.older_seconds};
  leaf.test = SequenceLeaf{leaf_events(context, pass, sequence.then, any_time, where),
                           sequence.within_seconds * 1'000'000, sequence.absent};
  return leaf;
}

}  // namespace tidemark::segments
