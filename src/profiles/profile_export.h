// Everything that is known of one person, as one JSON object: what a person may ask for. Reads only.
#pragma once

#include "clickhouse/client.h"
#include "profiles/profile_definition.h"

#include <string>
#include <vector>

namespace tidemark::profiles {

// The profile that `asked` is or belongs to: a profile's id, or an id ("email:ann@example.com"). Empty: none.
Result<std::string> find_profile(clickhouse::Client& client, const Definition& definition,
                                 const std::string& asked);

struct ExportPart {
  std::string name, sql;  // SQL has {profile:String}
};
// What there is, by table: "profile", "ids", "events" (as they were sent), "rows of customers",
// "memberships", each a SELECT. A room that keeps something of people adds its table here.
Result<std::vector<ExportPart>> export_parts(clickhouse::Client& client, const Definition& definition,
                                             const std::vector<std::string>& event_tables);

// {"profiles", "profile_id", "<part>": [rows]}. `only`: names of parts; empty: all.
Result<std::string> export_profile(clickhouse::Client& client, const Definition& definition,
                                   const std::string& profile, const std::vector<ExportPart>& parts,
                                   const std::vector<std::string>& only = {});

}  // namespace tidemark::profiles
