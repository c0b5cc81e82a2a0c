#include "segments/condition_reader.h"

#include "segments/canonical.h"
#include "segments/definition_reader.h"
#include "segments/property_reader.h"
#include "segments/segment_limits.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::segments {
namespace {

using config::MappingReader;
using config::Reader;
using config::YamlNode;

const std::vector<std::string> kinds = {"property",  "property_path", "event",      "sequence", "stopped",
                                        "restarted", "member",        "not_member", "list",     "not_list",
                                        "random",    "related",       "users",      "all",      "any",
                                        "not",       "everyone",      "nobody"};

Node nobody(const Location& where) {
  return {Any{}, where};
}

Node opposite(Node node) {
  Location where = node.where;
  Not negation;
  negation.child.push_back(std::move(node));
  return {std::move(negation), std::move(where)};
}

Node all_of(std::vector<Node> nodes, const Location& where) {
  if (nodes.size() == 1) return std::move(nodes.front());
  return {All{std::move(nodes)}, where};
}

struct Deeper {
  explicit Deeper(size_t& depth) : depth(depth) { ++depth; }
  ~Deeper() { --depth; }
  size_t& depth;
};

}  // namespace

Node ConditionReader::read(const YamlNode& node) {
  Deeper deeper(depth_);
  if (depth_ > limits::depth_max) {
    reader_.report.error(node.where, fmt::format("conditions are nested deeper than {}", limits::depth_max),
                         "Make a part of it a segment of its own and use `member`.");
    return nobody(node.where);
  }
  if (++nodes_ > limits::nodes_max) {
    if (nodes_ == limits::nodes_max + 1)
      reader_.report.error(node.where, fmt::format("more than {} conditions", limits::nodes_max),
                           "Make a part of it a segment of its own, or use `in` and `list`.");
    return nobody(node.where);
  }
  switch (node.kind) {
    case YamlNode::Kind::scalar:
      if (node.text == "everyone") return {All{}, node.where};
      if (node.text == "nobody") return nobody(node.where);
      break;
    case YamlNode::Kind::sequence: {
      // Four texts: a filter tuple. Otherwise a list of conditions, all of which must hold.
      bool tuple = node.items.size() >= 3 && node.items.size() <= 4 &&
                   std::all_of(node.items.begin(), node.items.end(),
                               [](const YamlNode& item) { return item.kind == YamlNode::Kind::scalar; });
      if (tuple) return read_tuple(node);
      return {All{read_list(node, "where")}, node.where};
    }
    case YamlNode::Kind::mapping:
      return read_mapping(node);
    case YamlNode::Kind::null:
      break;
  }
  reader_.report.error(
      node.where, fmt::format("a condition is expected, and this is {}", node.describe()),
      "Write {property: plan, eq: pro}, {event: order, count: {gte: 2}}, all: [...], or `everyone`.");
  return nobody(node.where);
}

std::vector<Node> ConditionReader::read_list(const YamlNode& node, const char* key) {
  std::vector<Node> nodes;
  if (node.kind != YamlNode::Kind::sequence || node.items.empty()) {
    reader_.report.error(
        node.where,
        fmt::format("`{}` takes a list of conditions, and this is {}", key,
                    node.kind == YamlNode::Kind::sequence ? "an empty list" : node.describe()),
        "Put a dash before each of them; `everyone` and `nobody` stand for no conditions.");
    return nodes;
  }
  for (const YamlNode& item : node.items) nodes.push_back(read(item));
  return nodes;
}

