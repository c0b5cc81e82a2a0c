// What a keyed model costs: the finance pack's fraud_features over a store of millions of facts. The figures
// are printed; what must hold is that a cut reads only a small share of the facts. TIDEMARK_FACTS=5000000
// build/release/tidemark_models_test --gtest_filter='KeyedCost*'
#include "models/test_warehouse.h"

#include <chrono>
#include <cstdlib>

namespace tidemark::models {
namespace {

class KeyedCostTest : public ModelsTest {
 protected:
  void make(const std::string& name, const std::string& columns, const std::string& names,
            const std::string& key) {
    run("CREATE TABLE bronze." + name + " (" + columns +
        ", _version UInt128, _deleted UInt8, _committed_at DateTime64(6, 'UTC'), _cut UInt64) ENGINE = "
        "ReplacingMergeTree(_version, _deleted) ORDER BY (" +
        key + ") SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 256");
    run("CREATE VIEW bronze." + name + "__current AS SELECT " + names + " FROM bronze." + name +
        " FINAL WHERE _deleted = 0");
    run("CREATE TABLE bronze." + name + "__changes (" + columns +
        ", _sign Int8, _op LowCardinality(String), _version UInt128, _committed_at DateTime64(6, 'UTC'), "
        "_cut UInt64) ENGINE = Null");
  }

  void SetUp() override {
    ModelsTest::SetUp();
    make("tx",
         "id UUID, account UUID, at DateTime64(6), amount Decimal(12, 2), currency String, status String, ip "
         "String, device String",
         "id, account, at, amount, currency, status, ip, device", "id");
    make("acc", "account UUID, country String", "account, country", "account");
    make("fx", "day Date32, currency String, rate Decimal(12, 6)", "day, currency, rate", "day, currency");
    make("geo", "ip String, country String, proxy Bool", "ip, country, proxy", "ip");
  }

  // Facts of 12,345 accounts over `days` days up to the last.
  static std::string facts(int days) {
    return fmt::format(
        "SELECT toUUID(concat('00000000-0000-0000-0000-', leftPad(toString(number), 12, '0'))), "
        "toUUID(concat('00000000-0000-0000-0001-', leftPad(toString(cityHash64(number) % 12345), 12, '0'))), "
        "toDateTime64('2026-01-30 00:00:00', 6) - toIntervalDay(cityHash64(number, 1) % {}) + "
        "toIntervalSecond(number % 86400), "
        "toDecimal64(cityHash64(number, 2) % 200000 / 100, 2), ['EUR', 'USD', 'GBP', "
        "'CHF'][cityHash64(number, 3) % 4 + 1], "
        "['success', 'failed'][cityHash64(number, 4) % 10 = 0 ? 2 : 1], concat('10.0.', "
        "toString(cityHash64(number, 5) % 5678)), "
        "toString(cityHash64(number, 6) % 30000)",
        days);
  }

  void send(const std::string& table, const std::string& select, const std::string& from, uint64_t cut) {
    std::string tail = fmt::format("toUInt128({}) * 1000 + 1", cut);
    std::string committed = ", toDateTime64('2026-01-30 00:00:00', 6, 'UTC'), " + std::to_string(cut);
    run("INSERT INTO bronze." + table + "__changes " + select + ", 1, 'i', " + tail + committed + from);
    run("INSERT INTO bronze." + table + " " + select + ", " + tail + ", 0" + committed + from);
  }

  uint64_t events(const std::string& names) {
    return std::strtoull(text("SELECT sum(value) FROM system.events WHERE event IN (" + names + ")").c_str(),
                         nullptr, 10);
  }

  struct Cost {
    double seconds, processor_seconds;
    uint64_t rows;

    std::string to_text() const {
      return fmt::format("{:.3f} s, {:.3f} s of processor, {} rows read", seconds, processor_seconds, rows);
    }
  };
  Cost follow(Runtime& runtime, uint64_t cut, const std::string& table) {
    uint64_t rows = events("'SelectedRows'");
    uint64_t processor = events("'UserTimeMicroseconds', 'SystemTimeMicroseconds'");
    auto start = std::chrono::steady_clock::now();
    auto done = runtime.after_cut(client_, cut, make_version(1, cut, 0), {table});
    EXPECT_TRUE(done) << done.error().describe();
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    processor = events("'UserTimeMicroseconds', 'SystemTimeMicroseconds'") - processor;
    return {seconds, static_cast<double>(processor) / 1e6, events("'SelectedRows'") - rows};
  }

