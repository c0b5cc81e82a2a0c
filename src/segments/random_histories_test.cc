// Random histories (test_random_histories.h) of two worlds: people and events that are mirrored tables, and
// profiles, whose rows move when two turn out to be one. Logs are in random_logs_test.cc.
#include "profiles/test_profiles.h"
#include "segments/profile_entities.h"
#include "segments/test_random_histories.h"

namespace tidemark::segments {
namespace {

// --- people and events that are mirrored tables

class RandomHistories : public SegmentsTest, public World {
 protected:
  std::string head() const override { return "entity: bronze.people\n"; }
  std::string entities() const override { return "SELECT id, properties FROM bronze.people__current"; }
  std::string events() const override {
    return "SELECT ifNull(user_id, ''), message_id, toString(event), toUnixTimestamp64Micro(timestamp), "
           "properties "
           "FROM bronze.app_events__current";
  }
  std::vector<std::string> kill_points() const override { return points_of_evaluator; }

  struct Happened {
    std::string id, user, rest;
    std::string row() const { return fmt::format("'{}', '{}', {}", id, user, rest); }
  };

  void change(Seed& seed, int64_t now) override {
    RandomDefinitions& random = seed.random;
    std::vector<Happened>& happened = events_[seed.name];
    auto somebody = [&] { return fmt::format("{}_u{}", seed.name, random.below(people_a_seed)); };
    for (size_t count = 1 + random.below(3); count > 0; --count) {
      std::string user = somebody();
      size_t kind = random.below(10);
      touched_.insert(user);
      if (kind < 3) {
        std::string row = fmt::format("'{}', NULL, NULL, 0, NULL, NULL, [], NULL, {}", user,
                                      clickhouse::quote_string(properties(random)));
        (random.below(6) == 0 ? people_gone_ : people_).push_back(row);
      } else if (kind < 8 || happened.empty()) {
        int64_t at = now + (static_cast<int64_t>(random.below(108)) - 96) * hour_us;
        happened.push_back({.id = fmt::format("{}_m{}", seed.name, happened.size()),
                            .user = user,
                            .rest = fmt::format("'{}', fromUnixTimestamp64Micro({}, 'UTC'), {}",
                                                random.text({"a", "b", "c", "ab"}), at,
                                                clickhouse::quote_string(properties(random)))});
        came_.push_back(happened.back().row());
      } else {
        // One that is known: it comes again, is another's, or goes.
        Happened& known = happened[random.below(happened.size())];
        touched_.insert(known.user);
        if (kind == 8) known.user = user;
        (random.below(3) == 0 ? gone_ : came_).push_back(known.row());
        touched_.insert(known.user);
      }
    }
  }

  void send() override {
    if (!people_.empty()) add("people", people_);
    if (!people_gone_.empty()) add("people", people_gone_, true);
    if (!came_.empty()) add("app_events", came_);
    if (!gone_.empty()) add("app_events", gone_, true);
    for (auto* rows : {&people_, &people_gone_, &came_, &gone_}) rows->clear();
    news_.assign(touched_.begin(), touched_.end());
    touched_.clear();
  }

  Status follow(KeptMemberships& kept) override { return kept.touched(news_); }

  void begin_world() {
    SegmentsTest::SetUp();
    events_.clear();
  }

