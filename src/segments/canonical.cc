#include "segments/canonical.h"

#include "segments/segment_limits.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/sha.h>

namespace tidemark::segments {
namespace {

bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

std::string json_text(std::string_view text) {
  std::string result = "\"";
  for (char character : text) {
    if (character == '"' || character == '\\') {
      result.push_back('\\');
      result.push_back(character);
    } else if (static_cast<unsigned char>(character) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(character)));
    } else {
      result.push_back(character);
    }
  }
  return result + "\"";
}

std::string list(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const auto& text : texts) items.push_back(json_text(text));
  return fmt::format("[{}]", fmt::join(items, ","));
}

std::string literal_text(const Literal& literal) {
  return literal.kind == Literal::Kind::text ? json_text(literal.text) : literal.text;
}

std::string values_text(const std::vector<Literal>& values) {
  std::vector<std::string> items;
  for (const auto& value : values) items.push_back(literal_text(value));
  return fmt::format("[{}]", fmt::join(items, ","));
}

std::string range_text(const NumberRange& range) {
  std::string text;
  if (range.low) text += fmt::format("{}{}", range.low_open ? "\"gt\":" : "\"gte\":", *range.low);
  if (range.high)
    text +=
        fmt::format("{}{}{}", text.empty() ? "" : ",", range.high_open ? "\"lt\":" : "\"lte\":", *range.high);
  return "{" + text + "}";
}

std::string range_text(const CountRange& range) {
  return fmt::format("[{},{}]", range.low, range.high ? std::to_string(*range.high) : "null");
}

std::string moment_text(const Moment& moment) {
  return json_text(moment.text + (moment.utc ? "Z" : ""));
}

std::string nodes_text(const std::vector<Node>& nodes) {
  std::vector<std::string> items;
  for (const auto& node : nodes) items.push_back(canonical_text(node));
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
  return fmt::format("[{}]", fmt::join(items, ","));
}

std::string window_text(const Window& window) {
  std::string text;
  if (window.older_seconds) text += fmt::format(",\"older\":{}", *window.older_seconds);
  if (window.newer_seconds != 0) text += fmt::format(",\"newer\":{}", window.newer_seconds);
  if (window.from) text += ",\"from\":" + moment_text(*window.from);
  if (window.to) text += ",\"to\":" + moment_text(*window.to);
  return text;
}

std::string selection_text(const EventSelection& events) {
  std::string text = fmt::format("{{\"names\":{},\"prefixes\":{}", list(events.names), list(events.prefixes));
  if (!events.filter.empty()) text += ",\"where\":" + nodes_text(events.filter);
  if (!events.table.empty()) text += ",\"from\":" + json_text(events.table);
  return text + "}";
}

