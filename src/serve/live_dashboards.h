// Live tiles: one execution of each distinct query for all viewers, after the cuts that touched what it
// reads.
//
//   cut ──▶ changed tables ──▶ dirty queries ──▶ (has viewers?) ──▶ run once ──▶ changed? ──▶ push to every
//   viewer
//
// A query is distinct by its text and by the parameters it names: viewers of other ranges or filters share
// what does not differ (live_views.h). A viewer's stream starts with the newest known results at once, then
// goes on with
//   event: tile      {"tile":0,"result":{...}}, {"tile":0,"before":{...}} (the period before) or
//                    {"tile":0,"error":{...}}                  only tiles whose result changed
//   event: refresh   {"as_of_ms":...,"lag_ms":...,"one_fence":true,...}    closes a round: show the tiles
//   above now;
//                    its id is for Last-Event-ID
//   event: status    as /api/status, when something in it changed, else every 5 s
// A round goes out in one piece, and an event replaces an unsent one of the same tile, so a slow viewer sees
// fewer rounds, never a mix of an old tile and a newer refresh of it.
//
// What a round shows is at least as new as its as_of: the position is taken before the first query runs. A
// cut that is applied while queries run may be in one table and not yet in another. Then the tiles it touched
// are asked again, a bounded number of times; `one_fence` says whether the round is of one moment.
//
// Budget: rounds start at least limits::live_refresh_interval_ms_min apart, have at most
// limits::live_round_queries_max queries, one after the other, and queries run at most
// limits::live_refresh_share_max of the time. Without viewers nothing runs. Errors stay at their tile, which
// keeps its last result; they are tried again with the next cut or after a pause.
//
// Threads: one runs queries, one watches the pipeline's state; all public calls are thread-safe and do not
// block.
#pragma once

#include "clickhouse/endpoint.h"
#include "config/dashboard.h"
#include "http/server.h"
#include "ingest/pipeline_status.h"
#include "serve/live_views.h"

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace tidemark::serve {

struct LiveCounters {
  uint64_t viewers = 0;
  uint64_t views = 0;
  uint64_t rounds = 0;
  uint64_t queries = 0;
  uint64_t query_errors = 0;
  uint64_t query_micros = 0;
  uint64_t tiles_pushed = 0;
};

class LiveDashboards {
 public:
  struct Options {
    const std::vector<config::Dashboard>* dashboards = nullptr;  // outlives this
    clickhouse::Endpoint reader;
    std::function<ingest::PipelineStatus()> pipeline_status;
    std::function<std::string()> status_document;
    std::function<std::vector<std::string>(const std::string&)> lineage;  // may be empty
  };

  explicit LiveDashboards(Options options);
  ~LiveDashboards();  // stops

  void start();
  void stop();
  void on_cut(const ingest::CutEvent& cut);
  // `after`: the id of the last refresh the viewer has, or empty. False: too many different views are looked
  // at. Precondition: the dashboard is one of options.dashboards.
  bool watch(const config::Dashboard& dashboard, const ViewParameters& chosen,
             std::shared_ptr<http::EventStream> stream, std::string_view after);
  // /api/events: cuts and status, no tiles.
  void watch_events(std::shared_ptr<http::EventStream> stream);
  LiveCounters counters() const;

 private:
  // Ranges as instants, asked once a round.
  using Clock = std::map<std::string, Result<Instants>>;

  void refresh_loop();
  void status_loop();
  void run_round(clickhouse::Client& client, const LiveViews::Views& views, bool advance,
                 std::unique_lock<std::mutex>& lock);
  Result<std::string> run(clickhouse::Client& client, const LiveQuery& query, Clock& clock) const;
  // Waits for a cut that is being applied; true when the queries it touched are worth asking again. Both hold
  // mutex_.
  bool met_a_cut(const ingest::PipelineStatus& before, std::unique_lock<std::mutex>& lock, bool& one_fence);
  void take_cuts();

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  LiveViews views_;
  std::vector<std::shared_ptr<http::EventStream>> event_viewers_;
  std::set<std::string> touched_;  // by cuts since they were last taken
  bool cut_landed_ = false;
  bool advance_ = false;  // viewers are told the new position even when a cut touched none of their tiles
  bool stopping_ = false;
  std::string last_status_;
  LiveCounters counters_;
  std::thread refresher_;
  std::thread watcher_;
};

}  // namespace tidemark::serve
