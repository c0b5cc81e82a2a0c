#include "cli/erasure_hooks.h"

namespace tidemark::cli {

ErasureHooks erasure_hooks(const ErasureSurroundings& all) {
  ErasureHooks hooks;
  hooks.reach_fences = [all] { return all.pipelines.reach_fences([all] { return all.stopping.load(); }); };
  hooks.at_barrier = [all](const std::function<Status()>& action) {
    return all.pipelines.at_barrier(action, all.stopping);
  };
  hooks.at_doors = [all](const std::function<Status()>& change) { return all.pipelines.at_doors(change); };
  hooks.seal_spools = [all] {
    for (const auto& door : all.pipelines.doors()) door->spool().seal();
  };
  hooks.follow = [all](uint64_t cut, const std::vector<std::string>& tables) {
    return all.models.runtime()->after_cut(*all.pool.lease(), cut, make_version(1, 0, 0), tables);
  };
  hooks.forget = [all](const std::vector<profiles::ErasedRows>& erased) {
    return all.profiles.forget(erased);
  };
  hooks.decide = [all](const std::string& profiles, const std::string& one, const std::string& other,
                       bool apart) { return all.profiles.decide(profiles, one, other, apart); };
  hooks.changed = [all](const std::vector<std::string>& tables) {
    if (all.dictionaries.any_over(tables)) all.dictionaries.reload(*all.pool.lease(), tables);
    all.refreshes->on_cut(tables);
    all.experiments.forget(*all.pool.lease());
    if (all.segments) all.segments->doubt();
  };
  hooks.building = [all] { return all.desk && all.desk->building(); };
  return hooks;
}

}  // namespace tidemark::cli