struct TestText {
  std::string operator()(const IsOneOf& test) const { return "\"in\":" + values_text(test.values); }
  std::string operator()(const Exists&) const { return "\"exists\":true"; }
  std::string operator()(const InRange& test) const { return "\"number\":" + range_text(test.range); }
  std::string operator()(const TextTest& test) const {
    static constexpr const char* names[] = {"contains", "starts_with", "ends_with", "matches"};
    return fmt::format("\"{}\":{}{}", names[static_cast<int>(test.kind)], json_text(test.text),
                       test.ignore_case ? ",\"ignore_case\":true" : "");
  }
  std::string operator()(const ListTest& test) const {
    return fmt::format("\"{}\":{}", test.all ? "has_all" : "has_any", list(test.values));
  }
  std::string operator()(const AnyItem& test) const { return "\"any_item\":" + nodes_text(test.conditions); }
  std::string operator()(const DateTest& test) const {
    static constexpr const char* names[] = {"before",          "after",       "on",
                                            "within_last",     "within_next", "more_than_ago",
                                            "more_than_ahead", "anniversary"};
    const char* name = names[static_cast<int>(test.kind)];
    switch (test.kind) {
      case DateTest::Kind::before:
      case DateTest::Kind::after:
      case DateTest::Kind::on:
        return fmt::format("\"{}\":{}", name, moment_text(test.moment));
      case DateTest::Kind::anniversary:
        return fmt::format("\"{}\":{}", name, test.days);
      default:
        return fmt::format("\"{}\":{}", name, test.seconds);
    }
  }
  std::string operator()(const HasBeen& test) const {
    return fmt::format("\"has_been\":{},\"{}\":{}", values_text(test.values),
                       test.less ? "less_than" : "at_least", test.seconds);
  }
  std::string operator()(const EventCount& test) const { return "\"count\":" + range_text(test.range); }
  std::string operator()(const EventValue& test) const {
    static constexpr const char* names[] = {"sum", "avg", "min", "max", "count_distinct"};
    return fmt::format("\"{}\":{},\"is\":{}", names[static_cast<int>(test.function)], list(test.path),
                       range_text(test.range));
  }
  std::string operator()(const EdgeEvent& test) const {
    return fmt::format("\"{}\":{}", test.last ? "last" : "first", nodes_text(test.test));
  }
  std::string operator()(const ActiveDays& test) const { return "\"active_days\":" + range_text(test.range); }
  std::string operator()(const Regularly& test) const {
    static constexpr const char* names[] = {"day", "week", "month"};
    return fmt::format("\"regularly\":[{},{},{},\"{}\"]", test.times, test.periods, test.of,
                       names[static_cast<int>(test.period)]);
  }
  std::string operator()(const Restarted& test) const { return fmt::format("\"gap\":{}", test.gap_seconds); }
};

struct ConditionText {
  std::string operator()(const All& all) const {
    return all.children.empty() ? "\"everyone\"" : "{\"all\":" + nodes_text(all.children) + "}";
  }
  std::string operator()(const Any& any) const {
    return any.children.empty() ? "\"nobody\"" : "{\"any\":" + nodes_text(any.children) + "}";
  }
  std::string operator()(const Not& negation) const {
    return "{\"not\":" + canonical_text(negation.child.front()) + "}";
  }
  std::string operator()(const PropertyCondition& condition) const {
    return fmt::format("{{\"property\":{},{}}}", list(condition.path),
                       std::visit(TestText{}, condition.test));
  }
  std::string operator()(const EventCondition& condition) const {
    return fmt::format("{{\"events\":{}{},{}}}", selection_text(condition.events),
                       window_text(condition.window), std::visit(TestText{}, condition.test));
  }
  std::string operator()(const Sequence& sequence) const {
    return fmt::format("{{\"sequence\":[{},{}],\"within\":{}{}{}}}", selection_text(sequence.first),
                       selection_text(sequence.then), sequence.within_seconds,
                       sequence.absent ? ",\"absent\":true" : "", window_text(sequence.window));
  }
  std::string operator()(const MemberOf& member) const {
    return "{\"member\":" + json_text(member.segment) + "}";
  }
  std::string operator()(const InList& in_list) const { return "{\"list\":" + json_text(in_list.list) + "}"; }
  std::string operator()(const RandomShare& share) const {
    return fmt::format("{{\"random\":{},\"seed\":{}}}", share.percent, json_text(share.seed));
  }
  std::string operator()(const Related& related) const {
    return fmt::format("{{\"related\":{},\"columns\":{},\"of\":{},\"where\":{},{}}}",
                       json_text(related.table), list(related.columns), list(related.of),
                       nodes_text(related.where), std::visit(TestText{}, related.test));
  }
  std::string operator()(const OfUsers& users) const {
    return fmt::format("{{\"users\":{},\"key\":{},\"by\":{},\"{}\":{}}}", json_text(users.entity),
                       list(users.key), list(users.columns),
                       users.quantifier == OfUsers::Quantifier::any ? "any" : "all",
                       canonical_text(users.where.front()));
  }
};

