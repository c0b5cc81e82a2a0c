// For tests of models: a real ClickHouse with tables as ingest makes them, and a stand-in for ingest that
// turns a random stream of inserts, updates, deletes and key changes into bronze rows and change rows, cut by
// cut.
#pragma once

#include "base/version.h"
#include "clickhouse/test_server.h"
#include "config/model_file.h"
#include "models/compiler.h"
#include "models/plan.h"
#include "models/runtime.h"
#include "models/verification.h"

#include <cstdlib>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace tidemark::models {

// TIDEMARK_SEED, or another one each time, told so that a failure can be played again. In continuous
// integration always the same: there, what fails was changed.
inline uint64_t test_seed() {
  const char* given = std::getenv("TIDEMARK_SEED");
  uint64_t seed = given != nullptr               ? std::strtoull(given, nullptr, 10)
                  : std::getenv("CI") != nullptr ? 1
                                                 : std::random_device{}();
  fmt::print("TIDEMARK_SEED={}\n", seed);
  return seed;
}

inline config::ModelFile model_file(const std::string& name, const std::string& kind, const std::string& sql,
                                    std::vector<std::string> key = {}) {
  config::ModelFile file;
  size_t dot = name.find('.');
  file.database = name.substr(0, dot);
  file.name = name.substr(dot + 1);
  file.file = "models/" + file.database + "/" + file.name + ".sql";
  file.kind = kind;
  file.sql = sql;
  file.key = std::move(key);
  return file;
}

class ModelsTest : public testing::Test {
 protected:
  ModelsTest() : client_(clickhouse::TestServer::shared().client()) {}

  void SetUp() override {
    // Dictionaries before what they are over.
    for (const char* database : {"geo", "bronze", "analytics", "tidemark"})
      run("DROP DATABASE IF EXISTS " + std::string(database) + " SYNC");
    run("CREATE DATABASE bronze");
    create("orders",
           "id Int32, shop Int32, buyer Nullable(String), units Int16, price Decimal(10, 2), tip "
           "Nullable(Decimal(12, 4)), weight Float64, paid Bool, big UInt64, at DateTime64(6)",
           "id, shop, buyer, units, price, tip, weight, paid, big, at", "id");
    create("shops", "shop Int32, name String, opened Date32", "shop, name, opened", "shop");
  }

  void run(const std::string& sql, const std::map<std::string, std::string>& settings = {}) {
    auto done = client_.execute(sql, {.settings = settings});
    ASSERT_TRUE(done) << sql << "\n" << done.error().describe();
  }

  void create(const std::string& name, const std::string& columns, const std::string& names,
              const std::string& key) {
    run("CREATE TABLE bronze." + name + " (" + columns +
        ", _version UInt128, _deleted UInt8, _committed_at DateTime64(6, 'UTC'), _cut UInt64) ENGINE = "
        "ReplacingMergeTree(_version, _deleted) ORDER BY (" +
        key + ") SETTINGS non_replicated_deduplication_window = 1000");
    run("CREATE VIEW bronze." + name + "__current AS SELECT " + names + " FROM bronze." + name +
        " FINAL WHERE _deleted = 0");
    run("CREATE TABLE bronze." + name + "__changes (" + columns +
        ", _sign Int8, _op LowCardinality(String), _version UInt128, _committed_at DateTime64(6, 'UTC'), "
        "_cut UInt64) "
        "ENGINE = Null");
  }

  Compilation compiled(const std::vector<config::ModelFile>& files) {
    auto compilation = compile(client_, files);
    EXPECT_TRUE(compilation) << compilation.error().describe();
    return compilation ? std::move(*compilation) : Compilation{};
  }

  CompiledModels good(const std::vector<config::ModelFile>& files) {
    Compilation compilation = compiled(files);
    EXPECT_TRUE(compilation.ok()) << config::render(compilation.errors);
    return std::move(compilation.models);
  }

  void apply(const CompiledModels& models, bool destructive = false) {
    auto plan = compute_plan(client_, models);
    ASSERT_TRUE(plan) << plan.error().describe();
    auto done = apply_plan(client_, models, *plan, {.allow_destructive = destructive});
    ASSERT_TRUE(done) << done.error().describe();
    auto after = compute_plan(client_, models);
    ASSERT_TRUE(after) << after.error().describe();
    EXPECT_TRUE(after->empty()) << after->to_text();
  }

  void verify(const CompiledModels& models, const std::string& when) {
    auto parities = verify_models(client_, models);
    ASSERT_TRUE(parities) << when << ": " << parities.error().describe();
    for (const auto& parity : *parities) {
      std::string examples;
      for (const auto& example : parity.examples) examples += "\n  " + example;
      EXPECT_EQ(parity.different, 0u) << when << ": " << parity.model << examples;
    }
  }

  std::string text(const std::string& sql) {
    auto answer = client_.query_text(sql);
    EXPECT_TRUE(answer) << sql << "\n" << answer.error().describe();
    return answer ? *answer : "";
  }

  clickhouse::Client client_;
};

// Plays Postgres and ingest: keeps the rows, changes them at random, writes cuts.
class Stream {
 public:
  Stream(clickhouse::Client& client, uint64_t seed) : client_(client), random_(seed) {}

