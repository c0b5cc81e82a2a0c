#include "config/loading.h"
#include "config/sql_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tidemark::config {
namespace {

const std::vector<std::string> header_keys = {"kind",  "description", "owner",          "audit",
                                              "key",   "order_by",    "partition_by",   "ttl",
                                              "every", "on_change",   "not_more_often", "freshness"};
const std::vector<std::string> kinds = {"view", "incremental", "keyed", "refresh"};
const std::vector<std::string> reserved_databases = {"tidemark",           "system", "information_schema",
                                                     "INFORMATION_SCHEMA", "bronze", "live"};

std::string words(const std::vector<std::string>& list) {
  return fmt::format("`{}`", fmt::join(list, "`, `"));
}

// "(a, b)" is how ClickHouse writes a key, and "a, b" how people do.
std::vector<std::string> key_list(std::string_view text) {
  std::vector<std::string> parts = split_list(text);
  if (parts.size() == 1 && parts[0].starts_with('(') && parts[0].ends_with(')'))
    return split_list(std::string_view(parts[0]).substr(1, parts[0].size() - 2));
  return parts;
}

void read_kind(Report& report, const HeaderEntry& entry, ModelFile& model) {
  if (std::find(kinds.begin(), kinds.end(), entry.value) == kinds.end())
    report.error(entry.value_where,
                 fmt::format("`kind` cannot be `{}`{}", entry.value, did_you_mean(entry.value, kinds)),
                 fmt::format("Allowed: {}.", words(kinds)));
  else
    model.kind = entry.value;
}

// It is shown beside the model's name, so it is a name itself, not prose (model_owner.h).
void check_owner(Report& report, const HeaderEntry& entry) {
  constexpr size_t owner_bytes_max = 100;
  if (entry.value.size() > owner_bytes_max)
    report.error(entry.value_where, fmt::format("`owner` has more than {} characters", owner_bytes_max),
                 "Name a team or an address: -- owner: growth@example.com");
}

int64_t read_duration(Report& report, const HeaderEntry& entry) {
  auto seconds = parse_duration_seconds(entry.value);
  if (seconds && *seconds > 0) return *seconds;
  report.error(entry.value_where, fmt::format("`{}` must be a duration, not `{}`", entry.key, entry.value),
               "Write a whole number and one of s, m, h, d, w: 30s, 5m, 24h.");
  return 1;
}

void read_header(Report& report, const SqlFile& parsed, ModelFile& model) {
  for (const HeaderEntry& entry : parsed.header) {
    if (std::find(header_keys.begin(), header_keys.end(), entry.key) == header_keys.end()) {
      report.error(
          entry.key_where,
          fmt::format("unknown key `{}` in a model's header{}", entry.key,
                      did_you_mean(entry.key, header_keys)),
          fmt::format("Known keys: {}. A comment that is none must not begin with a word and a colon.",
                      words(header_keys)));
      continue;
    }
    if (entry.value.empty()) {
      report.error(entry.value_where, fmt::format("`{}` has no value", entry.key));
      continue;
    }
    bool first = model.header_locations.emplace(entry.key, entry.value_where).second;
    if (entry.key == "audit") {
      read_audits(report, entry.value, entry.value_where, model);
      continue;
    }
    if (!first) {
      report.error(entry.key_where,
                   fmt::format("`{}` is given twice; first in line {}", entry.key,
                               model.header_locations[entry.key].line),
                   "Keep one of them.");
      continue;
    }
    if (entry.key == "kind") read_kind(report, entry, model);
    if (entry.key == "description") model.description = entry.value;
    if (entry.key == "owner") check_owner(report, entry);
    if (entry.key == "key") model.key = key_list(entry.value);
    if (entry.key == "order_by") model.order_by = key_list(entry.value);
    if (entry.key == "partition_by") model.partition_by = entry.value;
    if (entry.key == "ttl") model.ttl = entry.value;
    if (entry.key == "freshness") {
      if (auto seconds = parse_duration_seconds(entry.value); seconds && *seconds > 0)
        model.freshness_seconds = *seconds;
      else
        report.error(entry.value_where, fmt::format("`freshness` must be a duration, not `{}`", entry.value),
                     "Write a whole number and one of s, m, h, d, w: 30s, 5m, 24h.");
    }
    if (entry.key == "every") model.every_seconds = read_duration(report, entry);
    if (entry.key == "not_more_often") model.not_more_often_seconds = read_duration(report, entry);
    if (entry.key == "on_change") {
      model.on_change = entry.value == "true";
      if (entry.value != "true" && entry.value != "false")
        report.error(entry.value_where, fmt::format("`on_change` is true or false, not `{}`", entry.value));
    }
  }
  for (const ParameterLine& line : parsed.parameters)
    report.error(line.where, "a model has no parameters", "Parameters belong to endpoints/*.sql.");
}

void check_header(Report& report, const ModelFile& model) {
  auto where = [&](const char* key) { return model.header_locations.at(key); };
  auto given = [&](const char* key) { return model.header_locations.contains(key); };
  if (model.kind == "keyed" && !given("key"))
    report.error(given("kind") ? where("kind") : Location{model.file},
                 "a keyed model needs the columns that name a row", "Add a header line: -- key: campaign_id");
  if (model.kind == "view")
    for (const char* key : {"key", "order_by", "partition_by", "ttl"})
      if (given(key))
        report.error(where(key), fmt::format("`{}` has no meaning for a view, which stores nothing", key),
                     "Leave it out, or use `kind: incremental` or `kind: keyed`.");
  if (model.kind != "refresh") {
    for (const char* key : {"every", "on_change", "not_more_often"})
      if (given(key))
        report.error(where(key), fmt::format("`{}` belongs to `kind: refresh`", key),
                     "Leave it out: this kind is always up to date.");
  } else {
    if (model.every_seconds == 0 && !model.on_change)
      report.error(where("kind"), "a refresh model needs to know when: `every` or `on_change`",
                   "Add a header line: -- every: 5m, or -- on_change: true");
    if (given("not_more_often") && !model.on_change)
      report.error(where("not_more_often"), "`not_more_often` bounds `on_change: true`, which is not given",
                   "Leave it out, or add -- on_change: true");
    if (given("ttl"))
      report.error(where("ttl"), "`ttl` has no meaning for a refresh model, which is written anew each time",
                   "Filter by time in the SELECT.");
  }
  if (given("key"))
    for (const std::string& column : model.key)
      if (!is_identifier(column))
        report.error(where("key"),
                     fmt::format("`key` names columns of the result, and `{}` is not a name", column),
                     "Give the expression a name in the SELECT (... AS name) and use that.");
}

// models/<database>/<name>.sql
bool read_place(Report& report, const std::filesystem::path& file, ModelFile& model) {
  std::vector<std::string> parts;
  for (const auto& part : file) parts.push_back(part.string());
  if (parts.size() != 3) {
    report.error({file}, "a model's place is its name, and this one is in the wrong place",
                 "Put it at models/<database>/<name>.sql.");
    return false;
  }
  model.database = parts[1];
  model.name = file.stem().string();
  Location where{file};
  bool fits = check_identifier(report, where, "a database", model.database) &&
              check_identifier(report, where, "a model", model.name);
  if (!fits) return false;
  if (std::find(reserved_databases.begin(), reserved_databases.end(), model.database) !=
      reserved_databases.end())
    report.error(where, fmt::format("the database `{}` is not for models", model.database),
                 model.database == "bronze"
                     ? "It holds the mirrored tables; use another folder, such as silver."
                     : "Use another folder, such as analytics.");
  if (model.name.find("__") != std::string::npos)
    report.error(
        where,
        fmt::format("`{}` cannot be the name of a model: `__` is kept for Tidemark's own tables", model.name),
        "Use a single _.");
  return true;
}

}  // namespace

void load_model(Reader reader, const std::filesystem::path& file, Project& project) {
  Report& report = reader.report;
  auto text = report.read(file);
  if (!text) return;
  ModelFile model;
  model.file = file;
  if (!read_place(report, file, model)) return;
  SqlFile parsed = parse_sql_file(report, file, *text);
  read_header(report, parsed, model);
  check_header(report, model);
  for (const Placeholder& placeholder : parsed.placeholders)
    report.error(placeholder.where,
                 fmt::format("a model has no parameters, and this is one: {{{}:{}}}", placeholder.name,
                             placeholder.type),
                 "Parameters belong to endpoints/*.sql.");
  model.sql = std::move(parsed.sql);
  model.sql_first_line = parsed.sql_first_line;
  project.models.push_back(std::move(model));
}

Location ModelFile::location_in_sql(int line, int column) const {
  return {file, sql_first_line + line - 1, column};
}

}  // namespace tidemark::config
