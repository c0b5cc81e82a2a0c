// What is kept of entities, without a warehouse: events in few bytes and back, order among events of one
// instant, answers of rows, memberships, the bound; and what is known of the rows of cuts.
#include "segments/kept_facts.h"

#include "segments/cut_rows.h"
#include "segments/kept_events.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tidemark::segments {
namespace {

// Three leaves: a count over number 0, a sum of text 0 over number 1, active days (number 2) over number 0.
std::vector<EventLeaf> three_leaves() {
  std::vector<EventLeaf> leaves(3);
  leaves[0].events.match = 0;
  leaves[0].test = CountLeaf{{.low = 1}};
  leaves[1].events.match = 1;
  leaves[1].test = ValueLeaf{EventValue::Function::sum, 0, {}};
  leaves[2].events.match = 0;
  leaves[2].test = ActiveDaysLeaf{2, {.low = 1}};
  return leaves;
}

struct Row {
  int64_t at = 0;
  std::string id;
  uint64_t flags = 0;
  int64_t day = 0;
  std::optional<std::string> text;
};

Block block_of(const std::vector<Row>& rows) {
  Block block;
  ColumnType text = ColumnType::of(TypeKind::string);
  block.add("_key", text);
  block.add("_ts", ColumnType::of(TypeKind::int64));
  block.add("_id", text);
  block.add("_f0", ColumnType::of(TypeKind::uint64));
  block.add("_t0", ColumnType::of(TypeKind::int64));
  block.add("_s0", text.as_nullable());
  for (const Row& row : rows) {
    block.columns[0].append_text("ann");
    block.columns[1].append(row.at);
    block.columns[2].append_text(row.id);
    block.columns[3].append(row.flags);
    block.columns[4].append(row.day);
    if (row.text)
      block.columns[5].append_text(*row.text);
    else
      block.columns[5].append_null();
  }
  return block;
}

std::vector<size_t> all_rows(const Block& block) {
  std::vector<size_t> rows(block.rows());
  for (size_t row = 0; row < rows.size(); ++row) rows[row] = row;
  return rows;
}

// "at:number0,number1,day,text" of each.
std::vector<std::string> shown(const KeptEvents& events) {
  std::vector<std::string> all;
  for (size_t event = 0; event < events.size(); ++event)
    all.push_back(fmt::format("{}:{},{},{},{}", events.at(event), events.number(0, event),
                              events.number(1, event), events.number(2, event),
                              events.text(0, event).value_or("-")));
  return all;
}

class KeptEventsTest : public testing::Test {
 protected:
  KeptColumns columns_ = *kept_columns(three_leaves(), 3, 1);
  std::vector<int64_t> constants_;
};

TEST_F(KeptEventsTest, KeepWhatLeavesLookAtAndNothingElse) {
  Block block = block_of({{.at = 3'000, .id = "c", .flags = 0b01, .day = 20'000, .text = "7"},
                          {.at = -5, .id = "a", .flags = 0b10, .day = 19'000, .text = "12.5"},
                          {.at = 3'000, .id = "b", .flags = 0b11, .day = 20'000, .text = std::nullopt},
                          {.at = 9'000, .id = "d", .flags = 0, .day = 20'001, .text = "1"}});
  KeptEvents events(columns_, constants_);
  ASSERT_TRUE(events.add(block, all_rows(block)));
  std::string bytes = events.bytes();
  KeptEvents back(columns_, constants_);
  back.read(bytes);
  // Of the first nobody adds up the text, of the second nobody counts the day; the last is nobody's.
  EXPECT_THAT(shown(back), testing::ElementsAre("-5:0,1,0,12.5", "3000:1,1,20000,-", "3000:1,0,20000,-"));
  EXPECT_LT(bytes.size(), 40u);
}

TEST_F(KeptEventsTest, OfOneInstantTheOrderMustBeReadAgain) {
  Block first = block_of({{.at = 1'000, .id = "b", .flags = 1, .day = 1, .text = {}}});
  Block later = block_of({{.at = 2'000, .id = "z", .flags = 1, .day = 2, .text = {}},
                          {.at = 500, .id = "y", .flags = 1, .day = 3, .text = {}}});
  Block same = block_of({{.at = 1'000, .id = "a", .flags = 1, .day = 4, .text = {}}});
  KeptEvents events(columns_, constants_);
  ASSERT_TRUE(events.add(first, {0}));
  std::string bytes = events.bytes();
  KeptEvents grown(columns_, constants_);
  grown.read(bytes);
  EXPECT_TRUE(grown.add(later, {0, 1}));
  EXPECT_THAT(shown(grown), testing::ElementsAre("500:1,0,3,-", "1000:1,0,1,-", "2000:1,0,2,-"));
  EXPECT_FALSE(grown.add(same, {0}));
  grown.clear();
  grown.read(bytes);
  grown.forget_until(1'000);
  EXPECT_TRUE(grown.add(later, {0}));
  KeptEvents young(columns_, constants_);
  std::string left = grown.bytes();
  young.read(left);
  EXPECT_THAT(shown(young), testing::ElementsAre("2000:1,0,2,-"));
}

TEST(KeptColumnsTest, WhatTheClockTurnsIsNotKept) {
  auto leaves = three_leaves();
  leaves[0].events.turn = 2;
  EXPECT_FALSE(kept_columns(leaves, 3, 1));
  leaves = three_leaves();
  leaves[0].test = EdgeLeaf{.last = true, .test = 1, .next = 2};
  EXPECT_FALSE(kept_columns(leaves, 3, 1));
}

TEST(KeptFactsTest, RowsAndMembershipsComeBack) {
  EntityFacts facts;
  keep_row(facts, {.there = true, .leaves = {{true, never_us}, {false, 77}, {true, 55}}});
  EXPECT_EQ(facts.row_until, 55);
  RowAnswers answers = kept_row(facts, 3);
  EXPECT_TRUE(answers.there && answers.leaves[0].value && !answers.leaves[1].value);
  EXPECT_EQ(answers.leaves[0].next, never_us);
  EXPECT_EQ(answers.leaves[1].next, 77);
  keep_row(facts, {.there = true, .leaves = {}});
  EXPECT_TRUE(kept_row(facts, 0).there);
  keep_row(facts, {});
  EXPECT_FALSE(kept_row(facts, 3).there);
  keep_memberships(facts, {{"ann", 4, 1'000'000, true}, {"ann", 1, 9, false}});
  auto memberships = kept_memberships(facts, 5);
  EXPECT_EQ(memberships[4].seq, 1'000'000u);
  EXPECT_TRUE(memberships[4].member);
  EXPECT_EQ(memberships[1].seq, 9u);
  EXPECT_FALSE(memberships[1].member || memberships[0].member);
  EXPECT_EQ(memberships[0].seq, 0u);
}

TEST(KeptFactsTest, StayBelowTheBoundAndSayWhatIsLost) {
  KeptFacts facts(100'000);
  for (int entity = 0; entity < 1'000; ++entity) {
    std::string name = fmt::format("u{}", entity);
    facts.at(name).events.assign(200, 'x');
    facts.counted(name);
    facts.counted(name);
  }
  size_t all = facts.bytes();
  EXPECT_GT(all, 300'000u);
  EXPECT_TRUE(facts.full());
  uint64_t lost = facts.lost();
  facts.trim();
  EXPECT_LE(facts.bytes(), 100'000u);
  EXPECT_GT(facts.entities(), 0u);
  EXPECT_LT(facts.entities(), 1'000u);
  EXPECT_GT(facts.lost(), lost);
  facts.forget_all();
  EXPECT_EQ(facts.bytes(), 0u);
}

TEST(CutRowsTest, OnlyWhatIsCertainIsKnown) {
  CutRows rows;
  rows.want({{"bronze.log", {"_ts", "_key"}}});
  Block block = block_of({{.at = 5, .id = "a", .flags = 1, .day = 1, .text = {}}});
  uint64_t before = rows.now();
  rows.begins("app", 7, false);
  uint64_t after = rows.now();
  EXPECT_FALSE(rows.of(7, {"bronze.log"}));
  rows.part_in("app", 7, "bronze.log", &block);
  rows.part_in("app", 7, "bronze.log", &block);
  rows.part_in("app", 7, "bronze.other", &block);
  auto added = rows.of(7, {"bronze.log"});
  ASSERT_TRUE(added);
  EXPECT_TRUE(before < added->began && added->began < after);
  ASSERT_EQ(added->tables.at("bronze.log").size(), 2u);
  EXPECT_THAT(added->tables.at("bronze.log").front()->names, testing::ElementsAre("_ts", "_key"));
  // Another table of the cut, another cut, a part that did something else, a cut that comes again.
  EXPECT_FALSE(rows.of(7, {"bronze.log", "bronze.other"}));
  EXPECT_FALSE(rows.of(8, {"bronze.log"}));
  rows.part_in("app", 7, "bronze.log", nullptr);
  EXPECT_FALSE(rows.of(7, {"bronze.log"}));
  rows.begins("app", 8, true);
  rows.part_in("app", 8, "bronze.log", &block);
  EXPECT_FALSE(rows.of(8, {"bronze.log"}));
}

}  // namespace
}  // namespace tidemark::segments
