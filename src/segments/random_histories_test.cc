// Random definitions over random histories: rows come late, come twice, go to others and are deleted;
// profiles are joined, split and kept apart; definitions are edited; the clock goes on; and all of it is
// killed in the middle of whatever it writes. After every cut memberships, kept by touched entities and by
// the clock, are what plain loops over all rows give (which the SQL oracle is held against in
// random_segments_test.cc; here it is asked at the end of the first world). At the end, who was told of what
// follows from the intervals alone.
//
// A seed makes a definition, and a few people. Seeds share a world, so each definition meets the people of
// all. A world that fails is printed and replays with TIDEMARK_SEED=<its first> TIDEMARK_SEEDS=<how many>.
#include "profiles/test_profiles.h"
#include "segments/profile_entities.h"
#include "segments/test_memberships.h"
#include "segments/test_random_definitions.h"

#include <cstdlib>

namespace tidemark::segments {
namespace {

// Far enough ahead that no table of ours takes its timers for old.
constexpr int64_t start_us = 2'095'891'200 * second_us;  // 2036-06-01
constexpr size_t seeds_a_world = 20;
constexpr int people_a_seed = 3;

struct Seed {
  Seed(uint64_t number, int64_t start) : name(fmt::format("s{}", number)), random(number, start, "other") {}
  std::string name;
  RandomDefinitions random;
  std::map<std::string, std::string> options;  // of each definition; they stay when it is edited
};

// What happens to the rows. After a kill the same news come again.
class World {
 public:
  virtual ~World() = default;
  virtual std::string head() const = 0;      // of definitions
  virtual std::string entities() const = 0;  // SELECT: key, properties
  virtual std::string events() const = 0;    // SELECT: key, id, name, microseconds, properties
  virtual std::vector<std::string> kill_points() const = 0;
  virtual void change(Seed& seed, int64_t now) = 0;
  virtual void send() = 0;
  virtual Status follow(KeptMemberships& kept) = 0;
  // As after a restart; before and after memberships are there.
  virtual void reopen() {}
  virtual Status follow_again(KeptMemberships&) { return {}; }

  std::string properties(RandomDefinitions& random) {
    ReferenceRow row;
    std::string json = random.properties(row);
    values[json] = row;
    return json;
  }
  std::map<std::string, ReferenceRow> values;  // by the JSON that has them
};

class History {
 public:
  History(World& world, CompileOptions options, uint64_t first, size_t seeds)
      : world_(world), options_(std::move(options)), random_(first, start_us, "") {
    for (uint64_t seed = first; seed < first + seeds; ++seed) seeds_.emplace_back(seed, start_us);
  }

  void run(int steps, bool with_oracle) {
    begin();
    write_definition(seeds_.front(), "other");
    for (Seed& seed : seeds_) write_definition(seed, seed.name);
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      if (step > 0) edit();
      surviving([&] { return kept_.replace(definitions(), options_); });
      for (Seed& seed : seeds_) world_.change(seed, kept_.clock.wall_micros());
      world_.send();
      surviving([&] { return world_.follow(kept_); });
      check_members(fmt::format("step {}, after the cut", step));
      kept_.clock.advance(static_cast<int64_t>(random_.below(20)) * hour_us / 2);
      surviving([&] { return kept_.evaluator->settle(); });
      check_members(fmt::format("step {}, after some time", step));
    }
    // Entries that were found when they were old enough already are told a moment later.
    kept_.clock.advance(second_us);
    surviving([&] { return kept_.evaluator->settle(); });
    if (testing::Test::HasFailure()) return;
    if (with_oracle) kept_.proven(options_, "at the end");
    check_told();
  }

  size_t kills = 0, edits = 0, told = 0, entries = 0, members = 0;

 private:
  std::vector<Definition> definitions() const {
    std::vector<Definition> all;
    for (const auto& [name, one] : current_) all.push_back(one);
    return all;
  }

  void begin() { kept_.begin(random_.below(2) == 0 ? 1 : limits::alone_entities_min); }

