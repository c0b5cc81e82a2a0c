#include "serve/live_dashboards.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "clickhouse/client.h"
#include "serve/documents.h"
#include "serve/tile_query.h"

#include <algorithm>
#include <chrono>

namespace tidemark::serve {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// One distinct text; several tiles, on several dashboards, may show it.
struct LiveDashboards::Query {
  std::string sql;
  struct Place {
    Board* board;
    size_t tile;
  };
  std::vector<Place> places;
  std::vector<std::string> reads;  // lineage; empty: not known
  bool dirty = true;
  std::string last;  // result or error text, to see whether it changed
  steady_clock::time_point try_again = steady_clock::time_point::max();
};

struct LiveDashboards::Board {
  const config::Dashboard* definition;
  std::vector<std::optional<http::Event>> tiles;  // newest of each
  std::optional<http::Event> refresh;
  std::vector<std::shared_ptr<http::EventStream>> viewers;
};

struct LiveDashboards::Outcome {
  Query* query;
  Result<std::string> result;
  double took_ms;
};

LiveDashboards::LiveDashboards(Options options) : options_(std::move(options)) {
  for (const auto& definition : *options_.dashboards) {
    auto board = std::make_unique<Board>();
    board->definition = &definition;
    board->tiles.resize(definition.tiles.size());
    for (size_t tile = 0; tile < definition.tiles.size(); ++tile) {
      const std::string& sql =
          definition.tiles[tile].query.empty() ? definition.tiles[tile].sql : definition.tiles[tile].query;
      auto same = std::find_if(queries_.begin(), queries_.end(),
                               [&](const auto& query) { return query->sql == sql; });
      if (same == queries_.end()) {
        queries_.push_back(std::make_unique<Query>());
        same = std::prev(queries_.end());
        (*same)->sql = sql;
      }
      (*same)->places.push_back({board.get(), tile});
    }
    boards_.push_back(std::move(board));
  }
}

LiveDashboards::~LiveDashboards() {
  stop();
}

void LiveDashboards::start() {
  refresher_ = std::thread([this] { refresh_loop(); });
  watcher_ = std::thread([this] { status_loop(); });
}

void LiveDashboards::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (refresher_.joinable()) refresher_.join();
  if (watcher_.joinable()) watcher_.join();
}

void LiveDashboards::on_cut(const ingest::CutEvent& cut) {
  const http::Event event("cut", fmt::format("{}:{}", cut.source, cut.cut), cut_document(cut));
  {
    std::lock_guard lock(mutex_);
    touched_.insert(cut.tables.begin(), cut.tables.end());
    cut_landed_ = true;
    // A cut is a fact, not a state, but a viewer too slow for all of them is better off with the newest.
    for (const auto& viewer : event_viewers_) viewer->send(event, "cut:" + cut.source);
  }
  changed_.notify_all();
}

bool LiveDashboards::watch(const std::string& dashboard, std::shared_ptr<http::EventStream> stream) {
  std::string status = options_.status_document();
  std::lock_guard lock(mutex_);
  const auto board = std::find_if(boards_.begin(), boards_.end(), [&](const auto& candidate) {
    return candidate->definition->name == dashboard;
  });
  if (board == boards_.end()) return false;
  forget_closed();
  stream->send(http::Event("status", "", status), "status");
  for (size_t tile = 0; tile < (*board)->tiles.size(); ++tile)
    if ((*board)->tiles[tile]) stream->send(*(*board)->tiles[tile], fmt::format("tile-{}", tile));
  if ((*board)->refresh) stream->send(*(*board)->refresh, "refresh");
  (*board)->viewers.push_back(std::move(stream));
  changed_.notify_all();
  return true;
}

void LiveDashboards::watch_events(std::shared_ptr<http::EventStream> stream) {
  std::string status = options_.status_document();
  std::lock_guard lock(mutex_);
  forget_closed();
  stream->send(http::Event("status", "", status), "status");
  event_viewers_.push_back(std::move(stream));
}

LiveCounters LiveDashboards::counters() const {
  std::lock_guard lock(mutex_);
  LiveCounters counters = counters_;
  for (const auto& board : boards_) counters.viewers += board->viewers.size();
  return counters;
}

void LiveDashboards::forget_closed() {
  const auto closed = [](const auto& viewer) { return viewer->closed(); };
  for (const auto& board : boards_) std::erase_if(board->viewers, closed);
  std::erase_if(event_viewers_, closed);
}

bool LiveDashboards::anybody_watches() const {
  return std::any_of(boards_.begin(), boards_.end(),
                     [](const auto& board) { return !board->viewers.empty(); });
}

void LiveDashboards::mark_touched(const std::set<std::string>& tables) {
  for (const auto& query : queries_)
    query->dirty = query->dirty || query->reads.empty() ||
                   std::any_of(query->reads.begin(), query->reads.end(),
                               [&](const std::string& table) { return tables.contains(table); });
}

std::vector<LiveDashboards::Query*> LiveDashboards::wanted() {
  const auto now = steady_clock::now();
  std::vector<Query*> result;
  for (const auto& query : queries_) {
    if (!query->dirty && query->try_again > now) continue;
    if (std::any_of(query->places.begin(), query->places.end(),
                    [](const Query::Place& place) { return !place.board->viewers.empty(); }))
      result.push_back(query.get());
  }
  return result;
}

