// Rows that are gone without a cut: the map and what is kept by person follow, whoever else said the same.
#include "profiles/erased_rows.h"
#include "profiles/erasure_traces.h"
#include "profiles/test_profiles.h"

#include <random>

namespace tidemark::profiles {
namespace {

class ForgetTest : public ProfilesTest {
 protected:
  // Takes these events out of the table and tells the keeper, which may be killed on the way.
  void forget(const std::string& condition, const std::string& killed_at = {}) {
    ErasableTable events{
        .name = "app_events", .log = true, .key = {"message_id"}, .columns = columns_of("app_events")};
    auto rows = put_aside(pool_, ++deletion_, events, condition);
    ASSERT_OK(rows);
    ASSERT_OK(remove_rows(pool_, deletion_, events));
    std::vector<ErasedRows> erased{{.table = "app_events", .aside = aside_table(deletion_, "app_events")}};
    auto follow = [](uint64_t) { return Status(); };
    if (!killed_at.empty()) {
      keeper_->set_failpoint([&](std::string_view reached) -> Status {
        if (reached != killed_at) return {};
        return fail(ErrorKind::dependency_down, "killed");
      });
      (void)keeper_->forget(erased, follow);
      open(usual);
    }
    ASSERT_OK(keeper_->forget(erased, follow));
  }

  std::vector<std::string> columns_of(const std::string& table) {
    std::vector<std::string> names;
    auto columns = clickhouse::table_columns(*pool_.lease(), "bronze", table);
    if (!columns) return names;
    for (const auto& column : *columns)
      if (!column.name.starts_with('_')) names.push_back(column.name);
    return names;
  }

