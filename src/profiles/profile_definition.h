// What a project says about its profiles: which ids make a person, how far each may join, and what else a
// person's row shows. Plain values, read by profile_files.h.
//
// An id is a text "kind:value" ("email:ann@example.com"); kinds are in the order of their strength, strongest
// first. Whatever is derived is kept in tables whose names begin with the slug: "cdp_profiles" for
// cdp.profiles.
#pragma once

#include "config/diagnostic.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace tidemark::profiles {

struct IdKind {
  std::string name;
  // Where an event carries it; the first that has a value counts: "user_id", "traits.email",
  // "context.device.id", "context.externalIds" (of the type that is called as the kind).
  std::vector<std::string> from;
  uint32_t limit = 5;  // of one profile
  bool ignore_case = false;
};

// A mirrored table whose rows are about people.
struct IdTable {
  std::string table;                                     // in database bronze
  std::vector<std::pair<std::string, std::string>> ids;  // kind, column; in the order of kinds
  std::vector<std::string> columns;                      // shown beside the profile
  config::Location where;
};

struct Definition {
  std::string database, table;
  std::vector<std::string> sources;  // of events; empty: all
  std::vector<IdKind> kinds;
  std::vector<std::string> blocked;  // beside those that are always blocked; lower case
  std::vector<IdTable> tables;
  config::Location where;

  std::string name() const { return database + "." + table; }
  std::string slug() const { return database + "_" + table; }
  const IdKind* kind(const std::string& name) const;
};

}  // namespace tidemark::profiles