  void write_definition(Seed& seed, const std::string& name) {
    bool other = name == "other";
    auto& options = seed.options[name];
    if (options.empty()) {
      options = seed.random.below(2) == 0 ? "initial: all\n" : "initial: none\n";
      if (seed.random.below(3) == 0) options += "minimum_dwell: " + seed.random.duration() + "\n";
      if (seed.random.below(4) == 0) options += "cooldown: " + seed.random.duration() + "\n";
    }
    std::string where =
        other ? fmt::format("{{any: [{}, {}]}}", seed.random.condition(0), seed.random.condition(0))
              : seed.random.condition(2);
    auto read = definition("segment: " + name + "\n" + world_.head() + "notify: [hook]\n" + options +
                           "where: " + where + "\n");
    if (!read) return;
    current_.insert_or_assign(name, *read);
    known_.insert_or_assign(name, read->options);
  }

  void edit() {
    for (Seed& seed : seeds_) {
      if (seed.random.below(6) != 0) continue;
      ++edits;
      // Others name `other`, so it stays.
      if (seed.options.contains("other") && seed.random.below(2) == 0)
        write_definition(seed, "other");
      else if (seed.random.below(3) == 0 && current_.contains(seed.name))
        current_.erase(seed.name);
      else
        write_definition(seed, seed.name);
    }
  }

  void check_members(const std::string& when) {
    if (testing::Test::HasFailure()) return;
    auto ask = [&](const std::string& sql) {
      auto block = kept_.pool.query(sql, {.describe_empty = false});
      EXPECT_TRUE(block) << block.error().describe();
      return block ? std::move(*block) : Block();
    };
    std::map<std::string, ReferenceEntity> people;
    Block entities = ask(world_.entities()), events = ask(world_.events());
    auto text = [](const Block& block, size_t column, size_t row) {
      return std::string(block.columns[column].text(row));
    };
    for (size_t row = 0; row < entities.rows(); ++row)
      people[text(entities, 0, row)] = {.key = text(entities, 0, row),
                                        .properties = world_.values[text(entities, 1, row)]};
    for (size_t row = 0; row < events.rows(); ++row)
      if (auto whose = people.find(text(events, 0, row)); whose != people.end())
        whose->second.events.push_back({.id = text(events, 1, row),
                                        .name = text(events, 2, row),
                                        .at_us = events.columns[3].get<int64_t>(row),
                                        .properties = world_.values[text(events, 4, row)]});
    ReferenceEvaluator reference([&](const std::string& name) { return &current_.at(name); });
    std::set<std::string> expected, found;
    for (const auto& [name, one] : current_)
      for (const auto& [key, entity] : people)
        if (reference.holds(one.condition, entity, kept_.clock.wall_micros()))
          expected.insert(name + " " + key);
    Block members_now = ask(
        "SELECT concat(toString(segment), ' ', entity) FROM tidemark.segment_members FINAL WHERE member = 1");
    for (size_t row = 0; row < members_now.rows(); ++row) found.insert(text(members_now, 0, row));
    members += expected.size();
    if (found == expected) return;
    std::vector<std::string> missing, extra;
    std::set_difference(expected.begin(), expected.end(), found.begin(), found.end(),
                        std::back_inserter(missing));
    std::set_difference(found.begin(), found.end(), expected.begin(), expected.end(),
                        std::back_inserter(extra));
    std::string all = fmt::format("{} {}", fmt::join(missing, ", "), fmt::join(extra, ", ")), concerned;
    for (const auto& [name, one] : current_)
      if (all.find(name + " ") != std::string::npos) concerned += "\n" + canonical_text(one);
    ADD_FAILURE() << when
                  << fmt::format("\nmissing: {}\nextra: {}{}", fmt::join(missing, ", "),
                                 fmt::join(extra, ", "), concerned);
    kept_.proven(options_, "and so the oracle");
  }

