// Keyed models that several processes write to (Writers::many), on one server and on two shards: whoever
// looked last wins, whatever the numbers of the cuts say.
#include "base/cut_number.h"
#include "clickhouse/deduplication.h"
#include "clickhouse/retry.h"
#include "clickhouse/test_cluster.h"
#include "ingest/state_store.h"
#include "ingest/test_parts.h"
#include "models/test_warehouse.h"

#include <thread>

namespace tidemark::models {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

using ingest::Operation;

const std::atomic<bool> go_on{false};

// A process: its slot's rows, its cuts, its idea of the models.
class Writer {
 public:
  Writer(uint32_t slot, uint64_t seed, const clickhouse::Endpoint& endpoint,
         const ingest::CapturedTable& table, const CompiledModels& models, Runtime::Writers writers)
      : slot_(slot), random_(seed + slot), pool_(endpoint), table_(table), runtime_(models, writers) {
    cut_ = slot * cuts_a_stream;
  }

  // Rows of a cut; each changes what its shop (`text`) adds up to. Keys are this slot's own.
  Status send(size_t changes) {
    ++cut_;
    ++lsn_;
    Block rows = ingest::bronze_block(table_), deltas;
    for (const auto& column : table_.source.columns) deltas.add(column.name, column.target);
    deltas.add(ingest::bookkeeping::sign, ColumnType::of(TypeKind::int8));
    deltas.add(ingest::bookkeeping::operation, ColumnType::of(TypeKind::string));
    deltas.add(ingest::bookkeeping::version, ColumnType::of(TypeKind::uint128));
    deltas.add(ingest::bookkeeping::committed_at, ColumnType::datetime64(6, "UTC"));
    deltas.add(ingest::bookkeeping::cut, ColumnType::of(TypeKind::uint64));
    auto delta = [&](int64_t key, const ingest::Values& values, int8_t sign, Version version) {
      ingest::append_row(deltas, key, values);
      deltas.columns[3].append<int8_t>(sign);
      deltas.columns[4].append_text("update");
      deltas.columns[5].append(version);
      deltas.columns[6].append<int64_t>(0);
      deltas.columns[7].append<uint64_t>(cut_);
    };
    for (size_t change = 0; change < changes; ++change) {
      int64_t key = static_cast<int64_t>(random_() % 40) * 2 + slot_;
      bool remove = random_() % 4 == 0;
      ingest::Values values{fmt::format("shop {}", random_() % 5), static_cast<int64_t>(random_() % 1000)};
      if (remove) values = {};
      Version version = make_version(1, lsn_, 2 * change + 3);
      if (auto old = rows_.find(key); old != rows_.end()) delta(key, old->second, -1, version - 1);
      if (!remove) delta(key, values, 1, version);
      ingest::append_row(rows, key, values);
      rows.columns[3].append(version);
      rows.columns[4].append<uint8_t>(remove ? 1 : 0);
      rows.columns[5].append<int64_t>(0);
      rows.columns[6].append<uint64_t>(cut_);
      if (remove)
        rows_.erase(key);
      else
        rows_[key] = values;
    }
    std::string token = fmt::format("{}:{}", table_.name, cut_);
    for (int attempt = 0; attempt < 2; ++attempt) {
      TRY_VOID(clickhouse::insert_exactly_once(pool_, table_.target("__changes"), deltas, token + ":changes",
                                               {}, {}, go_on));
      TRY_VOID(clickhouse::insert_exactly_once(pool_, table_.target(), rows, token, {}, {}, go_on));
    }
    return {};
  }
  Status recompute() {
    return runtime_.after_cut(*pool_.lease(), cut_, make_version(1, lsn_, 0), {table_.name});
  }
  Status cut(size_t changes) {
    TRY_VOID(send(changes));
    return recompute();
  }
  void go_to(uint64_t lsn) { lsn_ = lsn; }

 private:
  uint32_t slot_;
  std::mt19937_64 random_;
  clickhouse::ClientPool pool_;
  const ingest::CapturedTable& table_;
  Runtime runtime_;
  uint64_t cut_, lsn_ = 0;
  std::map<int64_t, ingest::Values> rows_;
};

class SeveralWriters : public testing::TestWithParam<bool> {
 protected:
  static clickhouse::Endpoint endpoint_of(bool cluster) {
    if (!cluster) return clickhouse::TestServer::shared().endpoint();
    static clickhouse::TestCluster servers;
    return servers.endpoint();
  }
  SeveralWriters()
      : endpoint(endpoint_of(GetParam())),
        client(endpoint),
        table(ingest::test_table(true, fmt::format("shared_{}", ++tables))) {}

