// Incremental models over logs: rows that are only ever added, so every aggregate is kept as a state.
#include "models/test_warehouse.h"

#include <cstdlib>

namespace tidemark::models {
namespace {

class LogTest : public ModelsTest {
 protected:
  void SetUp() override {
    ModelsTest::SetUp();
    const std::string columns =
        "user Int32, shop Int32, country LowCardinality(String), price Decimal(10, 2), tip Nullable(Int32), "
        "at "
        "DateTime64(6, 'UTC')";
    run("CREATE TABLE bronze.events (" + columns +
        ", _version UInt128, _committed_at DateTime64(6, 'UTC'), _cut UInt64) ENGINE = MergeTree ORDER BY "
        "_version");
    run("CREATE VIEW bronze.events__current AS SELECT user, shop, country, price, tip, at FROM "
        "bronze.events");
    run("CREATE TABLE bronze.events__changes (" + columns +
        ", _sign Int8, _op LowCardinality(String), _version UInt128, _committed_at DateTime64(6, 'UTC'), "
        "_cut UInt64) "
        "ENGINE = Null");
    seed_ = test_seed();
  }

  // Adds rows made from random numbers; the change rows come in several blocks, so that states are merged.
  void add(int rows) {
    ++cut_;
    std::string row = fmt::format(
        "toInt32(h % 50), toInt32(intDiv(h, 50) % 6), ['de', 'fr', ''][1 + intDiv(h, 300) % 3], "
        "toDecimal64(intDiv(h, 900) % 2000, 2) - 1000, if(intDiv(h, 7) % 3 = 0, NULL, toInt32(intDiv(h, 11) "
        "% 100)), "
        "toDateTime64('2026-03-01 00:00:00', 6, 'UTC') + intDiv(h, 13) % 5000000");
    std::string from = fmt::format(
        " FROM (SELECT number, sipHash64(number, {}, {}) AS h FROM numbers({})) SETTINGS max_block_size = "
        "40, "
        "min_insert_block_size_rows = 40",
        seed_, cut_, rows);
    run(fmt::format(
        "INSERT INTO bronze.events__changes SELECT {}, 1, 'insert', {} * 1000000 + number, now64(6), {}{}",
        row, cut_, cut_, from));
    run(fmt::format("INSERT INTO bronze.events SELECT {}, {} * 1000000 + number, now64(6), {}{}", row, cut_,
                    cut_, from));
  }

