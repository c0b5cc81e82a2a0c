// Keyed models over facts and the dimensions they lead to: after every cut of a random stream in which any
// table may change, any number of them at once, each model equals its recompute.
#include "models/test_warehouse.h"

#include <cstdlib>
#include <thread>

namespace tidemark::models {
namespace {

// One mirrored table with the rows it should have: key -> all values, the key first.
class Mirror {
 public:
  Mirror(std::string name, std::string empty) : name_(std::move(name)), empty_(std::move(empty)) {}

  const std::string& name() const { return name_; }
  const std::map<std::string, std::string>& rows() const { return rows_; }
  bool dirty() const { return !changes_.empty(); }

  void put(const std::string& key, const std::string& values, const std::string& version, uint64_t cut) {
    std::string row = key + ", " + values;
    auto before = rows_.find(key);
    if (before != rows_.end()) add(changes_, before->second + ", -1, 'u', " + version, cut);
    add(changes_, row + ", 1, 'u', " + version + " + 1", cut);
    add(bronze_, row + ", " + version + " + 1, 0", cut);
    rows_[key] = row;
  }
  void erase(const std::string& key, const std::string& version, uint64_t cut) {
    auto before = rows_.find(key);
    if (before == rows_.end()) return;
    add(changes_, before->second + ", -1, 'd', " + version, cut);
    add(bronze_, key + ", " + empty_ + ", " + version + ", 1", cut);
    rows_.erase(before);
  }
  // What is to be sent, and from here on nothing.
  std::pair<std::string, std::string> take() {
    return {std::exchange(changes_, ""), std::exchange(bronze_, "")};
  }

 private:
  static void add(std::string& list, const std::string& row, uint64_t cut) {
    list += fmt::format("({}, '2026-01-01 00:00:00', {})", row, cut);
  }

  std::string name_, empty_;
  std::map<std::string, std::string> rows_;
  std::string changes_, bronze_;
};

class KeyedTest : public ModelsTest {
 protected:
  void SetUp() override {
    ModelsTest::SetUp();
    create(
        "fact",
        "id Int32, account Int32, currency String, day Date32, amount Decimal(12, 2), place Nullable(Int32)",
        "id, account, currency, day, amount, place", "id");
    create("account", "id Int32, region Int32, name String", "id, region, name", "id");
    create("region", "region Int32, label LowCardinality(Nullable(String))", "region, label", "region");
    create("rate", "currency String, day Date32, rate Decimal(12, 6)", "currency, day, rate",
           "currency, day");
    create("place", "place Int32, country Nullable(String)", "place, country", "place");
    random_.seed(seed_ = test_seed());
  }

  uint64_t below(uint64_t bound) { return random_() % bound; }
  std::string day() { return fmt::format("'2026-01-{:02}'", 1 + below(12)); }
  std::string currency() { return std::vector<std::string>{"'EUR'", "'USD'", "'GBP'"}[below(3)]; }
  std::string version() {
    return fmt::format("toUInt128('{}')", fmt::to_string(make_version(1, cut_, 2 * ordinal_++)));
  }

  void change(Mirror& table) {
    if (below(25) == 0) {  // TRUNCATE
      while (!table.rows().empty()) table.erase(std::string(table.rows().begin()->first), version(), cut_);
      return;
    }
    bool remove = !table.rows().empty() && below(4) == 0;
    if (remove) {
      auto row = std::next(table.rows().begin(), static_cast<ptrdiff_t>(below(table.rows().size())));
      std::string key = row->first;
      table.erase(key, version(), cut_);
      return;
    }
    if (&table == &fact_)
      table.put(std::to_string(below(200)),
                fmt::format("{}, {}, {}, {}.{:02}, {}", below(8), currency(), day(), below(1000), below(100),
                            below(5) == 0 ? "NULL" : std::to_string(below(6))),
                version(), cut_);
    if (&table == &account_)
      table.put(std::to_string(below(8)), fmt::format("{}, 'name {}'", below(4), below(5)), version(), cut_);
    if (&table == &region_)
      table.put(std::to_string(below(4)), below(4) == 0 ? "NULL" : fmt::format("'region {}'", below(5)),
                version(), cut_);
    if (&table == &rate_)
      table.put(currency() + ", " + day(), fmt::format("1.{:06}", below(1000000)), version(), cut_);
    if (&table == &place_)
      table.put(std::to_string(below(6)), below(4) == 0 ? "NULL" : fmt::format("'country {}'", below(4)),
                version(), cut_);
  }

