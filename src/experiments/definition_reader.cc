#include "experiments/definition_reader.h"

#include "clickhouse/sql_tokens.h"
#include "experiments/experiments_limits.h"

#include <algorithm>
#include <fmt/format.h>

namespace tidemark::experiments {
namespace {

using config::MappingReader;
using config::Reader;
using config::YamlNode;

constexpr int64_t default_window_seconds = 72 * 3600;

void check_name(MappingReader& mapping, const char* key, const std::string& name) {
  if (!name.empty() && !is_name(name))
    mapping.error(key, fmt::format("`{}` is not a name", name),
                  "Use letters, digits and _, beginning with a letter, at most 64.");
}

void check_table(MappingReader& mapping, const std::string& table) {
  if (table.empty()) return;
  size_t dot = table.find('.');
  if (dot == std::string::npos || dot == 0 || dot + 1 == table.size())
    mapping.error("from", fmt::format("`{}` has no database", table),
                  fmt::format("Write bronze.{} or the full name of a model.", table));
}

// An expression under `key`; empty when it is not there.
std::string expression(MappingReader& mapping, const char* key, bool required = false) {
  std::string text = required ? mapping.required_text(key) : mapping.text(key);
  if (!text.empty()) check_expression(mapping.reader(), mapping.where(key), key, text);
  return text;
}

// "72h", "-1h"
std::optional<int64_t> signed_duration(MappingReader& mapping, const char* key) {
  std::string text = mapping.text(key);
  if (text.empty()) return std::nullopt;
  bool negative = text.starts_with('-');
  auto seconds = config::parse_duration_seconds(std::string_view(text).substr(negative ? 1 : 0));
  if (!seconds || *seconds > limits::window_seconds_max) {
    mapping.error(key, fmt::format("`{}` is not a duration", text), "Write 30m, 72h, 14d, or with - before.");
    return std::nullopt;
  }
  return negative ? -*seconds : *seconds;
}

int64_t bounded_duration(MappingReader& mapping, const char* key) {
  int64_t seconds = mapping.duration_seconds(key).value_or(0);
  if (seconds > limits::window_seconds_max)
    mapping.error(key, "more than 366 days", "Windows and times before are at most a year.");
  return seconds;
}

std::optional<MetricKind> read_kind(MappingReader& mapping) {
  static const std::vector<std::pair<std::string, MetricKind>> kinds = [] {
    std::vector<std::pair<std::string, MetricKind>> list;
    for (MetricKind kind :
         {MetricKind::proportion, MetricKind::count, MetricKind::mean, MetricKind::ratio,
          MetricKind::retention, MetricKind::funnel, MetricKind::quantile, MetricKind::time_to_event})
      list.emplace_back(name(kind), kind);
    return list;
  }();
  if (mapping.required_child("kind") == nullptr) return std::nullopt;
  return mapping.choice<MetricKind>("kind", kinds, MetricKind::proportion);
}

EventRows read_rows(MappingReader& mapping, const EventRows* otherwise) {
  EventRows rows;
  rows.place = mapping.where();
  rows.from = otherwise != nullptr && !mapping.has("from") ? otherwise->from : mapping.required_text("from");
  check_table(mapping, rows.from);
  auto inherited = [&](const char* key, const std::string EventRows::*field) {
    return otherwise != nullptr && !mapping.has(key) ? otherwise->*field : expression(mapping, key, true);
  };
  rows.unit = inherited("unit", &EventRows::unit);
  rows.time = inherited("time", &EventRows::time);
  rows.where = expression(mapping, "where");
  rows.experiment = otherwise != nullptr && !mapping.has("experiment") ? otherwise->experiment
                                                                       : expression(mapping, "experiment");
  rows.value = expression(mapping, "value");
  return rows;
}

std::vector<FunnelStep> read_steps(MappingReader& mapping) {
  std::vector<FunnelStep> steps;
  for (const YamlNode& item : mapping.items("steps")) {
    MappingReader step(mapping.reader(), item, "a step");
    FunnelStep read{step.required_text("step"), expression(step, "where", true)};
    step.finish();
    steps.push_back(std::move(read));
  }
  if (steps.size() > limits::steps_max)
    mapping.error("steps", fmt::format("{} steps; at most {}", steps.size(), limits::steps_max));
  return steps;
}

std::optional<Cap> read_cap(MappingReader& mapping) {
  const YamlNode* node = mapping.child("cap");
  if (node == nullptr) return std::nullopt;
  MappingReader reader(mapping.reader(), *node, "a cap");
  Cap cap;
  auto percentile = reader.number("percentile", 0, 1);
  auto value = reader.number("value", -1e300, 1e300);
  cap.percentile = percentile.value_or(0);
  cap.value = value.value_or(0);
  cap.ignore_zeros = reader.boolean("ignore_zeros");
  if (percentile.has_value() == value.has_value())
    mapping.error("cap", "a cap has either `percentile` or `value`", "cap: { percentile: 0.99 }");
  else if (percentile && (*percentile <= 0 || *percentile >= 1))
    reader.error("percentile", "the percentile must be between 0 and 1, without them");
  reader.finish();
  return cap;
}

// What only some kinds have.
void check_kind(MappingReader& mapping, const Metric& metric) {
  auto only = [&](const char* key, std::initializer_list<MetricKind> kinds, const char* remedy) {
    if (mapping.has(key) && std::find(kinds.begin(), kinds.end(), metric.kind) == kinds.end())
      mapping.error(key, fmt::format("a {} has no `{}`", name(metric.kind), key), remedy);
  };
  using Kind = MetricKind;
  only("value", {Kind::mean, Kind::ratio, Kind::quantile}, "mean, ratio and quantile add up values.");
  only("denominator", {Kind::ratio}, "Make it `kind: ratio`.");
  only("steps", {Kind::funnel}, "Make it `kind: funnel`.");
  only("after", {Kind::retention}, "Make it `kind: retention`; `delay` moves the window of any kind.");
  only("level", {Kind::quantile}, "Make it `kind: quantile`.");
  only("ignore_zeros", {Kind::quantile}, "`cap` has an ignore_zeros of its own.");
  only("cap", {Kind::mean, Kind::count, Kind::ratio}, "Caps are for sums that outliers move.");
  only("cuped", {Kind::mean, Kind::count, Kind::proportion, Kind::ratio},
       "What happened before the exposure adjusts means, counts, proportions and ratios.");
  if (metric.kind == Kind::funnel && metric.steps.size() < 2)
    mapping.error("steps", "a funnel has two steps or more", "steps: [{ step: cart, where: \"...\" }, ...]");
  if (metric.kind == Kind::ratio && !metric.denominator)
    mapping.error("kind", "a ratio needs a `denominator`", "denominator: { where: \"event = 'visit'\" }");
  if (metric.kind == Kind::mean && metric.rows.value.empty())
    mapping.error("kind", "a mean needs a `value`", "`kind: count` counts rows.");
  if (metric.kind == Kind::quantile && metric.rows.value.empty())
    mapping.error("kind", "a quantile needs a `value`", "Of what? value: \"price\"");
  if (metric.kind == Kind::retention && metric.after_seconds == 0)
    mapping.error("kind", "a retention needs `after`", "after: 7d counts units that come back after a week.");
  if (metric.kind == Kind::time_to_event && !metric.window_seconds)
    mapping.error("window", "a time to event needs a window",
                  "Units without the event count as the window's length, so it must have one.");
}

}  // namespace

bool is_name(std::string_view text) {
  auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && text.size() <= 64 && letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return letter(c) || c == '_' || (c >= '0' && c <= '9'); });
}

