#include "models/sql_tokens.h"

#include "models/references.h"

#include <gtest/gtest.h>

namespace tidemark::models {
namespace {

std::vector<std::string> texts(std::string_view sql) {
  std::vector<std::string> out;
  auto tokens = tokenize(sql);
  EXPECT_TRUE(tokens) << sql;
  if (tokens)
    for (const auto& token : *tokens) out.emplace_back(token.text);
  return out;
}

std::string current(std::string_view sql) {
  auto replaced = replace_references(sql, [](const TableReference& reference) -> std::optional<std::string> {
    if (reference.database != "bronze") return std::nullopt;
    return "bronze." + reference.table + "__current";
  });
  return replaced ? *replaced : replaced.error().describe();
}

TEST(SqlTokens, TellsStringsCommentsAndNamesApart) {
  EXPECT_EQ(
      texts("SELECT 'it''s \\' -- no' -- yes\n, `a``b`, \"q\" /* c ' */ FROM t # end"),
      (std::vector<std::string>{"SELECT", "'it''s \\' -- no'", ",", "`a``b`", ",", "\"q\"", "FROM", "t"}));
  EXPECT_EQ(texts("a<=>b||c::Int32 x->x.1 1.5e-3 .5 t.1"),
            (std::vector<std::string>{"a", "<=>", "b", "||", "c", "::", "Int32", "x", "->", "x", ".", "1",
                                      "1.5e-3", ".5", "t", ".", "1"}));
  EXPECT_EQ(texts("$x$ FROM bronze.t $x$, $$a$$"),
            (std::vector<std::string>{"$x$ FROM bronze.t $x$", ",", "$$a$$"}));
  EXPECT_EQ((*tokenize("`a``b\\`c`"))[0].name, "a`b`c");
  EXPECT_EQ(texts("имя + 表"), (std::vector<std::string>{"имя", "+", "表"}));
}

TEST(SqlTokens, UnfinishedTextIsRefusedWithItsLine) {
  auto tokens = tokenize("SELECT 1,\n 'abc");
  ASSERT_FALSE(tokens);
  EXPECT_NE(tokens.error().message.find("line 2"), std::string::npos);
  EXPECT_FALSE(tokenize("SELECT /* x"));
  EXPECT_FALSE(tokenize("SELECT `x"));
}

TEST(References, OnlyTablePositionsAreReplaced) {
  EXPECT_EQ(current("SELECT id FROM bronze.t"), "SELECT id FROM bronze.t__current AS `t`");
  EXPECT_EQ(current("SELECT a.id FROM bronze.t AS a JOIN `bronze`.\"u\" b USING id"),
            "SELECT a.id FROM bronze.t__current AS a JOIN bronze.u__current b USING id");
  EXPECT_EQ(current("SELECT 'FROM bronze.t' -- FROM bronze.t\n FROM bronze.t WHERE x"),
            "SELECT 'FROM bronze.t' -- FROM bronze.t\n FROM bronze.t__current AS `t` WHERE x");
  EXPECT_EQ(current("SELECT bronze.t.id FROM bronze.t, bronze.u"),
            "SELECT `t`.id FROM bronze.t__current AS `t`, bronze.u__current AS `u`");
  EXPECT_EQ(current("SELECT x IN bronze.t FROM (SELECT 1 AS x)"),
            "SELECT x IN bronze.t__current FROM (SELECT 1 AS x)");
  // An alias that is called bronze, and FROM as a function's word, are no tables.
  EXPECT_EQ(current("SELECT extract(DAY FROM bronze.day), bronze.x FROM a.b AS bronze"),
            "SELECT extract(DAY FROM bronze.day), bronze.x FROM a.b AS bronze");
  EXPECT_EQ(
      current("SELECT 1 FROM bronze.a UNION ALL SELECT 2 FROM bronze.b LIMIT 1"),
      "SELECT 1 FROM bronze.a__current AS `a` UNION ALL SELECT 2 FROM bronze.b__current AS `b` LIMIT 1");
}

}  // namespace
}  // namespace tidemark::models