  // Sends the changes made since; returns the tables that have any.
  std::vector<std::string> send(bool twice = false) {
    std::vector<std::string> touched;
    for (Mirror* table : all_) {
      if (!table->dirty()) continue;
      touched.push_back(table->name());
      auto [changes, bronze] = table->take();
      for (int attempt = 0; attempt < (twice ? 2 : 1); ++attempt) {
        insert(table->name() + "__changes", changes);
        insert(table->name(), bronze);
      }
    }
    return touched;
  }

  void insert(const std::string& table, const std::string& rows) {
    run("INSERT INTO bronze." + table + " VALUES " + rows,
        {{"insert_deduplicate", "1"},
         {"insert_deduplication_token", fmt::format("{}:{}", table, cut_)},
         {"deduplicate_blocks_in_dependent_materialized_views", "1"},
         {"async_insert", "0"},
         {"input_format_values_interpret_expressions", "1"}});
  }

  // Few tables at a time, so that a dimension often changes without its facts.
  std::vector<std::string> random_cut(const std::vector<Mirror*>& tables, bool twice = false) {
    ordinal_ = 0;
    uint64_t chosen = 1 + below((1u << tables.size()) - 1);
    for (size_t index = 0; index < tables.size(); ++index) {
      if ((chosen >> index & 1) == 0) continue;
      uint64_t changes = tables[index] == &fact_ ? 1 + below(20) : 1 + below(2);
      for (uint64_t number = 0; number < changes; ++number) change(*tables[index]);
    }
    return send(twice);
  }

  void check_by_random_cuts(const std::vector<config::ModelFile>& files, int rounds) {
    CompiledModels models = good(files);
    ASSERT_EQ(models.models.size(), files.size());
    apply(models);
    Runtime runtime(models);
    std::set<std::string> seen;
    for (int round = 0; round < rounds; ++round) {
      ++cut_;
      auto touched = random_cut(all_, round % 3 == 1);
      for (int again = 0; again < 1 + round % 2; ++again) {
        auto done = runtime.after_cut(client_, cut_, make_version(1, cut_, ordinal_max), touched);
        ASSERT_TRUE(done) << done.error().describe();
      }
      verify(models, fmt::format("seed {} cut {}", seed_, cut_));
      if (HasFailure()) return;
      for (const auto& model : models.models)
        if (text("SELECT count() FROM " + model.name) != "0\n") seen.insert(model.name);
    }
    // A stream that leaves most models empty would prove nothing.
    EXPECT_GT(seen.size(), models.models.size() / 2);
  }

