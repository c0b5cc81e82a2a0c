#include "cli/erasure_hooks.h"

#include "base/clock.h"
#include "base/log.h"
#include "profiles/erasure_limits.h"

#include <thread>

namespace tidemark::cli {
namespace {

// Files are deleted by those who read them, a moment after the fence.
Status empty_spools(const ErasureSurroundings& all) {
  ingest::EventDoors doors = all.pipelines.spooling();
  std::vector<uint64_t> ends;
  for (const auto& door : doors) {
    ends.push_back(door->spool().end());
    door->spool().seal();
  }
  TRY_VOID(all.pipelines.reach_fences([all] { return all.stopping.load(); }));
  int64_t deadline = system_clock().monotonic_micros() + profiles::limits::erasure_spools_wait_us;
  for (size_t index = 0; index < doors.size(); ++index)
    while (doors[index]->spool().first() < ends[index]) {
      if (all.stopping) return fail(ErrorKind::cancelled, "stopped");
      if (system_clock().monotonic_micros() > deadline)
        return fail(ErrorKind::dependency_down,
                    "a file of a spool is not deleted, although everything in it is in the warehouse",
                    "it is tried again; see what the log says of the spool");
      std::this_thread::sleep_for(profiles::limits::erasure_look_again);
    }
  return {};
}

}  // namespace

ErasureHooks erasure_hooks(const ErasureSurroundings& all) {
  ErasureHooks hooks;
  hooks.reach_fences = [all] { return all.pipelines.reach_fences([all] { return all.stopping.load(); }); };
  hooks.at_barrier = [all](const std::function<Status()>& action) {
    return all.pipelines.at_barrier(action, all.stopping);
  };
  hooks.at_doors = [all](const std::function<Status()>& change) { return all.pipelines.at_doors(change); };
  hooks.empty_spools = [all] { return empty_spools(all); };
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
  hooks.reads = [all](const std::string& sql) { return all.models.tables_of(sql); };
  hooks.building = [all] { return all.desk && all.desk->building(); };
  return hooks;
}

}  // namespace tidemark::cli