  // Does it; now and then it is killed on the way, and done again by whoever comes next.
  void surviving(const std::function<Status()>& action) {
    if (testing::Test::HasFailure()) return;
    std::atomic<int> left = static_cast<int>(random_.below(2));
    std::string point = random_.one_of(world_.kill_points());
    bool killed = false;
    if (random_.below(3) != 0)
      kept_.failpoint = [&](std::string_view reached) -> Status {
        if (reached != point || left-- > 0) return {};
        return fail(ErrorKind::dependency_down, "killed");
      };
    Status done = action();
    killed = static_cast<bool>(kept_.failpoint) && !done;
    kept_.failpoint = {};
    if (!killed) {
      ASSERT_TRUE(done) << done.error().describe();
      return;
    }
    ASSERT_EQ(done.error().message, "killed") << done.error().describe();
    ++kills;
    kept_.clock.advance(static_cast<int64_t>(random_.below(3)) * hour_us);
    world_.reopen();
    begin();
    // Hours may have gone by meanwhile: the clock has its turn, too.
    for (const auto& again : {std::function<Status()>([&] { return kept_.replace(definitions(), options_); }),
                              std::function<Status()>([&] { return world_.follow_again(kept_); }), action,
                              std::function<Status()>([&] { return kept_.evaluator->settle(); })}) {
      auto did = again();
      ASSERT_TRUE(did) << did.error().describe();
    }
  }

  void describe_told(const std::string& segment, const std::string& entity) {
    auto rows = kept_.pool.lease()->query_text(
        "SELECT * FROM (SELECT 'change', seq, entered, cause, happened_at, destinations, previous_seq FROM "
        "tidemark.segment_changes WHERE segment = {segment:String} AND entity = {entity:String} UNION ALL "
        "SELECT "
        "'announcement', seq, entered, cause, happened_at, destinations, previous_seq FROM "
        "tidemark.segment_announcements WHERE segment = {segment:String} AND entity = {entity:String}) ORDER "
        "BY seq",
        {.parameters = {{"segment", segment}, {"entity", entity}}});
    const Options& options = known_.at(segment);
    fmt::print("{} {}: dwell {} s, cooldown {} s, initial {}\n{}", segment, entity,
               options.minimum_dwell_seconds, options.cooldown_seconds,
               options.initial == Options::Initial::all ? "all" : "none",
               rows ? *rows : rows.error().describe());
  }

