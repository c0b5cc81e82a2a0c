// Answers of the server that models rest on and that its defaults get wrong (docs/DECISIONS.md).
#include "clickhouse/test_server.h"

#include <gtest/gtest.h>

namespace tidemark::models {
namespace {

class ServerAnswers : public testing::Test {
 protected:
  ServerAnswers() : client_(clickhouse::TestServer::shared().client()) {
    database_ = clickhouse::TestServer::shared().database();
    run("CREATE TABLE " + database_ +
        ".times (shop Int32, at DateTime64(6, 'UTC')) ENGINE = MergeTree ORDER BY shop");
    // Two parts that are merged: only merged parts have statistics.
    run("INSERT INTO " + database_ +
        ".times VALUES (1, '1900-01-01 00:00:00.000001'), (1, '1969-12-31 23:59:59.999999')");
    run("INSERT INTO " + database_ + ".times VALUES (1, '2026-03-01 00:00:00'), (2, '2026-03-02 00:00:00')");
    run("OPTIMIZE TABLE " + database_ + ".times FINAL");
  }

  void run(const std::string& sql) {
    auto done = client_.execute(sql);
    ASSERT_TRUE(done) << done.error().describe();
  }
  std::string text(const std::string& sql, const std::map<std::string, std::string>& settings = {}) {
    auto answer = client_.query_text(sql, {.settings = settings});
    EXPECT_TRUE(answer) << answer.error().describe();
    return answer ? *answer : "";
  }

  clickhouse::Client client_;
  std::string database_;
};

TEST_F(ServerAnswers, MaximumOfTimesBefore1970StaysTheSameHoweverOftenItIsAsked) {
  for (int time = 0; time < 8; ++time)
    EXPECT_EQ(text("SELECT shop, max(at) AS newest, count() AS n FROM " + database_ +
                   ".times GROUP BY shop ORDER BY shop"),
              "1\t2026-03-01 00:00:00.000000\t3\n2\t2026-03-02 00:00:00.000000\t1\n");
}

TEST_F(ServerAnswers, PartsAreNotSkippedForTimesOutOfTheRangeOfDate) {
  EXPECT_EQ(
      text("SELECT count() FROM " + database_ + ".times WHERE toDate(at) IN (SELECT toDate('2026-03-01'))"),
      "1\n");
  EXPECT_EQ(text("SELECT count() FROM " + database_ + ".times WHERE toDate(at) = '2026-03-01'"), "1\n");
}

// When this fails the server has been mended: take the setting out of clickhouse/embedded_config.cc.
TEST_F(ServerAnswers, TheDefaultsAreStillWrong) {
  std::string query =
      "SELECT shop, max(at) AS newest FROM " + database_ + ".times GROUP BY shop ORDER BY shop";
  EXPECT_NE(text(query, {{"compile_aggregate_expressions", "1"},
                         {"min_count_to_compile_aggregate_expression", "0"}}),
            text(query));
  EXPECT_NE(
      text("SELECT count() FROM " + database_ + ".times WHERE toDate(at) IN (SELECT toDate('2026-03-01'))",
           {{"use_statistics_for_part_pruning", "1"}}),
      "1\n");
}

}  // namespace
}  // namespace tidemark::models