  void SetUp() override {
    clickhouse::ClientPool pool(endpoint);
    ASSERT_OK(ingest::StateStore(pool, {}, go_on).prepare());
    for (const auto& statement : ingest::create_statements(table)) ASSERT_OK(client.execute(statement));
    std::string name = "analytics." + table.name;
    auto compilation = compile(
        client,
        {model_file(
            name, "keyed",
            "SELECT text, sum(number) AS total, max(number) AS largest, count() AS rows FROM bronze." +
                table.name + " GROUP BY text",
            {"text"})});
    ASSERT_OK(compilation);
    ASSERT_TRUE(compilation->ok()) << config::render(compilation->errors);
    models = std::move(compilation->models);
    ASSERT_OK(prepare(client, models));
    ASSERT_OK(clickhouse::widen_deduplication(client, {"bronze", "analytics"}, 5000));
    seed = test_seed();
  }

  Writer writer(uint32_t slot, Runtime::Writers writers) {
    return {slot, seed, endpoint, table, models, writers};
  }
  uint64_t different() {
    auto parity = verify_model(client, models.models.front());
    EXPECT_TRUE(parity) << parity.error().describe();
    return parity ? parity->different : UINT64_MAX;
  }
  // One writer's cuts have large numbers, the other's small ones.
  uint64_t differences_in_turns(Runtime::Writers writers) {
    Writer one = writer(0, writers), other = writer(1, writers);
    other.go_to(1'000'000);
    uint64_t found = 0;
    for (int turn = 0; turn < 6; ++turn)
      for (auto* now : {&one, &other}) {
        Status done = now->cut(10);
        EXPECT_TRUE(done) << done.error().describe();
        found += different();
      }
    return found;
  }

  static inline int tables = 0;
  clickhouse::Endpoint endpoint;
  clickhouse::Client client;
  ingest::CapturedTable table;
  CompiledModels models;
  uint64_t seed = 0;
};

TEST_P(SeveralWriters, InTurns) {
  EXPECT_EQ(differences_in_turns(Runtime::Writers::many), 0);
}

// Why there is another numbering: with that of a single writer the other's larger numbers win.
TEST_P(SeveralWriters, TheNumbersOfOneWriterWouldNotDo) {
  EXPECT_GT(differences_in_turns(Runtime::Writers::one), 0);
}

// Rows of both are in before either looks: the first to look may be the last to write.
TEST_P(SeveralWriters, WhoeverLooksLastHasSeenBoth) {
  Writer one = writer(0, Runtime::Writers::many), other = writer(1, Runtime::Writers::many);
  for (int turn = 0; turn < 5; ++turn) {
    ASSERT_OK(one.send(10));
    ASSERT_OK(other.cut(10));
    ASSERT_OK(one.recompute());
    EXPECT_EQ(different(), 0) << "turn " << turn;
  }
}

TEST_P(SeveralWriters, AtOnce) {
  constexpr uint32_t count = 4;
  std::vector<std::unique_ptr<Writer>> writers;
  for (uint32_t slot = 0; slot < 2; ++slot)
    writers.push_back(std::make_unique<Writer>(slot, seed, endpoint, table, models, Runtime::Writers::many));
  for (uint32_t round = 0; round < count; ++round) {
    std::vector<std::thread> threads;
    std::vector<Status> outcomes(writers.size());
    for (size_t index = 0; index < writers.size(); ++index)
      threads.emplace_back([&, index] {
        for (int cut = 0; cut < 8 && outcomes[index]; ++cut) outcomes[index] = writers[index]->cut(6);
      });
    for (auto& thread : threads) thread.join();
    for (const auto& outcome : outcomes) ASSERT_OK(outcome);
    EXPECT_EQ(different(), 0) << "round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Warehouses, SeveralWriters, testing::Bool(),
                         [](const auto& info) { return info.param ? "TwoShards" : "OneServer"; });

}  // namespace
}  // namespace tidemark::models
