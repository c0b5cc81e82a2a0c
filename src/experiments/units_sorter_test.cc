// Units that are being sorted while questions come and rows change, against units that are read anew, row by
// row; and sorting that is left or fails.
#include "experiments/units_sorter.h"

#include "experiments/kept_experiments.h"
#include "experiments/test_sliced_units.h"
#include "models/runtime.h"

#include <chrono>

namespace tidemark::experiments {
namespace {

class UnitsSorterTest : public SlicedUnitsTest {
 protected:
  void SetUp() override {
    make_rows("concat('user ', toString(number))", "unit", true);
    bring();
    ASSERT_TRUE(asked_.units.is_unsorted());
  }
  void TearDown() override {
    asked_.units.drop(client_);
    EXPECT_EQ(tables(), 0u);
  }

  // The number of units that were recomputed for a question.
  uint64_t bring() {
    auto brought = asked_.units.bring(client_, experiment(), metrics_, model(), at_us);
    EXPECT_TRUE(brought && *brought) << (brought ? "of the past" : brought.error().describe());
    if (!brought || !*brought) return 0;
    units_ = (*brought)->units.all;
    return (*brought)->recomputed;
  }

  // The same; what the question reads is what it would read anew.
  uint64_t ask() {
    uint64_t recomputed = bring();
    UnitTable anew(client_, experiment());
    auto filled = anew.fill(metrics_, model(), {.at_us = at_us, .keeps = true});
    EXPECT_TRUE(filled) << filled.error().describe();
    auto rows = [](const std::string& units) {
      return "SELECT COLUMNS('^(unit|arm|known|several|next_us|first_us|dimension_.*|value_.*)$') FROM " +
             units;
    };
    const std::string kept = rows(units_), read = rows(anew.name());
    EXPECT_EQ(count(kept), 400u);
    EXPECT_EQ(count(kept + " EXCEPT " + read), 0u);
    EXPECT_EQ(count(read + " EXCEPT " + kept), 0u);
    return recomputed;
  }

  // A cut with an event of one of the units.
  void touch(int number) {
    std::string unit = fmt::format("user {}", number);
    run(fmt::format("INSERT INTO bronze.events VALUES ('{}', 'buy', {}, {})", unit,
                    instant_sql(at_us - number * hour_us), number));
    models::CompiledModel model;
    model.keyed.touched_keys = fmt::format("SELECT '{}' AS unit", unit);
    asked_.units.touched(client_, {.model = model, .cut = 1, .tables = none_});
  }

  uint64_t tables(const std::string& condition = "1") {
    return count(
        "SELECT name FROM system.tables WHERE database = 'tidemark_experiments' AND startsWith(name, "
        "'kept_units_') AND " +
        condition);
  }
  Result<bool> sort(const std::function<bool()>& go_on) { return sort_units(client_, asked_, go_on); }
  // Base, changed, replaced, later, touched, and no copy.
  void expect_sorted(bool sorted) {
    EXPECT_EQ(asked_.units.is_unsorted(), !sorted);
    EXPECT_EQ(tables(), 5u);
    EXPECT_EQ(tables("sorting_key = 'unit' AND engine = 'MergeTree'"), sorted ? 1u : 0u);
  }

  const std::vector<std::string> none_;
  std::string units_;
  AskedUnits asked_{{}, 60};
};

TEST_F(UnitsSorterTest, questions_are_answered_between_parts) {
  int parts = 0;
  auto sorted = sort([&] {
    touch(++parts);
    if (parts % 3 == 0) {
      EXPECT_EQ(ask(), 3u);
    }
    return true;
  });
  ASSERT_TRUE(sorted) << sorted.error().describe();
  EXPECT_TRUE(*sorted);
  EXPECT_GT(parts, 5);
  expect_sorted(true);
  ask();
  EXPECT_EQ(ask(), 0u);
  touch(1);
  touch(200);
  EXPECT_EQ(ask(), 2u);
  sorted = sort([] { return true; });
  EXPECT_TRUE(sorted && !*sorted) << "nothing is to be sorted";
}

TEST_F(UnitsSorterTest, what_is_made_anew_meanwhile_is_sorted_anew) {
  int parts = 0;
  auto again = [&] {
    if (++parts != 3) return true;
    touch(7);
    asked_.units.all_touched();
    bring();
    EXPECT_TRUE(asked_.units.is_unsorted());
    return true;
  };
  auto sorted = sort(again);
  ASSERT_TRUE(sorted) << sorted.error().describe();
  EXPECT_FALSE(*sorted);
  EXPECT_EQ(parts, 3);
  EXPECT_EQ(tables(), 5u);
  sorted = sort([] { return true; });
  EXPECT_TRUE(sorted && *sorted);
  expect_sorted(true);
  ask();
}

TEST_F(UnitsSorterTest, what_is_left_or_fails_stays_as_it_is) {
  int parts = 0;
  auto sorted = sort([&] { return ++parts < 3; });
  EXPECT_TRUE(sorted && !*sorted);
  expect_sorted(false);
  touch(3);
  EXPECT_EQ(ask(), 1u);
  for (const char* change : {"DROP TABLE {} SYNC", "INSERT INTO {0} SELECT * FROM {0} LIMIT 1"}) {
    SCOPED_TRACE(change);
    asked_.units.all_touched();
    bring();
    parts = 0;
    sorted = sort([&] {
      if (++parts != 3) return true;
      auto copy = client_.query_text(
          "SELECT concat(database, '.`', name, '`') FROM system.tables WHERE database = "
          "'tidemark_experiments' AND endsWith(name, '_sorted') FORMAT TSVRaw");
      EXPECT_TRUE(copy);
      copy->pop_back();
      run(fmt::format(fmt::runtime(change), *copy));
      return true;
    });
    EXPECT_FALSE(sorted);
    expect_sorted(false);
    touch(4);
    EXPECT_EQ(ask(), 1u);
  }
  asked_.units.all_touched();
  bring();
  // Rows of people are taken away, for example.
  sorted = sort([&] {
    asked_.units.drop(client_);
    return true;
  });
  EXPECT_TRUE(sorted && !*sorted);
}

TEST_F(UnitsSorterTest, it_comes_after_the_first_answer_by_itself) {
  KeptExperiments kept([](const std::string&) { return true; }, 60);
  auto question = [&] {
    return kept.sums(client_, experiment(), metrics_, {.at_us = at_us, .exposures = {}, .dimensions = {}});
  };
  auto first = question();
  ASSERT_TRUE(first) << first.error().describe();
  EXPECT_TRUE(first->kept && first->made_anew && !first->sorted);
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  auto next = question();
  while (next && !next->sorted && std::chrono::steady_clock::now() < deadline) next = question();
  ASSERT_TRUE(next) << next.error().describe();
  EXPECT_TRUE(next->sorted && !next->made_anew);
  ASSERT_EQ(next->sums.metrics.size(), first->sums.metrics.size());
  for (size_t metric = 0; metric < next->sums.metrics.size(); ++metric)
    for (size_t arm = 0; arm < 3; ++arm) {
      const ArmSums &left = next->sums.metrics[metric].arms[arm],
                    &right = first->sums.metrics[metric].arms[arm];
      EXPECT_EQ(std::tie(left.units, left.sum[value], left.products[value][value]),
                std::tie(right.units, right.sum[value], right.products[value][value]));
    }
  // Another one is stopped on its way, and goes with what it has.
  kept.all_touched();
  EXPECT_TRUE(question());
  kept.stop();
  EXPECT_TRUE(question());
  kept.forget(client_);
}

}  // namespace
}  // namespace tidemark::experiments
