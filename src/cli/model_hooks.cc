#include "cli/model_hooks.h"

#include "cli/models_behind.h"
#include "models/plan.h"

namespace tidemark::cli {
namespace {

std::vector<std::string> bronze_names(const std::vector<std::string>& tables) {
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back("bronze." + table);
  return names;
}

// All rows of these tables are there.
Status loaded(const ModelSurroundings& all, const std::vector<std::string>& tables) {
  std::vector<std::string> names = bronze_names(tables);
  all.dictionaries.reload(*all.pool.lease(), names);
  all.refreshes.on_copy(names);
  return {};
}

}  // namespace

ingest::ModelHooks model_hooks(const ModelSurroundings& all) {
  ingest::ModelHooks hooks;
  hooks.after_parts = [all](uint64_t cut, Version version, const std::vector<std::string>& tables) -> Status {
    TRY_VOID(all.profiles.after_parts(cut, version, tables));
    if (auto runtime = all.models.runtime(); runtime->has_keyed_models())
      TRY_VOID(runtime->after_cut(*all.pool.lease(), cut, version, tables));
    auto names = bronze_names(tables);
    if (all.dictionaries.any_over(names)) all.dictionaries.reload(*all.pool.lease(), names);
    // Before any position says that these rows are in: who sees it sees results that do not have them as old
    // ones.
    if (all.leads()) {
      all.profiles.add_kept(names);
      all.refreshes.on_cut(names);
    }
    return {};
  };
  hooks.before_copy = [all](const std::vector<std::string>& tables) {
    return all.segments.before_copy(bronze_names(tables));
  };
  hooks.after_copy = [all](Version version, const std::vector<std::string>& tables) -> Status {
    all.segments.doubt();
    TRY_VOID(all.profiles.after_copy(tables));
    TRY_VOID(all.models.runtime()->after_copy(*all.pool.lease(), version, tables));
    TRY_VOID(loaded(all, tables));
    return all.segments.after_copy(bronze_names(tables));
  };
  hooks.after_load = [all](const std::vector<std::string>& tables) { return loaded(all, tables); };
  hooks.parts_gate = &all.parts_gate;
  hooks.rows = all.segments.rows();
  hooks.after_change = [all](const std::string& table) {
    return models_behind(*all.pool.lease(), *all.models.published(), "bronze." + table);
  };
  hooks.reset = [all](const std::vector<std::string>& tables) -> Status {
    all.segments.doubt();
    return models::reset_stores_of(*all.pool.lease(), *all.models.published(),
                                   {tables.begin(), tables.end()});
  };
  return hooks;
}

}  // namespace tidemark::cli
