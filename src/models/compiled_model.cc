#include "models/compiled_model.h"

namespace tidemark::models {

const char* name(ModelKind kind) {
  switch (kind) {
    case ModelKind::view:
      return "view";
    case ModelKind::incremental:
      return "incremental";
    case ModelKind::keyed:
      return "keyed";
    case ModelKind::refresh:
      return "refresh";
  }
  return "";
}

std::vector<std::string*> CompiledModel::statements() {
  std::vector<std::string*> all{&next,           &fill_select,       &store,       &backfill_statement,
                                &view_statement, &touched,           &keyed.count, &keyed.refresh,
                                &keyed.newest,   &keyed.touched_keys};
  for (auto* list : {&create_statements, &physical, &keyed.rebuild})
    for (auto& text : *list) all.push_back(&text);
  for (auto& [table, mirrored] : keyed.cut_tables) all.push_back(&table);
  for (auto& [mirrored, statement] : keyed.derive) all.push_back(&statement);
  for (auto& [mirrored, statement] : feed_statements) all.push_back(&statement);
  return all;
}

const CompiledModel* CompiledModels::find(std::string_view name) const {
  for (const auto& model : models)
    if (model.name == name) return &model;
  return nullptr;
}

std::vector<std::string> CompiledModels::downstream_of(std::string_view name) const {
  std::set<std::string, std::less<>> reached{std::string(name)};
  std::vector<std::string> found;
  // Models come after what they read, so one pass reaches all.
  for (const auto& model : models) {
    bool reads = false;
    for (const auto& table : model.tables) reads |= reached.contains(table);
    for (const auto& upstream : model.models) reads |= reached.contains(upstream);
    if (!reads || reached.contains(model.name)) continue;
    reached.insert(model.name);
    found.push_back(model.name);
  }
  return found;
}

}  // namespace tidemark::models
