#include "segments/property_sql.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

std::string holds(const std::string& nullable) {
  return fmt::format("ifNull({}, 0)", nullable);
}

std::string instant(const SqlContext& context, const Operand& operand) {
  return operand.instant.empty() ? instant_of(operand.text, context.zone) : operand.instant;
}

// `at` when it is still to come.
std::string if_ahead(const std::string& at) {
  return fmt::format("if({0} > {1}, {0}, {2})", at, as_of, never);
}

Truth date_test(SqlContext& context, const Operand& operand, const DateTest& test) {
  std::string at = instant(context, operand);
  std::string length = microseconds(test.seconds);
  auto nullable_next = [](const std::string& next) { return fmt::format("ifNull({}, {})", next, never); };
  switch (test.kind) {
    case DateTest::Kind::before:
      return {holds(fmt::format("{} < {}", at, context.zone.instant(context.parameters, test.moment))), ""};
    case DateTest::Kind::after:
      return {holds(fmt::format("{} >= {}", at, context.zone.instant(context.parameters, test.moment))), ""};
    case DateTest::Kind::on: {
      std::string day =
          fmt::format("toDate32({})", context.parameters.add("String", test.moment.text.substr(0, 10)));
      return {holds(fmt::format("{0} >= {1} AND {0} < {2}", at, context.zone.start_of(day),
                                context.zone.start_of(fmt::format("addDays({}, 1)", day)))),
              ""};
    }
    case DateTest::Kind::within_last:
      return {holds(fmt::format("{0} <= {1} AND {1} < {0} + {2}", at, as_of, length)),
              nullable_next(fmt::format("if({0} > {1}, {0}, {2})", at, as_of,
                                        if_ahead(fmt::format("({} + {})", at, length))))};
    case DateTest::Kind::within_next:
      return {
          holds(fmt::format("{0} - {2} <= {1} AND {1} < {0}", at, as_of, length)),
          nullable_next(fmt::format("if({0} - {2} > {1}, {0} - {2}, {3})", at, as_of, length, if_ahead(at)))};
    case DateTest::Kind::more_than_ago:
      return {holds(fmt::format("{} >= {} + {}", as_of, at, length)),
              nullable_next(if_ahead(fmt::format("({} + {})", at, length)))};
    case DateTest::Kind::more_than_ahead:
      return {holds(fmt::format("{} < {} - {}", as_of, at, length)),
              nullable_next(if_ahead(fmt::format("({} - {})", at, length)))};
    case DateTest::Kind::anniversary:
      break;
  }
  // The return of day D in year y: its month and day; 29 February returns on the 28th of common years.
  std::string born = context.zone.day_of(at);
  std::string today = fmt::format("addDays({}, {})", context.zone.day_of(as_of), test.days);
  std::string returned = fmt::format(
      "makeDate32(y, toMonth({0}), least(toDayOfMonth({0}), "
      "toDayOfMonth(toLastDayOfMonth(makeDate32(y, toMonth({0}), 1)))))",
      born);
  std::string years = fmt::format(
      "arrayFilter(y -> y > toYear({0}), [toYear({1}) - 1, toYear({1}), toYear({1}) + 1, "
      "toYear({0}) + 1])",
      born, today);
  std::string at_days = fmt::format("arrayMap(y -> {}, {})", returned, years);
  // Arrays cannot be NULL: a missing date stands outside of them.
  std::string known = fmt::format("isNotNull({})", at);
  std::string safe_at = fmt::format("assumeNotNull({})", at);
  std::string days = at_days;
  for (size_t found = days.find(at); found != std::string::npos;
       found = days.find(at, found + safe_at.size()))
    days.replace(found, at.size(), safe_at);
  std::string starts = fmt::format("arrayMap(d -> {}, {})",
                                   context.zone.start_of(fmt::format("addDays(d, {})", -test.days)), days);
  std::string ends = fmt::format("arrayMap(d -> {}, {})",
                                 context.zone.start_of(fmt::format("addDays(d, {})", 1 - test.days)), days);
  return {
      fmt::format("({} AND has({}, {}))", known, days, today),
      fmt::format("if({}, arrayMin(arrayPushBack(arrayFilter(i -> i > {}, arrayConcat({}, {})), {})), {})",
                  known, as_of, starts, ends, never, never)};
}

struct PropertyTest {
  SqlContext& context;
  const Operand& operand;
  const Location& where;

  Truth operator()(const IsOneOf& test) const { return is_one_of(context.parameters, operand, test.values); }

  Truth operator()(const Exists&) const { return {fmt::format("(ifNull({}, '') != '')", operand.text), ""}; }

  Truth operator()(const InRange& test) const {
    return {holds(in_range(context.parameters, number_of(operand.text), test.range)), ""};
  }

  Truth operator()(const TextTest& test) const {
    const std::string& text = operand.text;
    if (test.kind == TextTest::Kind::matches) {
      std::string pattern = context.parameters.add("String", (test.ignore_case ? "(?i)" : "") + test.text);
      return {holds(fmt::format("match({}, {})", text, pattern)), ""};
    }
    std::string value = test.ignore_case ? fmt::format("lowerUTF8({})", text) : text;
    std::string wanted = context.parameters.add("String", test.text);
    if (test.ignore_case) wanted = fmt::format("lowerUTF8({})", wanted);
    if (test.kind == TextTest::Kind::contains)
      return {holds(fmt::format("position({}, {}) > 0", value, wanted)), ""};
    return {
        holds(fmt::format("{}({}, {})", test.kind == TextTest::Kind::starts_with ? "startsWith" : "endsWith",
                          value, wanted)),
        ""};
  }