  Mirror fact_{"fact", "0, '', '1970-01-01', 0, NULL"};
  Mirror account_{"account", "0, ''"};
  Mirror region_{"region", "NULL"};
  Mirror rate_{"rate", "0"};
  Mirror place_{"place", "NULL"};
  const std::vector<Mirror*> all_{&fact_, &account_, &region_, &rate_, &place_};
  std::mt19937_64 random_;
  uint64_t seed_ = 0, cut_ = 0, ordinal_ = 0;
};

std::vector<config::ModelFile> dimension_models() {
  auto silver = model_file(
      "analytics.silver", "incremental",
      "SELECT id, account, day, currency, amount, place FROM bronze.fact AS f WHERE amount > 20", {"id"});
  silver.order_by = {"account", "day"};
  auto view = model_file(
      "analytics.joined", "view",
      "SELECT t.id AS id, t.account AS account, t.day AS day, t.amount * r.rate AS euro, g.label AS label,\n"
      "  p.country AS country, a.name AS name\n"
      "FROM analytics.silver AS t\n"
      "ASOF LEFT JOIN (SELECT currency, day, toNullable(rate) AS rate FROM bronze.rate) AS r\n"
      "  ON r.currency = t.currency AND r.day <= t.day\n"
      "LEFT JOIN bronze.account AS a ON a.id = t.account\n"
      "LEFT JOIN bronze.region AS g ON g.region = a.region\n"
      "LEFT JOIN (SELECT place, toNullable(country) AS country FROM bronze.place) AS p ON p.place = t.place");
  return {
      silver,
      view,
      // The finance pack's form: facts in a store, dimensions one and two steps away, rates by time.
      model_file("analytics.features", "keyed",
                 "SELECT account, day, count() AS n, sum(euro) AS volume, max(euro) AS highest,\n"
                 "  uniqExact(country) AS countries, countIf(euro > 500) AS large, any(label) AS label\n"
                 "FROM analytics.joined GROUP BY account, day",
                 {"account", "day"}),
      // Whichever rate is the nearest, the key is the same.
      model_file(
          "analytics.by_currency", "keyed",
          "SELECT r.currency AS currency, max(r.rate) AS rate, count() AS n FROM bronze.fact AS f\n"
          "ASOF JOIN bronze.rate AS r ON r.currency = f.currency AND f.day >= r.day GROUP BY r.currency",
          {"currency"}),
      // Straight from the mirrored tables, INNER joins, a condition on a dimension.
      model_file("analytics.by_account", "keyed",
                 "SELECT f.account, max(amount) AS highest, min(g.label) AS label FROM bronze.fact AS f\n"
                 "INNER JOIN bronze.account AS a ON f.account = a.id JOIN bronze.region g USING (region)\n"
                 "WHERE a.name != 'name 3' GROUP BY account",
                 {"account"}),
      // The key is a dimension's column, two steps from the facts.
      model_file("analytics.by_label", "keyed",
                 "SELECT g.label AS label, uniqExact(f.account) AS accounts, max(f.amount) AS highest\n"
                 "FROM bronze.fact AS f INNER JOIN bronze.account AS a ON a.id = f.account\n"
                 "INNER JOIN bronze.region AS g ON g.region = a.region\n"
                 "LEFT JOIN bronze.place AS p ON p.place = f.place AND p.country = 'country 1'\n"
                 "GROUP BY label HAVING accounts > 1",
                 {"label"}),
      // Key columns of two tables.
      model_file("analytics.by_both", "keyed",
                 "SELECT f.currency AS currency, a.region AS region, max(f.amount) AS highest, count() AS n\n"
                 "FROM bronze.fact AS f INNER JOIN bronze.account AS a ON a.id = f.account\n"
                 "GROUP BY currency, region",
                 {"currency", "region"}),
      // A dimension that is itself an aggregate, and one that is a UNION.
      model_file(
          "analytics.with_totals", "keyed",
          "SELECT f.account AS account, max(f.amount) AS highest, max(d.days) AS days, max(u.n) AS n FROM "
          "bronze.fact AS f\n"
          "LEFT JOIN (SELECT currency, count() AS days FROM bronze.rate GROUP BY currency) AS d\n"
          "  ON d.currency = f.currency\n"
          "LEFT JOIN (SELECT place AS id, 1 AS n FROM bronze.place UNION ALL SELECT region AS key, 2 AS n "
          "FROM bronze.region) AS u ON u.id = f.place\n"
          "GROUP BY f.account",
          {"account"}),
      // Key computed; nullable key; earliest rate after; ANY, SEMI and ANTI.
      model_file(
          "analytics.by_month", "keyed",
          "SELECT toStartOfMonth(f.day) AS month, f.place AS place, median(toFloat64(f.amount)) AS middle,\n"
          "  max(r.rate) AS rate FROM bronze.fact AS f\n"
          "ASOF JOIN bronze.rate AS r ON f.currency = r.currency AND f.day < r.day\n"
          "GROUP BY month, place",
          {"month", "place"}),
      model_file("analytics.known", "keyed",
                 "SELECT f.account AS account, count() AS n, max(r.region) AS region FROM bronze.fact AS f\n"
                 "LEFT SEMI JOIN bronze.place AS p ON p.place = f.place\n"
                 "LEFT ANY JOIN bronze.region AS r ON r.region = f.place GROUP BY account",
                 {"account"}),
      model_file("analytics.unknown", "keyed",
                 "SELECT f.account AS account, count() AS n FROM bronze.fact AS f\n"
                 "LEFT ANTI JOIN bronze.place AS p ON p.place = f.place GROUP BY account",
                 {"account"}),
      // The default of an empty left join meets a row of the next one: account 0, region 0.
      model_file("analytics.defaults", "keyed",
                 "SELECT f.id AS id, a.name AS name, g.label AS label, f.amount * 2 AS double FROM "
                 "bronze.fact AS f\n"
                 "LEFT JOIN bronze.account AS a ON a.id = f.account AND a.name != 'name 2'\n"
                 "LEFT JOIN bronze.region AS g ON g.region = a.region",
                 {"id"}),
  };
}

TEST_F(KeyedTest, KeysAreTouchedThroughDimensions) {
  check_by_random_cuts(dimension_models(), 8);
}

TEST_F(KeyedTest, StoresOfOtherModelsAreReadInsteadOfInlined) {
  CompiledModels models = good(dimension_models());
  const auto* silver = models.find("analytics.silver");
  const auto* features = models.find("analytics.features");
  ASSERT_TRUE(silver != nullptr && features != nullptr);
  EXPECT_NE(features->keyed.refresh.find(silver->store), std::string::npos) << features->keyed.refresh;
  EXPECT_EQ(features->keyed.refresh.find("`bronze`.`fact`"), std::string::npos);
  EXPECT_EQ(features->recompute.find(silver->store), std::string::npos);
  EXPECT_NE(features->recompute.find("`bronze`.`fact__current`"), std::string::npos);
}

// Cuts of two sources: positions that cannot be compared, cut numbers that meet, both at once.
TEST_F(KeyedTest, CutsOfTwoSourcesMayTouchOneModel) {
  CompiledModels models = good(dimension_models());
  apply(models);
  Runtime runtime(models);
  uint64_t cut = 0;
  for (int round = 0; round < 8; ++round) {
    cut_ = ++cut;
    auto facts = random_cut({&fact_, &place_});
    auto dimensions = random_cut({&account_, &region_, &rate_});
    // The second source is far behind the first in its positions.
    std::vector<std::jthread> threads;
    for (bool second : {false, true})
      threads.emplace_back([&, second] {
        clickhouse::Client client = clickhouse::TestServer::shared().client();
        auto done = runtime.after_cut(client, cut_, make_version(1, second ? cut_ : cut_ + 1'000'000, 0),
                                      second ? dimensions : facts);
        EXPECT_TRUE(done) << done.error().describe();
      });
    threads.clear();
    verify(models, fmt::format("seed {} round {}", seed_, round));
    if (HasFailure()) return;
  }
}

TEST_F(KeyedTest, WhatMixesKeysIsRefused) {
  struct Case {
    const char* sql;
    const char* message;
    std::vector<std::string> key;
  };
  const std::vector<Case> cases = {
      {"SELECT arrayJoin([account, id]) AS k, count() AS n FROM bronze.fact GROUP BY k",
       "out of an array",
       {"k"}},
      {"SELECT a.region AS region, count() AS n FROM bronze.fact AS f LEFT JOIN bronze.account AS a ON a.id "
       "= "
       "f.account GROUP BY region",
       "may be empty",
       {"region"}},
      {"SELECT f.account AS account, count() AS n FROM bronze.fact AS f RIGHT JOIN bronze.place AS p ON "
       "p.place = "
       "f.place GROUP BY account",
       "RIGHT JOIN",
       {"account"}},
      {"SELECT f.account AS account, count() AS n FROM bronze.fact AS f INNER ANY JOIN bronze.place AS p ON "
       "p.place "
       "= f.place GROUP BY account",
       "ANY JOIN",
       {"account"}},
      {"SELECT r.rate > 2 AS dear, count() AS n FROM bronze.fact AS f ASOF JOIN bronze.rate AS r ON "
       "r.currency "
       "= f.currency AND f.day >= r.day GROUP BY dear",
       "which row of bronze.rate is the nearest",
       {"dear"}},
      {"SELECT account, count() AS n FROM bronze.fact WHERE place IN bronze.place GROUP BY account",
       "which keys it touches",
       {"account"}},
      {"SELECT n AS k, count() AS times FROM (SELECT account, count() AS n FROM bronze.fact GROUP BY ALL) "
       "GROUP BY "
       "k",
       "is itself an aggregate",
       {"k"}},
      {"SELECT f.account AS account, max(t.n) AS n FROM bronze.fact AS f LEFT JOIN (SELECT region, "
       "toInt32(count()) "
       "AS n "
       "FROM bronze.account GROUP BY region) AS t ON t.n = f.place GROUP BY account",
       "is itself an aggregate",
       {"account"}},
  };
  for (const auto& one : cases) {
    Compilation compilation = compiled({model_file("analytics.m", "keyed", one.sql, one.key)});
    ASSERT_FALSE(compilation.errors.empty()) << one.sql;
    EXPECT_NE(compilation.errors[0].message.find(one.message), std::string::npos)
        << one.sql << "\n"
        << compilation.errors[0].render();
  }
}

}  // namespace
}  // namespace tidemark::models
