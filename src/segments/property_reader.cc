#include "segments/property_reader.h"

#include "segments/canonical.h"
#include "segments/segment_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::segments {
namespace {

using config::MappingReader;
using config::Reader;
using config::YamlNode;

std::optional<std::string> scalar(Reader reader, const YamlNode& node, const char* expected) {
  if (node.kind != YamlNode::Kind::scalar) {
    reader.report.error(node.where, fmt::format("{} is expected, and this is {}", expected, node.describe()));
    return std::nullopt;
  }
  auto text = reader.environment.substitute(reader.report, node.where, node.text);
  if (text && text->size() > limits::text_bytes_max) {
    reader.report.error(node.where, fmt::format("the text is longer than {} bytes", limits::text_bytes_max));
    return std::nullopt;
  }
  return text;
}

Node negated_node(Node node) {
  Location where = node.where;
  Not negation;
  negation.child.push_back(std::move(node));
  return {std::move(negation), std::move(where)};
}

std::vector<Literal> read_values(Reader reader, const YamlNode& node, const char* key) {
  std::vector<Literal> values;
  if (node.kind != YamlNode::Kind::sequence) {
    reader.report.error(node.where, fmt::format("`{}` takes a list", key),
                        fmt::format("Write {}: [a, b]", key));
    return values;
  }
  if (node.items.empty())
    reader.report.error(node.where, fmt::format("the list of `{}` is empty", key),
                        "Use `nobody` for a condition that never holds.");
  if (node.items.size() > limits::values_max) {
    reader.report.error(node.where, fmt::format("more than {} values", limits::values_max),
                        "Keep them in a list of their own and use `list`.");
    return values;
  }
  for (const YamlNode& item : node.items)
    if (auto value = read_literal(reader, item)) values.push_back(std::move(*value));
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

std::vector<std::string> texts_of(std::vector<Literal> literals) {
  std::vector<std::string> texts;
  for (Literal& literal : literals) texts.push_back(std::move(literal.text));
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts;
}

std::optional<std::string> read_number(Reader reader, const YamlNode& node) {
  auto text = scalar(reader, node, "a number");
  if (!text) return std::nullopt;
  auto number = canonical_number(*text);
  if (!number)
    reader.report.error(node.where, fmt::format("`{}` is not a number", node.text),
                        parse_moment(*text) ? "For dates use before, after, on, within_last, more_than_ago."
                                            : "Write digits: 10, -2.5, 1e6");
  return number;
}

class Operators {
 public:
  Operators(MappingReader& mapping, const Path& path) : mapping_(mapping), path_(path) {}

  std::vector<Node> read() {
    equality();
    numbers();
    texts();
    lists();
    dates();
    dwell();
    return std::move(nodes_);
  }

 private:
  Reader reader() const { return mapping_.reader(); }

  template <class Test>
  void add(const std::string& key, Test test, bool negated = false) {
    Node node{PropertyCondition{path_, std::move(test)}, mapping_.where(key)};
    nodes_.push_back(negated ? negated_node(std::move(node)) : std::move(node));
  }

  void equality() {
    for (auto [key, negated] : {std::pair{"eq", false}, {"neq", true}})
      if (const YamlNode* node = mapping_.child(key))
        if (auto value = read_literal(reader(), *node)) add(key, IsOneOf{{std::move(*value)}}, negated);
    for (auto [key, negated] : {std::pair{"in", false}, {"not_in", true}})
      if (const YamlNode* node = mapping_.child(key))
        add(key, IsOneOf{read_values(reader(), *node, key)}, negated);
    for (auto [key, negated] : {std::pair{"exists", false}, {"not_exists", true}})
      if (mapping_.has(key)) add(key, Exists{}, mapping_.boolean(key, true) == negated);
  }

  void numbers() {
    bool negated = false;
    NumberRange range;
    for (auto [key, high, open] :
         {std::tuple{"gt", false, true}, {"gte", false, false}, {"lt", true, true}, {"lte", true, false}}) {
      const YamlNode* node = mapping_.child(key);
      if (node == nullptr) continue;
      auto number = read_number(reader(), *node);
      if (!number) continue;
      NumberRange one;
      (high ? one.high : one.low) = number;
      (high ? one.high_open : one.low_open) = open;
      add(key, InRange{one});
    }
    if (mapping_.has("between")) {
      range = between("between");
      if (range.low) add("between", InRange{range}, negated);
    }
  }

  NumberRange between(const char* key) {
    const YamlNode* node = mapping_.child(key);
    NumberRange range;
    if (node->kind != YamlNode::Kind::sequence || node->items.size() != 2) {
      reader().report.error(node->where, "`between` takes two numbers",
                            "Write between: [10, 20]; both are inside.");
      return range;
    }
    range.low = read_number(reader(), node->items[0]);
    range.high = read_number(reader(), node->items[1]);
    return range;
  }

  void texts() {
    bool ignore_case = mapping_.has("ignore_case") && mapping_.boolean("ignore_case");
    bool any = false;
    for (auto [key, kind, negated] : {std::tuple{"contains", TextTest::Kind::contains, false},
                                      {"not_contains", TextTest::Kind::contains, true},
                                      {"starts_with", TextTest::Kind::starts_with, false},
                                      {"ends_with", TextTest::Kind::ends_with, false},
                                      {"matches", TextTest::Kind::matches, false},
                                      {"not_matches", TextTest::Kind::matches, true}}) {
      const YamlNode* node = mapping_.child(key);
      if (node == nullptr) continue;
      any = true;
      auto text = scalar(reader(), *node, "a text");
      if (text && text->empty())
        reader().report.error(node->where, fmt::format("`{}` is empty", key), "Every value would match.");
      if (text) add(key, TextTest{kind, std::move(*text), ignore_case}, negated);
    }
    if (ignore_case && !any)
      mapping_.error("ignore_case", "`ignore_case` belongs to contains, starts_with, ends_with and matches");
  }

  void lists() {
    if (const YamlNode* node = mapping_.child("has"))
      if (auto value = read_literal(reader(), *node)) add("has", ListTest{false, {value->text}});
    for (auto [key, all, negated] :
         {std::tuple{"has_any", false, false}, {"has_all", true, false}, {"has_none", false, true}})
      if (const YamlNode* node = mapping_.child(key))
        add(key, ListTest{all, texts_of(read_values(reader(), *node, key))}, negated);
    if (const YamlNode* node = mapping_.child("any_item"))
      add("any_item", AnyItem{read_property_map(reader(), *node)});
  }

  void dates() {
    for (auto [key, kind] : {std::pair{"before", DateTest::Kind::before},
                             {"after", DateTest::Kind::after},
                             {"on", DateTest::Kind::on}})
      if (const YamlNode* node = mapping_.child(key))
        if (auto moment = read_moment(reader(), *node)) {
          if (kind == DateTest::Kind::on && moment->utc)
            reader().report.error(node->where, "`on` takes a day", "Write on: 2026-05-03");
          if (kind == DateTest::Kind::on) moment->text = moment->text.substr(0, 10) + " 00:00:00";
          add(key, DateTest{.kind = kind, .moment = std::move(*moment)});
        }
    for (auto [key, kind] : {std::pair{"within_last", DateTest::Kind::within_last},
                             {"within_next", DateTest::Kind::within_next},
                             {"more_than_ago", DateTest::Kind::more_than_ago},
                             {"more_than_ahead", DateTest::Kind::more_than_ahead}})
      if (const YamlNode* node = mapping_.child(key))
        if (auto seconds = read_duration(reader(), *node))
          add(key, DateTest{.kind = kind, .seconds = *seconds});
    if (const YamlNode* node = mapping_.child("anniversary")) {
      DateTest test{.kind = DateTest::Kind::anniversary};
      if (node->text == "yesterday")
        test.days = -1;
      else if (node->text == "tomorrow")
        test.days = 1;
      else if (node->text != "today" && node->text != "true")
        test.days = mapping_.integer("anniversary", -365, 365).value_or(0);
      add("anniversary", test);
    }
  }

  void dwell() {
    const YamlNode* node = mapping_.child("has_been");
    const YamlNode* at_least = mapping_.child("at_least");
    const YamlNode* less_than = mapping_.child("less_than");
    if (node == nullptr) {
      if (at_least != nullptr || less_than != nullptr)
        mapping_.error(at_least != nullptr ? "at_least" : "less_than", "a duration without `has_been`",
                       "Write {property: plan, has_been: pro, at_least: 7d}");
      return;
    }
    HasBeen test;
    if (node->kind == YamlNode::Kind::sequence)
      test.values = read_values(reader(), *node, "has_been");
    else if (auto value = read_literal(reader(), *node))
      test.values.push_back(std::move(*value));
    if ((at_least == nullptr) == (less_than == nullptr)) {
      mapping_.error("has_been", "`has_been` needs one of `at_least` and `less_than`",
                     "Write {property: plan, has_been: pro, at_least: 7d}");
      return;
    }
    test.less = less_than != nullptr;
    auto seconds = read_duration(reader(), test.less ? *less_than : *at_least);
    if (seconds) test.seconds = *seconds;
    add("has_been", std::move(test));
  }

  MappingReader& mapping_;
  const Path& path_;
  std::vector<Node> nodes_;
};

bool digits(std::string_view text, size_t from, size_t count) {
  if (text.size() < from + count) return false;
  for (size_t index = from; index < from + count; ++index)
    if (text[index] < '0' || text[index] > '9') return false;
  return true;
}

int number_at(std::string_view text, size_t from, size_t count) {
  int value = 0;
  for (size_t index = from; index < from + count; ++index) value = value * 10 + (text[index] - '0');
  return value;
}

bool real_day(int year, int month, int day) {
  static constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return year >= 1900 && year <= 2299 && month >= 1 && month <= 12 && day >= 1 &&
         day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

}  // namespace

std::optional<Moment> parse_moment(std::string_view text) {
  // YYYY-MM-DD[( |T)HH:MM[:SS[.f{1,6}]][Z]]
  if (!digits(text, 0, 4) || !digits(text, 5, 2) || !digits(text, 8, 2) || text[4] != '-' || text[7] != '-')
    return std::nullopt;
  if (!real_day(number_at(text, 0, 4), number_at(text, 5, 2), number_at(text, 8, 2))) return std::nullopt;
  Moment moment{std::string(text.substr(0, 10)), false};
  std::string_view rest = text.substr(10);
  if (rest.empty()) {
    moment.text += " 00:00:00";
    return moment;
  }
  if ((rest[0] != ' ' && rest[0] != 'T') || !digits(rest, 1, 2) || rest.size() < 6 || rest[3] != ':' ||
      !digits(rest, 4, 2) || number_at(rest, 1, 2) > 23 || number_at(rest, 4, 2) > 59)
    return std::nullopt;
  moment.text += " " + std::string(rest.substr(1, 5));
  rest.remove_prefix(6);
  if (rest.starts_with(':')) {
    if (!digits(rest, 1, 2) || number_at(rest, 1, 2) > 59) return std::nullopt;
    moment.text += std::string(rest.substr(0, 3));
    rest.remove_prefix(3);
  } else {
    moment.text += ":00";
  }
  if (rest.starts_with('.')) {
    size_t count = 0;
    while (digits(rest, 1 + count, 1)) ++count;
    if (count == 0 || count > 6) return std::nullopt;
    std::string fraction(rest.substr(1, count));
    while (fraction.ends_with('0')) fraction.pop_back();
    if (!fraction.empty()) moment.text += "." + fraction;
    rest.remove_prefix(1 + count);
  }
  if (rest == "Z")
    moment.utc = true;
  else if (!rest.empty())
    return std::nullopt;
  return moment;
}

std::optional<Moment> read_moment(Reader reader, const YamlNode& node) {
  auto text = scalar(reader, node, "a date or a moment");
  if (!text) return std::nullopt;
  auto moment = parse_moment(*text);
  if (!moment)
    reader.report.error(
        node.where, fmt::format("`{}` is not a date", node.text),
        "Write 2026-05-03, 2026-05-03 14:30 (in the segment's zone) or 2026-05-03T14:30:00Z.");
  return moment;
}

std::optional<int64_t> read_duration(Reader reader, const YamlNode& node) {
  auto text = scalar(reader, node, "a duration");
  if (!text) return std::nullopt;
  auto seconds = config::parse_duration_seconds(*text);
  if (!seconds || *seconds == 0 || *seconds > limits::window_seconds_max) {
    reader.report.error(node.where, fmt::format("`{}` is not a duration", node.text),
                        "Write a whole number with a unit, up to 100 years: 90s, 30m, 24h, 30d, 4w");
    return std::nullopt;
  }
  return seconds;
}

Path read_path(Reader reader, const YamlNode& node) {
  Path path;
  if (node.kind == YamlNode::Kind::sequence) {
    for (const YamlNode& item : node.items)
      if (auto step = scalar(reader, item, "a step of a path")) path.push_back(std::move(*step));
  } else if (auto text = scalar(reader, node, "a property")) {
    size_t begin = 0;
    for (size_t dot = text->find('.'); dot != std::string::npos; dot = text->find('.', begin)) {
      path.push_back(text->substr(begin, dot - begin));
      begin = dot + 1;
    }
    path.push_back(text->substr(begin));
  } else {
    return path;
  }
  bool empty_step =
      path.empty() || std::any_of(path.begin(), path.end(), [](auto& step) { return step.empty(); });
  if (empty_step)
    reader.report.error(node.where, "a property's name is missing",
                        "Write a.b for b inside a; a list [\"a.b\", c] for names with dots.");
  if (path.size() > limits::path_steps_max)
    reader.report.error(node.where, fmt::format("more than {} steps", limits::path_steps_max));
  return path;
}

std::optional<Literal> read_literal(Reader reader, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::null) {
    reader.report.error(node.where, "there is no value here", "Use `exists: false` for what is missing.");
    return std::nullopt;
  }
  auto text = scalar(reader, node, "one value");
  if (!text) return std::nullopt;
  if (node.quoted) return Literal{Literal::Kind::text, std::move(*text)};
  if (*text == "true" || *text == "false") return Literal{Literal::Kind::boolean, std::move(*text)};
  // 007 and 01234 are codes, not numbers.
  bool code = text->size() > 1 && (*text)[0] == '0' && digits(*text, 1, 1);
  if (auto number = code ? std::nullopt : canonical_number(*text))
    return Literal{Literal::Kind::number, *number};
  return Literal{Literal::Kind::text, std::move(*text)};
}

NumberRange read_number_range(MappingReader& mapping, bool& negated) {
  NumberRange range;
  size_t given = 0;
  negated = false;
  for (const char* key : {"eq", "neq", "gt", "gte", "lt", "lte"}) {
    const YamlNode* node = mapping.child(key);
    if (node == nullptr) continue;
    ++given;
    auto number = read_number(mapping.reader(), *node);
    std::string_view name = key;
    if (name.starts_with('g') || name.ends_with("eq")) range.low = number;
    if (name.starts_with('l') || name.ends_with("eq")) range.high = number;
    if (name == "gt") range.low_open = true;
    if (name == "lt") range.high_open = true;
    negated = negated || name == "neq";
  }
  if (const YamlNode* node = mapping.child("between")) {
    ++given;
    if (node->kind == YamlNode::Kind::sequence && node->items.size() == 2) {
      range.low = read_number(mapping.reader(), node->items[0]);
      range.high = read_number(mapping.reader(), node->items[1]);
    } else {
      mapping.error("between", "`between` takes two numbers", "Write between: [10, 20]; both are inside.");
    }
  }
  bool two_sided =
      given == 2 && range.low && range.high && !negated && !mapping.has("eq") && !mapping.has("between");
  if (given != 1 && !two_sided)
    mapping.reader().report.error(mapping.where(),
                                  "one comparison is expected: eq, neq, gt, gte, lt, lte or between",
                                  "Write {gte: 10}, or {gte: 10, lt: 20}");
  return range;
}

CountRange read_count_range(Reader reader, const YamlNode& node, bool& negated) {
  NumberRange numbers;
  if (node.kind == YamlNode::Kind::mapping) {
    MappingReader mapping(reader, node, "a count");
    numbers = read_number_range(mapping, negated);
    mapping.finish();
  } else {
    negated = false;
    numbers.low = numbers.high = read_number(reader, node);
  }
  CountRange range;
  auto whole = [&](const std::string& text) -> int64_t {
    if (text.find('.') != std::string::npos || text.size() > 10 || std::stoll(text) > limits::count_max ||
        text.starts_with('-')) {
      reader.report.error(node.where, fmt::format("`{}` is not a count", text),
                          fmt::format("Write a whole number from 0 to {}.", limits::count_max));
      return 0;
    }
    return std::stoll(text);
  };
  if (numbers.low) range.low = whole(*numbers.low) + (numbers.low_open ? 1 : 0);
  if (numbers.high) range.high = whole(*numbers.high) - (numbers.high_open ? 1 : 0);
  if (range.high && *range.high < range.low)
    reader.report.error(node.where, "no count can be that", "Counts start at 0; use `count: 0` for none.");
  return range;
}

std::vector<Node> read_operators(MappingReader& mapping, const Path& path) {
  size_t errors = mapping.reader().report.error_count();
  std::vector<Node> nodes = Operators(mapping, path).read();
  if (nodes.empty() && errors == mapping.reader().report.error_count())
    mapping.reader().report.error(
        mapping.where(), "a property without an operator",
        "Write {property: plan, eq: pro}; operators: eq, neq, in, exists, gte, contains, ...");
  return nodes;
}

std::vector<Node> read_property_map(Reader reader, const YamlNode& node) {
  std::vector<Node> nodes;
  if (node.kind == YamlNode::Kind::sequence) {
    for (const YamlNode& item : node.items) {
      MappingReader mapping(reader, item, "a condition");
      const YamlNode* property = mapping.required_child("property");
      if (property == nullptr) continue;
      for (Node& one : read_operators(mapping, read_path(reader, *property))) nodes.push_back(std::move(one));
      mapping.finish();
    }
    return nodes;
  }
  if (node.kind != YamlNode::Kind::mapping) {
    reader.report.error(
        node.where, fmt::format("properties with conditions are expected, and this is {}", node.describe()),
        "Write {plan: {in: [pro, team]}, amount: {gte: 10}}");
    return nodes;
  }
  for (const YamlNode::Pair& pair : node.pairs) {
    YamlNode name;
    name.kind = YamlNode::Kind::scalar;
    name.text = pair.key;
    name.where = pair.key_where;
    Path path = read_path(reader, name);
    if (pair.value.kind == YamlNode::Kind::mapping) {
      MappingReader mapping(reader, pair.value, fmt::format("the condition on `{}`", pair.key));
      for (Node& one : read_operators(mapping, path)) nodes.push_back(std::move(one));
      mapping.finish();
    } else if (pair.value.kind == YamlNode::Kind::sequence) {
      nodes.push_back(
          {PropertyCondition{path, IsOneOf{read_values(reader, pair.value, "in")}}, pair.value.where});
    } else if (auto value = read_literal(reader, pair.value)) {
      nodes.push_back({PropertyCondition{path, IsOneOf{{std::move(*value)}}}, pair.value.where});
    }
  }
  return nodes;
}

}  // namespace tidemark::segments