  std::map<std::string, std::vector<Happened>> events_;  // by seed
  std::vector<std::string> people_, people_gone_, came_, gone_, news_;
  std::set<std::string> touched_;
};

TEST_F(RandomHistories, TouchedAndTheClockAgreeWithTheOracle) {
  Sums sums;
  run_worlds(100, [&](uint64_t first, size_t seeds) {
    begin_world();
    History history(*this, options_, first, seeds);
    history.run(3, sums.worlds == 0);
    sums.add(history);
  });
  if (!HasFailure()) sums.expect_enough();
}

// --- profiles, whose rows move when two turn out to be one

class RandomProfiles : public profiles::ProfilesTest, public World {
 protected:
  std::string head() const override {
    return "entity: cdp.profiles\nkey: [profile_id]\nevents: [{table: bronze.cdp_profiles_events, key: "
           "[profile_id], name: event, time: timestamp, properties: properties, id: message_id}]\n";
  }
  std::string entities() const override { return "SELECT profile_id, properties FROM cdp.profiles"; }
  std::string events() const override {
    return "SELECT profile_id, message_id, toString(event), toUnixTimestamp64Micro(timestamp), properties "
           "FROM "
           "bronze.cdp_profiles_events__current";
  }
  std::vector<std::string> kill_points() const override {
    std::vector<std::string> points = points_of_evaluator;
    for (const char* point : {"plan", "ids:changes", "ids", "cdp_profiles_events:changes",
                              "cdp_profiles_events", "cdp_profiles_customers:changes", "edges", "follow"})
      points.emplace_back(point);
    return points;
  }

  void begin_world() {
    profiles::ProfilesTest::SetUp();
    cut_ = 0;
    reopen();
    run("DROP DATABASE IF EXISTS cdp SYNC");
    run("CREATE DATABASE cdp");
    // In the place of the models that are watched: whom each step was about.
    run("CREATE TABLE bronze.touched (profile_id String, step UInt64) ENGINE = MergeTree ORDER BY step");
    for (const char* table : {"ids", "events", "customers"})
      run(fmt::format(
          "CREATE MATERIALIZED VIEW bronze.touched_of_{0} TO bronze.touched AS SELECT profile_id, "
          "_cut AS step FROM bronze.cdp_profiles_{0}__changes",
          table));
    // In the place of the model (profile_models.h), which is computed once here for each look.
    run("CREATE VIEW cdp.profiles AS SELECT i.profile_id AS profile_id, c.properties AS properties FROM "
        "(SELECT "
        "DISTINCT profile_id FROM bronze.cdp_profiles_ids__current) AS i LEFT JOIN (SELECT profile_id, "
        "argMin(plan, "
        "row_key) AS properties FROM bronze.cdp_profiles_customers__current GROUP BY profile_id) AS c ON "
        "c.profile_id = i.profile_id");
  }

  void change(Seed& seed, int64_t now) override {
    RandomDefinitions& random = seed.random;
    auto some = [&](const std::string& kind, size_t of) {
      return random.below(2) == 0 ? std::string() : fmt::format("{}{}", kind, random.below(of));
    };
    std::string digits = seed.name.substr(1);
    for (size_t count = 1 + random.below(3); count > 0; --count) {
      if (random.below(4) == 0) {
        int64_t id = std::stoll(digits) * 10 + static_cast<int64_t>(random.below(people_a_seed));
        std::erase_if(customers_, [&](const auto& one) { return one.id == id; });
        customers_.push_back({.id = id,
                              .mail = some(seed.name + "e", 3),
                              .properties = properties(random),
                              .gone = random.below(4) == 0});
        continue;
      }
      events_.push_back({.at = now + (static_cast<int64_t>(random.below(108)) - 96) * hour_us,
                         .user = some(digits, people_a_seed),
                         .anonymous = fmt::format("{}a{}", seed.name, random.below(4)),
                         .email = some(seed.name + "e", 3),
                         .name = random.text({"a", "b", "c", "ab"}),
                         .properties = properties(random)});
    }
    if (random.below(8) == 0)
      apart_.emplace_back(fmt::format("anonymous_id:{}a{}", seed.name, random.below(4)),
                          fmt::format("user_id:{}{}", digits, random.below(people_a_seed)));
  }

  void send() override {
    ++cut_;
    tables_.clear();
    if (!events_.empty()) {
      ProfilesTest::send(cut_, events_);
      tables_.emplace_back("app_events");
    }
    for (const auto& one : customers_) customer(cut_, one.id, one.mail, one.properties, one.gone);
    if (!customers_.empty()) tables_.emplace_back("customers");
    for (const auto& [one, other] : apart_)
      run(
          fmt::format("INSERT INTO tidemark.profile_decisions (profiles, one, other) VALUES ('cdp.profiles', "
                      "['{}'], ['{}'])",
                      one, other));
    decided_ = std::exchange(apart_, {});
    events_.clear();
    customers_.clear();
  }