  std::string keys(const CompiledModels& models, uint64_t cut) {
    std::string count =
        text("SELECT uniqExact(_key_0, _key_1) FROM " + models.find("analytics.features")->touched +
             fmt::format(" WHERE _cut = {}", cut));
    return count.substr(0, count.size() - 1) + " keys";
  }
};

TEST_F(KeyedCostTest, ACutReadsTheRowsOfItsKeys) {
  const char* given = std::getenv("TIDEMARK_FACTS");
  uint64_t count = given != nullptr ? std::strtoull(given, nullptr, 10) : 200'000;
  auto silver = model_file("analytics.rows", "incremental",
                           "SELECT id, account, toDate32(at, 'UTC') AS day, amount, CAST(currency AS "
                           "LowCardinality(String)) AS currency, "
                           "CAST(status AS LowCardinality(String)) AS status, ip, device FROM bronze.tx",
                           {"id"});
  silver.order_by = {"account", "day"};
  auto joined_view =
      model_file("analytics.joined", "view",
                 "SELECT f.id AS id, f.account AS account, f.day AS day,\n"
                 "  toDecimal128(f.amount, 2) * if(f.currency = 'EUR', toDecimal64(1, 6), r.rate) AS euro,\n"
                 "  a.country AS account_country, p.country AS country, p.proxy AS proxy, f.device AS "
                 "device, f.status AS status\n"
                 "FROM analytics.rows AS f\n"
                 "ASOF LEFT JOIN (SELECT currency, day, toNullable(rate) AS rate FROM bronze.fx) AS r ON "
                 "r.currency = f.currency AND r.day <= f.day\n"
                 "LEFT JOIN (SELECT account, toNullable(country) AS country FROM bronze.acc) AS a ON "
                 "a.account = f.account\n"
                 "LEFT JOIN (SELECT ip, toNullable(country) AS country, toNullable(proxy) AS proxy FROM "
                 "bronze.geo) AS p ON p.ip = f.ip");
  auto features = model_file("analytics.features", "keyed",
                             "SELECT account, day, count() AS n, sum(euro) AS volume, max(euro) AS highest, "
                             "uniqExact(country) AS countries,\n"
                             "  uniqExact(device) AS devices, countIf(country != account_country) AS "
                             "mismatches, countIf(euro > 1000) AS large,\n"
                             "  countIf(proxy) AS proxies, countIf(status = 'failed') AS failed FROM "
                             "analytics.joined GROUP BY account, day",
                             {"account", "day"});
  CompiledModels models = good({silver, joined_view, features});
  send("fx", "SELECT toDate32('2026-01-01') + number % 29, ['USD', 'GBP', 'CHF'][number % 3 + 1], 1.1",
       " FROM numbers(87)", 0);
  send("acc",
       "SELECT toUUID(concat('00000000-0000-0000-0001-', leftPad(toString(number), 12, '0'))), "
       "toString(number % 30)",
       " FROM numbers(12345)", 0);
  send("geo", "SELECT concat('10.0.', toString(number)), toString(number % 30), number % 50 = 0",
       " FROM numbers(5678)", 0);
  send("tx", facts(30), fmt::format(" FROM numbers({})", count), 0);
  apply(models);
  Runtime runtime(models);
  uint64_t cut = 0, next = count;
  run("OPTIMIZE TABLE " + models.find("analytics.rows")->store + " FINAL");
  for (int round = 0; round < 5; ++round) {
    send("tx", facts(1), fmt::format(" FROM numbers({}, 5000)", next), ++cut);
    next += 5000;
    Cost cost = follow(runtime, cut, "tx");
    fmt::print("{} facts, a cut of 5000: {}, {}\n", count, cost.to_text(), keys(models, cut));
  }
  auto report = [&](const char* what, const std::string& table) {
    Cost cost = follow(runtime, cut, table);
    fmt::print("{}: {}, {}\n", what, cost.to_text(), keys(models, cut));
    return cost;
  };
  send("acc",
       "SELECT toUUID(concat('00000000-0000-0000-0001-', leftPad(toString(number), 12, '0'))), 'moved'",
       " FROM numbers(20)", ++cut);
  EXPECT_LT(report("20 accounts moved", "acc").rows, count);
  send("fx", "SELECT toDate32('2026-01-30'), 'USD', 1.2", " FROM numbers(1)", ++cut);
  report("a rate of the last day", "fx");
  send("fx", "SELECT toDate32('2026-01-20'), 'USD', 1.2", " FROM numbers(1)", ++cut);
  report("a rate of ten days ago", "fx");
  send("geo", "SELECT '10.0.7', 'moved', false", " FROM numbers(1)", ++cut);
  report("an address", "geo");
  verify(models, "after all");
}

}  // namespace
}  // namespace tidemark::models
