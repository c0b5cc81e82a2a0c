// What is read from and written to a real warehouse: keys of every type, the probe for a part, positions.
#include "clickhouse/test_server.h"
#include "ingest/applier.h"
#include "ingest/image_reader.h"
#include "ingest/test_parts.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

#define ASSERT_OK(...)                                    \
  do {                                                    \
    auto&& outcome_ = (__VA_ARGS__);                      \
    ASSERT_TRUE(outcome_) << outcome_.error().describe(); \
  } while (false)

class BronzeTest : public testing::Test {
 protected:
  BronzeTest() : pool(clickhouse::TestServer::shared().endpoint()), state(pool, {}, stop) {}
  void SetUp() override { ASSERT_OK(state.prepare()); }

  void create(const CapturedTable& table) {
    for (const char* suffix : {"__current", "__changes", ""})
      ASSERT_OK(pool.execute("DROP TABLE IF EXISTS " + table.target(suffix) + " SYNC"));
    for (const auto& statement : create_statements(table)) ASSERT_OK(pool.execute(statement));
  }
  bool is_in(const Part& part) {
    auto found = part_is_in(pool, part, {}, stop);
    EXPECT_TRUE(found) << found.error().describe();
    return found && *found;
  }

  clickhouse::ClientPool pool;
  std::atomic<bool> stop{false};
  StateStore state;
};

