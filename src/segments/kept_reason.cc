#include "segments/kept_reason.h"

#include <fmt/format.h>

namespace tidemark::segments {
namespace {

// Only there every change of a row comes in a cut.
bool is_mirrored(const std::string& table) {
  return table.starts_with("bronze.");
}

std::string first_of(const std::vector<Node>& nodes, bool of_event, bool& over_events);

bool follows_clock(const DateTest& test) {
  return test.kind != DateTest::Kind::before && test.kind != DateTest::Kind::after &&
         test.kind != DateTest::Kind::on;
}

std::string of_property(const PropertyCondition& condition, bool of_event) {
  if (std::holds_alternative<HasBeen>(condition.test)) return "`has_been` reads the history of a value";
  if (!of_event) return "";
  if (const auto* date = std::get_if<DateTest>(&condition.test); date != nullptr && follows_clock(*date))
    return "a property of an event is compared with the clock";
  bool unused = false;
  if (const auto* items = std::get_if<AnyItem>(&condition.test))
    return first_of(items->conditions, true, unused);
  return "";
}

std::string reason_of(const Node& node, bool of_event, bool& over_events) {
  if (const auto* all = std::get_if<All>(&node.condition))
    return first_of(all->children, of_event, over_events);
  if (const auto* any = std::get_if<Any>(&node.condition))
    return first_of(any->children, of_event, over_events);
  if (const auto* negation = std::get_if<Not>(&node.condition))
    return first_of(negation->child, of_event, over_events);
  if (const auto* property = std::get_if<PropertyCondition>(&node.condition))
    return of_property(*property, of_event);
  bool unused = false;
  if (const auto* event = std::get_if<EventCondition>(&node.condition)) {
    over_events = true;
    if (std::string reason = first_of(event->events.filter, true, unused); !reason.empty()) return reason;
    const auto* edge = std::get_if<EdgeEvent>(&event->test);
    return edge != nullptr ? first_of(edge->test, true, unused) : "";
  }
  if (const auto* sequence = std::get_if<Sequence>(&node.condition)) {
    over_events = true;
    std::string reason = first_of(sequence->first.filter, true, unused);
    return reason.empty() ? first_of(sequence->then.filter, true, unused) : reason;
  }
  if (std::holds_alternative<RandomShare>(node.condition)) return "";
  if (std::holds_alternative<InList>(node.condition)) return "a list is kept by hand";
  if (std::holds_alternative<Related>(node.condition)) return "it reads rows of other tables";
  if (std::holds_alternative<OfUsers>(node.condition)) return "it reads what the users of an account do";
  return "it names another segment";
}

std::string first_of(const std::vector<Node>& nodes, bool of_event, bool& over_events) {
  std::string first;
  for (const Node& node : nodes)
    if (std::string reason = reason_of(node, of_event, over_events); first.empty()) first = reason;
  return first;
}

}  // namespace

std::string why_asked(const std::string& entity, const Node& condition,
                      const std::vector<EventTable>& events) {
  if (!is_mirrored(entity)) return fmt::format("{} is no table of a source", entity);
  bool over_events = false;
  std::string reason = reason_of(condition, false, over_events);
  if (!reason.empty() || !over_events) return reason;
  for (const EventTable& table : events)
    if (!is_mirrored(table.table)) return fmt::format("{} is no table of a source", table.table);
  return "";
}

}  // namespace tidemark::segments
