// Definitions that lie in the warehouse instead of in files: rows of a criteria table that people write to
// (config::CriteriaTable), and what was saved over the API (tidemark.segment_definitions). A row that is
// wrong is set aside with the reason and concerns no other.
//
// A row of a criteria table is the segment `<tenant_id>.<segment_id>` of the entities of its tenant.
// `filters` is JSON: a list of tuples (property_path, operator, value, data_type), or any condition.
// `definition` is JSON or YAML: a condition, or a whole definition without `segment` and `entity`. Both: both
// must hold.
#pragma once

#include "config/insert_source.h"
#include "config/report.h"
#include "segments/segment_files.h"

#include <optional>
#include <set>
#include <string>

namespace tidemark::segments {

struct CriteriaRow {
  std::string tenant, segment, filters, definition;
};

// The name, also of one that is refused.
std::string criteria_name(const CriteriaRow& row);
// Nothing: the report says why.
std::optional<Definition> read_criteria(config::Report& report, const config::CriteriaTable& table,
                                        const CriteriaRow& row);

// A whole definition as JSON or YAML, as the API takes it; `name` is what it is saved under.
std::optional<Definition> read_saved(config::Report& report, const std::string& name,
                                     const std::string& text);

class SavedDefinitions {
 public:
  explicit SavedDefinitions(clickhouse::Client& client) : client_(client) {}

  Status save(const std::string& name, const std::string& text);
  Status remove(const std::string& name);
  struct Saved {
    std::string name, text;
  };
  // Empty when nothing was ever saved.
  Result<std::vector<Saved>> all();

 private:
  Status write(const std::string& name, const std::string& text, bool removed);

  clickhouse::Client& client_;
};

// Adds to `files` (those of the project) what lies in the warehouse; what is wrong with it, or does not fit
// what is there already, goes to `files.refused`. Errors: those of the server.
Status add_stored(clickhouse::Client& client, const config::Project& project, SegmentFiles& files);

// Leaves out of `files` the stored definitions that the warehouse refuses (tables, columns, patterns, zones).
// `fit`: versions that were looked at before and passed; those that pass now are added.
Status leave_out_unfit(clickhouse::Client& client, SegmentFiles& files, const CompileOptions& options,
                       std::set<std::string>& fit);

}  // namespace tidemark::segments