// One row whose key has one column of each kind, and for each kind a table with that key alone.
TEST_F(BronzeTest, KeysOfEveryTypeFindTheirRow) {
  struct Kind {
    const char* name;
    ColumnType type;
    std::function<void(Column&)> append;
  };
  auto fixed = [](auto value) { return [value](Column& column) { column.append(value); }; };
  auto text = [](const std::string& value) { return [value](Column& column) { column.append_text(value); }; };
  std::array<uint64_t, 2> uuid{0x0123456789abcdefULL, 0xfedcba9876543210ULL};
  std::array<uint64_t, 4> wide{0xfffffffffffffff6ULL, ~0ULL, ~0ULL, ~0ULL};
  ColumnType enumeration = ColumnType::of(TypeKind::string);
  enumeration.low_cardinality = true;
  const Kind kinds[] = {
      {"boolean", ColumnType::of(TypeKind::boolean), fixed(uint8_t{1})},
      {"int16", ColumnType::of(TypeKind::int16), fixed(int16_t{-32768})},
      {"int32", ColumnType::of(TypeKind::int32), fixed(INT32_MIN)},
      {"int64", ColumnType::of(TypeKind::int64), fixed(INT64_MIN)},
      {"int64 large", ColumnType::of(TypeKind::int64), fixed(INT64_MAX)},
      {"uint32", ColumnType::of(TypeKind::uint32), fixed(UINT32_MAX)},
      {"uint64", ColumnType::of(TypeKind::uint64), fixed(UINT64_MAX)},
      {"float32", ColumnType::of(TypeKind::float32), fixed(0.1F)},
      {"float64", ColumnType::of(TypeKind::float64), fixed(-0.1)},
      {"decimal 9", ColumnType::decimal(9, 2), fixed(int32_t{-12345})},
      {"decimal 18", ColumnType::decimal(18, 4), fixed(int64_t{-1})},
      {"decimal 38", ColumnType::decimal(38, 10), fixed(static_cast<__int128>(-10))},
      {"decimal 76", ColumnType::decimal(76, 2), fixed(wide)},
      {"date before 1970", ColumnType::of(TypeKind::date32), fixed(int32_t{-20000})},
      {"date after 2106", ColumnType::of(TypeKind::date32), fixed(int32_t{100'000})},
      {"timestamp", ColumnType::datetime64(6), fixed(int64_t{1'700'000'000'123'456})},
      {"timestamptz before 1970", ColumnType::datetime64(6, "UTC"), fixed(int64_t{-1'234'567'890'123})},
      {"uuid", ColumnType::of(TypeKind::uuid), fixed(uuid)},
      {"text", ColumnType::of(TypeKind::string), text(std::string("it's \\ \"q\" \n\t `b` \xff ") + '\0')},
      {"empty text", ColumnType::of(TypeKind::string), text("")},
      {"enum", enumeration, text("sad")},
  };
  for (size_t number = 0; number <= std::size(kinds); ++number) {
    bool all = number == std::size(kinds);
    SCOPED_TRACE(all ? "all together" : kinds[number].name);
    CapturedTable table = test_table(false, "keys");
    auto& columns = table.source.columns;
    postgres::SourceColumn plain = columns[2];
    columns.clear();
    table.source.key.clear();
    std::vector<const Kind*> used;
    for (const auto& kind : kinds)
      if (all || &kind == &kinds[number]) used.push_back(&kind);
    for (const auto* kind : used) {
      table.source.key.push_back(columns.size());
      columns.push_back(plain);
      columns.back().name = kind->name;
      columns.back().target = kind->type;
    }
    columns.push_back(plain);
    create(table);
    Block block = bronze_block(table);
    for (size_t index = 0; index < used.size(); ++index) used[index]->append(block.columns[index]);
    size_t next = used.size();
    block.columns[next++].append<int64_t>(42);
    block.columns[next++].append(make_version(1, 2, 3));
    block.columns[next++].append<uint8_t>(0);
    block.columns[next++].append<int64_t>(0);
    block.columns[next].append<uint64_t>(1);
    ASSERT_OK(pool.lease()->insert(table.target(), block));
    Block keys;
    for (size_t index = 0; index < used.size(); ++index) {
      keys.add(columns[index].name, columns[index].target);
      keys.columns.back().append_from(block.columns[index], 0);
    }
    auto found = bronze_images(pool, {}, stop)(table, keys);
    ASSERT_TRUE(found) << found.error().describe();
    ASSERT_EQ(found->rows(), 1u) << key_literal(keys, 0);
    EXPECT_EQ(found->columns.back().get<int64_t>(0), 42);
    std::string sent;
    std::string read;
    for (size_t index = 0; index < used.size(); ++index) {
      block.columns[index].encode(0, sent);
      found->columns[index].encode(0, read);
    }
    EXPECT_EQ(sent, read);
  }
}

TEST_F(BronzeTest, ImagesAreTheRowsThatExistNow) {
  CapturedTable table = test_table(false);
  create(table);
  Part part =
      make_part(table, {insert(1, {"old", 1}), insert(2, {"gone", 2}), update(1, {"new", 3}), remove(2)});
  ASSERT_OK(pool.lease()->insert(table.target(), part.rows));
  Block keys;
  keys.add("id", ColumnType::of(TypeKind::int64));
  for (int64_t key = 0; key < 4; ++key) keys.columns[0].append(key);
  auto found = bronze_images(pool, {}, stop)(table, keys);
  ASSERT_TRUE(found) << found.error().describe();
  ASSERT_EQ(found->rows(), 1u);
  EXPECT_EQ(values_of(*found, 0), (Values{"new", 3}));
}

TEST_F(BronzeTest, APartThatIsInIsKnownAlsoAfterItsRowsWereReplacedAndMerged) {
  CapturedTable table = test_table(false);
  create(table);
  Part copied = make_part(table, {insert(1, {"copy", 1}), insert(2, {"copy", 1})}, 0, 0, 50);
  ASSERT_OK(pool.lease()->insert(table.target(), copied.rows));
  Part first = make_part(table, {update(1, {"a", 1}), remove(2)}, 1, 0, 100);
  Part second = make_part(table, {remove(1)}, 1, 1, 101);
  EXPECT_FALSE(is_in(first));
  ASSERT_OK(pool.lease()->insert(table.target(), first.rows));
  EXPECT_TRUE(is_in(first));
  EXPECT_FALSE(is_in(second));
  ASSERT_OK(pool.lease()->insert(table.target(), second.rows));
  ASSERT_OK(pool.execute("OPTIMIZE TABLE " + table.target() + " FINAL"));
  EXPECT_TRUE(is_in(first));
  EXPECT_TRUE(is_in(second));
}

TEST_F(BronzeTest, PositionsAreTheNewestOfTheirState) {
  ASSERT_OK(state.plan({.source = "p", .epoch = 3, .cut = 1, .last_lsn = 10, .part_rows_max = 7}));
  auto fenced = state.fenced("p", 3);
  ASSERT_OK(fenced);
  EXPECT_FALSE(*fenced);
  ASSERT_OK(
      state.fence({.source = "p", .epoch = 3, .cut = 1, .last_lsn = 10, .end_lsn = 20, .committed_at = 9}));
  ASSERT_OK(state.fence({.source = "p", .epoch = 3, .cut = 1, .end_lsn = 30, .committed_at = 9}));
  ASSERT_OK(state.fence({.source = "p", .epoch = 2, .cut = 99, .end_lsn = 99}));
  fenced = state.fenced("p", 3);
  ASSERT_OK(fenced);
  ASSERT_TRUE(*fenced);
  EXPECT_EQ((*fenced)->end_lsn, 30u) << "an idle source's fence moves within its cut";
  auto planned = state.planned("p", 3);
  ASSERT_OK(planned);
  ASSERT_TRUE(*planned);
  EXPECT_EQ((*planned)->last_lsn, 10u);
  EXPECT_EQ((*planned)->part_rows_max, 7u);
}

TEST_F(BronzeTest, ASourceIsSavedOverAndQuarantineCountsARowOnce) {
  ASSERT_OK(state.save({.source = "q", .epoch = 1, .system_id = "7", .slot = "s"}));
  ASSERT_OK(
      state.save({.source = "q", .epoch = 1, .system_id = "7", .slot = "s", .slot_lsn = 5, .copied = true}));
  auto source = state.source("q");
  ASSERT_OK(source);
  ASSERT_TRUE(*source);
  EXPECT_TRUE((*source)->copied);
  EXPECT_EQ((*source)->slot_lsn, 5u);
  std::vector<QuarantinedRow> rows{
      {.source = "q", .table = "t", .bytes = std::string("\0x", 2), .lsn = 1, .ordinal = 1},
      {.source = "q", .table = "t", .lsn = 1, .ordinal = 2}};
  ASSERT_OK(state.quarantine(rows));
  ASSERT_OK(state.quarantine(rows));  // a replay
  auto counts = state.quarantined("q");
  ASSERT_OK(counts);
  EXPECT_EQ((*counts)["t"], 2u);
}

}  // namespace
}  // namespace tidemark::ingest
