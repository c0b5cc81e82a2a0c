// Live tiles: one execution of each distinct query for all viewers, after the cuts that touched what it
// reads.
//
//   cut ──▶ changed tables ──▶ dirty queries ──▶ (has viewers?) ──▶ run once ──▶ changed? ──▶ push to every
//   viewer
//
// A viewer's stream starts with the newest known results at once, then goes on with
//   event: tile      {"tile":0,"result":{...}} or {"tile":0,"error":{...}}   only tiles whose result changed
//   event: refresh   {"as_of_ms":...,"lag_ms":...,...}                        closes a round: show the tiles
//   above now event: status    as /api/status                                          when something in it
//   changed, else every 5 s
// A tile event replaces an unsent one of the same tile, so a slow viewer sees fewer rounds, never a mix of an
// old tile and a newer refresh of it: the refresh is always sent after the tiles it speaks of.
//
// What a round shows is at least as new as its as_of: the position is taken before the first query runs. A
// cut that lands between two queries of a round starts the next round.
//
// Budget: rounds start at least limits::live_refresh_interval_ms_min apart, and queries run at most
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

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace tidemark::serve {

struct LiveCounters {
  uint64_t viewers = 0;
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
  // False: no dashboard of that name.
  bool watch(const std::string& dashboard, std::shared_ptr<http::EventStream> stream);
  // /api/events: cuts and status, no tiles.
  void watch_events(std::shared_ptr<http::EventStream> stream);
  LiveCounters counters() const;

 private:
  struct Query;
  struct Board;
  struct Outcome;

  void refresh_loop();
  void status_loop();
  // All of these hold mutex_.
  void mark_touched(const std::set<std::string>& tables);
  std::vector<Query*> wanted();
  void publish(const std::vector<Outcome>& outcomes, const std::string& refresh);
  void forget_closed();
  bool anybody_watches() const;

  const Options options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Query>> queries_;
  std::vector<std::unique_ptr<Board>> boards_;
  std::vector<std::shared_ptr<http::EventStream>> event_viewers_;
  std::set<std::string> touched_;  // by cuts since the last round began
  bool cut_landed_ = false;
  bool stopping_ = false;
  std::string last_status_;
  LiveCounters counters_;
  std::thread refresher_;
  std::thread watcher_;
};

}  // namespace tidemark::serve
