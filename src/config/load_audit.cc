#include "config/loading.h"
#include "config/sql_file.h"

#include <fmt/format.h>

namespace tidemark::config {
namespace {

const std::vector<std::string> severities = {"warning", "error", "blocking"};
const std::vector<std::string> header_keys = {"model", "severity", "description"};

std::string_view trimmed(std::string_view text) {
  size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, last - first + 1);
}

AuditSeverity read_severity(Report& report, const Location& where, const std::string& word) {
  if (word == "warning") return AuditSeverity::warning;
  if (word == "blocking") return AuditSeverity::blocking;
  if (word != "error")
    report.error(
        where, fmt::format("`severity` cannot be `{}`{}", word, did_you_mean(word, severities)),
        "Allowed: `warning` (shown), `error` (verify and audit fail), `blocking` (the model fails).");
  return AuditSeverity::error;
}

}  // namespace

const char* name(AuditSeverity severity) {
  switch (severity) {
    case AuditSeverity::warning:
      return "warning";
    case AuditSeverity::error:
      return "error";
    case AuditSeverity::blocking:
      return "blocking";
  }
  return "error";
}

void read_audits(Report& report, std::string_view value, const Location& where, ModelFile& model) {
  for (const std::string& part : split_list(value)) {
    size_t close = part.rfind(')');
    if (part.find('(') == std::string::npos || close == std::string::npos || close < part.find('(')) {
      report.error(where, fmt::format("`{}` is not an audit", part),
                   "Write a name and its arguments: not_null(campaign_id), unique(id), row_count(min=1).");
      continue;
    }
    AuditLine line(part.substr(0, close + 1));
    line.where = where;
    if (std::string_view option = trimmed(std::string_view(part).substr(close + 1)); !option.empty()) {
      if (option.starts_with("severity="))
        line.severity = read_severity(report, where, std::string(option.substr(9)));
      else
        report.error(where, fmt::format("`{}` behind an audit is not understood", option),
                     "Write, for example: not_null(campaign_id) severity=warning");
    }
    model.audits.push_back(std::move(line));
  }
}

void load_audit(Reader reader, const std::filesystem::path& file, Project& project) {
  Report& report = reader.report;
  auto text = report.read(file);
  if (!text) return;
  AuditFile audit;
  audit.file = file;
  audit.name = file.stem().string();
  if (!check_identifier(report, {file}, "an audit", audit.name)) return;
  SqlFile parsed = parse_sql_file(report, file, *text);
  for (const HeaderEntry& entry : parsed.header) {
    if (entry.key == "description") {
      audit.description = entry.value;
    } else if (entry.key == "severity") {
      audit.severity = read_severity(report, entry.value_where, entry.value);
    } else if (entry.key == "model") {
      audit.models_where = entry.value_where;
      for (std::string& model : split_list(entry.value)) audit.models.push_back(std::move(model));
    } else {
      report.error(
          entry.key_where,
          fmt::format("unknown key `{}` in an audit's header{}", entry.key,
                      did_you_mean(entry.key, header_keys)),
          "Known: `model: database.name, ...`, `severity: warning|error|blocking`, `description: ...`.");
    }
  }
  for (const ParameterLine& line : parsed.parameters)
    report.error(line.where, "an audit has no parameters", "Parameters belong to endpoints/*.sql.");
  for (const Placeholder& placeholder : parsed.placeholders)
    report.error(placeholder.where,
                 fmt::format("an audit has no parameters, and this is one: {{{}:{}}}", placeholder.name,
                             placeholder.type),
                 "Parameters belong to endpoints/*.sql.");
  audit.sql = std::move(parsed.sql);
  audit.sql_first_line = parsed.sql_first_line;
  project.audits.push_back(std::move(audit));
}

void check_audits(Report& report, const Project& project) {
  std::vector<std::string> models, files;
  for (const ModelFile& model : project.models) models.push_back(model.full_name());
  for (const AuditFile& audit : project.audits) files.push_back(audit.name);
  for (const AuditFile& audit : project.audits)
    for (const std::string& model : audit.models)
      if (!model.starts_with("bronze.") && std::find(models.begin(), models.end(), model) == models.end())
        report.error(audit.models_where,
                     fmt::format("there is no model `{}`{}", model, did_you_mean(model, models)),
                     "Name a model of this project or bronze.<table>.");
  for (const ModelFile& model : project.models)
    for (const AuditLine& line : model.audits) {
      if (!line.call.starts_with("sql(") || !line.call.ends_with(')')) continue;
      std::string file(trimmed(std::string_view(line.call).substr(4, line.call.size() - 5)));
      if (std::find(files.begin(), files.end(), file) == files.end())
        report.error(line.where,
                     fmt::format("there is no file audits/{}.sql{}", file, did_you_mean(file, files)),
                     "Write the query that must return no rows there.");
    }
}

}  // namespace tidemark::config
