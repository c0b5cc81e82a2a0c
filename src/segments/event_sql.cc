#include "segments/event_sql.h"

#include "segments/segment_limits.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

std::string or_never(const std::string& instant, const std::string& result) {
  return fmt::format("if({} = 0, {}, {})", instant, never, result);
}

// The selected events in a window, and when that set changes by itself.
class SelectedSql {
 public:
  SelectedSql(SqlContext& context, EventPass& pass, const EventSelection& events, const Window& window,
              const Location& where)
      : pass_(pass), window_(window) {
    match_ = pass.match(events, where);
    match_next_ = pass.match_next(events);
    std::vector<std::string> bounds = within_fixed_bounds(context, match_, window);
    coming_ = bounds;
    newer_ =
        window.newer_seconds == 0 ? as_of : fmt::format("{} - {}", as_of, microseconds(window.newer_seconds));
    if (window.older_seconds)
      bounds.push_back(fmt::format("_ts > {} - {}", as_of, microseconds(*window.older_seconds)));
    bounds.push_back(fmt::format("_ts <= {}", newer_));
    in_ = all_of(bounds);
    coming_.push_back(fmt::format("_ts > {}", newer_));
    pass.reach_back(window.from ? std::nullopt : window.older_seconds);
  }

  const std::string& in() const { return in_; }
  const std::string& match() const { return match_; }

  std::string count() { return pass_.aggregate(fmt::format("countIf({})", in_)); }

  // When the next event comes into the window (or a filter that looks at the clock turns).
  std::string enter() {
    std::string first = pass_.aggregate(fmt::format("minIf(_ts, {})", all_of(coming_)));
    std::string enter =
        or_never(first, window_.newer_seconds == 0
                            ? first
                            : fmt::format("{} + {}", first, microseconds(window_.newer_seconds)));
    return earliest({enter, turn()});
  }

  // When a filter turns; empty: no filter looks at the clock.
  std::string turn() {
    if (match_next_.empty()) return "";
    std::string first = pass_.aggregate(fmt::format("min({})", match_next_));
    return or_never(first, first);
  }

  // When the event at `ts` leaves; empty: never. `ts` is not 0.
  std::string leave(const std::string& ts) const {
    return window_.older_seconds ? fmt::format("({} + {})", ts, microseconds(*window_.older_seconds)) : "";
  }

  // When the first of those inside leaves; empty: never.
  std::string leave_oldest() {
    if (!window_.older_seconds) return "";
    std::string oldest = pass_.aggregate(fmt::format("minIf(_ts, {})", in_));
    return or_never(oldest, leave(oldest));
  }

  // When fewer than `count` are left, given that at least so many are inside.
  std::string leave_newest(int64_t count) {
    if (!window_.older_seconds) return never;
    if (count > limits::newest_kept_max) return leave_oldest();
    if (count == 1) return leave(pass_.aggregate(fmt::format("maxIf(_ts, {})", in_)));
    std::string newest = pass_.aggregate(fmt::format("groupArraySortedIf({})(-_ts, {})", count, in_));
    return leave(fmt::format("(-{}[{}])", newest, count));
  }

 private:
  EventPass& pass_;
  const Window& window_;
  std::string match_, match_next_, in_, newer_;
  std::vector<std::string> coming_;
};

struct EventTestSql {
  SqlContext& context;
  EventPass& pass;
  const EventCondition& condition;
  const Location& where;
  SelectedSql& selected;

  EventTruth operator()(const EventCount& test) const {
    std::string count = selected.count();
    std::string value = count_in_range(count, test.range);
    std::string low = test.range.low > 0 ? selected.leave_newest(test.range.low) : never;
    std::string high = test.range.high ? selected.leave_newest(*test.range.high + 1) : never;
    std::string enter = selected.enter(), turn = selected.turn();
    // Inside: too few when the low-th newest leaves, too many when one comes. Below: one must come. Above:
    // the (high + 1)-th newest must leave.
    std::string inside = test.range.high ? earliest({low, enter}) : low;
    std::string next = test.range.high ? fmt::format("if({}, {}, if({} < {}, {}, {}))", value, inside, count,
                                                     test.range.low, enter, high)
                                       : fmt::format("if({}, {}, {})", value, inside, enter);
    return {{value, earliest({next, turn})}, fmt::format("toString({})", count)};
  }