  // Entries and exits alternate, and each was told or not as the options say of its interval.
  void check_told() {
    auto block = kept_.pool.query(
        "SELECT toString(segment), entity, toUnixTimestamp64Micro(happened_at), entered, toString(cause), "
        "toUInt8(notEmpty(destinations)), toUInt8(data = ''), toUInt64(a.rows), a.told, "
        "toUnixTimestamp64Micro(a.at), toInt64(c.seq) FROM tidemark.segment_changes AS c LEFT JOIN (SELECT "
        "previous_seq AS "
        "entry, "
        "count() AS rows, max(notEmpty(destinations)) AS told, max(happened_at) AS at FROM "
        "tidemark.segment_announcements GROUP BY entry) AS a ON a.entry = c.seq ORDER BY segment, entity, "
        "c.seq");
    ASSERT_TRUE(block) << block.error().describe();
    auto text = [&](size_t column, size_t row) { return std::string(block->columns[column].text(row)); };
    auto flag = [&](size_t column, size_t row) { return block->columns[column].get<uint8_t>(row) != 0; };
    auto number = [&](size_t column, size_t row) { return block->columns[column].get<int64_t>(row); };
    bool was_told = false;
    int64_t told_at = 0;
    auto check = [&](size_t row) {
      auto same = [&](size_t other) {
        return other < block->rows() && text(0, other) == text(0, row) && text(1, other) == text(1, row);
      };
      std::string what = fmt::format("{} {} seq {}", text(0, row), text(1, row), number(10, row));
      bool first = row == 0 || !same(row - 1), entered = flag(3, row), itself = flag(5, row);
      if (first) told_at = 0;
      ASSERT_EQ(entered, first || !flag(3, row - 1)) << what;
      const Options& options = known_.at(text(0, row));
      int64_t dwell = options.minimum_dwell_seconds * second_us,
              cooldown = options.cooldown_seconds * second_us;
      bool silent = text(4, row) == "backfill" && options.initial == Options::Initial::none;
      bool dropped = !entered && flag(6, row);
      if (!entered) {
        bool expected = dwell + cooldown > 0 ? was_told : !silent;
        ASSERT_EQ(itself, !dropped && expected) << what;
        return;
      }
      ++entries;
      int64_t at = number(2, row) + dwell;
      bool ended = same(row + 1), due = !silent;
      // Between two looks a definition may have gone; and an exit that is found after a kill may be written
      // with the instant at which its entry had been told.
      bool open = dwell > 0 && ended && (flag(6, row + 1) || number(2, row + 1) == at);
      if (dwell > 0) {
        due = due && (ended ? number(2, row + 1) > at : at <= kept_.clock.wall_micros());
        ASSERT_FALSE(itself) << what;
        if (!open) {
          ASSERT_EQ(number(7, row), due ? 1 : 0) << what;
        }
        if (number(7, row) > 0) {
          ASSERT_EQ(number(9, row), at) << what;
        }
        was_told = flag(8, row);
      } else {
        was_told = itself;
      }
      bool expected = due && (cooldown == 0 || told_at == 0 || at >= told_at + cooldown);
      if (!open) {
        ASSERT_EQ(was_told, expected) << what;
      }
      if (was_told) told_at = std::max(told_at, at);
      told += was_told ? 1 : 0;
    };
    for (size_t row = 0; row < block->rows() && !testing::Test::HasFailure(); ++row) {
      check(row);
      if (testing::Test::HasFailure()) describe_told(text(0, row), text(1, row));
    }
  }

  World& world_;
  CompileOptions options_;
  RandomDefinitions random_;
  KeptMemberships kept_{start_us};
  std::vector<Seed> seeds_;
  std::map<std::string, Definition> current_;
  std::map<std::string, Options> known_;
};

// Worlds of all seeds; `one` runs a history.
void run_worlds(size_t by_default, const std::function<void(uint64_t first, size_t seeds)>& one) {
  const char* given = std::getenv("TIDEMARK_SEED");
  const char* count = std::getenv("TIDEMARK_SEEDS");
  uint64_t first = given != nullptr               ? std::strtoull(given, nullptr, 10)
                   : std::getenv("CI") != nullptr ? 1
                                                  : std::random_device{}();
  size_t seeds = count != nullptr ? std::strtoull(count, nullptr, 10) : by_default;
  fmt::print("TIDEMARK_SEED={} TIDEMARK_SEEDS={}\n", first, seeds);
  for (uint64_t at = first; at < first + seeds; at += seeds_a_world) {
    size_t here = std::min<size_t>(seeds_a_world, first + seeds - at);
    one(at, here);
    if (testing::Test::HasFailure()) {
      fmt::print("TIDEMARK_SEED={} TIDEMARK_SEEDS={} replays it\n", at, here);
      return;
    }
  }
}

struct Sums {
  size_t worlds = 0, kills = 0, edits = 0, told = 0, entries = 0, members = 0;
  void add(const History& history) {
    ++worlds;
    kills += history.kills;
    edits += history.edits;
    told += history.told;
    entries += history.entries;
    members += history.members;
  }
  // A history in which nothing happens proves nothing.
  void expect_enough() const {
    fmt::print("{} kills, {} edits, {} entries, {} of them told, {} members proven\n", kills, edits, entries,
               told, members);
    EXPECT_GT(kills, 0u);
    EXPECT_GT(edits, 0u);
    EXPECT_GT(told, 0u);
    EXPECT_GT(entries, told);
    EXPECT_GT(members, 0u);
  }
};

const std::vector<std::string> points_of_evaluator = {"announcements", "changes", "timers", "versions"};

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
  KeptMemberships kept(start_us);
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
