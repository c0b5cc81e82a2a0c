#include "experiments/definition_reader.h"
#include "experiments/experiments_limits.h"
#include "experiments/report.h"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <sstream>

namespace tidemark::experiments {
namespace {

using config::MappingReader;
using config::Reader;
using config::YamlNode;

std::optional<int64_t> instant(MappingReader& mapping, const char* key) {
  std::string text = mapping.text(key);
  if (text.empty()) return std::nullopt;
  auto at = parse_instant(text);
  if (!at)
    mapping.error(key, fmt::format("`{}` is no moment", text),
                  "Write 2026-05-03 or 2026-05-03T14:30:00Z (UTC).");
  return at;
}

std::string sql_expression(MappingReader& mapping, const char* key, bool required) {
  std::string text = required ? mapping.required_text(key) : mapping.text(key);
  if (!text.empty()) check_expression(mapping.reader(), mapping.where(key), key, text);
  return text;
}

Exposures read_exposures(Reader reader, const YamlNode& node) {
  MappingReader mapping(reader, node, "exposures");
  Exposures exposures;
  exposures.place = node.where;
  exposures.from = mapping.required_text("from");
  if (!exposures.from.empty() && exposures.from.find('.') == std::string::npos)
    mapping.error("from", fmt::format("`{}` has no database", exposures.from),
                  fmt::format("Write bronze.{} or the full name of a model.", exposures.from));
  exposures.experiment = sql_expression(mapping, "experiment", false);
  exposures.unit = sql_expression(mapping, "unit", true);
  exposures.variant = sql_expression(mapping, "variant", true);
  exposures.time = sql_expression(mapping, "time", true);
  exposures.where = sql_expression(mapping, "where", false);
  exposures.store = mapping.choice<std::string>(
      "store", {{"incremental", "incremental"}, {"keyed", "keyed"}, {"view", "view"}}, "");
  mapping.finish();
  return exposures;
}

std::vector<Variant> read_variants(MappingReader& mapping) {
  std::vector<Variant> variants;
  for (const YamlNode& item : mapping.items("variants")) {
    MappingReader reader(mapping.reader(), item, "a variant");
    Variant variant;
    variant.name = reader.required_text("variant");
    variant.weight = reader.number("weight", 0, 1e9).value_or(1);
    variant.control = reader.boolean("control");
    for (const Variant& other : variants)
      if (other.name == variant.name)
        reader.error("variant", fmt::format("the variant `{}` is there twice", variant.name));
    reader.finish();
    variants.push_back(std::move(variant));
  }
  auto controls =
      std::count_if(variants.begin(), variants.end(), [](const auto& one) { return one.control; });
  if (variants.size() < 2 || variants.size() > limits::variants_max)
    mapping.error("variants", fmt::format("{} variants", variants.size()),
                  fmt::format("An experiment compares 2 to {}.", limits::variants_max));
  else if (controls != 1)
    mapping.error("variants", fmt::format("{} of the variants are the control", controls),
                  "Mark the one that the others are compared with: control: true");
  return variants;
}

// A name, or a mapping with what differs from the metric's file.
std::vector<MetricUse> read_uses(MappingReader& mapping, const char* key) {
  std::vector<MetricUse> uses;
  if (!mapping.has(key)) return uses;
  for (const YamlNode& item : mapping.items(key)) {
    MetricUse use;
    use.place = item.where;
    if (item.kind == YamlNode::Kind::mapping) {
      MappingReader reader(mapping.reader(), item, "the use of a metric");
      use.metric = reader.required_text("metric");
      use.effect = reader.number("effect", 1e-9, 1e12);
      use.margin = reader.number("margin", 0, 1e12);
      reader.finish();
    } else {
      use.metric = mapping.item_text(item, key).value_or("");
    }
    for (const MetricUse& other : uses)
      if (other.metric == use.metric)
        mapping.reader().report.error(use.place, fmt::format("`{}` is listed twice", use.metric));
    uses.push_back(std::move(use));
  }
  return uses;
}

std::vector<Dimension> read_dimensions(MappingReader& mapping) {
  std::vector<Dimension> dimensions;
  const YamlNode* node = mapping.child("dimensions");
  if (node == nullptr) return dimensions;
  if (node->kind != YamlNode::Kind::mapping) {
    mapping.error("dimensions", "dimensions are names with expressions", "dimensions: { country: country }");
    return dimensions;
  }
  for (const auto& pair : node->pairs) {
    if (!is_name(pair.key))
      mapping.reader().report.error(pair.key_where, fmt::format("`{}` is not a name", pair.key),
                                    "Use letters, digits and _, beginning with a letter.");
    if (pair.value.kind != YamlNode::Kind::scalar || pair.value.text.empty()) {
      mapping.reader().report.error(pair.value.where,
                                    "a dimension is an expression over the exposures' rows");
      continue;
    }
    check_expression(mapping.reader(), pair.value.where, pair.key.c_str(), pair.value.text);
    dimensions.push_back({pair.key, pair.value.text});
  }
  if (dimensions.size() > limits::dimensions_max)
    mapping.error("dimensions",
                  fmt::format("{} dimensions; at most {}", dimensions.size(), limits::dimensions_max));
  return dimensions;
}

void read_analysis(MappingReader& mapping, Experiment& experiment) {
  experiment.analysis = mapping.choice<Analysis>("analysis",
                                                 {{"sequential", Analysis::sequential},
                                                  {"fixed", Analysis::fixed},
                                                  {"hybrid", Analysis::hybrid},
                                                  {"bayesian", Analysis::bayesian}},
                                                 Analysis::sequential);
  experiment.correction = mapping.choice<Correction>("correction",
                                                     {{"holm", Correction::holm},
                                                      {"benjamini_hochberg", Correction::benjamini_hochberg},
                                                      {"none", Correction::none}},
                                                     Correction::holm);
  experiment.alpha = mapping.number("alpha", 1e-6, 0.5).value_or(experiment.alpha);
  experiment.power = mapping.number("power", 0.5, 0.999).value_or(experiment.power);
  experiment.tuning = mapping.number("tuning", 1, 1e12).value_or(experiment.tuning);
  experiment.planned_units = mapping.integer("planned_units", 2, int64_t{1} << 50).value_or(0);
  if (experiment.analysis == Analysis::hybrid && experiment.planned_units == 0)
    mapping.error("analysis", "a hybrid analysis needs `planned_units`",
                  "It is sequential until they are in, and fixed then.");
  if (const YamlNode* node = mapping.child("prior")) {
    MappingReader reader(mapping.reader(), *node, "a prior");
    double mean = reader.number("mean", -1e6, 1e6).value_or(0);
    double deviation = reader.number("deviation", 1e-9, 1e6).value_or(0.3);
    reader.finish();
    experiment.prior = Prior{mean, deviation * deviation};
  }
}

}  // namespace

// 2026-05-01, 2026-05-01T14:30:00Z, with or without seconds. UTC.
std::optional<int64_t> parse_instant(const std::string& text) {
  // As read-outs write it: 2026-05-03T14:30:00.123456Z
  std::string whole = text;
  int64_t micros = 0;
  if (size_t dot = text.find('.'); dot != std::string::npos && text.ends_with('Z')) {
    std::string digits = text.substr(dot + 1, text.size() - dot - 2);
    if (digits.empty() || digits.size() > 6 || digits.find_first_not_of("0123456789") != std::string::npos)
      return std::nullopt;
    digits.resize(6, '0');
    micros = std::stoll(digits);
    whole = text.substr(0, dot) + "Z";
  }
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%MZ", "%Y-%m-%d"}) {
    std::tm parts{};
    const char* rest = strptime(whole.c_str(), format, &parts);
    if (rest == nullptr || *rest != '\0') continue;
    std::chrono::year_month_day day{std::chrono::year(parts.tm_year + 1900),
                                    std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                    std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
    if (!day.ok()) return std::nullopt;
    auto at = std::chrono::sys_days(day) + std::chrono::hours(parts.tm_hour) +
              std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec);
    return std::chrono::duration_cast<std::chrono::microseconds>(at.time_since_epoch()).count() + micros;
  }
  return std::nullopt;
}

