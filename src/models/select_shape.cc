#include "models/select_shape.h"

#include <memory>

namespace tidemark::models {
namespace {

// Calls `visit(index)` for the tokens of `range` at depth 0; brackets count as one token, their first.
template <class Visit>
void at_depth_zero(const SqlText& text, TokenRange range, Visit visit) {
  for (size_t index = range.first; index < range.last; ++index) {
    visit(index);
    size_t partner = text.partner[index];
    if (partner != std::string::npos && partner > index && partner < range.last) index = partner;
  }
}

bool star_item(const SqlText& text, TokenRange item) {
  const auto& tokens = text.tokens;
  if (tokens[item.first].is("*")) return true;
  for (size_t index = item.first; index + 2 < item.last + 0 && tokens[index + 1].is("."); index += 2)
    if (tokens[index + 2].is("*")) return true;
  return tokens[item.first].keyword("COLUMNS") && text.call(item.first);
}

SelectItem item_of(const SqlText& text, TokenRange range) {
  const auto& tokens = text.tokens;
  SelectItem item{.expression = range};
  if (range.size() >= 3 && tokens[range.last - 2].keyword("AS") && tokens[range.last - 1].identifier()) {
    item.alias = tokens[range.last - 1].name;
    item.expression.last -= 2;
    item.named = true;
    return item;
  }
  // column, table.column, database.table.column
  bool plain = range.size() % 2 == 1;
  for (size_t index = range.first; plain && index < range.last; ++index)
    plain = (index - range.first) % 2 == 0 ? tokens[index].identifier() : tokens[index].is(".");
  if (plain) {
    item.alias = tokens[range.last - 1].name;
    item.named = true;
  }
  return item;
}

}  // namespace

Result<std::unique_ptr<SqlText>> SqlText::read(std::string sql) {
  auto text = std::make_unique<SqlText>();
  text->sql = std::move(sql);
  text->tokens = TRY(tokenize(text->sql));
  if (!text->tokens.empty() && text->tokens.back().is(";")) text->tokens.pop_back();
  text->partner = match_brackets(text->tokens);
  return text;
}

std::string_view SqlText::text(TokenRange range) const {
  if (range.empty()) return {};
  size_t begin = tokens[range.first].offset;
  return std::string_view(sql).substr(begin, tokens[range.last - 1].end() - begin);
}

std::string SqlText::normalised(TokenRange range) const {
  if (range.empty()) return {};
  return normalise(std::vector<Token>(tokens.begin() + static_cast<ptrdiff_t>(range.first),
                                      tokens.begin() + static_cast<ptrdiff_t>(range.last)));
}

bool SqlText::call(size_t index) const {
  return tokens[index].kind == TokenKind::word && index + 1 < tokens.size() && tokens[index + 1].is("(") &&
         !(index > 0 && tokens[index - 1].is("."));
}

std::vector<TokenRange> SqlText::split(TokenRange range, std::string_view mark) const {
  std::vector<TokenRange> parts;
  if (range.empty()) return parts;
  size_t begin = range.first;
  at_depth_zero(*this, range, [&](size_t index) {
    if (!tokens[index].is(mark)) return;
    parts.push_back({begin, index});
    begin = index + 1;
  });
  parts.push_back({begin, range.last});
  return parts;
}

const SelectItem* SelectShape::find(std::string_view name) const {
  for (const auto& item : items)
    if (item.named && item.alias == name) return &item;
  return nullptr;
}

TokenRange without_brackets(const SqlText& text, TokenRange range) {
  while (range.size() >= 2 && text.tokens[range.first].is("(") &&
         text.partner[range.first] == range.last - 1) {
    ++range.first;
    --range.last;
  }
  return range;
}

TokenRange value_without_brackets(const SqlText& text, TokenRange range) {
  TokenRange inner = without_brackets(text, range);
  if (text.split(inner, ",").size() < 2) return inner;
  // Its own brackets are the innermost of those that enclose it.
  return inner.first == range.first ? range : TokenRange{inner.first - 1, inner.last + 1};
}

std::vector<TokenRange> union_branches(const SqlText& text, TokenRange range,
                                       std::optional<size_t>& set_operation) {
  std::vector<TokenRange> branches;
  size_t begin = range.first;
  bool selected = false;
  at_depth_zero(text, range, [&](size_t index) {
    const Token& token = text.tokens[index];
    if (token.keyword("SELECT") || token.is("(")) selected = true;
    bool star_except = token.keyword("EXCEPT") && index > range.first &&
                       (text.tokens[index - 1].is("*") || text.tokens[index - 1].is(")")) && text.call(index);
    if (!selected || star_except) return;
    if (!token.keyword("UNION") && !token.keyword("INTERSECT") && !token.keyword("EXCEPT")) return;
    if (!set_operation) set_operation = index;
    branches.push_back({begin, index});
    begin = index + 1;
    if (begin < range.last && (text.tokens[begin].keyword("ALL") || text.tokens[begin].keyword("DISTINCT")))
      ++begin;
  });
  branches.push_back({begin, range.last});
  return branches;
}

SelectShape shape_of(const SqlText& text, TokenRange range) {
  const auto& tokens = text.tokens;
  SelectShape shape;
  TokenRange list;
  TokenRange ignored;
  TokenRange* open = nullptr;
  auto start = [&](TokenRange& clause, size_t keyword, size_t words) {
    if (open != nullptr) open->last = keyword;
    clause = {keyword + words, range.last};
    open = &clause;
  };
  auto extra = [&](size_t index, const char* what, size_t words) {
    start(ignored, index, words);
    shape.extras.push_back({index, what});
  };
  bool selected = false;
  at_depth_zero(text, range, [&](size_t index) {
    const Token& token = tokens[index];
    if (token.kind != TokenKind::word || (index > range.first && tokens[index - 1].is("."))) return;
    bool by = index + 1 < range.last && tokens[index + 1].keyword("BY");
    // A clause's keyword used as a name: AS from, or an item of its own.
    if (index > range.first && tokens[index - 1].keyword("AS")) return;
    if (!selected) {
      if (token.keyword("WITH")) {
        start(shape.with, index, 1);
        shape.extras.push_back({index, "WITH"});
      } else if (token.keyword("SELECT")) {
        selected = true;
        start(list, index, 1);
        if (list.first < range.last && tokens[list.first].keyword("DISTINCT")) {
          shape.distinct = true;
          shape.extras.push_back({list.first, "DISTINCT"});
          ++list.first;
        }
      }
      return;
    }
    if (token.keyword("FROM"))
      start(shape.from, index, 1);
    else if (token.keyword("PREWHERE"))
      start(shape.prewhere, index, 1);
    else if (token.keyword("WHERE"))
      start(shape.where, index, 1);
    else if (token.keyword("GROUP") && by) {
      start(shape.group_by, index, 2);
      shape.grouped = true;
    } else if (token.keyword("HAVING"))
      start(shape.having, index, 1);
    else if (token.keyword("ORDER") && by)
      extra(index, "ORDER BY", 2);
    else if (token.keyword("LIMIT") || token.keyword("OFFSET") || token.keyword("FETCH"))
      extra(index, "LIMIT", 1);
    else if (token.keyword("WINDOW"))
      extra(index, "WINDOW", 1);
    else if (token.keyword("QUALIFY"))
      extra(index, "QUALIFY", 1);
    else if (token.keyword("SETTINGS"))
      extra(index, "SETTINGS", 1);
    else if (token.keyword("FORMAT"))
      extra(index, "FORMAT", 1);
    else if (token.keyword("INTO"))
      extra(index, "INTO", 1);
    else if (token.keyword("WITH") && index + 1 < range.last) {
      std::string what = "WITH " + std::string(tokens[index + 1].text);
      start(ignored, index, 2);
      shape.extras.push_back({index, what});
    } else if ((token.keyword("ROLLUP") || token.keyword("CUBE")) && text.call(index)) {
      shape.extras.push_back({index, std::string(token.text)});
    } else if (token.keyword("GROUPING") && index + 1 < range.last && tokens[index + 1].keyword("SETS")) {
      shape.extras.push_back({index, "GROUPING SETS"});
    }
  });
  for (TokenRange item : text.split(list, ",")) {
    if (item.empty()) continue;
    if (star_item(text, item) && !shape.star) shape.star = item.first;
    shape.items.push_back(item_of(text, item));
  }
  if (shape.grouped && shape.group_by.size() == 1 && tokens[shape.group_by.first].keyword("ALL"))
    shape.group_by_all = true;
  else if (shape.grouped)
    shape.groups = text.split(without_brackets(text, shape.group_by), ",");
  // GROUP BY 1 is written by the server as the item with its alias.
  for (TokenRange& group : shape.groups)
    if (group.size() > 2 && tokens[group.last - 2].keyword("AS")) group.last -= 2;
  return shape;
}

}  // namespace tidemark::models