  EventTruth operator()(const EventValue& test) const {
    std::string text = pass.value(condition.events, test.path, where);
    std::string value, observed;
    if (test.function == EventValue::Function::count_distinct) {
      observed = pass.aggregate(fmt::format("uniqExactIf({}, {})", text, selected.in()));
      value = in_range(context.parameters, observed, test.range);
    } else {
      std::string number = number_of(text);
      if (test.function == EventValue::Function::average) {
        // sum / count >= x is sum >= x * count: exact.
        std::string sum =
            pass.aggregate(fmt::format("sumIf(toDecimal256({}, 10), {})", number, selected.in()));
        std::string count = pass.aggregate(fmt::format("countIf({}, {})", number, selected.in()));
        observed = fmt::format("toFloat64({}) / {}", sum, count);
        std::vector<std::string> bounds = {fmt::format("{} > 0", count)};
        auto bound = [&](const std::string& limit, const char* operation) {
          bounds.push_back(fmt::format("{} {} {} * {}", sum, operation,
                                       context.parameters.add("Decimal(76, 10)", limit), count));
        };
        if (test.range.low) bound(*test.range.low, test.range.low_open ? ">" : ">=");
        if (test.range.high) bound(*test.range.high, test.range.high_open ? "<" : "<=");
        value = all_of(bounds);
      } else if (test.function == EventValue::Function::sum) {
        std::string sum =
            pass.aggregate(fmt::format("sumIf(toDecimal256({}, 10), {})", number, selected.in()));
        observed = fmt::format("ifNull({}, 0)", sum);
        value = in_range(context.parameters, observed, test.range, "Decimal(76, 10)");
      } else {
        observed = pass.aggregate(fmt::format("{}If({}, {})",
                                              test.function == EventValue::Function::minimum ? "min" : "max",
                                              number, selected.in()));
        value = in_range(context.parameters, observed, test.range);
      }
    }
    return {{fmt::format("ifNull({}, 0)", value), earliest({selected.enter(), selected.leave_oldest()})},
            fmt::format("toString({})", observed)};
  }

  EventTruth operator()(const EdgeEvent& test) const {
    std::vector<std::string> columns;
    std::string arguments;
    // The test's properties are columns of the pass; the edge event's come back as one tuple.
    std::vector<Path> paths;
    RowScope collect{[&](const Path& path) -> std::optional<Operand> {
                       for (const Path& known : paths)
                         if (known == path) return Operand{.text = "''"};
                       paths.push_back(path);
                       return Operand{.text = "''"};
                     },
                     "",
                     {}};
    Parameters unused;
    std::vector<Problem> unheard;
    SqlContext dry{unused, context.zone, unheard};
    filter_sql(dry, collect, test.test);
    for (const Path& path : paths) columns.push_back(pass.value(condition.events, path, where));
    columns.emplace_back("toUInt8(1)");
    std::string edge =
        pass.aggregate(fmt::format("{}If(tuple({}), (_ts, _id), {})", test.last ? "argMax" : "argMin",
                                   fmt::join(columns, ", "), selected.in()));
    RowScope scope{[&](const Path& path) -> std::optional<Operand> {
                     for (size_t index = 0; index < paths.size(); ++index)
                       if (paths[index] == path)
                         return Operand{.text = fmt::format("tupleElement({}, {})", edge, index + 1)};
                     return std::nullopt;
                   },
                   "",
                   {}};
    Truth tested = filter_sql(context, scope, test.test);
    std::string value = fmt::format("({} > 0 AND {})", selected.count(), tested.value);
    std::string at = pass.aggregate(fmt::format("{}If(_ts, {})", test.last ? "max" : "min", selected.in()));
    std::string leave = selected.leave(at);
    if (!leave.empty()) leave = or_never(at, leave);
    return {{value, earliest({tested.next, selected.enter(), leave})}, fmt::format("toString({})", edge)};
  }

