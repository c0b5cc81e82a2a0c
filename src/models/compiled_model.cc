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