  profiles::Keeper::Follow telling(KeptMemberships& kept) {
    return [this, &kept](uint64_t step) -> Status {
      std::vector<std::string> whose;
      Block block =
          TRY(pool_.query(fmt::format("SELECT DISTINCT profile_id FROM bronze.touched WHERE step = {}", step),
                          {.describe_empty = false}));
      for (size_t row = 0; row < block.rows(); ++row) whose.emplace_back(block.columns[0].text(row));
      return kept.touched(whose);
    };
  }

  Status follow(KeptMemberships& kept) override {
    keeper_->set_failpoint(
        [&](std::string_view point) { return kept.failpoint ? kept.failpoint(point) : Status(); });
    TRY_VOID(keeper_->step(cut_, make_version(1, cut_, ordinal_max), tables_, telling(kept)));
    for (const auto& [one, other] : decided_) TRY_VOID(keeper_->restitch({one, other}, telling(kept)));
    return {};
  }
  void reopen() override { open(profiles::with_customers); }
  Status follow_again(KeptMemberships& kept) override { return keeper_->follow_again(telling(kept)); }

  struct Customer {
    int64_t id = 0;
    std::string mail, properties;
    bool gone = false;
  };
  uint64_t cut_ = 0;
  std::vector<profiles::SentEvent> events_;
  std::vector<Customer> customers_;
  std::vector<std::pair<std::string, std::string>> apart_, decided_;
  std::vector<std::string> tables_;
};

TEST_F(RandomProfiles, MergesAgreeWithTheOracle) {
  Sums sums;
  run_worlds(40, [&](uint64_t first, size_t seeds) {
    begin_world();
    History history(*this, {}, first, seeds);
    history.run(3, sums.worlds == 0);
    ProfilesTest::proven("at the end");
    sums.add(history);
  });
  if (!HasFailure()) sums.expect_enough();
}

TEST_F(RandomProfiles, WhoIsTakenIntoAnotherLeavesByAMerge) {
  begin_world();
  KeptMemberships kept(history_start_us);
  kept.begin();
  ASSERT_OK(kept.replace({*definition("segment: all\n" + head() + "initial: all\nwhere: everyone\n")}, {}));
  auto cut = [&] {
    send();
    auto followed = follow(kept);
    ASSERT_TRUE(followed) << followed.error().describe();
  };
  events_ = {{.at = 10, .anonymous = "a"}, {.at = 20, .user = "7"}};
  cut();
  std::string ann = profiles::profile_id("anonymous_id:a"), seven = profiles::profile_id("user_id:7");
  EXPECT_THAT(kept.news(), testing::UnorderedElementsAre("all+" + ann + " event quietly",
                                                         "all+" + seven + " event quietly"));
  events_ = {{.at = 30, .user = "7", .anonymous = "a"}};
  cut();
  EXPECT_THAT(kept.news(), testing::ElementsAre("all-" + seven + " merge quietly"));
  // Kept apart again: as if they had never been one.
  apart_ = {{"anonymous_id:a", "user_id:7"}};
  cut();
  EXPECT_THAT(kept.news(), testing::ElementsAre("all+" + seven + " event quietly"));
  // Whose row is deleted is in nobody else.
  customers_ = {{.id = 9, .properties = "{}"}};
  cut();
  std::string nine = profiles::profile_id("user_id:9");
  EXPECT_THAT(kept.news(), testing::ElementsAre("all+" + nine + " event quietly"));
  customers_ = {{.id = 9, .gone = true}};
  cut();
  EXPECT_THAT(kept.news(), testing::ElementsAre("all-" + nine + " delete quietly"));
  kept.proven({}, "at the end");
}

}  // namespace
}  // namespace tidemark::segments
