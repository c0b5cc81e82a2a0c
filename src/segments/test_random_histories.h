// For tests: random definitions over random histories: rows come late, come twice, go to others and are
// deleted; profiles are joined, split and kept apart; definitions are edited; the clock goes on; and all of
// it is killed in the middle of whatever it writes. After every cut memberships, kept by touched entities and
// by the clock, are what plain loops over all rows give (which the SQL oracle is held against in
// random_segments_test.cc; here it is asked at the end of the first world). At the end, who was told of what
// follows from the intervals alone.
//
// A seed makes a definition, and a few people. Seeds share a world, so each definition meets the people of
// all. A world that fails is printed and replays with TIDEMARK_SEED=<its first> TIDEMARK_SEEDS=<how many>.
#pragma once

#include "segments/test_memberships.h"
#include "segments/test_random_definitions.h"

#include <cstdlib>

namespace tidemark::segments {

// Far enough ahead that no table of ours takes its timers for old.
inline constexpr int64_t history_start_us = 2'095'891'200 * second_us;  // 2036-06-01
inline constexpr size_t seeds_a_world = 20;
inline constexpr int people_a_seed = 3;

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
      : world_(world), options_(std::move(options)), random_(first, history_start_us, "") {
    for (uint64_t seed = first; seed < first + seeds; ++seed) seeds_.emplace_back(seed, history_start_us);
  }

  void run(int steps, bool with_oracle) {
    begin();
    write_definition(seeds_.front(), "other");
    for (Seed& seed : seeds_) write_definition(seed, seed.name);
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      if (step > 0) edit();
      surviving([&] { return replace(); });
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

  // With facts in memory, with too little of it, and without.
  void begin() {
    const std::vector<size_t> bytes = {size_t{64} << 20, size_t{64} << 20, size_t{20} << 10, 0};
    kept_.begin(random_.below(2) == 0 ? 1 : limits::alone_entities_min, random_.one_of(bytes));
  }
  Status replace() {
    TRY_VOID(kept_.replace(definitions(), options_));
    return random_.below(3) == 0 ? kept_.evaluator->warm_up() : Status();
  }

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
  KeptMemberships kept_{history_start_us};
  std::vector<Seed> seeds_;
  std::map<std::string, Definition> current_;
  std::map<std::string, Options> known_;
};

// Worlds of all seeds; `one` runs a history.
inline void run_worlds(size_t by_default, const std::function<void(uint64_t first, size_t seeds)>& one) {
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

inline const std::vector<std::string> points_of_evaluator = {"announcements", "changes", "timers",
                                                             "versions"};

}  // namespace tidemark::segments
