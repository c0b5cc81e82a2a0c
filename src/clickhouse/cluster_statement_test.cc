#include "clickhouse/cluster_statement.h"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace tidemark::clickhouse {
namespace {

std::optional<ShardedTable> known(const std::string& database, const std::string& table) {
  static const std::set<std::pair<std::string, std::string>> tables{{"bronze", "orders"},
                                                                    {"bronze", "orders__changes"},
                                                                    {"bronze", "orders__current"},
                                                                    {"analytics", "x__0123"},
                                                                    {"analytics", "x__0123__fill"},
                                                                    {"analytics", "x__0123__mv"},
                                                                    {"tidemark", "snapshot_1_orders"}};
  if (!tables.contains({database, table})) return std::nullopt;
  return ShardedTable{"ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/" + database + "_shard/" +
                      table +
                      "', '{replica}', _version, _deleted) ORDER BY id SETTINGS index_granularity = 256"};
}

struct Case {
  std::string sql;
  Placement placement = Placement::automatic;
};

// What Tidemark sends, of every form.
const Case cases[] = {
    {"CREATE TABLE IF NOT EXISTS bronze.`orders` (`id` Int64, `total` Decimal(9, 2), _version UInt128, "
     "_deleted UInt8) "
     "ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (`id`) SETTINGS "
     "non_replicated_deduplication_window = "
     "1000, fsync_after_insert = 1"},
    {"CREATE TABLE IF NOT EXISTS bronze.`orders__changes` (`id` Int64, _sign Int8) ENGINE = Null"},
    {"CREATE OR REPLACE VIEW bronze.`orders__current` AS SELECT `id` FROM bronze.`orders` FINAL WHERE "
     "_deleted = 0"},
    {"CREATE TABLE IF NOT EXISTS `analytics`.`sums__0123` (day Date, _sum Int64) ENGINE = "
     "SummingMergeTree((_sum)) "
     "PARTITION BY toYYYYMM(day) ORDER BY day SETTINGS non_replicated_deduplication_window = 1000"},
    {"CREATE TABLE IF NOT EXISTS `analytics`.`log__0123` (day Date) ENGINE = MergeTree ORDER BY day"},
    {"CREATE TABLE IF NOT EXISTS `analytics`.`keyed__0123` (a Nullable(Int64), b String, _version UInt128, "
     "_deleted "
     "UInt8) ENGINE = ReplacingMergeTree(_version, _deleted) ORDER BY (a, lower(b)) SETTINGS "
     "allow_nullable_key = 1",
     Placement::by_key},
    {"CREATE TABLE IF NOT EXISTS `analytics`.`keyed__0123__touched` (a Int64, _table String, _cut UInt64) "
     "ENGINE = "
     "MergeTree PARTITION BY (_table, intDiv(_cut, 4096)) ORDER BY _cut",
     Placement::by_key},
    {"CREATE TABLE IF NOT EXISTS `analytics`.`result__0123` (a Int64) ENGINE = MergeTree ORDER BY a",
     Placement::initiator},
    {"CREATE TABLE IF NOT EXISTS tidemark.cuts (source String) ENGINE = MergeTree ORDER BY source"},
    {"CREATE MATERIALIZED VIEW IF NOT EXISTS `analytics`.`x__0123__mv` TO `analytics`.`x__0123` AS SELECT "
     "'bronze.orders' AS name, sum(bronze.orders__changes.total) FROM bronze.orders__changes AS `bronze` -- "
     "bronze.orders"},
    {"CREATE MATERIALIZED VIEW `analytics`.`x__0123__mv` TO `analytics`.`x__0123` AS SELECT dictGet('d', "
     "'v', id) "
     "FROM bronze.orders__changes"},
    {"CREATE OR REPLACE VIEW `analytics`.`x` AS SELECT * FROM `analytics`.`x__0123`"},
    {"CREATE TABLE IF NOT EXISTS `tidemark`.`snapshot_2_orders` AS `bronze`.`orders`"},
    {"CREATE TABLE IF NOT EXISTS `analytics`.`x__0123__fill` AS `analytics`.`x__0123`"},
    {"ALTER TABLE `tidemark`.`snapshot_1_orders` MODIFY SETTING fsync_after_insert = 0"},
    {"ALTER TABLE `tidemark`.`snapshot_1_orders` ATTACH PARTITION ALL FROM `bronze`.`orders`"},
    {"ALTER TABLE bronze.`orders` DELETE WHERE _version < toUInt128('7') SETTINGS mutations_sync = 1"},
    {"ALTER TABLE tidemark.cuts ADD COLUMN IF NOT EXISTS places String"},
    {"SYSTEM STOP MERGES `tidemark`.`snapshot_1_orders`"},
    {"TRUNCATE TABLE IF EXISTS `analytics`.`x__0123` SYNC"},
    {"TRUNCATE TABLE `analytics`.`result__0123` SYNC"},
    {"DROP TABLE IF EXISTS `analytics`.`x__0123__mv`"},
    {"DROP TABLE IF EXISTS bronze.`orders` SYNC SETTINGS check_table_dependencies = 0"},
    {"DROP VIEW IF EXISTS `analytics`.`x`"},
    {"INSERT INTO bronze.`orders` (`id`, _deleted) SELECT `id`, 1 FROM bronze.`orders` FINAL WHERE _deleted "
     "= 0",
     Placement::shards},
    {"INSERT INTO `analytics`.`x__0123` SELECT * FROM bronze.orders"},
};

std::string golden(bool replicated) {
  std::string text;
  ClusterLayout layout{.cluster = "main", .replicated = replicated};
  for (const auto& [sql, placement] : cases) {
    text += "> " + sql + "\n";
    auto steps = cluster_steps(sql, placement, layout, known);
    if (!steps) {
      text += "  refused: " + steps.error().message + "\n";
      continue;
    }
    if (!*steps) {
      text += "  as it is\n";
      continue;
    }
    for (const auto& step : **steps)
      text += fmt::format("  {}: {}\n",
                          step.where == ClusterStep::Where::initiator ? "initiator"
                          : step.where == ClusterStep::Where::once    ? "once"
                                                                      : "every shard",
                          step.sql);
  }
  return text;
}

void compare(const std::string& name, const std::string& actual) {
  std::string path = std::string(TIDEMARK_SOURCE_DIR) + "/test/schema/golden/" + name;
  if (std::getenv("TIDEMARK_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << actual;
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(expected.str(), actual) << path << " (TIDEMARK_UPDATE_GOLDEN=1 writes it anew)";
}

TEST(ClusterStatement, OverShards) {
  compare("cluster_sharded.txt", golden(false));
}

TEST(ClusterStatement, OverShardsWithReplicas) {
  compare("cluster_replicated.txt", golden(true));
}

}  // namespace
}  // namespace tidemark::clickhouse