  uint64_t seed_ = 0;
  uint64_t cut_ = 0;
};

TEST_F(LogTest, EveryAggregateEqualsItsRecompute) {
  std::vector<config::ModelFile> files;
  files.push_back(model_file("analytics.by_country", "incremental",
                             "SELECT country, toMonth(at) AS month, count() AS n, uniq(user) AS users, "
                             "uniqExact(user, shop) AS pairs,\n"
                             "  count(DISTINCT user) AS distinct_users, uniqIf(user, price > 0) AS buyers, "
                             "min(price) AS low, max(price) AS "
                             "high,\n"
                             "  minIf(at, tip > 50) AS first_tip, quantileExact(0.9)(price) AS p90, "
                             "quantilesExact(0.1, 0.5)(tip) AS q,\n"
                             "  argMax(user, (price, user, at)) AS best, any(country) AS same, "
                             "arraySort(groupArray(shop)) AS shops,\n"
                             "  arraySort(groupUniqArray(user)) AS names, groupBitOr(user) AS bits, avg(tip) "
                             "AS average_tip, sum(price) AS revenue,\n"
                             "  sumMap(map(shop, user)) AS by_shop, maxIf(price, shop = 1) - min(price) AS "
                             "spread, uniqCombined(user) AS c\n"
                             "FROM bronze.events GROUP BY country, month HAVING n > 2"));
  files.push_back(
      model_file("analytics.whole", "incremental",
                 "SELECT count() AS n, uniqExact(user) AS users, max(at) AS last FROM bronze.events"));
  files.push_back(model_file("analytics.by_name", "incremental",
                             "SELECT s.name AS name, uniqExact(e.user) AS users, max(e.price) AS high, "
                             "uniqIf(e.user, s.shop > 2 AND e.tip > "
                             "9) AS some,\n  maxIf(e.price, s.shop = 1) AS one, count() AS n, sum(e.price * "
                             "s.shop) AS weighted\nFROM "
                             "(SELECT user, shop AS place, price, tip FROM bronze.events WHERE country != "
                             "'') AS e LEFT JOIN bronze.shops AS "
                             "s ON s.shop = e.place GROUP BY name"));
  files.push_back(
      model_file("analytics.letters", "incremental",
                 "SELECT length(country) AS letters, country, country AS again, count() AS n FROM "
                 "bronze.events GROUP BY letters, country, letters + 0, country"));
  Stream shops(client_, seed_);
  shops.cut(50);
  add(300);
  CompiledModels models = good(files);
  apply(models);
  verify(models, "after backfill");
  for (int round = 0; round < 4 && !HasFailure(); ++round) {
    shops.cut(30);
    add(1 + round * 150);
    verify(models, fmt::format("round {}", round));
    if (round == 2) run("OPTIMIZE TABLE " + models.models[0].store + " FINAL");
  }
  EXPECT_NE(text("SELECT count() FROM analytics.by_country"), "0\n");
}

TEST_F(LogTest, WhatDependsOnTheOrderOfRowsIsRefused) {
  for (const char* item : {"quantile(0.5)(price)", "topK(3)(user)", "stddevPop(price)"}) {
    Compilation compilation = compiled({model_file(
        "analytics.m", "incremental",
        std::string("SELECT country,\n  ") + item + " AS x FROM bronze.events GROUP BY country")});
    ASSERT_FALSE(compilation.errors.empty()) << item;
    std::string told = compilation.errors[0].render();
    EXPECT_NE(told.find("analytics/m.sql:2:3"), std::string::npos) << told;
    EXPECT_NE(told.find("another order"), std::string::npos) << told;
  }
  Compilation joined_column = compiled({model_file("analytics.m", "incremental",
                                                   "SELECT e.country AS c,\n  quantileExact(0.5)(s.shop) AS "
                                                   "x FROM bronze.events AS e JOIN bronze.shops AS s ON "
                                                   "s.shop = e.shop GROUP BY c")});
  ASSERT_FALSE(joined_column.errors.empty());
  EXPECT_NE(joined_column.errors[0].render().find("joined column"), std::string::npos);
}

TEST_F(LogTest, RowsThatAreTooOldAreHiddenAndLaterDeleted) {
  auto daily = model_file(
      "analytics.daily", "incremental",
      "SELECT toDate32(at) AS day, country, count() AS n, sum(price) AS revenue FROM bronze.events "
      "GROUP BY day, country");
  daily.ttl = "day + INTERVAL 30 DAY";
  daily.partition_by = "toYYYYMM(day)";
  auto rows = model_file("analytics.rows", "incremental",
                         "SELECT user, at AS happened, price FROM bronze.events WHERE price > 0");
  rows.ttl = "happened + INTERVAL 720 HOUR";
  auto maybe =
      model_file("analytics.maybe", "incremental",
                 "SELECT if(tip > 50, NULL, at) AS seen, count() AS n FROM bronze.events GROUP BY seen");
  maybe.ttl = "seen + INTERVAL 30 DAY";
  auto reader = model_file("analytics.reader", "view",
                           "SELECT sum(n) AS n, uniqExact(day) AS days FROM analytics.daily");
  CompiledModels models = good({daily, rows, maybe, reader});
  apply(models);
  // From 60 days ago to 60 days ahead, an hour apart.
  const std::string row = "toInt32(number), 1, 'de', 1.5, toInt32(number % 100), toDateTime64('" +
                          text("SELECT now('UTC')").substr(0, 19) +
                          "', 6, 'UTC') + toIntervalHour(toInt64(number) - 1440)";
  run("INSERT INTO bronze.events__changes SELECT " + row +
      ", 1, 'insert', number, now64(6), 1 FROM numbers(2880)");
  run("INSERT INTO bronze.events SELECT " + row + ", number, now64(6), 1 FROM numbers(2880)");
  verify(models, "with old rows");
  uint64_t shown = std::stoull(text("SELECT count() FROM analytics.rows"));
  EXPECT_GE(shown, 2158u);
  EXPECT_LE(shown, 2162u);
  for (const auto& model : models.models)
    if (!model.store.empty()) run("OPTIMIZE TABLE " + model.store + " FINAL");
  verify(models, "after the stores deleted them");
  EXPECT_LT(std::stoull(text("SELECT count() FROM " + models.find("analytics.rows")->store)), 2170u);
}

TEST_F(LogTest, RetentionThatCannotBeKeptIsRefused) {
  auto told = [&](const std::string& ttl, const std::string& kind = "incremental") {
    auto file = model_file(
        "analytics.m", kind,
        "SELECT country, toDate32(at) AS day, max(at) AS last, count() AS n FROM bronze.events GROUP "
        "BY country, day",
        kind == "keyed" ? std::vector<std::string>{"country", "day"} : std::vector<std::string>{});
    file.ttl = ttl;
    Compilation compilation = compiled({file});
    EXPECT_FALSE(compilation.errors.empty()) << ttl;
    return compilation.errors.empty() ? "" : compilation.errors[0].render();
  };
  EXPECT_NE(told("last + INTERVAL 1 DAY").find("store holds"), std::string::npos);
  EXPECT_NE(told("n + 1").find("not a time"), std::string::npos);
  EXPECT_NE(told("dai + INTERVAL 1 DAY").find("dai"), std::string::npos);
  EXPECT_NE(told("now() + INTERVAL 1 DAY").find("another answer"), std::string::npos);
  EXPECT_NE(told("day + INTERVAL 1 DAY", "keyed").find("incremental"), std::string::npos);
  // What grows old by the clock cannot feed a model that follows changes.
  auto old = model_file("analytics.old", "incremental", "SELECT user, at FROM bronze.events");
  old.ttl = "at + INTERVAL 1 DAY";
  Compilation compilation =
      compiled({old, model_file("analytics.m", "incremental",
                                "SELECT user,\n count() AS n FROM analytics.old GROUP BY user")});
  ASSERT_FALSE(compilation.errors.empty());
  EXPECT_NE(compilation.errors[0].render().find("m.sql:2:"), std::string::npos)
      << compilation.errors[0].render();
  EXPECT_NE(compilation.errors[0].message.find("now()"), std::string::npos);
}

TEST_F(LogTest, DaysAndHoursOfAnyZoneWhateverTheSession) {
  std::vector<config::ModelFile> files;
  std::string items;
  for (const char* zone :
       {"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}) {
    std::string name = "z" + std::to_string(files.size());
    files.push_back(model_file(
        "analytics." + name, "incremental",
        fmt::format(
            "SELECT toDate32(at, '{0}') AS day, toStartOfHour(at, '{0}') AS hour, toHour(at, '{0}') AS h, "
            "count() AS n, sum(price) AS revenue FROM bronze.events GROUP BY day, hour, h",
            zone)));
  }
  // Without a zone: the column's own, and for orders (timestamp without time zone) the server's, which is
  // UTC.
  files.push_back(
      model_file("analytics.own", "incremental",
                 "SELECT toDate32(at) AS day, toStartOfDay(at) AS start, count() AS n FROM bronze.events "
                 "GROUP BY day, start"));
  files.push_back(
      model_file("analytics.plain", "incremental",
                 "SELECT toStartOfDay(at) AS day, toHour(at) AS hour, count() AS n FROM bronze.orders GROUP "
                 "BY day, hour"));
  CompiledModels models = good(files);
  apply(models);
  // Both clock changes of 2026 in Europe, America and Lord Howe, minute by minute around them.
  for (const char* start : {"2026-03-08 00:00:00", "2026-03-29 00:00:00", "2026-04-04 12:00:00",
                            "2026-10-03 12:00:00", "2026-10-25 00:00:00", "2026-11-01 00:00:00"}) {
    ++cut_;
    std::string row = fmt::format(
        "1, 1, 'de', 1, NULL, toDateTime64('{}', 6, 'UTC') + toIntervalMinute(number * 15)", start);
    run(fmt::format(
        "INSERT INTO bronze.events__changes SELECT {}, 1, 'insert', {} * 1000 + number, now64(6), {} FROM "
        "numbers(120)",
        row, cut_, cut_));
    run(fmt::format("INSERT INTO bronze.events SELECT {}, {} * 1000 + number, now64(6), {} FROM numbers(120)",
                    row, cut_, cut_));
  }
  Stream(client_, seed_).cut(60);
  verify(models, "around clock changes");
  EXPECT_EQ(text("SELECT timezone(), serverTimezone()"), "UTC\tUTC\n");
  for (const auto& model : models.models) {
    std::string query = "SELECT sum(sipHash64(*)) FROM (SELECT * APPLY(toString) FROM " + model.name + ")";
    std::string expected = text(query);
    auto elsewhere = client_.query_text(query, {.settings = {{"session_timezone", "Asia/Tokyo"}}});
    ASSERT_TRUE(elsewhere);
    // Hours without a zone are written out in the reader's.
    if (model.name == "analytics.plain") continue;
    EXPECT_EQ(*elsewhere, expected) << model.name;
  }
}

}  // namespace
}  // namespace tidemark::models
