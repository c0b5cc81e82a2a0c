#include "models/subqueries_in_place.h"

#include "models/select_shape.h"

#include <map>

namespace tidemark::models {
namespace {

// Is this identifier a table, as far as the words around it tell? Commas count inside a FROM list only.
std::vector<size_t> table_positions(const SqlText& text, size_t first) {
  std::vector<size_t> found;
  std::vector<bool> in_from{false};
  for (size_t index = first; index < text.tokens.size(); ++index) {
    const Token& token = text.tokens[index];
    if (token.is("(") || token.is("[")) in_from.push_back(false);
    if ((token.is(")") || token.is("]")) && in_from.size() > 1) in_from.pop_back();
    if (!token.identifier() || index == 0) continue;
    const Token& before = text.tokens[index - 1];
    bool qualified = before.is(".") || (index + 1 < text.tokens.size() &&
                                        (text.tokens[index + 1].is(".") || text.tokens[index + 1].is("(")));
    if (!qualified && (before.keyword("FROM") || before.keyword("JOIN") || before.keyword("IN") ||
                       (before.is(",") && in_from.back())))
      found.push_back(index);
    if (token.keyword("FROM")) in_from.back() = true;
    for (std::string_view word : {"SELECT", "WHERE", "PREWHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION",
                                  "SETTINGS", "WINDOW", "QUALIFY", "ON", "USING"})
      if (token.keyword(word)) in_from.back() = false;
    if (token.keyword("JOIN")) in_from.back() = true;
  }
  return found;
}

bool alias_follows(const SqlText& text, size_t index) {
  if (index + 1 >= text.tokens.size()) return false;
  const Token& next = text.tokens[index + 1];
  if (next.keyword("AS")) return true;
  if (!next.identifier()) return false;
  for (std::string_view word :
       {"FINAL",  "SAMPLE", "WHERE",     "PREWHERE", "GROUP",  "HAVING", "ORDER", "LIMIT", "UNION",
        "EXCEPT", "JOIN",   "INTERSECT", "SETTINGS", "FORMAT", "INNER",  "LEFT",  "RIGHT", "FULL",
        "CROSS",  "ANY",    "ALL",       "ASOF",     "SEMI",   "ANTI",   "ON",    "USING", "GLOBAL",
        "ARRAY",  "WINDOW", "QUALIFY",   "OFFSET",   "FETCH",  "PASTE",  "AND",   "OR"})
    if (next.keyword(word)) return false;
  return true;
}

// The places where an expression's name may be read, and whether it stands alone there as a column of a
// SELECT.
std::map<size_t, bool> expression_positions(const SqlText& text, TokenRange range) {
  std::map<size_t, bool> found;
  std::vector<bool> in_columns{false};
  for (size_t index = range.first; index < range.last; ++index) {
    const Token& token = text.tokens[index];
    if (token.is("(") || token.is("[")) in_columns.push_back(false);
    if ((token.is(")") || token.is("]")) && in_columns.size() > 1) in_columns.pop_back();
    if (!token.identifier()) continue;
    const Token* before = index > range.first ? &text.tokens[index - 1] : nullptr;
    const Token* next = index + 1 < range.last ? &text.tokens[index + 1] : nullptr;
    bool own = (before == nullptr || (!before->is(".") && !before->keyword("AS"))) &&
               (next == nullptr || (!next->is(".") && !next->is("(")));
    bool begins =
        before == nullptr || before->keyword("SELECT") || before->keyword("DISTINCT") || before->is(",");
    bool ends = next == nullptr || next->is(",") || next->is(")") || next->keyword("FROM");
    if (own) found[index] = in_columns.back() && begins && ends;
    if (token.keyword("SELECT")) in_columns.back() = true;
    for (std::string_view word :
         {"FROM", "WHERE", "PREWHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "EXCEPT", "INTERSECT"})
      if (token.keyword(word)) in_columns.back() = false;
  }
  return found;
}

// Does the text give the name to something else?
bool given_again(const SqlText& text, size_t first, const std::string& name) {
  for (size_t index = first; index < text.tokens.size(); ++index) {
    const Token& token = text.tokens[index];
    if (!token.identifier() || token.name != name) continue;
    if (index > first && text.tokens[index - 1].keyword("AS")) return true;
    if (index + 1 < text.tokens.size() && text.tokens[index + 1].is("->")) return true;
  }
  return false;
}

struct Known {
  std::map<std::string, std::string> subqueries, expressions;
  bool empty() const { return subqueries.empty() && expressions.empty(); }
};

// The text of `range` with known names put in, each in one line.
std::string put_in(const SqlText& text, TokenRange range, const Known& known) {
  std::map<size_t, std::string> places;
  auto tables = table_positions(text, range.first);
  for (const auto& [index, column] : expression_positions(text, range)) {
    auto body = known.expressions.find(text.tokens[index].name);
    // A name that is both is what the place says it is.
    bool table = std::find(tables.begin(), tables.end(), index) != tables.end() &&
                 !text.tokens[index - 1].keyword("IN");
    if (body == known.expressions.end() || table) continue;
    places[index] = "(" + body->second + ")" + (column ? " AS " + std::string(text.tokens[index].text) : "");
  }
  for (size_t index : tables) {
    if (index >= range.last) break;
    auto body = known.subqueries.find(text.tokens[index].name);
    if (body == known.subqueries.end()) continue;
    bool in_set = text.tokens[index - 1].keyword("IN");
    places[index] = "(" + body->second + ")";
    if (!in_set && !alias_follows(text, index))
      places[index] += " AS " + std::string(text.tokens[index].text);
  }
  std::string out;
  size_t copied = range.empty() ? 0 : text.tokens[range.first].offset;
  for (const auto& [index, written] : places) {
    const Token& token = text.tokens[index];
    out += text.sql.substr(copied, token.offset - copied) + written;
    copied = token.end();
  }
  size_t end = range.last < text.tokens.size() ? text.tokens[range.last].offset : text.sql.size();
  return out + text.sql.substr(copied, end - copied);
}

}  // namespace

Result<std::string> subqueries_in_place(std::string_view sql) {
  auto text = TRY(SqlText::read(std::string(sql)));
  const auto& tokens = text->tokens;
  if (tokens.size() < 2 || !tokens[0].keyword("WITH") || tokens[1].keyword("RECURSIVE"))
    return std::string(sql);
  size_t end = 1;
  while (end < tokens.size() && !tokens[end].keyword("SELECT"))
    end = text->partner[end] != std::string::npos && text->partner[end] > end ? text->partner[end] + 1
                                                                              : end + 1;
  Known known;
  std::string kept;
  for (TokenRange item : text->split({1, end}, ",")) {
    bool subquery = item.size() > 4 && tokens[item.first].identifier() &&
                    tokens[item.first + 1].keyword("AS") && tokens[item.first + 2].is("(") &&
                    text->partner[item.first + 2] + 1 == item.last &&
                    (tokens[item.first + 3].keyword("SELECT") || tokens[item.first + 3].is("("));
    bool named = item.size() > 2 && tokens[item.last - 1].identifier() && tokens[item.last - 2].keyword("AS");
    bool function = text->split(item, "->").size() > 1;
    if (!subquery && named && !function && !given_again(*text, item.last, tokens[item.last - 1].name)) {
      std::string body = put_in(*text, {item.first, item.last - 2}, known);
      known.expressions[tokens[item.last - 1].name] = normalise(TRY(tokenize(body)));
      continue;
    }
    if (!subquery) {
      kept += (kept.empty() ? "" : ", ") + text->normalised(item);
      continue;
    }
    std::string body = put_in(*text, {item.first + 3, item.last - 1}, known);
    known.subqueries[tokens[item.first].name] = normalise(TRY(tokenize(body)));
  }
  if (known.empty()) return std::string(sql);
  if (end == tokens.size()) return std::string(sql);
  const Token& select = tokens[end];
  std::string begin =
      kept.empty() ? std::string(select.text) : "WITH " + kept + " " + std::string(select.text);
  // Behind the first word: what is cut off in front of it would move every place.
  begin.append(static_cast<size_t>(position_of(text->sql, select.offset).line - 1), '\n');
  return begin + put_in(*text, {end, tokens.size()}, known).substr(select.text.size());
}

}  // namespace tidemark::models
