#include "models/audits.h"

#include "base/limits.h"
#include "models/audit_call.h"
#include "models/lineage.h"
#include "models/model_source.h"
#include "models/references.h"

namespace tidemark::models {
namespace {

using clickhouse::quote_table;

std::string decimal(Version version) {
  std::string digits;
  do {
    digits += static_cast<char>('0' + static_cast<int>(version % 10));
    version /= 10;
  } while (version > 0);
  return {digits.rbegin(), digits.rend()};
}

clickhouse::QueryOptions bounded() {
  clickhouse::QueryOptions options;
  options.settings = {
      {"readonly", "2"},
      {"max_threads", "1"},
      {"max_execution_time", std::to_string(limits::audit_query_seconds_max)},
      {"max_memory_usage", std::to_string(2 * limits::model_query_memory_bytes)},
      {"max_bytes_before_external_group_by", std::to_string(limits::model_query_memory_bytes)},
      {"max_bytes_before_external_sort", std::to_string(limits::model_query_memory_bytes)}};
  options.timeout = std::chrono::seconds(limits::audit_query_seconds_max + 5);
  return options;
}

std::string public_view(const CompiledModel& model) {
  return quote_table(model.file.database, model.file.name);
}

class Definitions {
 public:
  Definitions(clickhouse::Client& client, const CompiledModels& models,
              const std::vector<config::AuditFile>& files)
      : client_(client), models_(models), files_(files), lineage_(models) {}

  Result<std::vector<Audit>> run() {
    for (const auto& model : models_.models)
      for (const auto& line : model.file.audits) TRY_VOID(of_header(model, line));
    for (const auto& file : files_) {
      std::vector<std::string> models = file.models;
      if (models.empty() && !attached_.contains(file.name))
        for (const auto& name : TRY_IN(referenced_tables(file.sql), file.file.string()))
          if (name.starts_with("bronze.") || models_.find(name) != nullptr) models.push_back(name);
      for (const auto& model : models) TRY_VOID(of_file(model, file, file.severity));
    }
    return std::move(audits_);
  }

 private:
  Status of_header(const CompiledModel& model, const config::AuditLine& line) {
    AuditCall call = TRY(read_audit_call(model, line.call));
    if (call.form == AuditCall::Form::file) {
      for (const auto& file : files_)
        if (file.name == call.file) {
          attached_.insert(file.name);
          // Named in both places it is one audit.
          if (std::find(file.models.begin(), file.models.end(), model.name) != file.models.end()) return {};
          return of_file(model.name, file, std::max(line.severity, file.severity));
        }
      return fail(ErrorKind::config,
                  fmt::format("{}: there is no file audits/{}.sql", model.file.file.string(), call.file),
                  "write the query that must return no rows there");
    }
    Audit audit{.model = model.name, .audit = line.call, .severity = line.severity};
    audit.query = query_of(call, public_view(model));
    audit.identity = call.form == AuditCall::Form::unique || call.by_value ? joined(call.columns) : "*";
    if (call.form == AuditCall::Form::row_count) audit.identity = "1";
    audit.tables = model.tables_in_depth;
    if (!call.target.empty()) audit.tables.merge(lineage_.tables_of_name(call.target));
    TRY_VOID(over_changes(audit, model, call));
    audits_.push_back(std::move(audit));
    return {};
  }

  Status over_changes(Audit& audit, const CompiledModel& model, const AuditCall& call) {
    if (model.store.empty() || (model.form != StoreForm::rows && model.form != StoreForm::keyed)) return {};
    if (call.form == AuditCall::Form::row_count) return {};
    // A table joined at read changes rows whose store row stays.
    if (model.form == StoreForm::rows && model.tables_in_depth.size() != 1) return {};
    auto stored = TRY(clickhouse::describe_select(client_, "SELECT * FROM " + model.store)
                          .map([](auto columns) {
                            std::set<std::string> names;
                            for (const auto& column : columns)
                              names.insert(clickhouse::quote_identifier(column.name));
                            return names;
                          })
                          .or_else([](const Error& error) -> Result<std::set<std::string>> {
                            if (error.kind == ErrorKind::refused) return std::set<std::string>();
                            return tl::unexpected<Error>(error);
                          }));
    bool all = stored.contains("`_version`");
    for (const auto& column : call.columns) all &= stored.contains(column);
    if (!all) return {};
    std::string newer = "_version > {since:UInt128}";
    if (stored.contains("`_deleted`")) newer += " AND _deleted = 0";
    std::string columns = joined(call.columns);
    audit.changed_query = call.form == AuditCall::Form::unique
                              ? fmt::format(
                                    "SELECT {0}, count() AS times FROM {1} WHERE ({0}) IN (SELECT {0} FROM "
                                    "{2} WHERE {3}) GROUP "
                                    "BY {0} HAVING times > 1 LIMIT 1",
                                    columns, public_view(model), model.store, newer)
                              : fmt::format("SELECT {} FROM {} WHERE {} AND ({}) LIMIT 1", columns,
                                            model.store, newer, call.condition);
    audit.changed_tables = model.tables_in_depth;
    if (!call.target.empty())
      for (const auto& table : lineage_.tables_of_name(call.target)) audit.changed_tables.erase(table);
    return {};
  }

