#include "cli/live_profiles.h"

#include "models/plan.h"

#include <algorithm>

namespace tidemark::cli {

Result<std::vector<std::string>> event_tables_of(const profiles::Definition& definition,
                                                 const config::Project& project) {
  std::vector<std::string> tables;
  for (const auto& source : project.event_sources)
    if (definition.sources.empty() || std::find(definition.sources.begin(), definition.sources.end(),
                                                source.name) != definition.sources.end())
      tables.push_back(source.table);
  for (const auto& name : definition.sources)
    if (std::none_of(project.event_sources.begin(), project.event_sources.end(),
                     [&](const auto& source) { return source.name == name; }))
      return fail(ErrorKind::config,
                  fmt::format("{}: profiles {}: there is no source of events called `{}`",
                              definition.where.describe(), definition.name(), name),
                  "`events` lists files of sources/ that have `events:`");
  return tables;
}

Status LiveProfiles::prepare(const config::Project& project, bool shared) {
  profiles::ProfileFiles files = profiles::load_profiles(project.root, false);
  if (!files.errors.empty()) return fail(ErrorKind::config, config::render(files.errors));
  if (!files.definitions.empty() && (shared || pool_.endpoint().cluster))
    return fail(
        ErrorKind::unsupported,
        shared ? "profiles over a source with slots: each process would keep the same map"
               : "profiles on a cluster are not built yet",
        shared ? "write `slots: 1` and run one process, or take profiles/ out" : "take profiles/ out");
  keepers_.clear();
  for (auto& definition : files.definitions) {
    auto tables = TRY(event_tables_of(definition, project));
    auto keeper =
        std::make_unique<profiles::Keeper>(pool_, std::move(definition), std::move(tables), stopping_);
    TRY_VOID(keeper->prepare());
    keepers_.push_back(std::move(keeper));
  }
  return {};
}

Status LiveProfiles::start() {
  for (auto& keeper : keepers_) {
    if (keeper->stale()) {
      TRY_VOID(make_anew(*keeper));
      continue;
    }
    TRY_VOID(keeper->follow_again(follow(*keeper)));
    TRY_VOID(keeper->look_at_decisions(follow(*keeper)));
  }
  return {};
}

profiles::Keeper::Follow LiveProfiles::follow(const profiles::Keeper& keeper) {
  return [this, &keeper](uint64_t step) {
    return models_.runtime()->after_cut(*pool_.lease(), step, make_version(1, step, ordinal_max),
                                        keeper.kept());
  };
}

Status LiveProfiles::make_anew(profiles::Keeper& keeper) {
  auto kept = keeper.kept();
  TRY_VOID(models::reset_stores_of(*pool_.lease(), *models_.published(), {kept.begin(), kept.end()}));
  TRY_VOID(keeper.rebuild());
  return models_.runtime()->after_copy(*pool_.lease(), make_version(1, 0, 0), kept);
}

Status LiveProfiles::after_parts(uint64_t cut, Version version, const std::vector<std::string>& tables) {
  for (auto& keeper : keepers_) TRY_VOID(keeper->step(cut, version, tables, follow(*keeper)));
  return {};
}

Status LiveProfiles::after_copy(const std::vector<std::string>& tables) {
  for (auto& keeper : keepers_)
    for (const auto& table : tables)
      if (keeper->reads_rows(table)) TRY_VOID(keeper->copied(table, follow(*keeper)));
  return {};
}

Result<std::pair<std::string, std::string>> LiveProfiles::decide(const std::string& profiles,
                                                                 const std::string& one,
                                                                 const std::string& other, bool apart) {
  profiles::Keeper* keeper = find(profiles);
  if (keeper == nullptr) return fail(ErrorKind::config, fmt::format("there are no profiles `{}`", profiles));
  return keeper->decide(one, other, apart, follow(*keeper));
}

Status LiveProfiles::forget(const std::vector<profiles::ErasedRows>& erased) {
  for (auto& keeper : keepers_) TRY_VOID(keeper->forget(erased, follow(*keeper)));
  return {};
}

void LiveProfiles::add_kept(std::vector<std::string>& tables) const {
  std::vector<std::string> kept;
  for (const auto& keeper : keepers_)
    if (std::any_of(tables.begin(), tables.end(), [&](const auto& table) {
          return keeper->reads(table.substr(std::string("bronze.").size()));
        }))
      for (const auto& name : keeper->kept()) kept.push_back("bronze." + name);
  tables.insert(tables.end(), kept.begin(), kept.end());
}

profiles::Keeper* LiveProfiles::find(const std::string& name) {
  for (auto& keeper : keepers_)
    if (keeper->definition().name() == name) return keeper.get();
  return nullptr;
}

}  // namespace tidemark::cli