std::optional<Experiment> read_experiment(Reader reader, const YamlNode& node) {
  MappingReader mapping(reader, node, "an experiment");
  if (node.kind != YamlNode::Kind::mapping) return std::nullopt;
  Experiment experiment;
  experiment.name = mapping.required_text("experiment");
  experiment.place = mapping.where("experiment");
  if (!experiment.name.empty() && !is_name(experiment.name))
    mapping.error("experiment", fmt::format("`{}` is not a name", experiment.name),
                  "Use letters, digits and _; `key` is what the rows call it.");
  experiment.key = mapping.text("key", experiment.name);
  experiment.description = mapping.text("description");
  if (const YamlNode* below = mapping.required_child("exposures"))
    experiment.exposures = read_exposures(reader, *below);
  if (mapping.required_child("variants") != nullptr) experiment.variants = read_variants(mapping);
  mapping.required_child("goals");
  experiment.goals = read_uses(mapping, "goals");
  experiment.guardrails = read_uses(mapping, "guardrails");
  if (experiment.goals.size() + experiment.guardrails.size() > limits::metrics_of_experiment_max)
    mapping.error("goals", fmt::format("more than {} metrics", limits::metrics_of_experiment_max));
  for (const MetricUse& guardrail : experiment.guardrails)
    for (const MetricUse& goal : experiment.goals)
      if (goal.metric == guardrail.metric)
        reader.report.error(guardrail.place, fmt::format("`{}` is a goal already", goal.metric));
  experiment.dimensions = read_dimensions(mapping);
  experiment.multiple_exposure = mapping.choice<MultipleExposure>(
      "multiple_exposure",
      {{"exclude", MultipleExposure::exclude}, {"first_seen", MultipleExposure::first_seen}},
      MultipleExposure::exclude);
  experiment.start_us = instant(mapping, "start");
  experiment.end_us = instant(mapping, "end");
  if (experiment.start_us && experiment.end_us && *experiment.end_us <= *experiment.start_us)
    mapping.error("end", "the end is not after the start");
  read_analysis(mapping, experiment);
  mapping.finish();
  return experiment;
}

}  // namespace tidemark::experiments