  // A cut of `changes` changes; with `twice` every insert is sent again with the same token. Returns its
  // version.
  Version cut(int changes, bool twice = false) {
    ++cut_;
    std::string orders, order_changes, shops, shop_changes;
    uint64_t ordinal = 0;
    auto emit = [&](std::string& rows, std::string& deltas, const std::string* before,
                    const std::string* after, const std::string& tombstone_key, bool key_changed) {
      std::string tail = ", '2026-01-01 00:00:00', " + std::to_string(cut_) + ")";
      std::string old_version = version(ordinal * 2), new_version = version(ordinal * 2 + 1);
      ++ordinal;
      if (before != nullptr) deltas += "(" + *before + ", -1, 'u', " + old_version + tail;
      if (before != nullptr && (after == nullptr || key_changed))
        rows += "(" + tombstone_key + ", " + old_version + ", 1" + tail;
      if (after != nullptr) {
        deltas += "(" + *after + ", 1, 'i', " + new_version + tail;
        rows += "(" + *after + ", " + new_version + ", 0" + tail;
      }
    };
    for (int change = 0; change < changes; ++change) {
      if (below(10) == 0) {
        int shop = static_cast<int>(below(6));
        auto found = shops_.find(shop);
        std::string after = fmt::format("{}, 'shop {}', '2020-01-0{}'", shop, below(100), 1 + below(9));
        bool remove = found != shops_.end() && below(3) == 0;
        std::string before = found == shops_.end() ? "" : found->second;
        emit(shops, shop_changes, found == shops_.end() ? nullptr : &before, remove ? nullptr : &after,
             fmt::format("{}, '', '1970-01-01'", shop), false);
        if (remove)
          shops_.erase(shop);
        else
          shops_[shop] = after;
        continue;
      }
      uint64_t action = below(10);
      if (orders_.empty() || action < 5) {
        int id = ++last_id_;
        std::string after = order(id);
        emit(orders, order_changes, nullptr, &after, "", false);
        orders_[id] = after;
        continue;
      }
      auto row = std::next(orders_.begin(), static_cast<ptrdiff_t>(below(orders_.size())));
      int id = row->first;
      std::string before = row->second;
      std::string tombstone = fmt::format("{}, 0, NULL, 0, 0, NULL, 0, false, 0, '1970-01-01 00:00:00'", id);
      if (action < 8) {
        std::string after = order(id);
        emit(orders, order_changes, &before, &after, tombstone, false);
        row->second = after;
      } else if (action == 8) {
        emit(orders, order_changes, &before, nullptr, tombstone, false);
        orders_.erase(row);
      } else {
        int new_id = ++last_id_;
        std::string after = order(new_id);
        emit(orders, order_changes, &before, &after, tombstone, true);
        orders_.erase(row);
        orders_[new_id] = after;
      }
    }
    for (int attempt = 0; attempt < (twice ? 2 : 1); ++attempt) {
      send("orders__changes", order_changes);
      send("shops__changes", shop_changes);
      send("orders", orders);
      send("shops", shops);
    }
    return make_version(1, cut_, 0);
  }

  uint64_t number() const { return cut_; }

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }

  std::string version(uint64_t ordinal) const {
    // LSN in the upper part, as make_version() lays it out; small enough for a literal.
    return fmt::format("toUInt128('{}')",
                       fmt::to_string(static_cast<unsigned __int128>(make_version(1, cut_, ordinal))));
  }

  std::string order(int id) {
    auto money = [&](int scale) {
      return fmt::format("{}.{}", static_cast<int>(below(2000)) - 1000,
                         std::string(static_cast<size_t>(scale), static_cast<char>('1' + below(9))));
    };
    std::string buyer = below(4) == 0 ? "NULL" : fmt::format("'buyer {}'", below(8));
    std::string tip = below(3) == 0 ? "NULL" : money(4);
    std::string big = below(5) == 0 ? "18446744073709551615" : std::to_string(below(1000));
    return fmt::format("{}, {}, {}, {}, {}, {}, {}, {}, {}, '2026-0{}-0{} 0{}:00:00'", id, below(6), buyer,
                       static_cast<int>(below(60000)) - 30000, money(2), tip, "0.1",
                       below(2) == 0 ? "true" : "false", big, 1 + below(9), 1 + below(9), below(10));
  }

  void send(const std::string& table, const std::string& rows) {
    if (rows.empty()) return;
    auto done =
        client_.execute("INSERT INTO bronze." + table + " VALUES " + rows,
                        {.settings = {{"insert_deduplicate", "1"},
                                      {"insert_deduplication_token", fmt::format("{}:{}", table, cut_)},
                                      {"deduplicate_blocks_in_dependent_materialized_views", "1"},
                                      {"async_insert", "0"},
                                      {"input_format_values_interpret_expressions", "1"},
                                      {"max_partitions_per_insert_block", "0"}}});
    ASSERT_TRUE(done) << done.error().describe();
  }

  clickhouse::Client& client_;
  std::mt19937_64 random_;
  std::map<int, std::string> orders_, shops_;
  int last_id_ = 0;
  uint64_t cut_ = 0;
};

}  // namespace tidemark::models