  Status of_file(const std::string& model, const config::AuditFile& file, config::AuditSeverity severity) {
    Audit audit{.model = model, .audit = "sql(" + file.name + ")", .severity = severity};
    audit.description = file.description;
    audit.query = TRY_IN(over_current(file.sql), file.file.string());
    audit.identity = "*";
    audit.tables = lineage_.tables_of(file.sql);
    audits_.push_back(std::move(audit));
    return {};
  }

  clickhouse::Client& client_;
  const CompiledModels& models_;
  const std::vector<config::AuditFile>& files_;
  Lineage lineage_;
  std::set<std::string> attached_;  // files that a header names
  std::vector<Audit> audits_;
};

}  // namespace

Result<std::string> over_current(const std::string& sql) {
  return replace_references(sql, [](const TableReference& reference) -> std::optional<std::string> {
    if (reference.database != "bronze" || reference.table.find("__") != std::string::npos)
      return std::nullopt;
    return quote_table("bronze", reference.table + "__current");
  });
}

Result<std::string> audit_query(const CompiledModel& model, const std::string& audit,
                                const std::string& relation) {
  return query_of(TRY(read_audit_call(model, audit)), relation.empty() ? public_view(model) : relation);
}

Result<std::vector<Audit>> define_audits(clickhouse::Client& client, const CompiledModels& models,
                                         const std::vector<config::AuditFile>& files) {
  return Definitions(client, models, files).run();
}

Result<AuditResult> run_audit(clickhouse::Client& client, const Audit& audit) {
  AuditResult result{.model = audit.model, .audit = audit.audit, .severity = audit.severity};
  auto answer = client.query(
      fmt::format("SELECT count() AS failing, groupArray({0})(toString(tuple(*))) AS examples, "
                  "groupUniqArray({1})(cityHash64(toString(tuple({2})))) FROM ({3}\n)",
                  limits::model_examples_max, limits::audit_violations_max, audit.identity, audit.query),
      bounded());
  if (!answer) {
    if (answer.error().kind != ErrorKind::refused && answer.error().kind != ErrorKind::limit)
      return fail(std::move(answer.error()).in("audit " + audit.audit + " of " + audit.model));
    result.error = answer.error().message;
    return result;
  }
  const Block& block = *answer;
  result.failing = block.columns[0].get<uint64_t>(0);
  for (size_t index = block.columns[1].array_begin(0); index < block.columns[1].array_end(0); ++index)
    result.examples.emplace_back(block.columns[1].element().text(index));
  for (size_t index = block.columns[2].array_begin(0); index < block.columns[2].array_end(0); ++index)
    result.violations.push_back(block.columns[2].element().get<uint64_t>(index));
  return result;
}

bool any_in_both(const AuditResult& one, const AuditResult& other) {
  const std::set<uint64_t> violations(one.violations.begin(), one.violations.end());
  return std::any_of(other.violations.begin(), other.violations.end(),
                     [&](uint64_t violation) { return violations.contains(violation); });
}

Result<AuditResult> run_audit_beside_cuts(clickhouse::Client& client, FenceWatch& watch, const Audit& audit) {
  std::optional<AuditResult> before;
  for (int attempt = 1;; ++attempt) {
    TRY_VOID(watch.begin());
    AuditResult result = TRY(run_audit(client, audit));
    if (result.passed() || !result.error.empty() || attempt == limits::audit_confirmations_max ||
        TRY(watch.at_rest()) || (before && any_in_both(*before, result)))
      return result;
    before = std::move(result);
  }
}

Result<bool> suspects_since(clickhouse::Client& client, const Audit& audit, Version since) {
  clickhouse::QueryOptions options = bounded();
  options.parameters["since"] = decimal(since);
  // So that a key with NULL finds its rows.
  options.settings["transform_null_in"] = "1";
  Block block = TRY_IN(client.query("SELECT count() FROM (" + audit.changed_query + ")", options),
                       "audit " + audit.audit + " of " + audit.model);
  return block.columns[0].get<uint64_t>(0) > 0;
}

Result<std::vector<AuditResult>> run_audits(clickhouse::Client& client, const CompiledModels& models,
                                            const std::vector<config::AuditFile>& files) {
  std::vector<AuditResult> results;
  FenceWatch watch(client);
  for (const auto& audit : TRY(define_audits(client, models, files)))
    results.push_back(TRY(run_audit_beside_cuts(client, watch, audit)));
  return results;
}

Status refuse_when_blocked(clickhouse::Client& client, const CompiledModel& model, std::string relation) {
  if (size_t as = model.view_statement.find(" AS "); relation.empty() && as != std::string::npos)
    relation = "(" + model.view_statement.substr(as + 4) + "\n)";
  for (const auto& line : model.file.audits) {
    if (line.severity != config::AuditSeverity::blocking) continue;
    AuditCall call = TRY(read_audit_call(model, line.call));
    if (call.form == AuditCall::Form::file) continue;
    Audit audit{.model = model.name, .audit = line.call, .severity = line.severity};
    audit.query = query_of(call, relation);
    audit.identity = "1";
    AuditResult result = TRY(run_audit(client, audit));
    if (result.passed()) continue;
    return fail(
        ErrorKind::refused,
        fmt::format("the new version of {} is not published: its blocking audit {} {}", model.name, line.call,
                    result.error.empty() ? fmt::format("fails for {} rows", result.failing)
                                         : "cannot be asked: " + result.error),
        result.examples.empty() ? "the version before stays"
                                : "the version before stays; a row that fails: " + result.examples.front());
  }
  return {};
}

}  // namespace tidemark::models