  Truth operator()(const ListTest& test) const {
    std::string list =
        operand.list.empty()
            ? fmt::format("JSONExtract(ifNull({}, ''), 'Array(Nullable(String))')", operand.text)
            : operand.list;
    return {fmt::format("{}({}, {})", test.all ? "hasAll" : "hasAny", list,
                        context.parameters.add_list("String", test.values)),
            ""};
  }

  Truth operator()(const AnyItem& test) const {
    // Nested lists of objects: each level has a variable of its own.
    static thread_local int level = 0;
    std::string item = fmt::format("item{}", level++);
    RowScope scope{[&](const Path& path) -> std::optional<Operand> {
                     std::vector<std::string> steps;
                     for (const auto& step : path) steps.push_back(context.parameters.add("String", step));
                     return Operand{.text = fmt::format("JSONExtract({}, {}, 'Nullable(String)')", item,
                                                        fmt::join(steps, ", "))};
                   },
                   "",
                   {}};
    Truth each = filter_sql(context, scope, test.conditions);
    --level;
    std::string items = fmt::format("JSONExtractArrayRaw(ifNull({}, ''))", operand.text);
    Truth truth{fmt::format("arrayExists({} -> {}, {})", item, each.value, items), ""};
    if (!each.next.empty())
      truth.next =
          fmt::format("arrayMin(arrayPushBack(arrayMap({} -> {}, {}), {}))", item, each.next, items, never);
    return truth;
  }

  Truth operator()(const DateTest& test) const { return date_test(context, operand, test); }

  Truth operator()(const HasBeen&) const {
    context.problems.push_back({where, "`has_been` needs the history of a value, and these rows have none",
                                "Use it on properties of the segment's entity."});
    return {"toUInt8(0)", ""};
  }
};

}  // namespace

Truth is_one_of(Parameters& parameters, const Operand& operand, const std::vector<Literal>& values) {
  std::vector<std::string> texts, numbers, tests;
  for (const Literal& value : values)
    (value.kind == Literal::Kind::number ? numbers : texts).push_back(value.text);
  if (texts.size() == 1)
    tests.push_back(holds(fmt::format("{} = {}", operand.text, parameters.add("String", texts.front()))));
  else if (!texts.empty())
    tests.push_back(holds(fmt::format("{} IN {}", operand.text, parameters.add_list("String", texts))));
  if (numbers.size() == 1)
    tests.push_back(holds(
        fmt::format("{} = {}", number_of(operand.text), parameters.add("Decimal(38, 10)", numbers.front()))));
  else if (!numbers.empty())
    tests.push_back(holds(fmt::format("has({}, {})", parameters.add_list("Decimal(38, 10)", numbers),
                                      number_of(operand.text))));
  return {any_of(tests), ""};
}

std::string in_range(Parameters& parameters, const std::string& number, const NumberRange& range,
                     const std::string& type) {
  std::vector<std::string> bounds;
  if (range.low && range.high && *range.low == *range.high && !range.low_open && !range.high_open)
    return fmt::format("{} = {}", number, parameters.add(type, *range.low));
  if (range.low)
    bounds.push_back(
        fmt::format("{} {} {}", number, range.low_open ? ">" : ">=", parameters.add(type, *range.low)));
  if (range.high)
    bounds.push_back(
        fmt::format("{} {} {}", number, range.high_open ? "<" : "<=", parameters.add(type, *range.high)));
  return all_of(bounds);
}

Truth property_sql(SqlContext& context, const RowScope& scope, const PropertyCondition& condition,
                   const Location& where) {
  auto operand = scope.find(condition.path);
  if (!operand) {
    std::string name = fmt::format("{}", fmt::join(condition.path, "."));
    context.problems.push_back(
        {where,
         fmt::format("{} no column or property `{}`{}", scope.what, name,
                     config::did_you_mean(condition.path.front(), scope.names)),
         scope.names.empty() ? "" : fmt::format("It has {}.", fmt::join(scope.names, ", "))});
    return {"toUInt8(0)", ""};
  }
  return std::visit(PropertyTest{context, *operand, where}, condition.test);
}

Truth filter_sql(SqlContext& context, const RowScope& scope, const std::vector<Node>& filter) {
  std::vector<std::string> values, nexts;
  for (const Node& node : filter) {
    Truth truth;
    if (auto* condition = std::get_if<PropertyCondition>(&node.condition)) {
      truth = property_sql(context, scope, *condition, node.where);
    } else if (auto* negation = std::get_if<Not>(&node.condition)) {
      truth = filter_sql(context, scope, negation->child);
      truth.value = fmt::format("(NOT {})", truth.value);
    } else if (auto* all = std::get_if<All>(&node.condition)) {
      truth = filter_sql(context, scope, all->children);
    } else {
      context.problems.push_back({node.where, "only conditions over properties can stand here", ""});
      truth.value = "toUInt8(0)";
    }
    values.push_back(truth.value);
    nexts.push_back(truth.next);
  }
  return {all_of(values), earliest(nexts)};
}

}  // namespace tidemark::segments
