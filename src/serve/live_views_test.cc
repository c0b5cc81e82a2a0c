// Who shares what, and who gets what, without a server.
#include "serve/live_views.h"

#include "serve/live_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Viewer : http::EventStream {
  bool send(const http::Event& event, std::string_view) override {
    seen += *event.bytes();
    return !gone;
  }
  bool send_together(const std::vector<std::pair<http::Event, std::string>>& events) override {
    for (const auto& [event, key] : events) seen += *event.bytes();
    ++times;
    return !gone;
  }
  bool closed() const override { return gone; }
  void close() override { gone = true; }
  void on_close(std::function<void()>) override {}
  std::string seen;
  int times = 0;
  bool gone = false;
};

class LiveViewsTest : public testing::Test {
 protected:
  LiveViewsTest() {
    board_.name = "sales";
    board_.filters = {{"country", "Country", "String", "country", "", {}}};
    add("SELECT 1", {});
    add("SELECT {country:Array(String)}", {{"country", "Array(String)"}});
    add("SELECT {from:Date}", {{"from", "Date"}});
  }
  void add(std::string sql, std::vector<config::TileParameter> parameters) {
    config::Tile tile;
    tile.query = std::move(sql);
    tile.parameters = std::move(parameters);
    board_.tiles.push_back(std::move(tile));
  }
  ViewParameters choice(std::vector<std::string> countries, const char* time = "last 7 days",
                        bool compare = false) {
    ViewParameters chosen;
    chosen.range = *config::parse_time_range(time);
    chosen.compare = compare;
    if (!countries.empty()) chosen.filters["country"] = std::move(countries);
    return chosen;
  }
  std::shared_ptr<Viewer> join(const ViewParameters& chosen, std::string_view after = "") {
    auto viewer = std::make_shared<Viewer>();
    EXPECT_TRUE(views_.join(board_, chosen, viewer, after, http::Event("status", "", "{}")));
    return viewer;
  }
  // Runs what is due, and says how many queries that were.
  size_t round() {
    auto due = views_.due(std::chrono::steady_clock::now());
    auto queries = LiveViews::to_run(due, std::chrono::steady_clock::now());
    ++round_;
    for (const auto& query : queries) {
      query->dirty = false;
      LiveViews::take(*query, fmt::format("\"{} {}\"", query->sql, answer_), 1, round_);
    }
    for (const auto& view : due) views_.show(*view, round_, "{}");
    return queries.size();
  }

  config::Dashboard board_;
  LiveViews views_;
  uint64_t round_ = 0;
  int answer_ = 0;
};

TEST_F(LiveViewsTest, ViewersOfTheSameChoiceShareAllOthersWhatDoesNotDiffer) {
  auto a = join(choice({}));
  auto same = join(choice({}));
  EXPECT_EQ(views_.views().size(), 1);
  EXPECT_EQ(round(), 3);
  auto other_country = join(choice({"DE"}));
  EXPECT_EQ(round(), 1);  // only the tile that names the filter
  auto other_time = join(choice({}, "last 30 days"));
  EXPECT_EQ(round(), 1);
  auto compared = join(choice({}, "last 7 days", true));
  EXPECT_EQ(round(), 1);  // the period before, of the one tile that has one
  EXPECT_THAT(compared->seen, HasSubstr("\"before\":"));
  EXPECT_EQ(views_.views().size(), 4);
  EXPECT_EQ(a->seen, same->seen);
  // All of a round in one piece, and the refresh last.
  EXPECT_EQ(a->times, 2);
  EXPECT_GT(a->seen.rfind("event: refresh"), a->seen.rfind("event: tile"));
}

TEST_F(LiveViewsTest, WhoConnectsAgainGetsWhatChangedSince) {
  auto first = join(choice({}));
  round();
  std::string id = views_.identifier(round_);
  EXPECT_THAT(first->seen, HasSubstr("id: " + id + "\n"));
  auto again = join(choice({}), id);
  EXPECT_THAT(again->seen, Not(HasSubstr("event: tile")));
  EXPECT_THAT(again->seen, HasSubstr("event: refresh"));
  // One of the tiles has another result by then.
  views_.mark_touched({"bronze.orders"});
  for (const auto& view : views_.views())
    for (const auto& slot : view->slots) slot.query->dirty = slot.tile == 0;
  ++answer_;
  EXPECT_EQ(round(), 1);
  auto later = join(choice({}), id);
  EXPECT_THAT(later->seen, HasSubstr("\"tile\":0"));
  EXPECT_THAT(later->seen, Not(HasSubstr("\"tile\":1")));
  // An id of another run of the program, or of nobody, says nothing.
  for (const char* unknown : {"1-1", "x", "", "-"})
    EXPECT_THAT(join(choice({}), unknown)->seen, HasSubstr("\"tile\":2")) << unknown;
}

TEST_F(LiveViewsTest, WhatNobodyLooksAtIsGivenUp) {
  auto viewer = join(choice({}));
  round();
  viewer->gone = true;
  views_.forget_closed();
  EXPECT_FALSE(views_.anybody());
  EXPECT_EQ(round(), 0);
  // Known results were given up with it: they would be old.
  join(choice({}));
  EXPECT_EQ(round(), 3);
}

TEST_F(LiveViewsTest, ViewsAreBoundedAndNobodyWaitsForEver) {
  std::vector<std::shared_ptr<Viewer>> viewers;
  for (size_t i = 0; i < limits::live_views_max; ++i) viewers.push_back(join(choice({std::to_string(i)})));
  EXPECT_FALSE(views_.join(board_, choice({"one more"}), std::make_shared<Viewer>(), "",
                           http::Event("status", "", "{}")));
  size_t rounds = 0;
  while (round() > 0) ++rounds;
  EXPECT_GT(rounds, limits::live_views_max / limits::live_round_queries_max);
  for (const auto& viewer : viewers) EXPECT_THAT(viewer->seen, HasSubstr("event: refresh"));
  viewers[7]->gone = true;
  join(choice({"one more"}));
}

}  // namespace
}  // namespace tidemark::serve
