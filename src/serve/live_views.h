// Who looks at what, and what they know: the bookkeeping under live dashboards (live_dashboards.h).
//
//   LiveQuery   one distinct text with one choice of the parameters it names. Several tiles of several views
//   may show
//               it; it is run once for all of them.
//   LiveView    one dashboard under one choice of parameters, for everybody who chose the same. It exists as
//   long as
//               somebody looks. A tile of it has a slot, and a second one for the period before.
//
// A view is shown as a whole: what changed in its slots since it was last shown, then the event `refresh`
// that closes the round, in one piece. Rounds are numbered through all views; the number is in the id of a
// refresh, so that who connects again ("Last-Event-ID", or ?after=) gets what changed since. Of an earlier
// run of the program nothing is known: its ids have another beginning.
//
// Not thread-safe: LiveDashboards holds its lock around every call. What it runs without the lock it shares:
// a view and its queries may be given up meanwhile.
#pragma once

#include "config/dashboard.h"
#include "http/server.h"
#include "serve/view_parameters.h"

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::serve {

struct LiveQuery {
  std::string sql;
  std::vector<config::TileParameter> parameters;
  const config::Dashboard* dashboard = nullptr;  // whose filters it names; any of those that show it
  ViewParameters chosen;
  bool before = false;  // the period before
  std::string key;
  size_t shown_in = 0;             // slots
  std::vector<std::string> reads;  // lineage; empty: not known
  bool dirty = true;
  bool known = false;             // has been run
  Result<std::string> last = "";  // of the last run
  double took_ms = 0;
  uint64_t changed = 0;  // round of the last result that differed from the one before it
  std::chrono::steady_clock::time_point try_again = std::chrono::steady_clock::time_point::max();

  bool wants_to_run(std::chrono::steady_clock::time_point now) const { return dirty || try_again <= now; }
};

struct LiveView {
  struct Slot {
    size_t tile = 0;
    std::shared_ptr<LiveQuery> query;
    std::optional<http::Event> event;  // as last shown
    uint64_t changed = 0;              // its round
    std::string name() const;          // "tile-3", "tile-3-before": what an unsent event of it is known by
  };
  const config::Dashboard* definition = nullptr;
  ViewParameters chosen;
  std::string key;
  std::vector<Slot> slots;
  std::optional<http::Event> refresh;
  std::chrono::steady_clock::time_point shown_at{};
  std::vector<std::shared_ptr<http::EventStream>> viewers;

  // Has something to ask, or was never shown.
  bool wants_to_run(std::chrono::steady_clock::time_point now) const;
};

class LiveViews {
 public:
  LiveViews();

  // Joins a view, which is made when nobody looks at it yet. `after`: the id of the last refresh the viewer
  // had, or empty. False: too many different views.
  bool join(const config::Dashboard& dashboard, const ViewParameters& chosen,
            std::shared_ptr<http::EventStream> viewer, std::string_view after, const http::Event& status);
  // Drops viewers that are gone, and what nobody looks at any more.
  void forget_closed();

  using Views = std::vector<std::shared_ptr<LiveView>>;
  using Queries = std::vector<std::shared_ptr<LiveQuery>>;
  const Views& views() const { return views_; }
  bool anybody() const { return !views_.empty(); }
  size_t viewers() const;
  void mark_touched(const std::set<std::string>& tables);
  void mark_all();

  // The views whose turn it is: those not shown for longest come first, with no more queries than a round may
  // have, but at least one view.
  Views due(std::chrono::steady_clock::time_point now) const;
  // The distinct queries of these that want to run.
  static Queries to_run(const Views& views, std::chrono::steady_clock::time_point now);

  // What a query found, in round `round`.
  static void take(LiveQuery& query, Result<std::string> result, double took_ms, uint64_t round);
  // Shows a view as it stands; the number of tiles that were sent.
  size_t show(LiveView& view, uint64_t round, const std::string& refresh);
  // The id of the refresh of a round.
  std::string identifier(uint64_t round) const;

 private:
  std::shared_ptr<LiveQuery> query_for(const config::Dashboard& dashboard, const config::Tile& tile,
                                       const ViewParameters& chosen, bool before);
  // The round of an id of ours; 0: not one.
  uint64_t round_of(std::string_view identifier) const;

  const std::string instance_;  // differs from run to run
  Views views_;
  Queries queries_;
};

}  // namespace tidemark::serve