Node ConditionReader::read_mapping(const YamlNode& node) {
  std::vector<std::string> found;
  for (const std::string& kind : kinds)
    if (node.find(kind) != nullptr) found.push_back(kind);
  bool users = std::find(found.begin(), found.end(), "users") != found.end();
  if (found.empty()) {
    std::string meant;
    for (const YamlNode::Pair& pair : node.pairs)
      meant = meant.empty() ? config::nearest(pair.key, kinds) : meant;
    reader_.report.error(node.pairs.empty() ? node.where : node.pairs.front().key_where,
                         fmt::format("this is no condition{}",
                                     meant.empty() ? "" : fmt::format(" (did you mean `{}`?)", meant)),
                         fmt::format("A condition has one of {}.", fmt::join(kinds, ", ")));
    return nobody(node.where);
  }
  if (found.size() > 1 && !users) {
    reader_.report.error(node.where, fmt::format("`{}` and `{}` are two conditions", found[0], found[1]),
                         "Put them in a list: all: [{...}, {...}]");
    return nobody(node.where);
  }
  if (found[0] == "property_path") return read_tuple(node);
  MappingReader mapping(reader_, node, "a condition");
  const std::string kind = users ? "users" : found[0];
  const YamlNode& value = *mapping.child(kind);
  Node result = nobody(node.where);
  if (kind == "all") result = {All{read_list(value, "all")}, node.where};
  if (kind == "any") result = {Any{read_list(value, "any")}, node.where};
  if (kind == "not") result = opposite(read(value));
  if (kind == "everyone" || kind == "nobody")
    result =
        mapping.boolean(kind, true) == (kind == "everyone") ? Node{All{}, node.where} : nobody(node.where);
  if (kind == "property") result = read_property(mapping, node);
  if (kind == "event") result = read_event(mapping, node);
  if (kind == "sequence") result = read_sequence(mapping, node);
  if (kind == "stopped") result = read_stopped(mapping, node);
  if (kind == "restarted") result = read_restarted(mapping, node);
  if (kind == "member") result = {MemberOf{mapping.text("member")}, node.where};
  if (kind == "not_member") result = opposite({MemberOf{mapping.text("not_member")}, node.where});
  if (kind == "list") result = {InList{mapping.text("list")}, node.where};
  if (kind == "not_list") result = opposite({InList{mapping.text("not_list")}, node.where});
  if (kind == "random") result = read_random(mapping, node);
  if (kind == "related") result = read_related(mapping, node, 1);
  if (kind == "users") result = read_users(mapping, node);
  mapping.finish();
  return result;
}

Node ConditionReader::read_property(MappingReader& mapping, const YamlNode& node) {
  Path path = read_path(reader_, *mapping.child("property"));
  return all_of(read_operators(mapping, path), node.where);
}

Node ConditionReader::read_tuple(const YamlNode& node) {
  FilterTuple filter;
  auto take = [&](const YamlNode* value) { return value == nullptr ? std::string() : value->text; };
  if (node.kind == YamlNode::Kind::sequence) {
    filter = {node.items[0].text, node.items[1].text, node.items[2].text,
              node.items.size() > 3 ? node.items[3].text : ""};
  } else {
    MappingReader mapping(reader_, node, "a filter");
    filter = {take(mapping.child("property_path")), take(mapping.required_child("operator")),
              take(mapping.child("value")), take(mapping.child("data_type"))};
    mapping.finish();
  }
  auto read = read_filter(reader_.report, filter, node.where);
  return read ? std::move(*read) : nobody(node.where);
}

EventSelection ConditionReader::read_selection(MappingReader& mapping, const char* key) {
  EventSelection selection;
  auto take = [&](const std::string& name) {
    size_t star = name.find('*');
    if (star == std::string::npos)
      selection.names.push_back(name);
    else if (star + 1 == name.size())
      selection.prefixes.push_back(name.substr(0, star));
    else
      mapping.error(key, fmt::format("`*` stands only at the end of an event's name: `{}`", name));
  };
  for (const std::string& name : mapping.texts(key)) take(name);
  if (selection.names.size() + selection.prefixes.size() > limits::event_names_max)
    mapping.error(key, fmt::format("more than {} events", limits::event_names_max),
                  "Use a prefix: \"order_*\"");
  std::sort(selection.names.begin(), selection.names.end());
  std::sort(selection.prefixes.begin(), selection.prefixes.end());
  if (const YamlNode* where = mapping.child("where")) selection.filter = read_property_map(reader_, *where);
  selection.table = mapping.text("from_table");
  return selection;
}

