// The proof of Kafka tables, on a real warehouse, with messages made by hand: what the changes come to, and
// that whatever differs is found, also while rows move and when messages are gone.
#include "clickhouse/test_server.h"
#include "ingest/kafka_comparison.h"

#include <gtest/gtest.h>
#include <iostream>

namespace tidemark::ingest {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

constexpr const char* topic = "shop.public.things";
constexpr uint64_t nearest = (uint64_t{1} << 47) - 1;

Version placed(uint64_t lsn, bool remove = false) {
  return make_version(1, lsn, 2 * nearest + (remove ? 0 : 1));
}

class KafkaParity : public testing::Test {
 protected:
  KafkaParity() : pool(clickhouse::TestServer::shared().endpoint()) {}

  void SetUp() override {
    kafka::TableShape shape{
        .columns = {{.name = "id", .target = ColumnType::of(TypeKind::int64)},
                    {.name = "note", .target = ColumnType::of(TypeKind::string).as_nullable()},
                    {.name = "amount", .target = ColumnType::of(TypeKind::int64).as_nullable()}},
        .key = {"id"}};
    set_up(shape, kafka::Format::debezium);
  }

  void set_up(kafka::TableShape shape, kafka::Format format) {
    static int number = 0;
    postgres::SourceTable source{.schema = "public", .name = fmt::format("proved_{}", ++number)};
    for (const auto& column : shape.columns) {
      postgres::SourceColumn entry;
      entry.name = column.name;
      entry.target = column.target;
      source.columns.push_back(std::move(entry));
    }
    for (size_t index = 0; index < source.columns.size(); ++index)
      if (!shape.key.empty() && source.columns[index].name == shape.key.front()) source.key = {index};
    replay.reset();
    scratch.reset();
    tables = {};
    tables.tables.push_back(capture(std::move(source), shape.key.empty(), false));
    tables.shapes.push_back(std::move(shape));
    tables.table_of[topic] = 0;
    ASSERT_OK(pool.execute("CREATE DATABASE IF NOT EXISTS bronze"));
    for (const auto& statement : create_statements(table())) ASSERT_OK(pool.execute(statement));
    auto made = KafkaScratch::make(pool);
    ASSERT_OK(made);
    scratch = std::move(*made);
    ASSERT_OK(scratch->add(0, table()));
    replay = std::make_unique<KafkaReplay>(1, tables, kafka::DecoderOptions{.format = format}, *scratch);
    replay->add(topic, 0, 0, 0);
  }

  const CapturedTable& table() const { return tables.tables[0]; }

  void send(std::optional<std::string> key, std::optional<std::string> value) {
    kafka::Message message{
        .topic = topic, .partition = 0, .offset = offset_++, .timestamp_ms = 1'700'000'000'000};
    if (key) message.key = *key;
    if (value) message.value = *value;
    ASSERT_OK(replay->take(message));
  }
  void change(const char* operation, int64_t id, const std::string& row, uint64_t lsn) {
    std::string image = fmt::format(R"({{"id":{}{}{}}})", id, row.empty() ? "" : ",", row);
    bool remove = *operation == 'd';
    send(fmt::format(R"({{"id":{}}})", id),
         fmt::format(
             R"({{"before":{},"after":{},"source":{{"lsn":{},"snapshot":"false"}},"op":"{}","ts_ms":1}})",
             remove ? image : "null", remove ? "null" : image, lsn, operation));
  }
  static std::string values(const std::string& note, const std::string& amount) {
    return fmt::format(R"("note":{},"amount":{})", note, amount);
  }
  static constexpr const char* left_out = R"("__debezium_unavailable_value")";
  void truncate(uint64_t lsn) {
    send(std::nullopt,
         fmt::format(
             R"({{"before":null,"after":null,"source":{{"lsn":{},"snapshot":"false"}},"op":"t","ts_ms":1}})",
             lsn));
  }

  // A row of the table in the warehouse.
  void put(int64_t id, const std::string& note, const std::string& amount, Version version, uint64_t cut = 1,
           bool deleted = false) {
    ASSERT_OK(
        pool.execute(fmt::format("INSERT INTO {} VALUES ({}, {}, {}, toUInt128('{}'), {}, now64(6), {})",
                                 table().target(), id, note, amount, version, deleted ? 1 : 0, cut)));
  }

  TableParity compare(uint64_t fence = 1, KafkaKept kept = {}, const std::function<void()>& meanwhile = {}) {
    auto fails = [](const Error& error) {
      ADD_FAILURE() << error.describe();
      return TableParity{};
    };
    if (auto sent = replay->flush(); !sent) return fails(sent.error());
    KafkaComparison comparison(*scratch, 0, table(), std::move(kept), {fence});
    if (auto done = comparison.resolve(replay->left_out(0)); !done) return fails(done.error());
    if (auto done = comparison.compare(replay->stage(), replay->truncates(0)); !done)
      return fails(done.error());
    replay->begin_stage();
    if (meanwhile) meanwhile();
    if (auto sent = replay->flush(); !sent) return fails(sent.error());
    if (auto done = comparison.resolve(replay->left_out(0)); !done) return fails(done.error());
    if (auto done = comparison.judge(replay->truncates(0)); !done) return fails(done.error());
    auto report = comparison.report();
    if (!report) return fails(report.error());
    return *report;
  }
  static void expect(const TableParity& parity, uint64_t rows, uint64_t missing, uint64_t extra,
                     uint64_t different) {
    EXPECT_EQ(parity.rows, rows);
    EXPECT_EQ(parity.missing, missing);
    EXPECT_EQ(parity.extra, extra);
    EXPECT_EQ(parity.different, different);
    std::string examples;
    for (const auto& example : parity.examples) examples += example + "\n";
    if (testing::Test::HasFailure()) std::cerr << examples;
  }

