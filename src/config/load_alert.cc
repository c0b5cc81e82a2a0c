#include "config/alert_reader.h"
#include "config/destination_reader.h"
#include "config/loading.h"
#include "config/sql_file.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>

namespace tidemark::config {
namespace {

constexpr double any_number = 1e300;
// A look at every alert each second is what ten of them can have (alerts/alert_limits.h has the budget).
constexpr int64_t every_seconds_max = 24 * 3'600;
constexpr int64_t wait_seconds_max = 30 * 24 * 3'600;
constexpr int64_t period_seconds_max = 400 * 24 * 3'600;
constexpr int64_t repeat_seconds_min = 1;

const std::vector<std::string> subjects = {"query", "model", "endpoint", "audit", "source"};
const std::vector<std::string> conditions = {
    "above", "below", "rises", "falls", "no_data", "lag_above", "slot_retained_above", "slot_left_below"};
bool is_of_source(const std::string& condition) {
  return condition == "lag_above" || condition == "slot_retained_above" || condition == "slot_left_below";
}

// What from and to can be bound as; days are not among them: a period ends now.
bool is_moment_type(const std::string& type) {
  return type == "DateTime" || type == "Int64" || type == "UInt32" ||
         (type.ends_with(')') && (type.starts_with("DateTime(") || type.starts_with("DateTime64(")));
}

std::string words(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// "30%" or "30".
std::optional<double> percent(MappingReader& mapping, const std::string& key) {
  auto text = mapping.optional_text(key);
  if (!text) return std::nullopt;
  std::string digits = *text;
  if (digits.ends_with('%')) digits.pop_back();
  while (digits.ends_with(' ')) digits.pop_back();
  double value = 0;
  auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure == std::errc{} && end == digits.data() + digits.size() && value >= 0 && value <= 1e9)
    return value;
  mapping.error(key, fmt::format("`{}` must be a share in percent, not `{}`", key, *text),
                "Write, for example, 30%.");
  return std::nullopt;
}

std::optional<double> seconds(MappingReader& mapping, const std::string& key) {
  auto value = mapping.duration_seconds(key);
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}

// A limit and the value of `recover` are of one unit.
std::optional<double> in_unit(MappingReader& mapping, const std::string& key, const Alert& alert,
                              const std::string& condition) {
  if (alert.compares()) return percent(mapping, key);
  if (condition == "no_data" || condition == "lag_above" || condition == "slot_left_below")
    return seconds(mapping, key);
  if (condition == "slot_retained_above") {
    auto bytes = mapping.size_bytes(key);
    return bytes ? std::optional<double>(static_cast<double>(*bytes)) : std::nullopt;
  }
  return mapping.number(key, -any_number, any_number);
}

// The one of `keys` that is there; an error when none or several are.
std::string one_of(MappingReader& mapping, const std::vector<std::string>& keys, const std::string& what) {
  std::string found;
  for (const auto& key : keys) {
    if (!mapping.has(key)) continue;
    if (found.empty())
      found = key;
    else
      mapping.error(key, fmt::format("{} has `{}` already", what, found), "Write one of them.");
  }
  return found;
}

void read_when(Reader reader, MappingReader& mapping, Alert& alert) {
  const YamlNode* node = mapping.child("when");
  if (node == nullptr) {
    // An audit says itself when it fails.
    if (alert.subject != Alert::Subject::audit)
      mapping.error("when", "an alert needs `when`", "Add, for example: when: { above: 100 }");
    return;
  }
  MappingReader when(reader, *node, "`when`");
  std::string key = one_of(when, conditions, "`when`");
  if (key.empty())
    reader.report.error(node->where, "`when` says nothing", "Write one of " + words(conditions) + ".");
  if (key == "below") alert.condition = Alert::Condition::below;
  if (key == "rises") alert.condition = Alert::Condition::rises;
  if (key == "falls") alert.condition = Alert::Condition::falls;
  if (key == "no_data") alert.condition = Alert::Condition::age;
  bool of_source = alert.subject == Alert::Subject::source;
  if (key == "slot_retained_above") alert.measure = Alert::Measure::retained;
  if (key == "slot_left_below") {
    alert.measure = Alert::Measure::left;
    alert.condition = Alert::Condition::below;
  }
  if (!key.empty() && of_source != is_of_source(key))
    when.error(key,
               of_source ? "of a source the lag and what its slot keeps are known, and nothing else"
                         : fmt::format("`{}` is for alerts on a source", key),
               of_source ? "Write: when: { lag_above: 1m }" : "Write `source: <name>` instead of a query.");
  if (alert.subject == Alert::Subject::audit && !key.empty() && key != "above")
    when.error(key, "an audit has failing rows, which can be above a number",
               "Leave `when` out: then one failing row is enough.");
  if (!key.empty()) alert.limit = in_unit(when, key, alert, key).value_or(0);
  alert.recover = in_unit(when, "recover", alert, key);
  bool upwards = alert.condition != Alert::Condition::below;
  if (alert.recover && (upwards ? *alert.recover > alert.limit : *alert.recover < alert.limit))
    when.error("recover", fmt::format("`recover` lies on the bad side of `{}`", key),
               "It is where the alert is over: for `above` at most that number, for `below` at least.");
  when.finish();
}

std::string read_query(MappingReader& mapping, const std::string& key, const std::string& sql, Alert& alert) {
  Report scratch(mapping.reader().report.root());
  SqlFile parsed = parse_sql_file(scratch, mapping.where(key).file, sql);
  std::vector<Diagnostic> wrong = scratch.take_errors();
  if (!wrong.empty() && !sql.empty())
    mapping.error(key, fmt::format("`{}`: {}", key, wrong[0].message), wrong[0].remedy);
  if (has_format_clause(parsed.sql))
    mapping.error(key, fmt::format("`{}` says its own FORMAT", key), "Leave it out.");
  for (const Placeholder& placeholder : parsed.placeholders) {
    std::pair<std::string, std::string> time{placeholder.name, placeholder.type};
    if (time.first != "from" && time.first != "to")
      mapping.error(key, fmt::format("there is no parameter `{}`", time.first),
                    "The ends of `period` are {from:DateTime} and {to:DateTime}; nothing else is bound.");
    else if (!is_moment_type(time.second))
      mapping.error(key, fmt::format("`{}` is not {}", time.first, time.second),
                    "It is a DateTime, DateTime64(n), or the seconds since 1970 as Int64 or UInt32.");
    else if (std::find(alert.times.begin(), alert.times.end(), time) == alert.times.end())
      alert.times.push_back(time);
  }
  return parsed.sql;
}

// value, time and where of a model as a query.
void read_model(MappingReader& mapping, Alert& alert) {
  bool newest = alert.condition == Alert::Condition::age;
  std::string value = newest ? "" : mapping.required_text("value");
  std::string time = newest ? mapping.required_text("time") : mapping.text("time");
  std::vector<std::string> conditions;
  if (std::string where = mapping.text("where"); !where.empty()) conditions.push_back("(" + where + ")");
  if (newest) value = fmt::format("dateDiff('second', maxOrNull({}), now())", time);
  if (!newest && !time.empty()) {
    conditions.push_back(fmt::format("{} >= {{from:DateTime}}", time));
    conditions.push_back(fmt::format("{} < {{to:DateTime}}", time));
  }
  std::string sql = fmt::format("SELECT {} FROM {}", value, alert.of);
  for (size_t index = 0; index < conditions.size(); ++index)
    sql += (index == 0 ? " WHERE " : " AND ") + conditions[index];
  if (!alert.of.empty() && (newest ? !time.empty() : !value.empty()))
    alert.sql = read_query(mapping, "model", sql, alert);
}

void read_subject(MappingReader& mapping, const std::string& subject, Alert& alert) {
  alert.subject_where = mapping.where(subject.empty() ? "alert" : subject);
  std::string text = subject.empty() ? "" : mapping.required_text(subject);
  if (subject == "query") {
    alert.sql = read_query(mapping, "query", text, alert);
    if (alert.condition == Alert::Condition::age && !alert.sql.empty())
      alert.sql = "SELECT dateDiff('second', toDateTime(x.1), now()) FROM (SELECT tuple(*) AS x FROM (\n" +
                  alert.sql + "\n))";
    return;
  }
  alert.of = text;
  if (subject == "model") read_model(mapping, alert);
  if (subject != "endpoint") return;
  // The SQL is the endpoint's, which is not known yet; the value is one of its columns.
  alert.sql = mapping.required_text("value");
  if (!is_identifier(alert.sql))
    mapping.error("value", "`value` is the name of a column of the endpoint's result");
  if (const YamlNode* node = mapping.child("parameters")) {
    MappingReader parameters(mapping.reader(), *node, "`parameters`");
    for (const auto& pair : node->pairs) alert.parameters[pair.key] = parameters.text(pair.key);
    parameters.finish();
  }
}

void read_period(MappingReader& mapping, Alert& alert) {
  alert.period_seconds = mapping.duration_seconds("period").value_or(0);
  if (alert.period_seconds > period_seconds_max) mapping.error("period", "`period` is longer than 400 days");
  if (alert.subject != Alert::Subject::query || alert.sql.empty()) return;
  if (alert.period_seconds > 0 && alert.times.empty())
    mapping.error("period", "the query does not name the ends of `period`",
                  "Write: WHERE time >= {from:DateTime} AND time < {to:DateTime}; with `model` add `time: "
                  "<column>`.");
  if (alert.period_seconds == 0 && !alert.times.empty())
    mapping.error("period", "the query is over a period, and `period` does not say which",
                  "Add, for example, period: 1h");
  if (alert.compares() && alert.period_seconds == 0 && alert.times.empty())
    mapping.error("period", "there is no period before to compare with",
                  "Add `period: 1h`, and {from:DateTime} and {to:DateTime} to the query.");
}

int64_t wait(MappingReader& mapping, const char* key) {
  int64_t value = mapping.duration_seconds(key).value_or(0);
  if (value > wait_seconds_max) mapping.error(key, fmt::format("`{}` is longer than 30 days", key));
  return value;
}

void check_endpoint(Report& report, const Project& project, Alert& alert) {
  std::vector<std::string> names;
  const EndpointFile* found = nullptr;
  for (const auto& endpoint : project.endpoints) {
    names.push_back(endpoint.name);
    if (endpoint.name == alert.of) found = &endpoint;
  }
  if (found == nullptr) {
    report.error(alert.subject_where,
                 fmt::format("there is no endpoint `{}`{}", alert.of, did_you_mean(alert.of, names)));
    return;
  }
  names.clear();
  for (const auto& parameter : found->parameters) {
    names.push_back(parameter.name);
    if (alert.parameters.contains(parameter.name)) continue;
    if (parameter.default_value)
      alert.parameters[parameter.name] = *parameter.default_value;
    else
      report.error(alert.subject_where,
                   fmt::format("the endpoint `{}` needs the parameter `{}`", alert.of, parameter.name),
                   fmt::format("Add parameters: {{ {}: ... }}", parameter.name));
  }
  for (const auto& [name, value] : alert.parameters)
    if (std::find(names.begin(), names.end(), name) == names.end())
      report.error(alert.subject_where, fmt::format("the endpoint `{}` has no parameter `{}`{}", alert.of,
                                                    name, did_you_mean(name, names)));
  alert.sql = fmt::format("SELECT {} FROM (\n{}\n)", alert.sql, found->sql);
}

// Models and mirrored tables; the latter are known once a source is asked.
void check_table(Report& report, const Project& project, const Alert& alert) {
  if (alert.of.empty() || alert.of.starts_with("bronze.")) return;
  std::vector<std::string> names;
  for (const auto& model : project.models) names.push_back(model.full_name());
  if (std::find(names.begin(), names.end(), alert.of) == names.end() && alert.of != "all")
    report.error(alert.subject_where,
                 fmt::format("there is no model `{}`{}", alert.of, did_you_mean(alert.of, names)),
                 "Name a model of this project or bronze.<table>.");
}

void check_source(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks,
                  const Alert& alert) {
  std::vector<std::string> names;
  for (const auto& source : project.sources) names.push_back(source.name);
  for (const auto& source : project.kafka_sources) names.push_back(source.name);
  for (const auto& source : project.event_sources) names.push_back(source.name);
  for (const auto& source : webhooks) names.push_back(source.events.name);
  if (std::find(names.begin(), names.end(), alert.of) == names.end())
    report.error(alert.subject_where,
                 fmt::format("there is no source `{}`{}", alert.of, did_you_mean(alert.of, names)));
}

// "90 s", "1 h".
std::string duration_text(int64_t seconds) {
  for (auto [unit, name] : {std::pair{int64_t{86'400}, "d"}, {int64_t{3'600}, "h"}, {int64_t{60}, "min"}})
    if (seconds >= unit && seconds % unit == 0) return fmt::format("{} {}", seconds / unit, name);
  return fmt::format("{} s", seconds);
}

}  // namespace

std::string describe_condition(const Alert& alert) {
  using Condition = Alert::Condition;
  auto lasting = static_cast<int64_t>(alert.limit);
  std::string text;
  if (alert.subject == Alert::Subject::source) {
    switch (alert.measure) {
      case Alert::Measure::lag:
        text = fmt::format("more than {} behind", duration_text(lasting));
        break;
      case Alert::Measure::retained:
        text = fmt::format("more than {} bytes of log kept for its slot", lasting);
        break;
      case Alert::Measure::left:
        text = fmt::format("its slot is invalid in less than {}", duration_text(lasting));
        break;
    }
  } else {
    switch (alert.condition) {
      case Condition::above:
        text = alert.subject == Alert::Subject::audit ? fmt::format("more than {} failing rows", alert.limit)
                                                      : fmt::format("above {}", alert.limit);
        break;
      case Condition::below:
        text = fmt::format("below {}", alert.limit);
        break;
      case Condition::rises:
      case Condition::falls:
        text = fmt::format("{} by more than {} % against the {} before",
                           alert.condition == Condition::rises ? "rises" : "falls", alert.limit,
                           duration_text(alert.period_seconds));
        break;
      case Condition::age:
        text = fmt::format("no data for {}", duration_text(lasting));
        break;
    }
  }
  if (alert.for_seconds > 0) text += fmt::format(", for {}", duration_text(alert.for_seconds));
  return text;
}

void load_alert(Reader reader, const std::filesystem::path& file, std::vector<Alert>& alerts) {
  auto text = reader.report.read(file);
  if (!text) return;
  auto node = parse_yaml(reader.report, file, *text);
  if (!node) return;
  MappingReader mapping(reader, *node, "an alert");
  Alert alert;
  alert.name = mapping.required_text("alert");
  alert.where = mapping.where("alert");
  alert.where.file = file;
  if (!alert.name.empty()) check_identifier(reader.report, alert.where, "an alert", alert.name);
  alert.description = mapping.text("description");
  alert.owner = mapping.text("owner");
  alert.severity = mapping.choice<std::string>(
      "severity", {{"info", "info"}, {"warning", "warning"}, {"critical", "critical"}}, "warning");
  std::string subject = one_of(mapping, subjects, "an alert");
  if (subject.empty())
    reader.report.error(alert.where, "an alert says what is looked at",
                        "Write one of " + words(subjects) + ".");
  if (subject == "audit") alert.subject = Alert::Subject::audit;
  if (subject == "source") alert.subject = Alert::Subject::source;
  read_when(reader, mapping, alert);
  read_subject(mapping, subject, alert);
  read_period(mapping, alert);
  alert.empty_fires = mapping.choice<bool>("no_value", {{"ok", false}, {"firing", true}},
                                           alert.condition == Alert::Condition::age);
  alert.for_seconds = wait(mapping, "for");
  alert.recover_for_seconds = wait(mapping, "recover_for");
  alert.repeat_seconds = wait(mapping, "repeat");
  if (mapping.has("repeat") && alert.repeat_seconds < repeat_seconds_min)
    mapping.error("repeat", fmt::format("`repeat` is at least {} s", repeat_seconds_min),
                  "Leave it out, and the alert is told once.");
  alert.every_seconds = mapping.duration_seconds("every").value_or(alert.every_seconds);
  if (alert.every_seconds < 1 || alert.every_seconds > every_seconds_max)
    mapping.error("every", "`every` is from 1s to 24h");
  alert.notify = mapping.texts("notify");
  alert.notify_where = mapping.where("notify");
  mapping.finish();
  alerts.push_back(std::move(alert));
}

void check_alerts(Report& report, const Project& project, const std::vector<WebhookSource>& webhooks,
                  const std::vector<Destination>& destinations, std::vector<Alert>& alerts) {
  std::vector<std::string> names;
  for (const auto& destination : destinations) names.push_back(destination.name);
  std::map<std::string, Location> seen;
  for (Alert& alert : alerts) {
    if (!alert.name.empty())
      if (auto [entry, first] = seen.emplace(alert.name, alert.where); !first)
        report.error(
            alert.where,
            fmt::format("the alert `{}` is declared already in {}", alert.name, entry->second.describe()),
            "Give one of them another name.");
    for (const auto& name : alert.notify)
      if (std::find(names.begin(), names.end(), name) == names.end())
        report.error(alert.notify_where,
                     fmt::format("there is no destination `{}`{}", name, did_you_mean(name, names)),
                     "Add destinations/" + name + ".yaml, or take the name out of `notify`.");
    if (alert.of.empty()) continue;
    if (alert.subject == Alert::Subject::source) check_source(report, project, webhooks, alert);
    // What an endpoint's alert has of SQL until now is the name of a column.
    else if (alert.subject == Alert::Subject::query && is_identifier(alert.sql))
      check_endpoint(report, project, alert);
    else
      check_table(report, project, alert);
  }
}

Result<std::vector<Alert>> load_alerts(const Project& project) {
  Report report(project.root);
  Environment environment(false);
  std::vector<Alert> alerts;
  for (const auto& file : yaml_files(project.root, "alerts")) load_alert({report, environment}, file, alerts);
  if (!alerts.empty())
    check_alerts(report, project, TRY(load_webhook_sources(project.root)),
                 TRY(load_destinations(project.root)), alerts);
  auto errors = report.take_errors();
  if (!errors.empty()) return fail(ErrorKind::config, render(errors));
  return alerts;
}

}  // namespace tidemark::config
