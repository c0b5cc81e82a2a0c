#include "models/model_explanation.h"

#include "clickhouse/cluster.h"
#include "models/dictionary_calls.h"
#include "models/lookups.h"
#include "models/model_source.h"
#include "models/references.h"

#include <map>
#include <set>

namespace tidemark::models {
namespace {

std::string why_exact(const CompiledModel& model) {
  switch (model.form) {
    case StoreForm::none:
      return "computed from the current rows whenever it is read";
    case StoreForm::groups:
      return "every change arrives as its old row taken away and its new row added, and sums of such deltas "
             "equal the "
             "sums over the rows there are";
    case StoreForm::rows:
      return "one row for each row of the source; the old image of a change takes its row away, the new "
             "image brings "
             "one, and the newest version wins";
    case StoreForm::keyed:
      return "the keys a cut touched are recomputed from the current rows before the cut's fence is written";
    case StoreForm::result:
      return "recomputed as a whole at a fence and swapped in at once; until the next run it is as of that "
             "fence";
  }
  return "";
}

std::string unquoted(const std::string& quoted) {
  std::string name;
  for (char c : quoted)
    if (c != '`') name += c;
  return name;
}

// Tables of the model, from the sizes of their active parts.
Result<std::vector<StoredTable>> sizes(clickhouse::Client& client, const CompiledModel& model) {
  std::vector<StoredTable> all;
  for (const auto& physical : model.physical) {
    Block block = TRY(client.query(
        "SELECT sum(rows), sum(bytes_on_disk), count() FROM " + clickhouse::system_table(client, "parts") +
            " WHERE active AND "
            "concat('`', database, '`.`', table, '`') = {table:String} HAVING count() > 0",
        {.parameters = {{"table", physical}}}));
    if (block.rows() == 1)
      all.push_back({unquoted(physical), block.columns[0].get<uint64_t>(0), block.columns[1].get<uint64_t>(0),
                     block.columns[2].get<uint64_t>(0)});
  }
  return all;
}

using Readings = std::map<std::string, std::set<std::string>>;

// What each model names, and what the dictionaries it asks are over. Of a text that is no SQL nothing.
Result<Readings> readings(clickhouse::Client& client, const std::vector<config::ModelFile>& files) {
  Lookups lookups = TRY(Lookups::load(client));
  Readings reads;
  for (const auto& file : files) {
    auto& names = reads[file.full_name()];
    auto text = SqlText::read(file.sql);
    if (!text) continue;
    std::set<std::string> named;
    for (const auto& reference : find_references((*text)->tokens)) named.insert(reference.name());
    std::vector<config::Diagnostic> told_by_compile;
    Complaints complaints(file, told_by_compile);
    named.merge(dictionaries_called(**text, file.kind, lookups, complaints));
    for (const auto& name : named) {
      auto dictionary = lookups.dictionaries.find(name);
      names.insert(dictionary == lookups.dictionaries.end() ? name : dictionary->second);
    }
  }
  return reads;
}

}  // namespace

Result<OneModel> compile_one(clickhouse::Client& client, const std::vector<config::ModelFile>& files,
                             const std::string& model) {
  Readings reads = TRY(readings(client, files));
  std::set<std::string> needed{model}, reached{model};
  std::vector<std::string> waiting{model};
  while (!waiting.empty()) {
    std::string name = std::move(waiting.back());
    waiting.pop_back();
    for (const auto& upstream : reads[name])
      if (reads.contains(upstream) && needed.insert(upstream).second) waiting.push_back(upstream);
  }
  OneModel one;
  for (bool more = true; more;) {
    more = false;
    for (const auto& file : files) {
      std::string name = file.full_name();
      const auto& named = reads[name];
      if (reached.contains(name) || std::none_of(named.begin(), named.end(), [&](const auto& upstream) {
            return reached.contains(upstream);
          }))
        continue;
      reached.insert(name);
      one.downstream.push_back(name);
      more = true;
    }
  }
  std::vector<config::ModelFile> few;
  for (const auto& file : files)
    if (needed.contains(file.full_name())) few.push_back(file);
  one.compilation = TRY(compile(client, few));
  return one;
}

Result<ModelExplanation> explain_model(clickhouse::Client& client, const OneModel& one,
                                       const CompiledModel& model) {
  const CompiledModels& models = one.compilation.models;
  ModelExplanation explanation{.model = model.name, .kind = name(model.kind)};
  explanation.description = model.file.description;
  explanation.fingerprint = model.fingerprint;
  explanation.file = model.file.file.string();
  explanation.why_exact = why_exact(model);
  explanation.sql = model.file.sql;
  explanation.recompute = model.recompute;
  explanation.store = unquoted(model.store);
  explanation.statements = model.create_statements;
  explanation.statements.push_back(model.view_statement);
  explanation.backfill = model.backfill_statement;
  explanation.per_run = model.fill_select;
  for (const auto& [table, select] : model.keyed.derive)
    explanation.per_cut.push_back("INSERT INTO " + model.touched + " " + select);
  if (!model.keyed.refresh.empty()) explanation.per_cut.push_back(model.keyed.refresh);
  explanation.tables = model.tables;
  explanation.models = model.models;
  explanation.tables_in_depth.assign(model.tables_in_depth.begin(), model.tables_in_depth.end());
  explanation.downstream = one.downstream;
  explanation.columns = TRY(column_lineage(client, models, model));
  explanation.stored = TRY(sizes(client, model));
  explanation.freshness_seconds = model.file.freshness_seconds;
  for (const auto& line : model.file.audits)
    explanation.audits.emplace_back(line.call, config::name(line.severity));
  auto estimate = client.query("EXPLAIN ESTIMATE SELECT * FROM " +
                               clickhouse::quote_table(model.file.database, model.file.name));
  // A model that is not deployed yet has no view to ask.
  if (!estimate && estimate.error().kind != ErrorKind::refused) return fail(std::move(estimate.error()));
  if (estimate)
    for (size_t row = 0; row < estimate->rows(); ++row)
      explanation.reads.push_back({.table = std::string(estimate->columns[0].text(row)) + "." +
                                            std::string(estimate->columns[1].text(row)),
                                   .rows = estimate->columns[3].get<uint64_t>(row),
                                   .parts = estimate->columns[2].get<uint64_t>(row)});
  return explanation;
}

}  // namespace tidemark::models
