// The JSON that the API, the event streams and `tidemark status --json` show: one writer each, so that they
// never disagree. Shapes are part of the interface (docs: /openapi.json); fields are added, never renamed.
#pragma once

#include "config/dashboard.h"
#include "ingest/pipeline_status.h"
#include "segments/segment_counts.h"
#include "serve/live_server.h"

#include <string>
#include <vector>

namespace tidemark::serve {

struct StatusInputs {
  std::string project;
  ingest::PipelineStatus pipeline;
  std::vector<ModelStatus> models;
  std::vector<AuditStatus> audits;
  std::string warehouse_mode;
  std::string warehouse_version;  // empty: not known yet
  bool warehouse_up = false;
  int64_t now_micros = 0;
  uint64_t viewers = 0;
  std::vector<segments::SegmentCounts> segments;
  std::string destinations = "[]";  // JSON
  std::string alerts = "[]";        // JSON
};

std::string status_document(const StatusInputs& inputs);

// What `tidemark refresh` reads.
std::string refresh_document(const RefreshFacts& facts);

// {"ready":bool,"reasons":[...]}; `ready` is false until every source streams and the warehouse answers.
std::string readiness_document(const StatusInputs& inputs, bool& ready);

// {"dashboards":[...]} with full definitions, and one of them.
std::string dashboards_document(const std::string& project, const std::vector<config::Dashboard>& dashboards);
std::string dashboard_document(const config::Dashboard& dashboard);

// Of which commit the pipeline's data is, over all sources: {"as_of_ms","lag_ms","sources":{name:lsn},...}.
struct AsOf {
  int64_t commit_micros = 0;  // the oldest of the sources' newest queryable commits; 0: none yet
  int64_t lag_ms = 0;         // the largest
  std::string json;           // the members without the braces
};
AsOf as_of(const ingest::PipelineStatus& pipeline);

std::string cut_document(const ingest::CutEvent& cut);
// {"tile":3,"result":{...}} from ClickHouse's JSONCompact; "before" instead of "result" for the period
// before;
// {"tile":3,"error":{...}}.
std::string tile_document(size_t tile, const std::string& compact_result, double took_ms,
                          bool before = false);
std::string tile_error_document(size_t tile, const Error& error);

}  // namespace tidemark::serve