Window ConditionReader::read_window(MappingReader& mapping) {
  Window window;
  bool relative = false;
  if (const YamlNode* node = mapping.child("within")) {
    window.older_seconds = read_duration(reader_, *node);
    relative = true;
  }
  if (const YamlNode* node = mapping.child("more_than_ago")) {
    window.newer_seconds = read_duration(reader_, *node).value_or(0);
    relative = true;
  }
  if (const YamlNode* node = mapping.child("between_ago")) {
    relative = true;
    if (node->kind != YamlNode::Kind::sequence || node->items.size() != 2) {
      mapping.error("between_ago", "`between_ago` takes two durations", "Write between_ago: [60d, 30d]");
    } else {
      auto one = read_duration(reader_, node->items[0]), other = read_duration(reader_, node->items[1]);
      if (one && other) {
        window.older_seconds = std::max(*one, *other);
        window.newer_seconds = std::min(*one, *other);
      }
    }
  }
  if (window.older_seconds && *window.older_seconds <= window.newer_seconds)
    mapping.error(mapping.has("between_ago") ? "between_ago" : "within", "no time lies in this window",
                  "The longer duration must be longer than the shorter one.");
  for (auto [key, moment] : {std::pair{"from", &window.from}, {"to", &window.to}})
    if (const YamlNode* node = mapping.child(key)) {
      *moment = read_moment(reader_, *node);
      if (relative) mapping.error(key, "a window is either relative or absolute", "Leave one of them out.");
    }
  return window;
}

std::optional<std::pair<EventValue, bool>> ConditionReader::read_value(MappingReader& mapping) {
  std::optional<std::pair<EventValue, bool>> found;
  for (auto [key, function] : {std::pair{"sum", EventValue::Function::sum},
                               {"avg", EventValue::Function::average},
                               {"min", EventValue::Function::minimum},
                               {"max", EventValue::Function::maximum},
                               {"count_distinct", EventValue::Function::count_distinct}}) {
    const YamlNode* node = mapping.child(key);
    if (node == nullptr) continue;
    if (found) mapping.error(key, "one number at a time", "Put each in a condition of its own below `all`.");
    MappingReader value(reader_, *node, fmt::format("`{}`", key));
    const YamlNode* property = value.required_child("property");
    EventValue test{.function = function};
    if (property != nullptr) test.path = read_path(reader_, *property);
    bool negated = false;
    test.range = read_number_range(value, negated);
    value.finish();
    found = {std::move(test), negated};
  }
  return found;
}

Node ConditionReader::read_event(MappingReader& mapping, const YamlNode& node) {
  EventCondition condition;
  condition.events = read_selection(mapping, "event");
  condition.window = read_window(mapping);
  bool negated = false;
  size_t tests = 0;
  condition.test = EventCount{{1, std::nullopt}};
  if (const YamlNode* count = mapping.child("count")) {
    ++tests;
    condition.test = EventCount{read_count_range(reader_, *count, negated)};
  }
  if (auto value = read_value(mapping)) {
    ++tests;
    negated = value->second;
    condition.test = std::move(value->first);
  }
  for (auto [key, last] : {std::pair{"first", false}, {"last", true}})
    if (const YamlNode* edge = mapping.child(key)) {
      ++tests;
      condition.test = EdgeEvent{last, read_property_map(reader_, *edge)};
    }
  if (const YamlNode* days = mapping.child("active_days")) {
    ++tests;
    condition.test = ActiveDays{read_count_range(reader_, *days, negated)};
  }
  if (const YamlNode* regularly = mapping.child("regularly")) {
    ++tests;
    MappingReader inner(reader_, *regularly, "`regularly`");
    Regularly test;
    test.times = inner.integer("times", 1, limits::count_max).value_or(1);
    inner.required_child("periods");
    test.periods = inner.integer("periods", 1, limits::periods_max).value_or(1);
    inner.required_child("of");
    test.of = inner.integer("of", 1, limits::periods_max).value_or(test.periods);
    test.period = inner.choice<Regularly::Period>("period",
                                                  {{"day", Regularly::Period::day},
                                                   {"week", Regularly::Period::week},
                                                   {"month", Regularly::Period::month}},
                                                  Regularly::Period::week);
    if (test.of < test.periods)
      inner.error("periods", fmt::format("{} of {} periods cannot be", test.periods, test.of));
    inner.finish();
    condition.test = test;
    if (condition.window.older_seconds || condition.window.newer_seconds != 0 || condition.window.from ||
        condition.window.to)
      mapping.error("regularly", "`regularly` has its own window",
                    "Leave out within, between_ago, from and to.");
  }
  if (tests > 1)
    reader_.report.error(node.where, "a condition over events tests one thing",
                         "Put each test in a condition of its own below `all`.");
  Node result{std::move(condition), node.where};
  return negated ? opposite(std::move(result)) : result;
}

