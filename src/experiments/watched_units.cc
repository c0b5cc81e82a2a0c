#include "experiments/watched_units.h"

#include "experiments/exposure_model.h"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <map>

namespace tidemark::experiments {
namespace {

// FNV-1a: short, and the same in every run.
uint64_t digest(const std::string& text) {
  uint64_t hash = 14695981039346656037u;
  for (unsigned char byte : text) hash = (hash ^ byte) * 1099511628211u;
  return hash;
}

// Whether a word begins like one of these, outside of quotes. A column of such a name only costs the speed.
bool has_word(const std::string& expression, const std::vector<std::string>& beginnings) {
  std::string word;
  auto bad = [&] {
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](const std::string& beginning) { return word.starts_with(beginning); });
  };
  char quote = 0;
  for (size_t place = 0; place <= expression.size(); ++place) {
    char character = place < expression.size() ? expression[place] : ' ';
    if (quote != 0) {
      if (character == '\\')
        ++place;
      else if (character == quote)
        quote = 0;
      continue;
    }
    if (std::isalnum(static_cast<unsigned char>(character)) != 0 || character == '_') {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
      continue;
    }
    if (bad()) return true;
    word.clear();
    if (character == '\'' || character == '"' || character == '`') quote = character;
  }
  return false;
}

// A subquery reads other rows than those that are watched.
bool follows_from_row(const std::string& expression) {
  return follows_from_rows(expression) && !has_word(expression, {"select"});
}

// (from, unit) of everything; false when some expression is about more than rows.
bool collect(const Experiment& experiment, const std::vector<const Metric*>& metrics,
             std::map<std::string, std::pair<std::string, std::string>>& found) {
  bool good = true;
  auto add = [&](const std::string& from, const std::string& unit,
                 std::initializer_list<const std::string*> expressions) {
    for (const std::string* expression : expressions) good &= follows_from_row(*expression);
    good &= follows_from_row(unit);
    found.emplace(watched_units_model(from, unit), std::pair(from, unit));
  };
  auto add_rows = [&](const EventRows& rows) {
    add(rows.from, rows.unit, {&rows.time, &rows.where, &rows.value, &rows.experiment});
  };
  const Exposures& exposures = experiment.exposures;
  add(exposures.from, exposures.unit,
      {&exposures.experiment, &exposures.variant, &exposures.time, &exposures.where});
  for (const Dimension& dimension : experiment.dimensions) good &= follows_from_row(dimension.expression);
  for (const Metric* metric : metrics) {
    if (metric == nullptr) return false;
    add_rows(metric->rows);
    if (metric->denominator) add_rows(*metric->denominator);
    for (const FunnelStep& step : metric->steps) good &= follows_from_row(step.where);
  }
  return good;
}

}  // namespace

bool follows_from_rows(const std::string& sql) {
  static const std::vector<std::string> beginnings{"now",          "today",  "yesterday", "current",
                                                   "utctimestamp", "rand",   "generate",  "dict",
                                                   "joinget",      "uptime", "hostname",  "serveruuid"};
  return !has_word(sql, beginnings);
}

std::string watched_units_model(const std::string& from, const std::string& unit) {
  return fmt::format("{}.units_{:016x}", exposures_database, digest(from + "\n" + unit));
}

std::vector<const Metric*> metrics_of(const ExperimentFiles& files, const Experiment& experiment) {
  std::vector<const Metric*> metrics;
  for (const auto* uses : {&experiment.goals, &experiment.guardrails})
    for (const MetricUse& use : *uses) metrics.push_back(files.metric(use.metric));
  return metrics;
}

std::vector<config::ModelFile> watched_unit_models(const ExperimentFiles& files) {
  std::map<std::string, std::pair<std::string, std::string>> found;
  for (const Experiment& experiment : files.experiments) {
    std::map<std::string, std::pair<std::string, std::string>> own;
    if (collect(experiment, metrics_of(files, experiment), own)) found.merge(own);
  }
  std::vector<config::ModelFile> models;
  for (const auto& [name, table] : found) {
    config::ModelFile file;
    file.database = exposures_database;
    file.name = name.substr(file.database.size() + 1);
    file.file = watched_units_file;
    file.kind = "keyed";
    file.key = {"unit"};
    file.sql = fmt::format("SELECT ({}) AS unit FROM {} GROUP BY unit", table.second, table.first);
    file.description = "which units a cut touches, for experiments";
    file.watch = true;
    models.push_back(std::move(file));
  }
  return models;
}

std::optional<std::set<std::string>> watched_by(const Experiment& experiment,
                                                const std::vector<const Metric*>& metrics) {
  std::map<std::string, std::pair<std::string, std::string>> found;
  if (!collect(experiment, metrics, found)) return std::nullopt;
  std::set<std::string> names;
  for (const auto& one : found) names.insert(one.first);
  return names;
}

}  // namespace tidemark::experiments
