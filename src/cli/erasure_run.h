// One deletion of a person, from the intent to the receipt, stage by stage (profiles/deletion_store.h): each
// stage is written down when it is done and may be done again from its beginning.
//
//   resolved   who that is: the ids of the profile; from here on nothing is taken in under them. Asked again
//              behind a fence, when everything that was taken in before is in the tables
//   aside      copies of the rows: events, rows that were posted or inserted
//   removed    the rows are gone from their tables and files
//   correcting, corrected   between two cuts of all sources: everything that was made of them is made right
//              (profiles/dependent_views.h, Keeper::forget, keyed models, and segments behind these)
//   done       what was told outside is listed, the traces are removed, the receipt is written
//
// Rows of tables with a key that people INSERT into go another way: they are deleted there, and that flows
// like every deletion. Rows of sources that we mirror stay: the receipt names the tables.
#pragma once

#include "config/project.h"
#include "ingest/event_door.h"
#include "ingest/event_routes.h"
#include "profiles/deletion_store.h"
#include "profiles/erased_rows.h"
#include "profiles/erasure_traces.h"
#include "profiles/profile_keeper.h"
#include "profiles/suppressions.h"

#include <functional>
#include <set>

namespace tidemark::cli {

// What the running project does for it.
struct ErasureHooks {
  // Everything the sources have now is in.
  std::function<Status()> reach_fences;
  std::function<Status(const std::function<Status()>&)> at_barrier;
  // `change` of what doors let in: what comes into a spool afterwards was looked at afterwards.
  std::function<Status(const std::function<Status()>& change)> at_doors;
  // Everything that waits now is in, and the files it waited in are deleted.
  std::function<Status()> empty_spools;
  // All that follows touched keys does so: names in bronze.
  std::function<Status(uint64_t cut, const std::vector<std::string>& tables)> follow;
  // The maps of all profiles that read these tables forget the rows.
  std::function<Status(const std::vector<profiles::ErasedRows>&)> forget;
  // Two ids are two people's, or what their events say: LiveProfiles::decide.
  std::function<Result<std::pair<std::string, std::string>>(
      const std::string& profiles, const std::string& one, const std::string& other, bool apart)>
      decide;
  // These tables ("bronze.x") changed, for whoever shows them.
  std::function<void(const std::vector<std::string>& tables)> changed;
  // Mirrored tables that a query reads, through all models; empty: not known.
  std::function<std::set<std::string>(const std::string& sql)> reads;
  // A model is being filled from a copy of before.
  std::function<bool()> building;
};

class ErasureRun {
 public:
  // All must outlive it.
  ErasureRun(clickhouse::ClientPool& pool, const config::Project& project,
             const profiles::Definition& definition, std::vector<std::string> event_tables,
             profiles::Suppressions& suppressions, const ErasureHooks& hooks, const std::atomic<bool>& stop);

  // Goes on from `deletion`'s stage to the end.
  Status run(profiles::Deletion& deletion);
  // Before the first cut of a start: what was interrupted between two cuts is done now.
  Status correct(profiles::Deletion& deletion);

 private:
  // How rows of a table go.
  enum class Way : uint8_t { here, by_its_cut };
  struct Part {
    profiles::ErasableTable table;
    Way way = Way::here;
    std::string condition;
    const profiles::IdTable* about = nullptr;  // of a table that profiles read rows of
    std::string entity;                        // how segments call it
  };

  Status resolve(profiles::Deletion& deletion);
  Status find_ids(profiles::Deletion& deletion);
  Result<std::vector<Part>> parts(const profiles::Deletion& deletion);
  Result<profiles::ErasableTable> shape_of(const std::string& name, bool log);
  Status put_aside(profiles::Deletion& deletion);
  Status remove(profiles::Deletion& deletion);
  Status correct_at_barrier(profiles::Deletion& deletion);
  // Everybody's memberships, where they hang on these tables.
  void look_again(const std::vector<Part>& parts);
  Status finish(profiles::Deletion& deletion);
  Status remove_traces(profiles::Deletion& deletion);
  Result<std::string> receipt(const profiles::Deletion& deletion, const std::vector<Part>& parts,
                              const std::string& told, const profiles::TraceCounts& traces);
  Result<std::map<std::string, uint64_t>> at_source(const profiles::Deletion& deletion);
  Result<uint64_t> rows_aside(const profiles::Deletion& deletion, const Part& part);
  Status reached(profiles::Deletion& deletion, profiles::DeletionStage stage);

  clickhouse::ClientPool& pool_;
  const config::Project& project_;
  const profiles::Definition& definition_;
  const std::vector<std::string> event_tables_;
  profiles::Suppressions& suppressions_;
  const ErasureHooks& hooks_;
  const std::atomic<bool>& stop_;
  profiles::DeletionStore store_;
};

}  // namespace tidemark::cli