  EventTruth operator()(const ActiveDays& test) const {
    std::string days =
        pass.aggregate(fmt::format("uniqExactIf({}, {})", context.zone.day_of("_ts"), selected.in()));
    return {{count_in_range(days, test.range), earliest({selected.enter(), selected.leave_oldest()})},
            fmt::format("toString({})", days)};
  }

  EventTruth operator()(const Regularly& test) const {
    PeriodSql period = period_sql(context.zone, test.period);
    std::string in =
        fmt::format("({} AND {} > {} - {})", selected.in(), period.of_event, period.today, test.of);
    std::string counts =
        pass.aggregate(fmt::format("sumMapIf([{}], [toUInt64(1)], {})", period.of_event, in));
    std::string good = fmt::format("arrayCount(c -> c >= {}, tupleElement({}, 2))", test.times, counts);
    std::string inside = pass.aggregate(fmt::format("countIf({})", in));
    pass.reach_back(seconds_of(test));
    return {
        {fmt::format("({} >= {})", good, test.periods),
         earliest({selected.enter(), fmt::format("if({} > 0, {}, {})", inside, period.next_start, never)})},
        fmt::format("toString({})", good)};
  }

  EventTruth operator()(const Restarted& test) const {
    pass.reach_back(std::nullopt);
    std::string all = fmt::format("arraySort(groupArrayIf(_ts, {} AND _ts <= {}))", selected.match(), as_of);
    std::string instants = pass.aggregate(all);
    std::vector<std::string> inside = {
        fmt::format("gap >= {}", microseconds(test.gap_seconds)),
        fmt::format("ts <= {} - {}", as_of, microseconds(condition.window.newer_seconds))};
    if (condition.window.older_seconds)
      inside.push_back(fmt::format("ts > {} - {}", as_of, microseconds(*condition.window.older_seconds)));
    if (condition.window.from)
      inside.push_back(
          fmt::format("ts >= {}", context.zone.instant(context.parameters, *condition.window.from)));
    if (condition.window.to)
      inside.push_back(
          fmt::format("ts < {}", context.zone.instant(context.parameters, *condition.window.to)));
    // The first has none before it: its difference is made 0.
    std::string latest =
        fmt::format("arrayMax(arrayMap((ts, gap) -> if({}, ts, 0), {}, arrayDifference({})))", all_of(inside),
                    instants, instants);
    std::string leave = selected.leave(latest);
    if (!leave.empty()) leave = or_never(latest, leave);
    return {{fmt::format("({} != 0)", latest), earliest({selected.enter(), leave})}, ""};
  }
};

}  // namespace

std::vector<std::string> within_fixed_bounds(SqlContext& context, const std::string& match,
                                             const Window& window) {
  std::vector<std::string> bounds = {match};
  if (window.from)
    bounds.push_back(fmt::format("_ts >= {}", context.zone.instant(context.parameters, *window.from)));
  if (window.to)
    bounds.push_back(fmt::format("_ts < {}", context.zone.instant(context.parameters, *window.to)));
  return bounds;
}

int64_t seconds_of(const Regularly& test) {
  static constexpr int64_t days[] = {1, 7, 31};
  return (test.of + 1) * days[static_cast<int>(test.period)] * 86'400 + 2 * 86'400;
}

PeriodSql period_sql(const Zone& zone, Regularly::Period period) {
  std::string today = zone.day_of(as_of);
  auto number = [&](const std::string& day) -> std::string {
    switch (period) {
      case Regularly::Period::day:
        return fmt::format("toInt64({})", day);
      case Regularly::Period::week:  // 1970-01-01 was a Thursday; counted from a Monday long before
        return fmt::format("intDiv(toInt64({}) + 3 + 700000, 7)", day);
      case Regularly::Period::month:
        return fmt::format("(toInt64(toYear({0})) * 12 + toMonth({0}))", day);
    }
    return "";
  };
  std::string next_start = period == Regularly::Period::day ? fmt::format("addDays({}, 1)", today)
                           : period == Regularly::Period::week
                               ? fmt::format("addDays(toMonday({0}), 7)", today)
                               : fmt::format("addMonths(toStartOfMonth({0}), 1)", today);
  return {number(zone.day_of("_ts")), number(today), zone.start_of(fmt::format("toDate32({})", next_start))};
}