void check_expression(Reader reader, const Location& where, const char* what, const std::string& text) {
  if (text.size() > limits::expression_bytes_max)
    return reader.report.error(
        where, fmt::format("`{}` is longer than {} bytes", what, limits::expression_bytes_max),
        "Put it into a model, and read that.");
  auto tokens = clickhouse::tokenize(text);
  if (!tokens) return reader.report.error(where, fmt::format("`{}`: {}", what, tokens.error().message));
  int depth = 0;
  bool one = !tokens->empty();
  for (const auto& token : *tokens) {
    if (token.is("(") || token.is("[") || token.is("{")) ++depth;
    if (token.is(")") || token.is("]") || token.is("}")) --depth;
    if (depth < 0 || token.is(";") || (depth == 0 && token.is(","))) one = false;
  }
  if (!one || depth != 0)
    reader.report.error(where, fmt::format("`{}` is not one expression", what),
                        "Brackets are closed, and there is no `,` or `;` outside of them.");
}

std::optional<Metric> read_metric(Reader reader, const YamlNode& node) {
  MappingReader mapping(reader, node, "a metric");
  if (node.kind != YamlNode::Kind::mapping) return std::nullopt;
  Metric metric;
  metric.name = mapping.required_text("metric");
  metric.place = mapping.where("metric");
  check_name(mapping, "metric", metric.name);
  metric.description = mapping.text("description");
  auto kind = read_kind(mapping);
  metric.kind = kind.value_or(MetricKind::proportion);
  metric.rows = read_rows(mapping, nullptr);
  if (const YamlNode* below = mapping.child("denominator")) {
    MappingReader denominator(reader, *below, "a denominator");
    metric.denominator = read_rows(denominator, &metric.rows);
    denominator.finish();
  }
  if (mapping.has("steps")) metric.steps = read_steps(mapping);
  metric.window_seconds = default_window_seconds;
  if (mapping.has("window")) {
    if (const YamlNode* window = mapping.child("window"); window->text == "none") {
      (void)mapping.text("window");
      metric.window_seconds.reset();
    } else {
      metric.window_seconds = bounded_duration(mapping, "window");
      if (metric.window_seconds == 0)
        mapping.error("window", "a window of no length", "window: none has no end.");
    }
  } else if (metric.kind == MetricKind::retention) {
    metric.window_seconds.reset();  // came back at any time after
  }
  metric.delay_seconds = signed_duration(mapping, "delay").value_or(0);
  metric.after_seconds = bounded_duration(mapping, "after");
  metric.complete_windows = mapping.boolean(
      "complete_windows", metric.kind == MetricKind::retention || metric.kind == MetricKind::time_to_event);
  metric.cap = read_cap(mapping);
  metric.before_seconds = bounded_duration(mapping, "cuped");
  metric.level = mapping.number("level", 0.001, 0.999).value_or(0.5);
  metric.ignore_zeros = mapping.boolean("ignore_zeros");
  bool lower = metric.kind == MetricKind::time_to_event;
  metric.lower_is_better =
      mapping.choice<bool>("direction", {{"increase", false}, {"decrease", true}}, lower);
  metric.difference = mapping.choice<Difference>(
      "difference", {{"relative", Difference::relative}, {"absolute", Difference::absolute}},
      Difference::relative);
  metric.effect = mapping.number("effect", 1e-9, 1e12).value_or(metric.effect);
  metric.margin = mapping.number("margin", 0, 1e12).value_or(metric.margin);
  if (kind) check_kind(mapping, metric);
  mapping.finish();
  return metric;
}

}  // namespace tidemark::experiments