Node ConditionReader::read_sequence(MappingReader& mapping, const YamlNode& node) {
  Sequence sequence;
  const YamlNode& steps = *mapping.child("sequence");
  if (steps.kind != YamlNode::Kind::sequence || steps.items.size() != 2) {
    mapping.error(
        "sequence", "a sequence has two steps",
        "Write sequence: [{event: cart}, {event: order}], within: 1h; or {no_event: order} as the second.");
    return nobody(node.where);
  }
  MappingReader first(reader_, steps.items[0], "the first step");
  first.required_child("event");
  sequence.first = read_selection(first, "event");
  first.finish();
  MappingReader then(reader_, steps.items[1], "the second step");
  sequence.absent = then.has("no_event");
  if (!sequence.absent) then.required_child("event");
  sequence.then = read_selection(then, sequence.absent ? "no_event" : "event");
  then.finish();
  if (const YamlNode* within = mapping.required_child("within"))
    sequence.within_seconds = read_duration(reader_, *within).value_or(1);
  if (const YamlNode* started = mapping.child("started")) {
    MappingReader window(reader_, *started, "`started`");
    sequence.window = read_window(window);
    window.finish();
  }
  return {std::move(sequence), node.where};
}

Node ConditionReader::read_stopped(MappingReader& mapping, const YamlNode& node) {
  EventSelection events = read_selection(mapping, "stopped");
  EventCondition before{events, {}, EventCount{{1, std::nullopt}}};
  EventCondition since{std::move(events), {}, EventCount{{0, 0}}};
  if (const YamlNode* quiet = mapping.required_child("for")) {
    since.window.older_seconds = read_duration(reader_, *quiet);
    before.window.newer_seconds = since.window.older_seconds.value_or(1);
  }
  if (const YamlNode* active = mapping.child("active_within")) {
    before.window.older_seconds = read_duration(reader_, *active);
    if (before.window.older_seconds && *before.window.older_seconds <= before.window.newer_seconds)
      mapping.error("active_within", "`active_within` must be longer than `for`",
                    "Both count back from now: active_within: 90d, for: 30d");
  }
  std::vector<Node> both;
  both.push_back({std::move(before), node.where});
  both.push_back({std::move(since), node.where});
  return {All{std::move(both)}, node.where};
}

Node ConditionReader::read_restarted(MappingReader& mapping, const YamlNode& node) {
  EventCondition condition;
  condition.events = read_selection(mapping, "restarted");
  condition.window = read_window(mapping);
  Restarted test;
  if (const YamlNode* gap = mapping.required_child("after"))
    test.gap_seconds = read_duration(reader_, *gap).value_or(1);
  condition.test = test;
  return {std::move(condition), node.where};
}