  uint64_t deletion_ = 0;
};

TEST_F(ForgetTest, WhoWasJoinedByWhatIsGoneIsNotAnyMore) {
  open(usual);
  send(1, {{.at = 10, .anonymous = "a"},
           {.at = 20, .user = "1", .anonymous = "a"},
           {.at = 30, .user = "1", .anonymous = "b"},
           {.at = 40, .anonymous = "b"},
           {.at = 50, .user = "2", .anonymous = "c"}});
  step(1);
  EXPECT_EQ(people(), "anonymous_id:a anonymous_id:b user_id:1|anonymous_id:c user_id:2");
  // A later event says the same: only the first time is another one.
  send(2, {{.at = 60, .user = "1", .anonymous = "a"}});
  step(2);
  forget("message_id = 'm2'");
  EXPECT_EQ(people(), "anonymous_id:a anonymous_id:b user_id:1|anonymous_id:c user_id:2");
  proven("another says it");
  forget("user_id = '1' AND anonymous_id = 'b'");
  EXPECT_EQ(people(), "anonymous_id:a user_id:1|anonymous_id:b|anonymous_id:c user_id:2");
  proven("apart");
  forget("user_id = '1' OR anonymous_id = 'a'");
  EXPECT_EQ(people(), "anonymous_id:b|anonymous_id:c user_id:2");
  EXPECT_EQ(ask("SELECT count() FROM bronze.cdp_profiles_events__current"), "2");
  proven("gone");
  // The same person again, as if never seen.
  send(3, {{.at = 70, .user = "1", .anonymous = "a"}});
  step(3);
  EXPECT_EQ(people(), "anonymous_id:a user_id:1|anonymous_id:b|anonymous_id:c user_id:2");
  proven("back");
}

TEST_F(ForgetTest, CutShortItIsFinishedTheNextTime) {
  open(usual);
  uint64_t cut = 0;
  for (const char* point : {"plan", "ids:changes", "ids", "cdp_profiles_events:changes",
                            "cdp_profiles_events", "edges", "follow"}) {
    std::string user = fmt::format("u{}", ++cut), anonymous = fmt::format("a{}", cut);
    send(cut, {{.at = 10, .anonymous = anonymous}, {.at = 20, .user = user, .anonymous = anonymous}});
    step(cut);
    forget(fmt::format("anonymous_id = '{}'", anonymous), point);
    EXPECT_EQ(people(), "") << point;
    proven(point);
  }
}

// Random events of few ids come and go; after each the map is what the whole gives.
TEST_F(ForgetTest, WhatIsLeftEqualsTheWhole) {
  const char* given = std::getenv("TIDEMARK_SEED");
  uint64_t seed = given != nullptr               ? std::strtoull(given, nullptr, 10)
                  : std::getenv("CI") != nullptr ? 1
                                                 : std::random_device{}();
  fmt::print("TIDEMARK_SEED={}\n", seed);
  std::mt19937_64 random(seed);
  auto below = [&](uint64_t bound) { return random() % bound; };
  auto some = [&](const char* name, uint64_t of) {
    return below(2) == 0 ? std::string() : fmt::format("{}{}", name, below(of));
  };
  open(usual);
  for (uint64_t cut = 1; cut <= 12; ++cut) {
    std::vector<SentEvent> events;
    for (uint64_t number = 1 + below(5); number > 0; --number)
      events.push_back({.at = static_cast<int64_t>(below(1'000)),
                        .user = some("", 5),
                        .anonymous = some("a", 6),
                        .email = some("e", 4),
                        .device = some("d", 3)});
    send(cut, events);
    step(cut);
    if (below(2) == 0) forget(fmt::format("cityHash64(message_id) % 4 = {}", below(4)));
    proven(fmt::format("seed {} cut {}", seed, cut));
    if (testing::Test::HasFailure()) return;
  }
}

// A mutation works part by part: what it is to take is known before the first one.
TEST_F(ForgetTest, HistoryOfRowsThatAreGoneGoes) {
  open(usual);
  const std::string columns = "tenant Int32, id String, mail Nullable(String), _version UInt128, ";
  run("CREATE TABLE bronze.contacts (" + columns +
      "_deleted UInt8) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (tenant, id)");
  run("CREATE TABLE bronze.contacts__history (" + columns +
      "_sign Int8, _op String) ENGINE = MergeTree ORDER BY (tenant, id, _version)");
  run("INSERT INTO bronze.contacts VALUES (1, 'a', 'one@x', 2, 0), (1, 'a', NULL, 3, 1), (1, 'b', 'two@x', "
      "4, 0)");
  run("INSERT INTO bronze.contacts__history VALUES (1, 'a', NULL, 1, 1, 'insert'), (1, 'a', NULL, 2, -1, "
      "'update'), "
      "(1, 'a', 'one@x', 2, 1, 'update'), (1, 'a', 'one@x', 3, -1, 'delete'), (1, 'b', 'one@x', 1, 1, "
      "'insert'), "
      "(1, 'b', 'one@x', 4, -1, 'update'), (1, 'b', 'two@x', 4, 1, 'update'), (2, 'a', NULL, 5, 1, "
      "'insert')");
  TraceCounts counts;
  Traces traces{.definition = keeper_->definition(),
                .ids = {"email:one@x"},
                .people = {"p1"},
                .row_keys = {},
                .row_entities = {}};
  ASSERT_OK(remove_traces(pool_, traces, counts));
  EXPECT_EQ(ask("SELECT count() FROM bronze.contacts__history WHERE tenant = 1 AND id = 'a'"), "0");
  EXPECT_EQ(ask("SELECT count() FROM bronze.contacts__history"), "4");
  EXPECT_EQ(counts.removed["bronze.contacts__history"], 4u);
  EXPECT_EQ(counts.left["bronze.contacts__history"], 2u);
}

TEST_F(ForgetTest, TracesInManyPartsGoTogether) {
  open(usual);
  run("DROP DATABASE IF EXISTS analytics SYNC");
  run("CREATE DATABASE analytics");
  run("CREATE TABLE analytics.sums (person String, n Int64, _rows Int64) ENGINE = SummingMergeTree((n, "
      "_rows)) "
      "ORDER BY person SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1");
  run("CREATE TABLE analytics.rows (key String, person String, _version UInt64, _deleted UInt8) ENGINE = "
      "ReplacingMergeTree(_version, _deleted) ORDER BY key SETTINGS max_bytes_to_merge_at_max_space_in_pool "
      "= 1");
  for (const char* table : {"sums", "rows"}) run(fmt::format("SYSTEM STOP MERGES analytics.{}", table));
  constexpr int parts = 30;
  for (int part = 0; part < parts; ++part) {
    run(fmt::format("INSERT INTO analytics.sums VALUES ('p1', {0}, {0}), ('p2', 1, 1)",
                    part % 2 == 0 ? 1 : -1));
    run(fmt::format("INSERT INTO analytics.rows VALUES ('gone', 'p1', {0}, {1}), ('stays', 'p2', {0}, 0)",
                    part + 1, part % 2));
  }
  for (const char* table : {"sums", "rows"}) run(fmt::format("SYSTEM START MERGES analytics.{}", table));
  TraceCounts counts;
  Traces traces{.definition = keeper_->definition(),
                .ids = {"user_id:1"},
                .people = {"p1"},
                .row_keys = {},
                .row_entities = {}};
  ASSERT_OK(remove_traces(pool_, traces, counts));
  EXPECT_EQ(ask("SELECT count() FROM analytics.sums WHERE person = 'p1'"), "0");
  EXPECT_EQ(ask("SELECT count() FROM analytics.rows WHERE key = 'gone'"), "0");
  EXPECT_EQ(ask("SELECT sum(n) FROM analytics.sums"), fmt::format("{}", parts));
  EXPECT_EQ(ask("SELECT key FROM analytics.rows FINAL"), "stays");
}

}  // namespace
}  // namespace tidemark::profiles
