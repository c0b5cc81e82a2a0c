#include "models/references.h"

#include "clickhouse/schema.h"

namespace tidemark::models {
namespace {

bool one_of(const Token& token, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return token.keyword(word); });
}

// What can stand after a table in FROM that is not its alias.
bool ends_table(const Token& token) {
  return one_of(token, {"FINAL", "SAMPLE", "WHERE",  "PREWHERE",  "GROUP",    "HAVING",  "ORDER",  "LIMIT",
                        "UNION", "EXCEPT", "JOIN",   "INTERSECT", "SETTINGS", "FORMAT",  "INNER",  "LEFT",
                        "RIGHT", "FULL",   "CROSS",  "ANY",       "ALL",      "ASOF",    "SEMI",   "ANTI",
                        "ON",    "USING",  "GLOBAL", "ARRAY",     "WINDOW",   "QUALIFY", "OFFSET", "FETCH",
                        "INTO",  "PASTE",  "OUTER",  "WITH",      "NATURAL"});
}

// One bracket level: whether it is a SELECT and whether we are in its FROM list.
struct Level {
  bool select = false;
  bool from = false;
};

}  // namespace

std::vector<TableReference> find_references(const std::vector<Token>& tokens) {
  std::vector<TableReference> found;
  std::vector<Level> levels(1);
  for (size_t index = 0; index < tokens.size(); ++index) {
    const Token& token = tokens[index];
    if (token.is("(") || token.is("[")) {
      levels.push_back({});
      continue;
    }
    if (token.is(")") || token.is("]")) {
      if (levels.size() > 1) levels.pop_back();
      continue;
    }
    if (!token.identifier()) continue;
    Level& level = levels.back();
    bool after_dot = index > 0 && tokens[index - 1].is(".");
    if (after_dot) continue;
    if (token.keyword("SELECT")) {
      level = {.select = true};
      continue;
    }
    if (token.keyword("FROM") && level.select) {
      level.from = true;
      continue;
    }
    if (one_of(token, {"WHERE", "PREWHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "SETTINGS",
                       "WINDOW", "QUALIFY"}))
      level.from = false;
    if (index + 2 >= tokens.size() || !tokens[index + 1].is(".") || !tokens[index + 2].identifier()) continue;

    TableReference reference;
    reference.database = token.name;
    reference.table = tokens[index + 2].name;
    reference.offset = token.offset;
    reference.end = tokens[index + 2].end();
    reference.token = index;
    size_t after = index + 3;
    if (after + 1 < tokens.size() && tokens[after].is(".")) {
      reference.column = true;
      found.push_back(std::move(reference));
      continue;
    }
    if (index == 0) continue;
    const Token& before = tokens[index - 1];
    bool in_from = level.from && (one_of(before, {"FROM", "JOIN"}) || before.is(","));
    reference.in_set = before.keyword("IN");
    if (!in_from && !reference.in_set) continue;
    if (after < tokens.size() && !reference.in_set) {
      const Token& next = tokens[after];
      reference.final = one_of(next, {"FINAL", "SAMPLE"});
      reference.aliased = next.identifier() && !ends_table(next);
      // t AS a FINAL
      size_t behind_alias = after + (next.keyword("AS") ? 2 : 1);
      if (reference.aliased && behind_alias < tokens.size())
        reference.final = one_of(tokens[behind_alias], {"FINAL", "SAMPLE"});
    }
    found.push_back(std::move(reference));
  }
  return found;
}

Result<std::vector<std::string>> referenced_tables(std::string_view sql) {
  std::vector<Token> tokens = TRY(tokenize(sql));
  std::vector<std::string> names;
  for (const auto& reference : find_references(tokens)) {
    if (reference.column) continue;
    if (std::find(names.begin(), names.end(), reference.name()) == names.end())
      names.push_back(reference.name());
  }
  return names;
}

Result<std::string> replace_references(
    std::string_view sql,
    const std::function<std::optional<std::string>(const TableReference&)>& replacement) {
  std::vector<Token> tokens = TRY(tokenize(sql));
  std::string text;
  size_t copied = 0;
  for (const auto& reference : find_references(tokens)) {
    std::optional<std::string> instead = replacement(reference);
    if (!instead) continue;
    text += sql.substr(copied, reference.offset - copied);
    copied = reference.end;
    if (reference.column) {
      text += clickhouse::quote_identifier(reference.table);
      continue;
    }
    text += *instead;
    if (!reference.aliased && !reference.in_set)
      text += " AS " + clickhouse::quote_identifier(reference.table);
  }
  text += sql.substr(copied);
  return text;
}

}  // namespace tidemark::models
