#include "ingest/table_shape.h"

#include <gtest/gtest.h>

namespace tidemark::ingest {
namespace {

constexpr uint32_t int4 = 23;
constexpr uint32_t text = 25;

postgres::SourceColumn column(int number, const char* name, uint32_t type = int4) {
  return {.name = name,
          .attribute_number = number,
          .type_oid = type,
          .type_name = type == int4 ? "integer" : "text"};
}

CapturedTable table(std::vector<postgres::SourceColumn> columns, int last_number) {
  CapturedTable table;
  table.name = table.source.name = "t";
  table.source.columns = std::move(columns);
  table.source.key = {0};
  table.source.storage = "1";
  table.source.last_number = last_number;
  return table;
}

postgres::Relation relation(const std::vector<std::pair<const char*, uint32_t>>& columns) {
  postgres::Relation sent;
  for (const auto& [name, type] : columns) sent.columns.push_back({.name = name, .type_oid = type});
  return sent;
}

std::vector<int> numbers(const std::optional<TableForm>& form) {
  std::vector<int> list;
  if (form)
    for (const auto& one : *form) list.push_back(one.number);
  return list;
}

TEST(TableShape, IsWrittenAndReadBack) {
  TableShape shape = shape_of(table({column(1, "id"), column(3, "\"odd\" ü", text)}, 3));
  shape.values_before[3] = "it's";
  auto read = TableShape::from_json(shape.to_json());
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(read->to_json(), shape.to_json());
  EXPECT_EQ(read->forms, shape.forms);
  EXPECT_FALSE(TableShape::from_json("{\"storage\": 1}"));
  EXPECT_FALSE(TableShape::from_json("no json"));
}

TEST(TableShape, AColumnKeepsItsNumberWhateverItIsCalled) {
  CapturedTable was = table({column(1, "id"), column(2, "a"), column(3, "b", text)}, 3);
  CapturedTable now = table({column(1, "id"), column(2, "c"), column(4, "a", int4)}, 4);
  ShapeChange change = compare(shape_of(was), now);
  EXPECT_EQ(change.words, "column a is now called c, column a was added, column b was dropped");
  EXPECT_FALSE(change.copy_because.empty()) << "a name went from one column to another";
  now = table({column(1, "id"), column(2, "c"), column(4, "d", int4)}, 4);
  change = compare(shape_of(was), now);
  EXPECT_EQ(change.copy_because, "");
  TableShape shape = follow(shape_of(was), now);
  const TableForm* old = shape.find(relation({{"id", int4}, {"a", int4}, {"b", text}}));
  ASSERT_NE(old, nullptr);
  EXPECT_EQ(numbers(*old), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(shape.find(relation({{"id", int4}, {"c", int4}, {"b", text}})), nullptr);
}

TEST(TableShape, FormsThatLookAlikeAreNotTold) {
  CapturedTable was = table({column(1, "id"), column(2, "a")}, 2);
  EXPECT_NE(compare(shape_of(was), table({column(1, "id"), column(3, "a")}, 3)).copy_because, "")
      << "dropped and added again";
  EXPECT_NE(
      compare(shape_of(was), table({column(1, "id"), column(2, "a"), column(4, "b", text)}, 4)).copy_because,
      "")
      << "number 3 was never seen";
  CapturedTable moved = table({column(1, "id"), column(2, "a")}, 2);
  moved.source.storage = "2";
  EXPECT_TRUE(compare(shape_of(was), moved).none()) << "VACUUM FULL";
  moved.source.columns[1].definition = 7;
  EXPECT_NE(compare(shape_of(was), moved).copy_because, "") << "values made by an expression";
}

TEST(TableShape, AFormInBetweenIsToldOnlyWhereThereIsOneReading) {
  TableForm was = form_of(table({column(1, "id"), column(2, "a"), column(3, "b", text)}, 3).source);
  TableForm now = form_of(table({column(1, "id"), column(2, "c"), column(4, "d")}, 4).source);
  // a renamed, d added, b not dropped yet.
  EXPECT_EQ(numbers(form_between(was, now, relation({{"id", int4}, {"c", int4}, {"b", text}, {"d", int4}}))),
            (std::vector<int>{1, 2, 3, 4}));
  EXPECT_FALSE(form_between(was, now, relation({{"id", int4}, {"x", int4}, {"b", text}})))
      << "a name nobody knows";
  EXPECT_FALSE(form_between(was, now, relation({{"id", int4}, {"b", text}}))) << "number 2 is missing";
  EXPECT_FALSE(form_between(was, now, relation({{"id", int4}, {"c", text}, {"b", text}})))
      << "a type it never had";
  EXPECT_FALSE(form_between(was, now, relation({{"c", int4}, {"id", int4}})))
      << "not in the order of numbers";
  TableForm swapped = form_of(table({column(1, "id"), column(2, "b"), column(3, "a")}, 3).source);
  EXPECT_FALSE(form_between(was, swapped, relation({{"id", int4}, {"a", int4}, {"b", int4}})));
}

}  // namespace
}  // namespace tidemark::ingest
