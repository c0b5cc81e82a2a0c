// tidemark explain model <name>: what it compiled to and why that is right, what it is made of, what it
// costs; with
// --row or --where, the mirrored rows that output rows came from. Works beside a running project and without
// one.
#include "cli/origin_document.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/project_models.h"
#include "cli/running_instance.h"
#include "cli/table.h"
#include "cli/verb.h"
#include "cli/warehouse_access.h"
#include "config/model_owner.h"
#include "http/client.h"
#include "models/compiler.h"
#include "models/model_explanation.h"
#include "models/row_origin.h"

#include <CLI/CLI.hpp>
#include <boost/json.hpp>

namespace tidemark::cli {
namespace {

namespace json = boost::json;

struct Options {
  std::string what, model, row, where;
  size_t limit = 20;
};

std::string joined(const std::vector<std::string>& parts, const char* separator = ", ") {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string columns_text(const std::vector<models::SourceColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.table + "." + column.column);
  return joined(names);
}

json::array columns_json(const std::vector<models::SourceColumn>& columns) {
  json::array list;
  for (const auto& column : columns)
    list.push_back(json::object{{"table", column.table}, {"column", column.column}});
  return list;
}

// The model's entry in the status of the running instance; nothing when it does not run.
std::optional<json::object> live_status(const config::Project& project, const std::string& model) {
  auto running = running_instance(project.root);
  if (!running) return std::nullopt;
  auto answer = http::get(running->url + "/api/status", running->token, std::chrono::seconds(5));
  if (!answer || answer->status != 200) return std::nullopt;
  boost::system::error_code error;
  auto status = json::parse(answer->body, error);
  if (error || !status.is_object()) return std::nullopt;
  const auto* list = status.as_object().if_contains("models");
  if (list == nullptr || !list->is_array()) return std::nullopt;
  for (const auto& entry : list->as_array())
    if (entry.is_object() && entry.as_object().contains("model") && entry.at("model").as_string() == model)
      return entry.as_object();
  return std::nullopt;
}

json::array tables_json(const std::vector<models::StoredTable>& tables, bool bytes) {
  json::array list;
  for (const auto& table : tables) {
    json::object entry{{"table", table.table}, {"rows", table.rows}, {"parts", table.parts}};
    if (bytes) entry["bytes"] = table.bytes;
    list.push_back(std::move(entry));
  }
  return list;
}

json::object as_json(const models::ModelExplanation& model, const std::string& owner,
                     const std::optional<json::object>& live) {
  json::array columns, audits;
  for (const auto& column : model.columns)
    columns.push_back(json::object{{"column", column.column},
                                   {"type", column.type},
                                   {"sources", columns_json(column.direct)},
                                   {"bronze", columns_json(column.bronze)}});
  for (const auto& [audit, severity] : model.audits)
    audits.push_back(json::object{{"audit", audit}, {"severity", severity}});
  json::object document{{"model", model.model},
                        {"kind", model.kind},
                        {"description", model.description},
                        {"owner", owner},
                        {"file", model.file},
                        {"fingerprint", model.fingerprint},
                        {"why_exact", model.why_exact},
                        {"sql", model.sql},
                        {"store", model.store},
                        {"statements", json::value_from(model.statements)},
                        {"backfill", model.backfill},
                        {"per_run", model.per_run},
                        {"per_cut", json::value_from(model.per_cut)},
                        {"recompute", model.recompute},
                        {"tables", json::value_from(model.tables)},
                        {"models", json::value_from(model.models)},
                        {"tables_in_depth", json::value_from(model.tables_in_depth)},
                        {"downstream", json::value_from(model.downstream)},
                        {"columns", std::move(columns)},
                        {"stored", tables_json(model.stored, true)},
                        {"reads", tables_json(model.reads, false)},
                        {"freshness_limit_seconds", model.freshness_seconds},
                        {"audits", std::move(audits)}};
  document["status"] = live ? json::value(*live) : json::value();
  return document;
}

std::string indented(const std::string& text) {
  std::string out = "  ";
  for (char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out + "\n";
}

std::string as_text(const models::ModelExplanation& model, const std::string& owner,
                    const std::optional<json::object>& live) {
  std::string text = fmt::format("{}  ({}, {})\n", model.model, model.kind, model.file);
  if (!model.description.empty()) text += "  " + model.description + "\n";
  if (!owner.empty()) text += "  owner: " + owner + "\n";
  text += "\nexact because\n" + indented(model.why_exact);
  text += "\nreads\n" +
          indented(joined(
              model.tables.empty() && model.models.empty() ? std::vector<std::string>{"nothing"} : [&] {
                auto all = model.models;
                all.insert(all.end(), model.tables.begin(), model.tables.end());
                return all;
              }()));
  if (!model.models.empty()) text += indented("through them: " + joined(model.tables_in_depth));
  text += "read by\n" + indented(model.downstream.empty() ? "no model" : joined(model.downstream));
  text += "\n";
  Table columns({{"column"}, {"type"}, {"made of"}, {"in the source"}});
  for (const auto& column : model.columns)
    columns.add({column.column, column.type, columns_text(column.direct), columns_text(column.bronze)});
  text += columns.render(table_style());
  text += "\nwhat it became\n";
  for (const auto& statement : model.statements) text += indented(statement);
  if (!model.per_run.empty()) text += "each run\n" + indented(model.per_run);
  if (!model.per_cut.empty()) text += "after each cut that touches it\n";
  for (const auto& statement : model.per_cut) text += indented(statement);
  text += "\nkeeps\n";
  if (model.stored.empty()) text += indented("nothing");
  for (const auto& table : model.stored)
    text += indented(fmt::format("{}: {} rows, {} bytes, {} parts", table.table, with_commas(table.rows),
                                 with_commas(table.bytes), table.parts));
  text += "a query of all of it reads\n";
  if (model.reads.empty()) text += indented("nothing yet");
  for (const auto& table : model.reads)
    text +=
        indented(fmt::format("{}: {} rows in {} parts", table.table, with_commas(table.rows), table.parts));
  text += "\nfreshness\n";
  std::string limit =
      model.freshness_seconds > 0 ? fmt::format(", at most {} s allowed", model.freshness_seconds) : "";
  if (live)
    text += indented(fmt::format("{}, {} ms behind{}", std::string_view(live->at("state").as_string()),
                                 json::serialize(live->at("as_of_lag_ms")), limit));
  else
    text += indented("the project is not running" + limit);
  for (const auto& [audit, severity] : model.audits)
    text += fmt::format("  audit {} ({})\n", audit, severity);
  return text;
}

// One table a set of objects; numbers and texts as they are.
std::string objects_table(const json::array& objects) {
  if (objects.empty()) return "";
  std::vector<Table::ColumnHead> heads;
  for (const auto& member : objects.front().as_object()) heads.push_back({std::string(member.key())});
  Table table(heads);
  for (const auto& object : objects) {
    Table::Row row;
    for (const auto& member : object.as_object()) {
      const json::value& value = member.value();
      if (value.is_null())
        row.emplace_back(std::nullopt);
      else
        row.emplace_back(value.is_string() ? std::string(value.as_string()) : json::serialize(value));
    }
    table.add(std::move(row));
  }
  return table.render(table_style());
}

std::string as_text(const models::RowOrigin& origin) {
  std::string text = fmt::format("{} where {}\n", counted(origin.rows, "row"), origin.condition);
  text += objects_table(json_lines(origin.row));
  for (const auto& table : origin.tables) {
    text += fmt::format("\n{}", table.table);
    if (!table.condition.empty()) text += " where " + table.condition;
    if (!table.narrowed) {
      text += ": any of its rows may have had a part in it\n";
      continue;
    }
    json::array rows = json_lines(table.rows);
    text += fmt::format(": {}{}\n", counted(table.total, "row"),
                        rows.size() < table.total ? fmt::format(", the newest {}", rows.size()) : "");
    text += objects_table(rows);
  }
  for (const auto& condition : origin.left_out)
    text += fmt::format("\nnot followed into the source, so these are more rows than had a part in it: {}\n",
                        condition);
  return text;
}

// "campaign_id=7,event_date=2026-01-01"; a comma in a value is written \,
Result<std::vector<std::pair<std::string, std::string>>> parse_row(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> values;
  std::vector<std::string> parts(1);
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size())
      parts.back() += text[++at];
    else if (text[at] == ',')
      parts.emplace_back();
    else
      parts.back() += text[at];
  }
  for (const auto& part : parts) {
    size_t equals = part.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorKind::usage, fmt::format("--row needs column=value, not `{}`", part),
                  "For example: --row campaign_id=7,event_date=2026-01-01");
    values.emplace_back(part.substr(0, equals), part.substr(equals + 1));
  }
  return values;
}

