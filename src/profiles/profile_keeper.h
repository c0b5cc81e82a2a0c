// Keeps the map of ids, and what is kept by person, right while cuts arrive. For each cut, after its rows are
// in and BEFORE keyed models and segments look, step():
//   1. finds the sets of ids that were not seen together before, or not so early, among the cut's events, and
//      what changed of the ids of the rows of mirrored tables it touched;
//   2. loads every edge that can be reached from these ids (stitcher.h says why that is enough), stitches,
//   and
//      compares with the map;
//   3. writes what differs: rows of the map, events and rows by person that move, and those the cut brought.
// What it writes looks like a cut of a mirrored table, numbered by step, so whoever follows bronze tables
// follows these.
//
// Why it is right on a replay. Steps come one at a time, whatever source they are for. What a step is going
// to write is written down first, as one block (the plan): the changed ids with their old and new profiles,
// and the numbers of the cuts whose rows it takes. Everything a step sends is a function of its plan and of
// tables that only steps write, under tokens made of the step's number; change rows go first and whole, then
// the rows they belong to, as in change_rows.h. A plan that may not have been finished is sent again before
// anything else, by whoever comes next, also after a kill. Then a cut that comes again finds its edges known
// and its rows in, and makes a step that writes the same rows under the same keys; its change rows it makes
// only for what the map does not have yet. For events: those of a cut are taken once, because the plan with
// the cut's number is what a replay looks for. So the sources' tables must have change rows: only then does a
// cut come again at the same boundaries (ingest/cut.h).
//
// Made anew (rebuild): when the definition is another. Nothing may come in meanwhile. Then everything is
// emptied and filled with cut 0, as by an initial copy.
//
// Thread-safe. Errors: limit when more hangs together than limits::component_edges_max, with an id
// among them; those of the warehouse.
#pragma once

#include "base/version.h"
#include "clickhouse/client_pool.h"
#include "clickhouse/retry.h"
#include "profiles/profile_plan.h"
#include "profiles/profile_statements.h"
#include "profiles/stitcher.h"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <set>

namespace tidemark::profiles {

// What the map or what is kept by person differs in from what a whole recompute gives.
struct ProfileProof {
  std::string profiles;
  uint64_t ids = 0, missing = 0, extra = 0, different = 0;
  std::vector<std::string> examples;

  bool good() const { return missing == 0 && extra == 0 && different == 0; }
};

class Keeper {
 public:
  // `event_tables`: names in database bronze.
  Keeper(clickhouse::ClientPool& pool, Definition definition, std::vector<std::string> event_tables,
         const std::atomic<bool>& stop);

  // Makes the tables, and finishes a step that was cut short. Once, after the tables it reads are there.
  Status prepare();
  // What the tables have is of another definition, or nothing yet: rebuild() is to come. Steps do nothing.
  bool stale() const { return stale_; }
  // `before`: called when tables are about to be emptied.
  Status rebuild();

  // `follow`: told of the step once all it writes is in; the step is open until it succeeds. It is called for
  // a step that was left open, too. `tables`: names in bronze that the cut brought rows of.
  using Follow = std::function<Status(uint64_t step)>;
  Status step(uint64_t cut, Version version, const std::vector<std::string>& tables, const Follow& follow);
  // The initial copy of a mirrored table is complete: its rows are compared with what is known, in steps.
  Status copied(const std::string& table, const Follow& follow);
  // Follows the newest step again: nobody knows whether that was done before a kill.
  Status follow_again(const Follow& follow);
  // Looks again at everything these ids hang together with: after a decision.
  Status restitch(const std::vector<std::string>& ids, const Follow& follow);
  // `apart`: these two ids are not one person's from now on; else they are what events and rows say, again.
  // Their profiles afterwards. No cut may be under way. Errors: config (nobody is known by an id, nothing to
  // take back), conflict (they are two people).
  Result<std::pair<std::string, std::string>> decide(const std::string& one, const std::string& other,
                                                     bool apart, const Follow& follow);
  // Every start: a decision may have been written down just before a kill.
  Status look_at_decisions(const Follow& follow);
  // These rows are gone from the sources' tables; no cut says so. May be called again for the same ones. No
  // cut may be under way.
  Status forget(const std::vector<ErasedRows>& erased, const Follow& follow);

  // Needs no prepare(), and changes nothing.
  Result<ProfileProof> prove();
  // The tables are there, and of this definition. Asks the warehouse.
  Result<bool> made();

  // For tests: asked before each write of a step, by its name; an error ends the step there.
  void set_failpoint(std::function<Status(std::string_view)> failpoint) { failpoint_ = std::move(failpoint); }

  const Definition& definition() const { return definition_; }
  // Names in bronze: of what is kept ("cdp_profiles_ids", ...), and of what it is made of.
  std::vector<std::string> kept() const;
  bool reads(const std::string& table) const;
  bool reads_rows(const std::string& table) const;

 private:
  // What a step finds out before it is written.
  struct Change {
    Plan plan;
    std::map<uint64_t, EdgeChange> edges;
    std::set<std::string> ids;                // of edges that are new, earlier or gone
    std::vector<std::string> row_identities;  // beside plan.rows: by which they belonged; ''
    size_t gone = 0;
  };
  using Mirrored = MirroredRows;

  Status reached(std::string_view point) const { return failpoint_ ? failpoint_(point) : Status(); }
  Status learn_tables();
  Result<StitchRules> rules();
  Status execute(const std::string& sql, const std::map<std::string, std::string>& settings = {});
  Status each(const std::string& sql, const std::function<Status(const Block&)>& on_block);
  Status find_new_edges(const CutRows& rows, Change& change);
  Status find_changed_rows(const Mirrored& table, const CutRows& rows, Change& change);
  Status compare_rows(const Mirrored& mirrored, const std::vector<std::string>& touched,
                      const std::string& condition, Change& change);
  Status close(const Follow& follow);
  Status find_lost_edges(const ErasedRows& erased, Change& change);
  Status write(Change& change, const Follow& follow);
  Result<std::vector<Edge>> closure(Change& change, std::set<std::string>& hubs);
  Status find_moves(Change& change);
  Result<std::map<std::string, Placement>> placed(const std::set<std::string>& ids);
  Status run(Plan plan, const Follow& follow);
  Status apply(const Plan& plan);
  Status apply_events(const Plan& plan);
  Status apply_rows(const Plan& plan, const Mirrored& table);
  Status copy_in(const ingest::CapturedTable& table, const std::string& selected, uint64_t step,
                 const std::string& order);
  // SELECT of all edges the sources have: ids, origin, at, message.
  std::string source_edges() const;
  std::string all_events() const;  // as kept by person; empty: there are no tables of events
  Result<std::vector<Placement>> whole_map();
  Status compare_copy(const ingest::CapturedTable& copy, const std::string& expected, ProfileProof& proof);
  void remember(const Plan& plan);

  clickhouse::ClientPool& pool_;
  const Definition definition_;
  const std::vector<std::string> event_tables_;
  const std::atomic<bool>& stop_;
  const ProfileTables tables_;
  std::vector<Mirrored> mirrored_;
  clickhouse::RetryPolicy policy_;
  std::function<Status(std::string_view)> failpoint_;

  std::mutex mutex_;
  std::atomic<bool> stale_{true};
  uint64_t step_ = 0;  // the newest there is
  bool open_ = false;  // its plan may not be finished
  // By table of events: the newest cut that a plan has taken, and the floor of its epoch.
  std::map<std::string, std::pair<std::string, uint64_t>> taken_;
};

}  // namespace tidemark::profiles
