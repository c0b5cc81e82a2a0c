#include "serve/live_dashboards.h"

#include "base/clock.h"
#include "base/limits.h"
#include "clickhouse/client.h"
#include "serve/documents.h"
#include "serve/live_limits.h"
#include "serve/range_clock.h"
#include "serve/tile_query.h"

#include <algorithm>
#include <chrono>

namespace tidemark::serve {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

double milliseconds_since(steady_clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - begin).count();
}

// No cut is under way, and none has been applied since: what was read is of one moment.
bool settled(const ingest::PipelineStatus& before, const ingest::PipelineStatus& after) {
  if (before.sources.size() != after.sources.size()) return false;
  for (size_t i = 0; i < after.sources.size(); ++i) {
    const auto& was = before.sources[i];
    const auto& is = after.sources[i];
    if (was.last_cut != is.last_cut || was.ladder.fenced != is.ladder.fenced) return false;
    if (is.ladder.cut > is.ladder.fenced) return false;
  }
  return true;
}

}  // namespace

LiveDashboards::LiveDashboards(Options options) : options_(std::move(options)) {}

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

bool LiveDashboards::watch(const config::Dashboard& dashboard, const ViewParameters& chosen,
                           std::shared_ptr<http::EventStream> stream, std::string_view after) {
  const http::Event status("status", "", options_.status_document());
  std::lock_guard lock(mutex_);
  if (!views_.join(dashboard, chosen, std::move(stream), after, status)) return false;
  changed_.notify_all();
  return true;
}

void LiveDashboards::watch_events(std::shared_ptr<http::EventStream> stream) {
  std::string status = options_.status_document();
  std::lock_guard lock(mutex_);
  std::erase_if(event_viewers_, [](const auto& viewer) { return viewer->closed(); });
  stream->send(http::Event("status", "", status), "status");
  event_viewers_.push_back(std::move(stream));
}

LiveCounters LiveDashboards::counters() const {
  std::lock_guard lock(mutex_);
  LiveCounters counters = counters_;
  counters.viewers = views_.viewers();
  counters.views = views_.views().size();
  return counters;
}

void LiveDashboards::take_cuts() {
  if (!cut_landed_) return;
  views_.mark_touched(std::exchange(touched_, {}));
  cut_landed_ = false;
  advance_ = true;
}

void LiveDashboards::refresh_loop() {
  clickhouse::Client client(options_.reader);
  auto next_round = steady_clock::now();
  auto next_full_round = steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    views_.forget_closed();
    const auto now = steady_clock::now();
    if (now >= next_full_round) {
      // Queries that look at the clock ("the last hour") change without a cut.
      views_.mark_all();
      next_full_round = now + std::chrono::seconds(limits::live_refresh_idle_seconds);
    }
    take_cuts();
    const LiveViews::Views due = views_.due(now);
    const bool idle = due.empty() && !(advance_ && views_.anybody());
    if (idle || now < next_round) {
      // Until something happens; a retry or the end of the pause also counts.
      changed_.wait_until(lock, idle ? now + milliseconds(limits::live_status_interval_ms) : next_round);
      continue;
    }
    const auto started = steady_clock::now();
    run_round(client, due, std::exchange(advance_, false), lock);
    const auto pause = std::chrono::duration_cast<steady_clock::duration>(
        std::chrono::duration<double, std::milli>(milliseconds_since(started)) *
        (1.0 / limits::live_refresh_share_max - 1.0));
    next_round =
        std::max(started + milliseconds(limits::live_refresh_interval_ms_min), steady_clock::now() + pause);
  }
}