Node ConditionReader::read_random(MappingReader& mapping, const YamlNode& node) {
  std::string text = mapping.text("random");
  if (text.ends_with('%')) text.pop_back();
  while (text.ends_with(' ')) text.pop_back();
  auto percent = canonical_number(text);
  size_t point = percent ? percent->find('.') : 0;
  bool fine = percent && !percent->starts_with('-') && std::stod(*percent) <= 100 &&
              (point == std::string::npos || percent->size() - point - 1 <= 4);
  if (!fine) {
    mapping.error("random", "a share is a percentage",
                  "Write random: 10% or 0.5%, at most four digits behind the point.");
    return nobody(node.where);
  }
  return {RandomShare{*percent, mapping.text("seed")}, node.where};
}

std::vector<Node> ConditionReader::read_related_where(const YamlNode& node, int hop) {
  if (node.kind != YamlNode::Kind::sequence) return read_property_map(reader_, node);
  std::vector<Node> nodes;
  for (const YamlNode& item : node.items) {
    MappingReader mapping(reader_, item, "a condition on a related row");
    if (mapping.has("related")) {
      nodes.push_back(read_related(mapping, item, hop + 1));
    } else if (const YamlNode* property = mapping.required_child("property")) {
      for (Node& one : read_operators(mapping, read_path(reader_, *property)))
        nodes.push_back(std::move(one));
    }
    mapping.finish();
  }
  return nodes;
}

Node ConditionReader::read_related(MappingReader& mapping, const YamlNode& node, int hop) {
  Related related;
  related.table = mapping.text("related");
  if (related.table.find('.') == std::string::npos)
    mapping.error("related", fmt::format("`{}` has no database", related.table),
                  "Write bronze.<table> or a model.");
  if (hop > 2)
    mapping.error("related", "related rows are at most two tables away",
                  "Make a model that joins them, and use it as the related table.");
  if (const YamlNode* on = mapping.required_child("on")) {
    if (on->kind != YamlNode::Kind::mapping || on->pairs.empty())
      mapping.error("on", "`on` says which columns are equal",
                    "Write on: {customer_id: id}: theirs, then ours.");
    for (const YamlNode::Pair& pair : on->pairs) {
      related.columns.push_back(pair.key);
      related.of.push_back(pair.value.text);
    }
  }
  if (const YamlNode* where = mapping.child("where")) related.where = read_related_where(*where, hop);
  bool negated = false;
  related.test = EventCount{{1, std::nullopt}};
  if (const YamlNode* count = mapping.child("count"))
    related.test = EventCount{read_count_range(reader_, *count, negated)};
  if (auto value = read_value(mapping)) {
    if (mapping.has("count"))
      reader_.report.error(node.where, "a condition over related rows tests one thing",
                           "Use `all` for several.");
    negated = value->second;
    related.test = std::move(value->first);
  }
  Node result{std::move(related), node.where};
  return negated ? opposite(std::move(result)) : result;
}

Node ConditionReader::read_users(MappingReader& mapping, const YamlNode& node) {
  OfUsers users;
  users.entity = mapping.text("users");
  if (users.entity.find('.') == std::string::npos)
    mapping.error("users", fmt::format("`{}` has no database", users.entity), "Write database.table.");
  users.key = mapping.texts("key");
  mapping.required_child("by");
  users.columns = mapping.texts("by");
  size_t given = 0;
  bool none = false;
  for (const char* key : {"any", "all", "none"})
    if (const YamlNode* child = mapping.child(key)) {
      ++given;
      none = std::string_view(key) == "none";
      users.quantifier = std::string_view(key) == "all" ? OfUsers::Quantifier::all : OfUsers::Quantifier::any;
      users.where.clear();
      users.where.push_back(simplified(read(*child)));
    }
  if (given != 1) {
    reader_.report.error(node.where, "`users` needs one of `any`, `all` and `none`",
                         "Write {users: cdp.entities, by: [account_id], any: {property: role, eq: admin}}");
    return nobody(node.where);
  }
  Node result{std::move(users), node.where};
  return none ? opposite(std::move(result)) : result;
}

}  // namespace tidemark::segments
