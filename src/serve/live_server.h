// What a running project shows: the page, the API, live dashboards, health and metrics, on one port.
// `tidemark up` makes one, tells it of every cut, and stops it on the way out.
//
// Live dashboards: a cut marks the queries that read what it changed; one thread runs each of them once for
// all viewers together and pushes the results (live_dashboards.h). Nobody looking: nothing is run. Queries go
// through the read-only account, with limits, and take a bounded share of the time, so viewers never starve
// ingestion.
//
// Threads: on_cut() may be called from any thread and never blocks. The callbacks in ServeOptions are called
// from several threads at once, often, and must be cheap; they must stay callable until stop() has returned.
// Failure: start() fails when the port is taken. A warehouse that is away shows as such on the page and in
// /readyz; the server itself stays up.
#pragma once

#include "base/error.h"
#include "clickhouse/client.h"
#include "config/project.h"
#include "config/token_limits.h"
#include "ingest/pipeline_status.h"
#include "segments/segment_counts.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tidemark::notify {
class DeliveryService;
}
namespace tidemark::alerts {
class AlertService;
}
namespace tidemark::http {
class Server;
}

namespace tidemark::serve {

struct AuditStatus {
  std::string model;     // "analytics.mv_campaign_ctr" or "bronze.clicks"
  std::string audit;     // as written
  std::string severity;  // warning | error | blocking
  bool known = false;    // has been asked
  uint64_t failing = 0;  // rows
  std::vector<std::string> examples;
  std::string error;      // why it could not be asked
  int64_t at_micros = 0;  // wall clock of the last answer
};

// Of a model of kind refresh, since start unless said otherwise.
struct RefreshFacts {
  int64_t as_of_micros = 0;  // when the run that made the result began; 0: apply's first fill
  uint64_t rows = 0, bytes = 0, runs = 0, failed_runs = 0, run_micros = 0;
  std::string error;                 // of the last run, when it failed
  uint64_t asked = 0, answered = 0;  // runs asked for, the last of them that is finished
  std::string answer_error;          // of that one
};

struct ModelStatus {
  std::string model;                     // "analytics.mv_campaign_ctr"
  std::string kind;                      // view | incremental | keyed | refresh
  std::string state;                     // live | building | stale | failed
  int64_t as_of_lag_ms = 0;              // behind the source
  std::string reason;                    // why it is stale or failed
  int64_t since_micros = 0;              // wall clock; 0: live
  std::map<std::string, uint64_t> cuts;  // by source: as of which it was found failed
  int64_t freshness_ms = 0;              // the limit it declares; 0: none
  std::vector<AuditStatus> audits;
  int percent = -1;  // building: of its rows; -1: not building
  std::optional<RefreshFacts> refresh;
};

struct ServeOptions {
  std::string project;
  std::filesystem::path directory;  // of the project; empty: no links are signed
  config::Http http;
  std::vector<config::Dashboard> dashboards;
  std::vector<config::EndpointFile> endpoints;
  clickhouse::Endpoint reader;                              // the read-only account
  std::string warehouse_mode;                               // "embedded" or "remote", shown in the status
  std::function<ingest::PipelineStatus()> pipeline_status;  // required
  std::function<std::vector<ModelStatus>()> model_status;   // may be empty
  std::function<std::vector<segments::SegmentCounts>()> segment_status;  // may be empty
  std::function<std::vector<AuditStatus>()> audit_status;  // of models and mirrored tables; may be empty
  // Requests that change something must bring it as "Authorization: Bearer <token>". Empty: they are refused.
  std::string control_token;
  std::vector<config::AccessToken> tokens;                  // others that may do what their scopes say
  std::map<std::string, config::TokenLimits> token_limits;  // by name
  // Begins a deployment of models; both speak JSON (cli/model_desk.h). May be empty.
  std::function<Result<std::string>(const std::string& request)> deploy;
  std::function<std::string()> deployment;  // how it gets on
  // Begins a run of a refresh model; its number (RefreshFacts::asked). May be empty.
  std::function<Result<uint64_t>(const std::string& model)> refresh;
  // Null: the project has no destinations.
  notify::DeliveryService* deliveries = nullptr;
  alerts::AlertService* alerts = nullptr;  // null: the project has none
  // The bronze tables a query depends on, through models; what CutEvent::tables is compared with. When empty,
  // or when it returns an empty list, a query is run again after every cut.
  std::function<std::vector<std::string>(const std::string& sql)> lineage;
  // Whether only cuts of those tables change its answer (models/lineage.h). May be empty: then none is known
  // to.
  std::function<bool(const std::string& sql)> moves_with_cuts;
  // Further addresses on the same port, added before it starts. May be empty.
  std::function<void(http::Server&)> more_routes;
};

class LiveServer {
 public:
  explicit LiveServer(ServeOptions options);
  ~LiveServer();  // stops
  LiveServer(const LiveServer&) = delete;
  LiveServer& operator=(const LiveServer&) = delete;

  Status start();
  void on_cut(const ingest::CutEvent& cut);
  void stop();
  uint16_t port() const;
  std::string url() const;  // "http://127.0.0.1:8088"

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace tidemark::serve
