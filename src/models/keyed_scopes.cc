// The first half of the analysis: opening SELECTs, refusing what mixes keys, and finding out which source
// carries which expression.
#include "models/keyed_analysis.h"

#include <algorithm>

namespace tidemark::models {

std::optional<std::vector<TokenRange>> KeyedAnalysis::branches(TokenRange range, bool top) {
  range = without_brackets(text_, range);
  std::optional<size_t> set_operation;
  auto found = union_branches(text_, range, set_operation);
  if (set_operation && !text_.tokens[*set_operation].keyword("UNION")) {
    refuse(*set_operation,
           fmt::format("{} is not supported in a keyed model", text_.tokens[*set_operation].text),
           "use `-- kind: view`");
    return std::nullopt;
  }
  if (set_operation && top) {
    refuse(*set_operation, "UNION at the top of a keyed model can give a key several rows",
           "put it into FROM (...) and group by the key");
    return std::nullopt;
  }
  for (auto& branch : found) branch = without_brackets(text_, branch);
  return found;
}

const SelectScope* KeyedAnalysis::open(TokenRange range, bool top) {
  auto known = scopes_.find(range.first);
  if (known != scopes_.end()) return known->second.get();
  auto scope = std::make_unique<SelectScope>();
  scope->text = &text_;
  scope->shape = shape_of(text_, range);
  scope->joins = joins_of(text_, scope->shape.from);
  if (!check_clauses(*scope, range) || !open_sources(*scope, range)) return nullptr;
  if (top && scope->joins.sources.empty()) {
    refuse(range.first, "a keyed model reads mirrored tables", "add FROM");
    return nullptr;
  }
  scope->aggregated = scope->shape.grouped;
  for (const auto& item : scope->shape.items) scope->aggregated |= has_aggregate(*scope, item.expression);
  return scopes_.emplace(range.first, std::move(scope)).first->second.get();
}

bool KeyedAnalysis::check_clauses(const SelectScope& scope, TokenRange range) {
  const SelectShape& shape = scope.shape;
  for (const auto& extra : shape.extras)
    if (extra.what != "DISTINCT" && extra.what != "ORDER BY")
      return refuse(extra.token, fmt::format("{} is not supported in a keyed model", extra.what),
                    "write subqueries in FROM, and leave limits and totals to `-- kind: view` models on top");
  if (shape.star) return refuse(*shape.star, "`*` hides where the key comes from", "name the columns");
  if (shape.items.empty()) return refuse(range.first, "a keyed model is made of SELECTs", "write SELECT ...");
  std::vector<TokenRange> parts{shape.where, shape.prewhere, shape.having, shape.group_by};
  for (const auto& item : shape.items) parts.push_back(item.expression);
  for (const auto& source : scope.joins.sources)
    parts.insert(parts.end(), source.on.begin(), source.on.end());
  for (TokenRange part : parts)
    for (size_t index = part.first; index + 1 < part.last; ++index)
      if (text_.tokens[index].is("(") && text_.tokens[index + 1].keyword("SELECT"))
        return refuse(index + 1,
                      "a subquery outside of FROM can see rows of other keys, so a change of one key "
                      "would change others",
                      "join it in FROM by the key, or use `-- kind: view`");
  return true;
}

bool KeyedAnalysis::check_top(const SelectScope& scope, const std::vector<std::string>& key) {
  const SelectShape& shape = scope.shape;
  for (const auto& name : key) {
    const SelectItem* item = shape.find(name);
    if (item == nullptr)
      return refuse(shape.items.front().expression.first,
                    fmt::format("this SELECT does not carry the key column `{}`", name),
                    "select it here, under this name");
    if (!scope.aggregated || shape.group_by_all) continue;
    std::string written = scope.resolve(item->expression, item).sql();
    size_t position = static_cast<size_t>(item - shape.items.data()) + 1;
    bool grouped = std::any_of(shape.groups.begin(), shape.groups.end(), [&](TokenRange group) {
      const Token& first = text_.tokens[group.first];
      if (group.size() == 1 && first.kind == TokenKind::number) return first.text == std::to_string(position);
      return (group.size() == 1 && first.identifier() && first.name == name) ||
             scope.resolve(group).sql() == written;
    });
    if (!grouped)
      return refuse(item->expression.first,
                    fmt::format("an aggregate that is not grouped by the key column `{}` mixes keys", name),
                    "add it to GROUP BY");
  }
  size_t groups = shape.group_by_all ? 0 : shape.groups.size();
  if (shape.group_by_all)
    for (const auto& item : shape.items) groups += has_aggregate(scope, item.expression) ? 0 : 1;
  if (scope.aggregated && groups > key.size())
    return refuse(shape.group_by.first,
                  "GROUP BY has more columns than the key, so a key would have several rows",
                  "name every GROUP BY column in `-- key:`");
  return true;
}

const KeyedTable* KeyedAnalysis::table_of(const JoinedSource& source) const {
  auto reference = by_token_.find(source.place.first);
  if (reference == by_token_.end()) return nullptr;
  auto table = tables_.find(reference->second->name());
  return table == tables_.end() ? nullptr : &table->second;
}

bool KeyedAnalysis::open_sources(SelectScope& scope, TokenRange range) {
  const JoinShape& joins = scope.joins;
  if (joins.cross) return refuse(*joins.cross, "a cross join mixes keys", "join by ON or USING");
  if (joins.unknown)
    return refuse(*joins.unknown, "a keyed model reads mirrored tables and models",
                  "write FROM bronze.<table>, a model or a subquery over them");
  if (!scope.shape.from.empty() && joins.sources.empty())
    return refuse(range.first, "a keyed model reads mirrored tables: FROM bronze.<table>", "name them so");
  for (const auto& source : joins.sources) {
    if (!source.subquery) {
      const KeyedTable* table = table_of(source);
      if (table == nullptr)
        return refuse(source.place.first,
                      fmt::format("{} is not a mirrored table, so its changes would not be seen",
                                  text_.text(source.place)),
                      "read bronze.<table>, or use `-- kind: view`");
      scope.columns.push_back(table->columns);
      continue;
    }
    auto selects = branches(source.place, false);
    if (!selects) return false;
    std::set<std::string> names;
    for (size_t index = 0; index < selects->size(); ++index) {
      const SelectScope* branch = open((*selects)[index], false);
      if (branch == nullptr) return false;
      if (index > 0) continue;
      for (const auto& item : branch->shape.items)
        if (item.named) names.insert(item.alias);
    }
    scope.columns.push_back(std::move(names));
  }
  return true;
}

bool KeyedAnalysis::has_aggregate(const SelectScope& scope, TokenRange range, size_t depth) const {
  for (size_t index = range.first; index < range.last; ++index) {
    const Token& token = text_.tokens[index];
    if (text_.call(index)) {
      if (source_.functions.aggregate(token.name)) return true;
    } else if (token.identifier() && !(index > 0 && text_.tokens[index - 1].is(".")) &&
               depth < scope.shape.items.size()) {
      const SelectItem* item = scope.shape.find(token.name);
      if (item != nullptr && (item->expression.first > index || item->expression.last <= index) &&
          has_aggregate(scope, item->expression, depth + 1))
        return true;
    }
  }
  return false;
}

std::optional<Expression> KeyedAnalysis::inside(const SelectScope& scope, const SelectScope& named,
                                                const Expression& wanted, bool must) {
  Expression out;
  auto give_up = [&](size_t token, std::string message, std::string remedy) {
    if (must) refuse(token, std::move(message), std::move(remedy));
    return std::nullopt;
  };
  for (const auto& piece : wanted.pieces) {
    if (!piece.column()) {
      out.add(piece.text);
      continue;
    }
    const SelectItem* first = named.shape.find(piece.text);
    size_t position = first == nullptr ? 0 : static_cast<size_t>(first - named.shape.items.data());
    if (first == nullptr || position >= scope.shape.items.size())
      return give_up(scope.shape.items.front().expression.first,
                     fmt::format("this SELECT does not carry the key column `{}`", piece.text),
                     "select it here, under this name");
    const SelectItem& item = scope.shape.items[position];
    // What is no aggregate is the same for all rows of a group, or ClickHouse would not take it.
    if (scope.aggregated && has_aggregate(scope, item.expression))
      return give_up(item.expression.first,
                     fmt::format("the column `{}` decides which keys a change touches, but it is itself "
                                 "an aggregate: its value before the change is not known",
                                 piece.text),
                     "join and key by columns that are grouped by, or use `-- kind: view`");
    Expression resolved = scope.resolve(item.expression, &item);
    bool unfolded = resolved.calls_array_join();
    if (scope.joins.array_join)
      for (size_t index = *scope.joins.array_join; index < scope.shape.from.last && !unfolded; ++index)
        for (size_t token = item.expression.first; token < item.expression.last; ++token)
          unfolded |= text_.tokens[token].identifier() && text_.tokens[index].identifier() &&
                      text_.tokens[index].name == text_.tokens[token].name;
    if (unfolded && !scope.joins.sources.empty())
      return give_up(
          item.expression.first,
          fmt::format("the key column `{}` comes out of an array, so a row has several keys", piece.text),
          "use `-- kind: view`");
    out.add(resolved);
  }
  return out;
}

std::vector<KeyedAnalysis::Condition> KeyedAnalysis::conditions(const SelectScope& scope,
                                                                size_t index) const {
  const JoinedSource& source = scope.joins.sources[index];
  std::vector<Condition> found;
  auto compare = [&](Expression other, std::string comparison, Expression own) {
    Condition condition;
    condition.whole.add(other);
    condition.whole.add(comparison);
    condition.whole.add(own);
    condition.comparison = std::move(comparison);
    condition.other = std::move(other);
    condition.own = std::move(own);
    found.push_back(std::move(condition));
  };
  for (size_t number = 0; number < source.using_columns.size(); ++number) {
    const std::string& column = source.using_columns[number];
    bool nearest = source.strictness == "ASOF" && number + 1 == source.using_columns.size();
    for (size_t other = 0; other < index; ++other)
      if (scope.columns[other].contains(column)) {
        compare(Expression::of_column(column, other), nearest ? ">=" : "=",
                Expression::of_column(column, index));
        break;
      }
  }
  static const std::map<std::string_view, std::string_view> turned = {
      {"=", "="}, {"==", "="}, {"<", ">"}, {"<=", ">="}, {">", "<"}, {">=", "<="}};
  for (TokenRange range : source.on) {
    std::vector<size_t> marks;
    for (size_t at = range.first; at < range.last; ++at) {
      if (text_.tokens[at].kind == TokenKind::mark && turned.contains(text_.tokens[at].text))
        marks.push_back(at);
      size_t partner = text_.partner[at];
      if (partner != std::string::npos && partner > at) at = partner;
    }
    bool words = false;
    for (size_t at = range.first; at < range.last; ++at)
      for (std::string_view word : {"AND", "OR", "NOT", "IS", "LIKE", "IN", "BETWEEN", "CASE"})
        words |= text_.tokens[at].keyword(word);
    if (marks.size() == 1 && !words) {
      Expression left = scope.resolve_condition({range.first, marks[0]});
      Expression right = scope.resolve_condition({marks[0] + 1, range.last});
      std::string comparison(text_.tokens[marks[0]].text);
      if (comparison == "==") comparison = "=";
      std::set<size_t> only{index};
      if (right.sources() == only && !left.sources().contains(index)) {
        compare(std::move(left), comparison, std::move(right));
        continue;
      }
      if (left.sources() == only && !right.sources().contains(index)) {
        compare(std::move(right), std::string(turned.at(comparison)), std::move(left));
        continue;
      }
    }
    Condition condition;
    condition.whole.add("(");
    for (const auto& piece : scope.resolve_condition(range).pieces) condition.whole.pieces.push_back(piece);
    condition.whole.pieces.push_back({.text = ")"});
    found.push_back(std::move(condition));
  }
  return found;
}

std::optional<Expression> KeyedAnalysis::carried(const SelectScope& scope, size_t wanted,
                                                 const Expression& expression) const {
  auto sources = expression.sources();
  if (sources.empty() || sources == std::set<size_t>{wanted}) return expression;
  if (!expression.plain()) return std::nullopt;
  using Column = std::pair<size_t, std::string>;
  std::vector<Column> reached{{expression.pieces[0].source, expression.pieces[0].text}};
  for (size_t next = 0; next < reached.size(); ++next) {
    auto [source, column] = reached[next];
    if (source == wanted) return Expression::of_column(column, source);
    // What an outer join leaves empty is equal to nothing further on.
    if (next > 0 && scope.joins.sources[source].kind == JoinKind::left) continue;
    for (size_t index = 1; index < scope.joins.sources.size(); ++index) {
      bool left = scope.joins.sources[index].kind == JoinKind::left;
      for (const auto& condition : conditions(scope, index)) {
        if (condition.comparison != "=" || !condition.own.plain() || !condition.other.plain()) continue;
        Column own{index, condition.own.pieces[0].text};
        Column other{condition.other.pieces[0].source, condition.other.pieces[0].text};
        Column found;
        if (other == Column{source, column})
          found = own;
        else if (own == Column{source, column} && !left)
          found = other;
        else
          continue;
        if (std::find(reached.begin(), reached.end(), found) == reached.end()) reached.push_back(found);
      }
    }
  }
  return std::nullopt;
}

bool KeyedAnalysis::check_aligned(const SelectScope& scope, const std::vector<Expression>& wanted) {
  for (const auto& source : scope.joins.sources) {
    bool mixes =
        source.kind == JoinKind::other ||
        (source.kind == JoinKind::inner && !source.strictness.empty() && source.strictness != "ASOF");
    if (!mixes) continue;
    for (const auto& expression : wanted)
      for (const auto& joined : scope.joins.sources) {
        bool by_key = expression.plain() && expression.pieces[0].bare &&
                      (joined.kind == JoinKind::first ||
                       std::find(joined.using_columns.begin(), joined.using_columns.end(),
                                 expression.pieces[0].text) != joined.using_columns.end());
        if (!by_key)
          return refuse(source.words.first,
                        fmt::format("{} is right in a keyed model only when all joins are by the key, and "
                                    "the key is written without its table",
                                    text_.text(source.words)),
                        "join USING every key column, use LEFT JOIN, or use `-- kind: view`");
      }
  }
  return true;
}

// A nearer row takes matches away from rows that did not change, and gives them back when it goes: their keys
// are in no change row.
bool KeyedAnalysis::check_nearest(const SelectScope& scope, const std::vector<Expression>& wanted) {
  const auto& sources = scope.joins.sources;
  std::vector<Expression> deciding = wanted;
  std::set<size_t> seen;
  for (const auto& expression : wanted) seen.merge(expression.sources());
  for (size_t index = sources.size(); index-- > 1;) {
    if (!seen.contains(index)) continue;
    auto joins = conditions(scope, index);
    if (sources[index].strictness == "ASOF") {
      std::set<std::string> equal, used;
      for (const auto& condition : joins)
        if (condition.comparison == "=" && condition.own.plain()) equal.insert(condition.own.pieces[0].text);
      for (const auto& expression : deciding) used.merge(expression.columns_of(index));
      if (!std::includes(equal.begin(), equal.end(), used.begin(), used.end()))
        return refuse(sources[index].words.first,
                      fmt::format("the key depends on which row of {} is the nearest: a change of it takes "
                                  "rows from keys that the change does not tell",
                                  text_.text(sources[index].place)),
                      "take the key from the left side, or use `-- kind: view`");
    }
    // What decides which row is joined decides about the key, too.
    for (const auto& condition : joins) {
      seen.merge(condition.whole.sources());
      deciding.push_back(condition.whole);
    }
  }
  return true;
}

}  // namespace tidemark::models
