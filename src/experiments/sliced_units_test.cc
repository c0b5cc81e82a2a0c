// Units made slice by slice against units made at once, row by row, with a metric of every kind.
#include "experiments/test_sliced_units.h"

#include <fmt/ranges.h>
#include <map>

namespace tidemark::experiments {
namespace {

class UnitsOfSlices : public SlicedUnitsTest {
 protected:
  // How many units, and how many of them are not in the other.
  void expect_same(bool keeps, size_t counting_nowhere, int64_t as_of_us = at_us) {
    ReadAsOf as_of{.at_us = as_of_us, .units_a_slice = 60, .keeps = keeps};
    UnitTable sliced(client_, experiment()), whole(client_, experiment());
    auto filled = sliced.fill(metrics_, model(), as_of);
    ASSERT_TRUE(filled) << filled.error().describe();
    as_of.units_a_slice = limits::slice_units;
    filled = whole.fill(metrics_, model(), as_of);
    ASSERT_TRUE(filled) << filled.error().describe();
    std::string but = keeps ? " EXCEPT number" : "";
    auto without = [&](const UnitTable& one, const UnitTable& other) {
      return fmt::format("SELECT *{0} FROM {1} EXCEPT SELECT *{0} FROM {2}", but, one.name(), other.name());
    };
    EXPECT_EQ(count("SELECT 1 FROM " + sliced.name()), 400u);
    EXPECT_EQ(count("SELECT 1 FROM " + sliced.name() + " WHERE arm = 0"), counting_nowhere);
    EXPECT_EQ(count(without(sliced, whole)), 0u);
    EXPECT_EQ(count(without(whole, sliced)), 0u);
    if (keeps) {
      EXPECT_EQ(count("SELECT DISTINCT number FROM " + sliced.name()), 400u);
    }
  }
};

TEST_F(UnitsOfSlices, are_those_that_are_made_at_once) {
  for (const char* unit : {"concat('user\\'s \\\\', toString(number))", "toInt32(number) - 200"}) {
    SCOPED_TRACE(unit);
    make_rows(unit, "unit");
    EXPECT_GT(slices(), 5u);
    EXPECT_FALSE(most_rows());
    for (bool keeps : {false, true}) expect_same(keeps, 160);  // two variants, or pink
  }
}

// Rows of others and of other times are left out behind the join then.
TEST_F(UnitsOfSlices, are_those_that_are_made_at_once_where_most_rows_count) {
  make_rows("concat('user ', toString(number))", "unit", true);
  EXPECT_GT(slices(), 5u);
  EXPECT_TRUE(most_rows());
  for (bool keeps : {false, true}) expect_same(keeps, 3);  // two variants
  expect_same(true, 3, at_us + 30 * 24 * hour_us);         // when no row is of the future
}

TEST_F(UnitsOfSlices, are_not_where_a_table_would_be_read_again_for_each) {
  make_rows("toString(number)", "at");
  EXPECT_EQ(slices(), 1u);
  make_rows("toString(number)", "unit");
  EXPECT_GT(slices(), 5u);
  auto draft = unit_slices(client_, experiment(), metrics_, exposures_relation(experiment()), 60);
  ASSERT_TRUE(draft) << draft.error().describe();
  EXPECT_EQ(draft->size(), 1u);
}

// Values below zero and rows before the exposure, out of aggregates that are compiled (sliced_units.cc).
TEST_F(UnitsOfSlices, are_what_was_written_where_that_is_negative) {
  make_rows("concat('user ', toString(number))", "unit", true);
  for (const char* table : {"events", "more_events"}) run(fmt::format("TRUNCATE TABLE bronze.{}", table));
  // Of each unit, in hours from its exposure: -1 (worth -7), 1 (-3.25) and 2 (-1.5).
  run("INSERT INTO bronze.events SELECT unit, 'buy', tm_first + toIntervalHour(tm_row.1), tm_row.2 FROM "
      "(SELECT unit, min(first_at) AS tm_first FROM " +
      model() + " GROUP BY unit) ARRAY JOIN [(-1, -7), (1, -3.25), (2, -1.5)] AS tm_row");
  metrics_.push_back(files_.metric("early"));
  UnitTable units(client_, experiment());
  auto query = units.fill(metrics_, model(), {.at_us = at_us, .units_a_slice = 60, .keeps = true});
  ASSERT_TRUE(query) << query.error().describe();
  ASSERT_TRUE(units.is_sliced());
  const std::map<std::string, std::string> expected{{"bought", "1, 1"},
                                                    {"purchases", "2"},
                                                    {"revenue", "-4.75, -7"},
                                                    {"capped", "-4.75"},
                                                    {"basket", "-11.75, 0, -7, 0"},
                                                    {"returned", "0"},
                                                    {"checkout", "0"},
                                                    {"spend", "-4.75"},
                                                    {"first", "3600"},
                                                    {"early", "3600"}};
  for (const UnitValues& values : query->metrics) {
    auto found = client_.query_text(fmt::format(
        "SELECT count(), arrayStringConcat(groupUniqArray(concat({})), ' and ') FROM {} WHERE arm "
        "!= 0",
        fmt::join(values.columns, ", ', ', "), units.name()));
    ASSERT_TRUE(found) << found.error().describe();
    EXPECT_EQ(*found, "397\t" + expected.at(values.metric->name) + "\n") << values.metric->name;
  }
}

// The types that slices aggregate; of DateTime64 they would be wrong (docs/DECISIONS.md).
TEST_F(UnitsOfSlices, rest_on_compiled_aggregates_that_know_negative_numbers) {
  for (const char* type : {"Int64", "Float64"}) {
    auto found = client_.query_text(
        fmt::format(
            "SELECT tm_group, max(tm_value), min(tm_value), maxIf(tm_value, tm_value < -3), "
            "minIf(tm_value, tm_value > -8), sumIf(tm_value, tm_value < -3) FROM (SELECT number % 2 AS "
            "tm_group, to{}(-1 - toInt64(number % 10)) AS tm_value FROM numbers(1000)) GROUP BY tm_group "
            "ORDER BY tm_group",
            type),
        {.settings = {{"compile_aggregate_expressions", "1"},
                      {"min_count_to_compile_aggregate_expression", "0"}}});
    ASSERT_TRUE(found) << found.error().describe();
    EXPECT_EQ(*found, "0\t-1\t-9\t-5\t-7\t-2100\n1\t-2\t-10\t-4\t-6\t-2800\n") << type;
  }
}

}  // namespace
}  // namespace tidemark::experiments
