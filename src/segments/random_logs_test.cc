// Random histories (test_random_histories.h) of people whose events are a log, as those of SDKs are: cuts
// hand their rows over in memory, so that kept facts follow without a question. Rows are read ahead at any
// moment, before, while and after they come in; what was cut short comes again as a repeated cut.
#include "segments/test_random_histories.h"

namespace tidemark::segments {
namespace {

class RandomLogs : public SegmentsTest, public World {
 protected:
  std::string head() const override { return "entity: bronze.people\n"; }
  std::string entities() const override { return "SELECT id, properties FROM bronze.people__current"; }
  std::string events() const override {
    return "SELECT ifNull(user_id, ''), message_id, toString(event), toUnixTimestamp64Micro(timestamp), "
           "properties FROM bronze.app_events";
  }
  std::vector<std::string> kill_points() const override { return points_of_evaluator; }

  void begin_world() {
    SegmentsTest::SetUp();
    run("DROP TABLE bronze.app_events__current");
    run("DROP TABLE bronze.app_events");
    run("CREATE TABLE bronze.app_events (message_id String, user_id Nullable(String), event "
        "LowCardinality(String), timestamp DateTime64(6, 'UTC'), properties String, _cut UInt64) ENGINE = "
        "MergeTree ORDER BY message_id");
    cut_ = 0;
  }

  Block empty_block() const {
    ColumnType text = ColumnType::of(TypeKind::string), name = text;
    name.low_cardinality = true;
    Block block;
    block.add("message_id", text);
    block.add("user_id", text.as_nullable());
    block.add("event", name);
    block.add("timestamp", ColumnType::datetime64(6, "UTC"));
    block.add("properties", text);
    block.add("_cut", ColumnType::of(TypeKind::uint64));
    return block;
  }

  void change(Seed& seed, int64_t now) override {
    RandomDefinitions& random = seed.random;
    for (size_t count = 1 + random.below(4); count > 0; --count) {
      std::string user = fmt::format("{}_u{}", seed.name, random.below(people_a_seed));
      if (random.below(4) == 0) {
        std::string row = fmt::format("'{}', NULL, NULL, 0, NULL, NULL, [], NULL, {}", user,
                                      clickhouse::quote_string(properties(random)));
        (random.below(6) == 0 ? people_gone_ : people_).push_back(row);
        changed_.insert(user);
        continue;
      }
      rows_.columns[0].append_text(fmt::format("{}_m{}", seed.name, ++messages_));
      if (random.below(10) == 0)
        rows_.columns[1].append_null();
      else
        rows_.columns[1].append_text(user);
      rows_.columns[2].append_text(random.text({"a", "b", "c", "ab"}));
      // Many are of one instant.
      rows_.columns[3].append<int64_t>(now + (static_cast<int64_t>(random.below(108)) - 96) * hour_us);
      rows_.columns[4].append_text(properties(random));
      rows_.columns[5].append<uint64_t>(cut_ + 1);
      touched_.insert(user);
    }
  }

  // Of a cut the rows come in when it is followed.
  void send() override {
    if (!people_.empty()) add("people", people_);
    if (!people_gone_.empty()) add("people", people_gone_, true);
    people_.clear();
    people_gone_.clear();
    ++cut_;
    came_ = std::exchange(rows_, empty_block());
    news_.assign(touched_.begin(), touched_.end());
    people_news_.assign(changed_.begin(), changed_.end());
    touched_.clear();
    changed_.clear();
    in_ = false;
  }

  Status sometimes_ahead(KeptMemberships& kept) {
    return random_.below(2) == 0 ? kept.evaluator->warm_up() : Status();
  }

  Status follow(KeptMemberships& kept) override {
    kept.evaluator->cut_begins("app", cut_, in_);
    TRY_VOID(sometimes_ahead(kept));
    if (!in_) {
      kept.evaluator->part_goes_in("app", cut_, "bronze.app_events", &came_);
      TRY_VOID(sometimes_ahead(kept));
      TRY_VOID(client_.insert("`bronze`.`app_events`", came_));
      in_ = true;
      TRY_VOID(sometimes_ahead(kept));
    }
    // Those of the other source; either may be first.
    bool people_first = random_.below(2) == 0;
    if (people_first) TRY_VOID(kept.touched(people_news_));
    auto all = [&]() -> Result<std::vector<std::string>> { return news_; };
    for (const auto& group : kept.evaluator->groups()) {
      if (TRY(kept.evaluator->happened(group, cut_, {"bronze.app_events"}, all, "event")))
        ++followed_;
      else
        TRY_VOID(kept.evaluator->touched(group, news_, "event"));
    }
    return people_first ? Status() : kept.touched(people_news_);
  }

  Block rows_ = empty_block(), came_ = empty_block();
  std::vector<std::string> people_, people_gone_, news_, people_news_;
  std::set<std::string> touched_, changed_;
  RandomDefinitions random_{7, history_start_us, ""};
  uint64_t cut_ = 0, messages_ = 0;
  bool in_ = false;
  size_t followed_ = 0;
};

TEST_F(RandomLogs, FactsInMemoryFollowWhatCutsAdd) {
  Sums sums;
  run_worlds(40, [&](uint64_t first, size_t seeds) {
    begin_world();
    History history(*this, options_, first, seeds);
    history.run(4, false);
    sums.add(history);
  });
  if (HasFailure()) return;
  sums.expect_enough();
  EXPECT_GT(followed_, sums.worlds);
}

}  // namespace
}  // namespace tidemark::segments