Result<ExitCode> explain(const Options& options, const Invocation& invocation) {
  config::Project project = TRY(invocation.load_project());
  std::vector<std::string> names;
  for (const auto& file : project.models) names.push_back(file.full_name());
  if (std::find(names.begin(), names.end(), options.model) == names.end())
    return fail(
        ErrorKind::config,
        fmt::format("there is no model `{}`{}", options.model, config::did_you_mean(options.model, names)),
        names.empty() ? "the project has no models" : "models: " + joined(names));
  auto warehouse = TRY(WarehouseAccess::open(project));
  clickhouse::Client client = warehouse.client(clickhouse::Account::tidemark);
  if (!TRY(clickhouse::database_exists(client, "bronze")))
    return fail(ErrorKind::refused, "nothing is mirrored yet, so nothing can be said of models",
                "run `tidemark up`");
  std::vector<config::ModelFile> files = project.models;
  for (auto& file : TRY(added_models(client, project))) files.push_back(std::move(file));
  auto one = TRY(models::compile_one(client, files, options.model));
  const auto& compilation = one.compilation;
  const models::CompiledModel* model = compilation.models.find(options.model);
  // Mistakes of other models do not matter here.
  if (model == nullptr) return fail(ErrorKind::config, config::render(compilation.errors));
  if (options.row.empty() && options.where.empty()) {
    auto explanation = TRY(models::explain_model(client, one, *model));
    auto live = live_status(project, options.model);
    std::string owner = config::model_owner(project.root, model->file.file);
    print_out(invocation.json ? json::serialize(as_json(explanation, owner, live)) + "\n"
                              : as_text(explanation, owner, live));
    return ExitCode::ok;
  }
  std::string condition = options.where;
  if (!options.row.empty()) {
    std::string by_row = TRY(models::condition_of_row(*model, TRY(parse_row(options.row))));
    condition = condition.empty() ? by_row : by_row + " AND (" + condition + ")";
  }
  auto origin = TRY(models::row_origin(client, compilation.models, *model, condition, options.limit));
  print_out(invocation.json ? json::serialize(origin_object(origin)) + "\n" : as_text(origin));
  return ExitCode::ok;
}

}  // namespace

Run add_explain(CLI::App& command) {
  auto options = std::make_shared<Options>();
  command.add_option("what", options->what, "model")->required()->check(CLI::IsMember({"model"}));
  command.add_option("name", options->model, "of the model: database.name")->required();
  command
      .add_option("--row", options->row, "the mirrored rows that this output row came from; NULL is SQL's")
      ->type_name("COLUMN=VALUE,...");
  command.add_option("--where", options->where, "the same for all output rows with this condition")
      ->type_name("SQL");
  command.add_option("--limit", options->limit, "rows shown of each table (20)")
      ->check(CLI::Range(1, 10'000));
  return [options](const Invocation& invocation) { return explain(*options, invocation); };
}

}  // namespace tidemark::cli