std::string count_in_range(const std::string& count, const CountRange& range) {
  std::vector<std::string> bounds;
  if (range.high && *range.high == range.low) return fmt::format("({} = {})", count, range.low);
  if (range.low > 0) bounds.push_back(fmt::format("{} >= {}", count, range.low));
  if (range.high) bounds.push_back(fmt::format("{} <= {}", count, *range.high));
  return all_of(bounds);
}

EventTruth event_sql(SqlContext& context, EventPass& pass, const EventCondition& condition,
                     const Location& where) {
  // `regularly` says itself how far back it looks; without a window everything would be read.
  Window window = condition.window;
  bool own_window = std::holds_alternative<Regularly>(condition.test);
  if (own_window) {
    window.older_seconds = seconds_of(std::get<Regularly>(condition.test));
  }
  SelectedSql selected(context, pass, condition.events, window, where);
  return std::visit(EventTestSql{context, pass, condition, where, selected}, condition.test);
}

EventTruth sequence_sql(SqlContext& context, EventPass& pass, const Sequence& sequence,
                        const Location& where) {
  SelectedSql first(context, pass, sequence.first, sequence.window, where);
  // A `then` lies at most `within` after a first, so it is as old as the window at most.
  Window any_time = {.older_seconds = std::nullopt};
  if (sequence.window.older_seconds) {
    pass.reach_back(*sequence.window.older_seconds);
    any_time.older_seconds = sequence.window.older_seconds;
  }
  SelectedSql then(context, pass, sequence.then, any_time, where);
  std::string within = microseconds(sequence.within_seconds);
  // At one instant a `then` stands before a first, because it must come after it.
  std::string both = pass.aggregate(fmt::format(
      "arraySort(arrayConcat(groupArrayIf((_ts, toUInt8(1)), {}), groupArrayIf((_ts, toUInt8(0)), {})))",
      first.in(), then.in()));
  std::string enter = earliest({first.enter(), then.enter()});
  if (!sequence.absent) {
    // For every `then` the nearest first before it.
    std::string firsts = fmt::format(
        "arrayFill(f -> f != 0, arrayMap(e -> if(tupleElement(e, 2) = 1, tupleElement(e, 1), 0), {}))", both);
    std::string latest = fmt::format(
        "arrayMax(arrayMap((e, f) -> if(tupleElement(e, 2) = 0 AND f != 0 AND tupleElement(e, 1) - f < {}, "
        "f, 0), {}, "
        "{}))",
        within, both, firsts);
    std::string leave = first.leave(latest);
    std::string value = fmt::format("({} != 0)", latest);
    std::string turn = earliest({first.turn(), then.turn()});
    return {
        {value, earliest({fmt::format("if({}, {}, {})", value, leave.empty() ? never : leave, enter), turn})},
        ""};
  }
  // For every first the next `then` after it; known at first + within.
  std::string thens = fmt::format(
      "arrayReverseFill(t -> t != 0, arrayMap(e -> if(tupleElement(e, 2) = 0, tupleElement(e, 1), 0), {}))",
      both);
  std::string open =
      fmt::format("tupleElement(e, 2) = 1 AND (t = 0 OR t - tupleElement(e, 1) >= {})", within);
  std::string latest = fmt::format(
      "arrayMax(arrayMap((e, t) -> if({} AND tupleElement(e, 1) + {} <= {}, tupleElement(e, 1), 0), {}, {}))",
      open, within, as_of, both, thens);
  std::string pending = fmt::format(
      "arrayMin(arrayPushBack(arrayMap((e, t) -> if({} AND tupleElement(e, 1) + {} > {}, tupleElement(e, 1) "
      "+ {}, {}), "
      "{}, {}), {}))",
      open, within, as_of, within, never, both, thens, never);
  std::string leave = first.leave(latest);
  std::string value = fmt::format("({} != 0)", latest);
  std::string turn = earliest({first.turn(), then.turn()});
  return {{value, earliest({fmt::format("if({}, {}, {})", value, leave.empty() ? never : leave,
                                        earliest({pending, enter})),
                            turn})},
          ""};
}

}  // namespace tidemark::segments