// `Same` groups inside become part of this one; a group of one is its child.
template <class Same>
Node flattened(Same group, Location where) {
  Same flat;
  for (Node& child : group.children) {
    Node simple = simplified(std::move(child));
    if (auto* same = std::get_if<Same>(&simple.condition); same != nullptr && !same->children.empty())
      for (Node& grandchild : same->children) flat.children.push_back(std::move(grandchild));
    else
      flat.children.push_back(std::move(simple));
  }
  if (flat.children.size() == 1) return std::move(flat.children.front());
  return {std::move(flat), std::move(where)};
}

}  // namespace

std::optional<std::string> canonical_number(std::string_view text) {
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  std::string whole, fraction;
  size_t at = 0;
  while (at < text.size() && is_digit(text[at])) whole.push_back(text[at++]);
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (at < text.size() && is_digit(text[at])) fraction.push_back(text[at++]);
  }
  if (whole.empty() && fraction.empty()) return std::nullopt;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    std::string_view exponent = text.substr(at + 1);
    if (exponent.starts_with('+')) exponent.remove_prefix(1);
    int shift = 0;
    auto [end, failure] = std::from_chars(exponent.data(), exponent.data() + exponent.size(), shift);
    if (failure != std::errc{} || end != exponent.data() + exponent.size()) return std::nullopt;
    if (shift < -400 || shift > 400) return std::nullopt;
    for (; shift > 0; --shift) {
      whole.push_back(fraction.empty() ? '0' : fraction.front());
      if (!fraction.empty()) fraction.erase(0, 1);
    }
    for (; shift < 0; ++shift) {
      fraction.insert(fraction.begin(), whole.empty() ? '0' : whole.back());
      if (!whole.empty()) whole.pop_back();
    }
    at = text.size();
  }
  if (at != text.size()) return std::nullopt;
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  if (whole.size() > static_cast<size_t>(limits::number_digits_max)) return std::nullopt;
  if (fraction.size() > static_cast<size_t>(limits::number_scale)) fraction.resize(limits::number_scale);
  while (fraction.ends_with('0')) fraction.pop_back();
  if (whole.empty()) whole = "0";
  std::string number = fraction.empty() ? whole : whole + "." + fraction;
  return negative && number != "0" ? "-" + number : number;
}

Node simplified(Node node) {
  if (auto* all = std::get_if<All>(&node.condition)) return flattened(std::move(*all), node.where);
  if (auto* any = std::get_if<Any>(&node.condition)) return flattened(std::move(*any), node.where);
  if (auto* negation = std::get_if<Not>(&node.condition)) {
    Node child = simplified(std::move(negation->child.front()));
    if (auto* inner = std::get_if<Not>(&child.condition)) return std::move(inner->child.front());
    if (auto* all = std::get_if<All>(&child.condition); all != nullptr && all->children.empty())
      return {Any{}, std::move(node.where)};
    if (auto* any = std::get_if<Any>(&child.condition); any != nullptr && any->children.empty())
      return {All{}, std::move(node.where)};
    Not result;
    result.child.push_back(std::move(child));
    return {std::move(result), std::move(node.where)};
  }
  return node;
}

std::string canonical_text(const Node& node) {
  return std::visit(ConditionText{}, node.condition);
}

std::string canonical_text(const Definition& definition) {
  std::vector<std::string> events;
  for (const EventTable& table : definition.events)
    events.push_back(fmt::format(
        "{{\"table\":{},\"key\":{},\"name\":{},\"constant\":{},\"time\":{},\"properties\":{},"
        "\"id\":{}}}",
        json_text(table.table), list(table.key), json_text(table.name), json_text(table.constant_name),
        json_text(table.time), json_text(table.properties), json_text(table.id)));
  std::sort(events.begin(), events.end());
  return fmt::format("{{\"entity\":{},\"key\":{},\"events\":[{}],\"time_zone\":{},\"where\":{}}}",
                     json_text(definition.entity), list(definition.key), fmt::join(events, ","),
                     json_text(definition.time_zone), canonical_text(definition.condition));
}

std::string fingerprint(const Definition& definition) {
  std::string text = canonical_text(definition);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string result;
  for (int index = 0; index < 8; ++index) result += fmt::format("{:02x}", digest[index]);
  return result;
}

}  // namespace tidemark::segments
