// The folder segments/ of a project: every file a definition, and what can be seen with all of them at hand
// (names used twice, `member` of segments that do not exist, circles). Offline; check_segments() asks the
// warehouse for the rest.
#pragma once

#include "clickhouse/client.h"
#include "config/diagnostic.h"
#include "config/project.h"
#include "segments/compile.h"

#include <map>
#include <string>
#include <vector>

namespace tidemark::segments {

// Of a definition that lies in the warehouse (stored_definitions.h).
struct RefusedDefinition {
  std::string segment, origin, reason;
};

struct SegmentFiles {
  std::vector<Definition> definitions;  // by file name; then those that are stored
  std::vector<config::Diagnostic> errors;
  std::map<std::string, std::string> stored;  // of those: "api", or the table they are rows of
  std::vector<RefusedDefinition> refused;

  const Definition* find(const std::string& name) const;
  // Where a definition comes from, when it is stored; else null.
  const std::string* origin(const std::string& name) const;
  // A stored definition becomes a refused one.
  void leave_out(const std::string& name, std::string reason);
  std::vector<std::string> names() const;
};

// `offline`: variables that are not set are passed over, as when the rest of the project is loaded offline.
SegmentFiles load_segments(const std::filesystem::path& project, bool offline);

// Tables that people write to (config/insert_source.h) by the names of their mirrors: cdp.entities is
// bronze.cdp_entities to everything that reads.
void name_mirrors(const config::Project& project, Definition& definition);

// How the project's segments are compiled: lookup and names refer to `files`, which must outlive the options.
CompileOptions compile_options(const SegmentFiles& files, std::vector<EventTable> events,
                               std::string time_zone);

// The tables of the warehouse that have the shape of an events source: message_id, user_id, event, timestamp
// and properties, in database bronze.
Result<std::vector<EventTable>> event_tables(clickhouse::Client& client);

// Every definition against the warehouse: tables, columns, patterns, zones, and that ClickHouse takes the
// query. All problems of all of them. Errors: the server cannot be asked.
Result<std::vector<config::Diagnostic>> check_segments(clickhouse::Client& client,
                                                       const std::vector<const Definition*>& definitions,
                                                       const CompileOptions& options);

}  // namespace tidemark::segments
