#include "models/lineage.h"

#include "models/function_catalog.h"
#include "models/references.h"

namespace tidemark::models {
namespace {

// A query may name the faces of a mirrored table directly.
std::string mirrored_name(std::string name) {
  for (std::string_view suffix : {"__current", "__changes"})
    if (name.starts_with("bronze.") && name.ends_with(suffix))
      name = name.substr(0, name.size() - suffix.size());
  return name;
}

// Calls of what gives another answer each time. What cannot be read counts as one.
bool changes_by_itself(std::string_view sql) {
  auto tokens = tokenize(sql);
  if (!tokens) return true;
  for (size_t index = 0; index < tokens->size(); ++index) {
    const Token& token = (*tokens)[index];
    if (!token.identifier()) continue;
    bool called = index + 1 < tokens->size() && (*tokens)[index + 1].is("(");
    bool bare = token.keyword("CURRENT_DATE") || token.keyword("CURRENT_TIMESTAMP");
    if ((called || bare) && FunctionCatalog::known_to_change(token.name)) return true;
  }
  return false;
}

}  // namespace

Lineage::Lineage(const std::vector<config::ModelFile>& files) {
  for (const auto& file : files) {
    auto& reads = reads_[file.full_name()];
    if (auto names = referenced_tables(file.sql)) reads.insert(names->begin(), names->end());
    // What it reads is not judged here: only what runs is asked.
    restless_.insert(file.full_name());
  }
}

Lineage::Lineage(const CompiledModels& models) {
  for (const auto& model : models.models) {
    reads_[model.name] = model.tables_in_depth;
    // `recompute` has every model that is read, but those of kind refresh.
    if (model.kind == ModelKind::refresh || !model.refresh_models.empty() || !model.live_reads.empty() ||
        !model.file.ttl.empty() || changes_by_itself(model.recompute))
      restless_.insert(model.name);
  }
}

bool Lineage::moves_with_cuts(std::string_view sql) const {
  auto names = referenced_tables(sql);
  if (!names || tables_of(sql).empty() || changes_by_itself(sql)) return false;
  return std::none_of(names->begin(), names->end(),
                      [&](const std::string& name) { return restless_.contains(name); });
}

std::set<std::string> Lineage::tables_of(std::string_view sql) const {
  std::set<std::string> tables;
  auto names = referenced_tables(sql);
  if (!names) return tables;
  for (const auto& name : *names) {
    if (!name.starts_with("bronze.") && !reads_.contains(name)) return {};
    tables.merge(tables_of_name(name));
  }
  return tables;
}

std::set<std::string> Lineage::tables_of_name(std::string_view name) const {
  std::set<std::string> tables, seen;
  std::vector<std::string> open{std::string(name)};
  while (!open.empty()) {
    std::string next = open.back();
    open.pop_back();
    if (!seen.insert(next).second) continue;
    if (next.starts_with("bronze."))
      tables.insert(mirrored_name(next));
    else if (auto found = reads_.find(next); found != reads_.end())
      open.insert(open.end(), found->second.begin(), found->second.end());
  }
  return tables;
}

}  // namespace tidemark::models
