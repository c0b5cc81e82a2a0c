#include "serve/live_views.h"

#include "base/clock.h"
#include "serve/documents.h"
#include "serve/live_limits.h"

#include <algorithm>
#include <charconv>

namespace tidemark::serve {

using std::chrono::steady_clock;

std::string LiveView::Slot::name() const {
  return fmt::format("tile-{}{}", tile, query->before ? "-before" : "");
}

bool LiveView::wants_to_run(steady_clock::time_point now) const {
  return !refresh || std::any_of(slots.begin(), slots.end(),
                                 [&](const Slot& slot) { return slot.query->wants_to_run(now); });
}

LiveViews::LiveViews() : instance_(fmt::format("{:x}", system_clock().wall_micros())) {}

std::shared_ptr<LiveQuery> LiveViews::query_for(const config::Dashboard& dashboard, const config::Tile& tile,
                                                const ViewParameters& chosen, bool before) {
  std::string key = tile.query + chosen.key(tile.parameters, before);
  for (const auto& query : queries_)
    if (query->key == key) return query;
  auto query = std::make_shared<LiveQuery>();
  query->sql = tile.query;
  query->parameters = tile.parameters;
  query->dashboard = &dashboard;
  query->chosen = chosen;
  query->before = before;
  query->key = std::move(key);
  return queries_.emplace_back(std::move(query));
}

bool LiveViews::join(const config::Dashboard& dashboard, const ViewParameters& chosen,
                     std::shared_ptr<http::EventStream> viewer, std::string_view after,
                     const http::Event& status) {
  forget_closed();
  std::string key = dashboard.name + "|" + chosen.key();
  auto found = std::find_if(views_.begin(), views_.end(), [&](const auto& view) { return view->key == key; });
  if (found == views_.end()) {
    if (views_.size() >= limits::live_views_max) return false;
    auto view = std::make_shared<LiveView>();
    view->definition = &dashboard;
    view->chosen = chosen;
    view->key = std::move(key);
    for (size_t tile = 0; tile < dashboard.tiles.size(); ++tile) {
      const config::Tile& definition = dashboard.tiles[tile];
      if (definition.query.empty()) continue;
      bool compared = chosen.compare && chosen.range.kind != config::TimeRange::Kind::all &&
                      asks_for_time(definition.parameters);
      for (bool before : {false, true}) {
        if (before && !compared) continue;
        auto query = query_for(dashboard, definition, chosen, before);
        ++query->shown_in;
        view->slots.push_back({tile, std::move(query), std::nullopt, 0});
      }
    }
    views_.push_back(std::move(view));
    found = std::prev(views_.end());
  }
  LiveView& view = **found;
  std::vector<std::pair<http::Event, std::string>> known{{status, "status"}};
  uint64_t seen = round_of(after);
  for (const auto& slot : view.slots)
    if (slot.event && slot.changed > seen) known.emplace_back(*slot.event, slot.name());
  if (view.refresh) known.emplace_back(*view.refresh, "refresh");
  viewer->send_together(known);
  view.viewers.push_back(std::move(viewer));
  return true;
}

void LiveViews::forget_closed() {
  for (const auto& view : views_)
    std::erase_if(view->viewers, [](const auto& viewer) { return viewer->closed(); });
  std::erase_if(views_, [](const auto& view) {
    if (!view->viewers.empty()) return false;
    for (const auto& slot : view->slots) --slot.query->shown_in;
    return true;
  });
  std::erase_if(queries_, [](const auto& query) { return query->shown_in == 0; });
}

size_t LiveViews::viewers() const {
  size_t count = 0;
  for (const auto& view : views_) count += view->viewers.size();
  return count;
}

void LiveViews::mark_touched(const std::set<std::string>& tables) {
  for (const auto& query : queries_)
    query->dirty = query->dirty || query->reads.empty() ||
                   std::any_of(query->reads.begin(), query->reads.end(),
                               [&](const std::string& table) { return tables.contains(table); });
}

void LiveViews::mark_all() {
  for (const auto& query : queries_) query->dirty = true;
}

LiveViews::Queries LiveViews::to_run(const Views& views, steady_clock::time_point now) {
  Queries list;
  for (const auto& view : views)
    for (const auto& slot : view->slots)
      if (slot.query->wants_to_run(now) && std::find(list.begin(), list.end(), slot.query) == list.end())
        list.push_back(slot.query);
  return list;
}

LiveViews::Views LiveViews::due(steady_clock::time_point now) const {
  Views waiting;
  for (const auto& view : views_)
    if (view->wants_to_run(now)) waiting.push_back(view);
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const auto& a, const auto& b) { return a->shown_at < b->shown_at; });
  Views taken;
  for (const auto& view : waiting) {
    taken.push_back(view);
    if (taken.size() > 1 && to_run(taken, now).size() > limits::live_round_queries_max) {
      taken.pop_back();
      break;
    }
  }
  return taken;
}

void LiveViews::take(LiveQuery& query, Result<std::string> result, double took_ms, uint64_t round) {
  query.took_ms = took_ms;
  if (!result) {
    bool down = result.error().kind == ErrorKind::dependency_down ||
                result.error().kind == ErrorKind::unknown_outcome;
    query.try_again = steady_clock::now() + (down ? std::chrono::seconds(1) : std::chrono::seconds(5));
  }
  auto text = [](const Result<std::string>& one) { return one ? *one : "error: " + one.error().describe(); };
  if (!query.known || text(query.last) != text(result)) query.changed = round;
  query.known = true;
  query.last = std::move(result);
}

size_t LiveViews::show(LiveView& view, uint64_t round, const std::string& refresh) {
  std::vector<std::pair<http::Event, std::string>> events;
  for (auto& slot : view.slots) {
    const LiveQuery& query = *slot.query;
    if (!query.known || query.changed <= slot.changed) continue;
    slot.changed = round;
    slot.event.emplace("tile", "",
                       query.last ? tile_document(slot.tile, *query.last, query.took_ms, query.before)
                                  : tile_error_document(slot.tile, query.last.error()));
    events.emplace_back(*slot.event, slot.name());
  }
  size_t tiles = events.size();
  view.refresh.emplace("refresh", identifier(round), refresh);
  view.shown_at = steady_clock::now();
  events.emplace_back(*view.refresh, "refresh");
  for (const auto& viewer : view.viewers) viewer->send_together(events);
  return tiles;
}

std::string LiveViews::identifier(uint64_t round) const {
  return fmt::format("{}-{}", instance_, round);
}

uint64_t LiveViews::round_of(std::string_view identifier) const {
  if (identifier.size() <= instance_.size() || !identifier.starts_with(instance_) ||
      identifier[instance_.size()] != '-')
    return 0;
  std::string_view digits = identifier.substr(instance_.size() + 1);
  uint64_t round = 0;
  auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), round);
  return failure == std::errc{} && end == digits.data() + digits.size() ? round : 0;
}

}  // namespace tidemark::serve