void LiveDashboards::run_round(clickhouse::Client& client, const LiveViews::Views& views, bool advance,
                               std::unique_lock<std::mutex>& lock) {
  const auto started = steady_clock::now();
  const uint64_t round = ++counters_.rounds;
  Clock clock;
  std::string position;
  size_t asked = 0;
  bool one_fence = true;
  for (int attempt = 1;; ++attempt) {
    const LiveViews::Queries queries = LiveViews::to_run(views, steady_clock::now());
    for (const auto& query : queries) {
      query->dirty = false;
      query->try_again = steady_clock::time_point::max();
    }
    lock.unlock();
    // Before the queries: what they read is this or newer.
    const ingest::PipelineStatus before = options_.pipeline_status();
    position = as_of(before).json;
    for (const auto& query : queries) {
      auto reads = options_.lineage && query->reads.empty() ? options_.lineage(query->sql) : query->reads;
      const auto begun = steady_clock::now();
      auto result = run(client, *query, clock);
      const double took_ms = milliseconds_since(begun);
      lock.lock();
      query->reads = std::move(reads);
      ++counters_.queries;
      ++asked;
      counters_.query_micros += static_cast<uint64_t>(took_ms * 1000);
      if (!result) ++counters_.query_errors;
      LiveViews::take(*query, std::move(result), took_ms, round);
      if (stopping_) return;
      lock.unlock();
    }
    lock.lock();
    if (queries.empty()) break;
    bool again = met_a_cut(before, lock, one_fence);
    if (stopping_) return;
    if (!again || attempt >= limits::live_round_attempts_max ||
        milliseconds_since(started) > limits::live_round_again_ms_max)
      break;
    take_cuts();
    advance = true;
    advance_ = false;
    if (LiveViews::to_run(views, steady_clock::now()).empty()) {
      one_fence = true;  // it touched nothing that is shown here
      break;
    }
  }
  const std::string refresh = fmt::format(
      "{{{},\"one_fence\":{},\"round\":{},\"queries\":{},\"took_ms\":{:.1f},\"time_ms\":{}}}", position,
      one_fence, round, asked, milliseconds_since(started), system_clock().wall_micros() / 1000);
  const auto now = steady_clock::now();
  for (const auto& view : views_.views()) {
    const bool ran = std::find(views.begin(), views.end(), view) != views.end();
    // Of the others those that have nothing to ask are as new as this round.
    if (ran || (advance && !view->wants_to_run(now)))
      counters_.tiles_pushed += views_.show(*view, round, refresh);
  }
}

bool LiveDashboards::met_a_cut(const ingest::PipelineStatus& before, std::unique_lock<std::mutex>& lock,
                               bool& one_fence) {
  lock.unlock();
  const ingest::PipelineStatus after = options_.pipeline_status();
  lock.lock();
  one_fence = !cut_landed_ && settled(before, after);
  if (one_fence) return false;
  changed_.wait_for(lock, milliseconds(limits::live_cut_wait_ms_max),
                    [&] { return cut_landed_ || stopping_; });
  return cut_landed_;
}

Result<std::string> LiveDashboards::run(clickhouse::Client& client, const LiveQuery& query,
                                        Clock& clock) const {
  clickhouse::QueryOptions options;
  if (!query.parameters.empty()) {
    Instants instants;
    if (asks_for_time(query.parameters)) {
      const ViewParameters& chosen = query.chosen;
      const std::string key = fmt::format("{}|{}|{}", chosen.range.text, chosen.zone, query.before);
      auto known = clock.find(key);
      if (known == clock.end())
        known = clock.emplace(key, instants_of(client, chosen.range, chosen.zone, query.before)).first;
      if (!known->second) return fail(known->second.error());
      instants = *known->second;
    }
    bind_choice(options, query.parameters, *query.dashboard, query.chosen, instants);
  }
  return run_tile_query(client, query.sql, 0, std::move(options));
}

void LiveDashboards::status_loop() {
  const auto resend_after = std::chrono::seconds(limits::live_status_resend_seconds);
  auto last_sent = steady_clock::now() - resend_after;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!event_viewers_.empty() || views_.anybody()) {
      lock.unlock();
      const std::string status = options_.status_document();
      lock.lock();
      // The clock in it always differs; what matters is the rest.
      const std::string comparable = without_time(status);
      if (comparable != last_status_ || steady_clock::now() - last_sent >= resend_after) {
        last_status_ = comparable;
        last_sent = steady_clock::now();
        const http::Event event("status", "", status);
        for (const auto& view : views_.views())
          for (const auto& viewer : view->viewers) viewer->send(event, "status");
        for (const auto& viewer : event_viewers_) viewer->send(event, "status");
      }
      std::erase_if(event_viewers_, [](const auto& viewer) { return viewer->closed(); });
    }
    changed_.wait_for(lock, milliseconds(limits::live_status_interval_ms), [&] { return stopping_; });
  }
}

}  // namespace tidemark::serve