void LiveDashboards::refresh_loop() {
  clickhouse::Client client(options_.reader);
  auto next_round = steady_clock::now();
  auto next_full_round = steady_clock::now();
  bool advance =
      false;  // a cut landed: viewers are told the new position even when it touched none of their tiles
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    forget_closed();
    const auto now = steady_clock::now();
    if (now >= next_full_round) {
      // Queries that look at the clock ("the last hour") change without a cut.
      for (const auto& query : queries_) query->dirty = true;
      next_full_round = now + std::chrono::seconds(limits::live_refresh_idle_seconds);
    }
    if (cut_landed_) {
      mark_touched(std::exchange(touched_, {}));
      cut_landed_ = false;
      advance = true;
    }
    const std::vector<Query*> round = wanted();
    const bool idle = round.empty() && !(advance && anybody_watches());
    if (idle || now < next_round) {
      // Until something happens; a retry or the end of the pause also counts.
      changed_.wait_until(lock, idle ? now + milliseconds(limits::live_status_interval_ms) : next_round);
      continue;
    }
    advance = false;
    for (Query* query : round) {
      query->dirty = false;
      query->try_again = steady_clock::time_point::max();
    }
    lock.unlock();

    // Before the queries: what they read is this or newer.
    const AsOf position = as_of(options_.pipeline_status());
    const auto started = steady_clock::now();
    std::vector<Outcome> outcomes;
    for (Query* query : round) {
      if (options_.lineage && query->reads.empty()) query->reads = options_.lineage(query->sql);
      const auto query_started = steady_clock::now();
      auto result = run_tile_query(client, query->sql);
      const std::chrono::duration<double, std::milli> took = steady_clock::now() - query_started;
      outcomes.push_back({query, std::move(result), took.count()});
      lock.lock();
      const bool stop = stopping_;
      lock.unlock();
      if (stop) return;
    }
    const auto ended = steady_clock::now();
    const std::chrono::duration<double, std::milli> took = ended - started;

    lock.lock();
    ++counters_.rounds;
    publish(outcomes, fmt::format("{{{},\"round\":{},\"queries\":{},\"took_ms\":{:.1f},\"time_ms\":{}}}",
                                  position.json, counters_.rounds, outcomes.size(), took.count(),
                                  system_clock().wall_micros() / 1000));
    const auto pause = std::chrono::duration_cast<steady_clock::duration>(
        took * (1.0 / limits::live_refresh_share_max - 1.0));
    next_round = std::max(started + milliseconds(limits::live_refresh_interval_ms_min), ended + pause);
  }
}

void LiveDashboards::publish(const std::vector<Outcome>& outcomes, const std::string& refresh) {
  for (const auto& outcome : outcomes) {
    Query& query = *outcome.query;
    ++counters_.queries;
    counters_.query_micros += static_cast<uint64_t>(outcome.took_ms * 1000);
    if (!outcome.result) {
      ++counters_.query_errors;
      const bool down = outcome.result.error().kind == ErrorKind::dependency_down ||
                        outcome.result.error().kind == ErrorKind::unknown_outcome;
      query.try_again = steady_clock::now() + (down ? std::chrono::seconds(1) : std::chrono::seconds(5));
    }
    const std::string text = outcome.result ? *outcome.result : "error: " + outcome.result.error().describe();
    if (text == query.last) continue;
    query.last = text;
    for (const auto& place : query.places) {
      const http::Event event("tile", "",
                              outcome.result ? tile_document(place.tile, *outcome.result, outcome.took_ms)
                                             : tile_error_document(place.tile, outcome.result.error()));
      place.board->tiles[place.tile] = event;
      ++counters_.tiles_pushed;
      for (const auto& viewer : place.board->viewers) viewer->send(event, fmt::format("tile-{}", place.tile));
    }
  }
  const http::Event event("refresh", std::to_string(counters_.rounds), refresh);
  for (const auto& board : boards_) {
    if (board->viewers.empty()) continue;  // its tiles are as old as its last refresh says
    board->refresh = event;
    for (const auto& viewer : board->viewers) viewer->send(event, "refresh");
  }
}

void LiveDashboards::status_loop() {
  const auto resend_after = std::chrono::seconds(limits::live_status_resend_seconds);
  auto last_sent = steady_clock::now() - resend_after;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!event_viewers_.empty() || anybody_watches()) {
      lock.unlock();
      const std::string status = options_.status_document();
      lock.lock();
      // The clock in it always differs; what matters is the rest.
      const std::string comparable = without_time(status);
      if (comparable != last_status_ || steady_clock::now() - last_sent >= resend_after) {
        last_status_ = comparable;
        last_sent = steady_clock::now();
        const http::Event event("status", "", status);
        for (const auto& board : boards_)
          for (const auto& viewer : board->viewers) viewer->send(event, "status");
        for (const auto& viewer : event_viewers_) viewer->send(event, "status");
      }
    }
    changed_.wait_for(lock, milliseconds(limits::live_status_interval_ms), [&] { return stopping_; });
  }
}

}  // namespace tidemark::serve
