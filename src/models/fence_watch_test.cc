#include "models/fence_watch.h"

#include "models/audits.h"
#include "models/test_warehouse.h"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace tidemark::models {
namespace {

using FenceWatchTest = ModelsTest;

// An order arrives with its shop, in one cut; whoever asks in between sees the order alone. What stays wrong
// while cuts go on is told.
TEST_F(FenceWatchTest, AuditsSeeWholeCuts) {
  run("CREATE DATABASE tidemark");
  run("CREATE DATABASE analytics");
  run("CREATE TABLE tidemark.cuts (source String, epoch UInt64, state String, cut UInt64, end_lsn UInt64) "
      "ENGINE = "
      "ReplacingMergeTree(cut) ORDER BY (source, epoch, state)");
  auto fence = [](int cut) {
    return fmt::format("INSERT INTO tidemark.cuts VALUES ('s', 1, 'fenced', {0}, {0})", cut);
  };
  run(fence(1));
  run("CREATE TABLE analytics.parents (id Int64) ENGINE = MergeTree ORDER BY id");
  run("CREATE TABLE analytics.children (parent Int64) ENGINE = MergeTree ORDER BY parent");
  run("INSERT INTO analytics.children VALUES (1)");
  Audit audit{.model = "analytics.children", .audit = "relationships"};
  audit.identity = "parent";
  audit.query =
      "SELECT parent FROM analytics.children WHERE parent NOT IN (SELECT id FROM analytics.parents)";
  FenceWatch watch(client_);
  std::thread second_half([&] {
    auto other = clickhouse::TestServer::shared().client();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_TRUE(other.execute("INSERT INTO analytics.parents VALUES (1)"));
    EXPECT_TRUE(other.execute(fence(2)));
  });
  auto result = run_audit_beside_cuts(client_, watch, audit);
  second_half.join();
  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_TRUE(result->passed()) << result->failing;

  run("INSERT INTO analytics.children VALUES (2)");
  std::atomic<bool> ended{false};
  std::thread cuts([&] {
    auto other = clickhouse::TestServer::shared().client();
    for (int cut = 3; !ended; ++cut) EXPECT_TRUE(other.execute(fence(cut)));
  });
  result = run_audit_beside_cuts(client_, watch, audit);
  ended = true;
  cuts.join();
  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_EQ(result->failing, 1);
  // And at rest, without cuts.
  result = run_audit_beside_cuts(client_, watch, audit);
  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_EQ(result->failing, 1);
}

}  // namespace
}  // namespace tidemark::models