  clickhouse::ClientPool pool;
  KafkaTables tables;
  std::unique_ptr<KafkaScratch> scratch;
  std::unique_ptr<KafkaReplay> replay;
  int64_t offset_ = 0;
};

TEST_F(KafkaParity, EveryDifferenceIsFoundAndNamed) {
  for (int64_t id = 1; id <= 6; ++id)
    change("c", id, values(fmt::format(R"("note {}")", id), std::to_string(id)),
           100 + static_cast<uint64_t>(id));
  change("u", 1, values("null", "7"), 200);
  change("d", 2, "", 201);
  put(1, "NULL", "7", placed(200));
  put(3, "'note 3'", "3", placed(103));
  put(4, "'note 4'", "4", placed(104));
  put(5, "'note 5'", "5", placed(105));
  put(6, "'note 6'", "6", placed(106));
  TableParity parity = compare();
  expect(parity, 5, 0, 0, 0);
  EXPECT_EQ(parity.not_judged + parity.moving, 0U);

  put(1, "''", "7", placed(300));           // NULL is not ''
  put(3, "'note 3'", "33", placed(300));    // a wrong value
  put(4, "''", "0", placed(301), 1, true);  // a row that is gone
  put(9, "'nine'", "9", placed(300));       // a row that nobody wrote
  parity = compare();
  expect(parity, 5, 1, 1, 2);
  EXPECT_EQ(parity.examples, (std::vector<std::string>{"different: 1 (note)", "different: 3 (amount)",
                                                       "extra: 9", "missing: 4"}));
}

// What was left out comes from the row before, also over key changes behind each other, and of nothing from
// before a delete.
TEST_F(KafkaParity, ValuesThatWereLeftOutAreFound) {
  change("c", 1, values(R"("large")", "1"), 100);
  change("u", 1, values(left_out, "2"), 110);
  change("d", 1, "", 120);
  change("c", 2, values(left_out, "3"), 120);  // the same change: the key is 2 now
  change("u", 2, values(left_out, "4"), 130);
  change("d", 2, "", 140);
  change("c", 3, values(left_out, "5"), 140);
  change("c", 4, values(R"("old")", "1"), 150);
  change("d", 4, "", 160);
  change("u", 4, values(left_out, "2"), 170);  // the pipeline has nothing to fill it from
  put(3, "'large'", "5", placed(140));
  TableParity parity = compare();
  expect(parity, 2, 0, 0, 0);
  EXPECT_EQ(parity.not_judged, 1U);
  put(3, "'small'", "5", placed(141));
  parity = compare();
  expect(parity, 2, 0, 0, 1);
  EXPECT_EQ(parity.examples.front(), "different: 3 (note)");
}

TEST_F(KafkaParity, ChangesThatComeAgainAndTruncates) {
  change("c", 1, values(R"("a")", "1"), 100);
  change("c", 2, values(R"("b")", "2"), 101);
  truncate(110);
  change("c", 3, values(R"("c")", "3"), 120);
  change("u", 3, values(R"("d")", "4"), 130);
  change("c", 3, values(R"("c")", "3"), 120);  // again, at a new offset
  put(3, "'d'", "4", placed(130));
  expect(compare(), 1, 0, 0, 0);
  put(1, "'a'", "1", placed(100));
  TableParity parity = compare();
  expect(parity, 1, 0, 1, 0);
}

TEST_F(KafkaParity, RowsThatMoveAreJudgedAtTheirOwnVersion) {
  for (int64_t id = 1; id <= 5; ++id) {
    change("c", id, values(R"("a")", "1"), 100 + static_cast<uint64_t>(id));
    put(id, "'a'", "1", placed(100 + static_cast<uint64_t>(id)));
  }
  // Cut 2 is not fenced. Of key 5 more is in the topic than in the table.
  put(1, "'b'", "2", placed(201), 2);
  put(2, "'wrong'", "2", placed(202), 2);
  put(3, "''", "0", placed(203, true), 2, true);
  put(4, "'b'", "2", placed(999), 2);  // of no message
  put(5, "'b'", "2", placed(205), 2);
  put(6, "'b'", "2", placed(206), 2);
  auto meanwhile = [&] {
    change("u", 1, values(R"("b")", "2"), 201);
    change("u", 2, values(R"("b")", "2"), 202);
    change("d", 3, "", 203);
    change("u", 4, values(R"("b")", "2"), 204);
    change("u", 5, values(R"("b")", "2"), 205);
    change("c", 6, values(R"("b")", "2"), 206);
    change("u", 5, values(R"("c")", "3"), 207);
  };
  TableParity parity = compare(1, {}, meanwhile);
  expect(parity, 5, 0, 0, 2);
  EXPECT_EQ(parity.moving, 0U);
  EXPECT_EQ(parity.examples, (std::vector<std::string>{"different: 2 (note)", "different: 4 ()"}));
}

// A row that stands still while the fence has a newer one is no row that moves.
TEST_F(KafkaParity, AStaleRowBehindAFenceIsFound) {
  change("c", 1, values(R"("a")", "1"), 100);
  change("u", 1, values(R"("b")", "2"), 110);
  put(1, "'a'", "1", placed(100), 2);
  expect(compare(), 1, 0, 0, 1);
}

TEST_F(KafkaParity, RowsOfMessagesThatAreGoneAreNotJudged) {
  change("c", 5, values(R"("a")", "1"), 500);
  put(5, "'a'", "1", placed(500));
  put(1, "'a'", "1", placed(100));
  put(6, "'a'", "1", placed(600));
  TableParity parity = compare(1, {.since = placed(500)});
  expect(parity, 1, 0, 1, 0);
  EXPECT_EQ(parity.not_judged, 1U);
}

TEST_F(KafkaParity, LogsAreComparedRowByRow) {
  set_up({.columns = {{.name = "what", .target = ColumnType::of(TypeKind::string)},
                      {.name = "many", .target = ColumnType::of(TypeKind::int64).as_nullable()}},
          .key = {}},
         kafka::Format::json);
  auto row = [&](int64_t at, const std::string& what, const std::string& many, uint64_t cut = 1) {
    ASSERT_OK(pool.execute(fmt::format("INSERT INTO {} VALUES ('{}', {}, toUInt128('{}'), now64(6), {})",
                                       table().target(), what, many,
                                       make_version(1, static_cast<uint64_t>(at) + 1, 1), cut)));
  };
  for (int index = 0; index < 5; ++index) send("k", fmt::format(R"({{"what":"row","many":{}}})", index));
  for (int index = 0; index < 5; ++index) row(index, "row", std::to_string(index));
  KafkaKept whole{.by_offset = true};
  expect(compare(1, whole), 5, 0, 0, 0);
  row(2, "row", "2");     // twice
  row(7, "row", "7", 2);  // behind the fence, and a message has it
  row(8, "row", "8", 2);  // and none has
  ASSERT_OK(pool.execute(
      fmt::format("ALTER TABLE {} DELETE WHERE many = 4 SETTINGS mutations_sync = 1", table().target())));
  ASSERT_OK(pool.execute(fmt::format(
      "ALTER TABLE {} UPDATE many = NULL WHERE many = 0 SETTINGS mutations_sync = 1", table().target())));
  TableParity parity = compare(1, whole, [&] {
    for (int index = 5; index < 8; ++index) send("k", fmt::format(R"({{"what":"row","many":{}}})", index));
  });
  expect(parity, 5, 1, 2, 1);
  EXPECT_EQ(parity.examples,
            (std::vector<std::string>{"different: partition 0 offset 0 (many)", "extra: partition 0 offset 2",
                                      "missing: partition 0 offset 4", "extra: partition 0 offset 8"}));
}

TEST_F(KafkaParity, RowsOfALogWhoseMessagesAreGoneAreNotJudged) {
  set_up({.columns = {{.name = "what", .target = ColumnType::of(TypeKind::string)}}, .key = {}},
         kafka::Format::json);
  replay->add(topic, 0, 0, 2);
  offset_ = 2;
  for (int index = 2; index < 4; ++index) send("k", R"({"what":"row"})");
  for (int64_t at : {0, 1, 2, 3, 9})
    ASSERT_OK(pool.execute(fmt::format("INSERT INTO {} VALUES ('row', toUInt128('{}'), now64(6), 1)",
                                       table().target(), make_version(1, static_cast<uint64_t>(at) + 1, 1))));
  TableParity parity = compare(1, {.by_offset = true, .first = {{0, 2}}});
  expect(parity, 2, 0, 1, 0);
  EXPECT_EQ(parity.not_judged, 2U);
}

TEST_F(KafkaParity, ScratchTablesGoAway) {
  auto databases = [&] {
    auto found =
        pool.query("SELECT count() FROM system.databases WHERE startsWith(name, 'tidemark_verify_')");
    return found ? found->columns[0].get<uint64_t>(0) : 99;
  };
  EXPECT_EQ(databases(), 1U);
  // Of a process that is gone.
  ASSERT_OK(pool.execute("CREATE DATABASE tidemark_verify_1_dead COMMENT 'elsewhere 1 1'"));
  EXPECT_EQ(databases(), 2U);
  {
    auto another = KafkaScratch::make(pool);
    ASSERT_OK(another);
    EXPECT_EQ(databases(), 2U);  // ours, and this one
  }
  replay.reset();
  scratch.reset();
  EXPECT_EQ(databases(), 0U);
}

}  // namespace
}  // namespace tidemark::ingest
