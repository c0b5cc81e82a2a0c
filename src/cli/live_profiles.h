// The profiles of a running project: a keeper for each file of profiles/, told of every cut before models and
// segments look at it, and telling them what it changed as a cut of its own tables.
//
// prepare() comes after the sources' tables are there and before models are compiled over the profiles';
// start() once models are deployed, before sources run. Thread-safe after that.
#pragma once

#include "cli/live_models.h"
#include "config/project.h"
#include "profiles/profile_files.h"
#include "profiles/profile_keeper.h"

#include <memory>

namespace tidemark::cli {

// Tables of events of a definition, in database bronze. Errors: config, when it names a source that is none.
Result<std::vector<std::string>> event_tables_of(const profiles::Definition& definition,
                                                 const config::Project& project);

class LiveProfiles {
 public:
  LiveProfiles(clickhouse::ClientPool& pool, LiveModels& models, const std::atomic<bool>& stopping)
      : pool_(pool), models_(models), stopping_(stopping) {}

  // Again after sources were prepared again. `shared`: other processes work on the same sources.
  Status prepare(const config::Project& project, bool shared);
  Status start();

  Status after_parts(uint64_t cut, Version version, const std::vector<std::string>& tables);
  Status after_copy(const std::vector<std::string>& tables);
  // See Keeper::decide.
  Result<std::pair<std::string, std::string>> decide(const std::string& profiles, const std::string& one,
                                                     const std::string& other, bool apart);
  // See Keeper::forget.
  Status forget(const std::vector<profiles::ErasedRows>& erased);
  // To the tables of a cut ("bronze.app_events"): those of profiles that such a cut changes.
  void add_kept(std::vector<std::string>& tables) const;
  profiles::Keeper* find(const std::string& name);

 private:
  Status make_anew(profiles::Keeper& keeper);
  profiles::Keeper::Follow follow(const profiles::Keeper& keeper);

  clickhouse::ClientPool& pool_;
  LiveModels& models_;
  const std::atomic<bool>& stopping_;
  std::vector<std::unique_ptr<profiles::Keeper>> keepers_;
};

}  // namespace tidemark::cli
