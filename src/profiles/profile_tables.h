// The tables that profiles are kept in, for a definition with slug cdp_profiles:
//
//   bronze.cdp_profiles_ids             id -> profile_id: the map. Looks like a mirrored table: current
//   state,
//                                       __current, __changes, so models and segments follow it
//   bronze.cdp_profiles_events          events by person, likewise; only where there are events. An event
//                                       moves when its person does
//   bronze.cdp_profiles_<table>         rows of a mirrored table by person, likewise
//   tidemark.profile_edges_cdp_profiles what was seen together, an entry for each id of an edge
//   tidemark.profile_plans_cdp_profiles what each step was going to write, written down before
//   (profile_keeper.h) tidemark.profile_versions           which definition the tables were made by
//   tidemark.profile_decisions          ids that are to be kept apart
#pragma once

#include "ingest/captured_table.h"
#include "profiles/profile_definition.h"

#include <string>
#include <vector>

namespace tidemark::profiles {

struct ProfileTables {
  explicit ProfileTables(const Definition& definition);

  ingest::CapturedTable ids, events;
  std::string edges, plans;  // quoted

  // Of the database tidemark.
  std::vector<std::string> create_statements() const;
};

// bronze.<slug>_<table>: what of the mirrored table `shape` is kept by person. `columns`: name and type.
ingest::CapturedTable rows_by_person(const Definition& definition, const IdTable& table,
                                     const std::vector<std::pair<std::string, ColumnType>>& columns);

// What makes the tables what they are: another text, and they are made anew.
std::string fingerprint(const Definition& definition, const std::vector<std::string>& event_tables);

}  // namespace tidemark::profiles
