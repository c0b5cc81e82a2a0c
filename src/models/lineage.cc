#include "models/lineage.h"

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

}  // namespace

Lineage::Lineage(const std::vector<config::ModelFile>& files) {
  for (const auto& file : files) {
    auto& reads = reads_[file.full_name()];
    if (auto names = referenced_tables(file.sql)) reads.insert(names->begin(), names->end());
  }
}

Lineage::Lineage(const CompiledModels& models) {
  for (const auto& model : models.models) reads_[model.name] = model.tables_in_depth;
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
