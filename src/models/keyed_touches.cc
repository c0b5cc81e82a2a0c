// The second half of the analysis: the keys that changes touch. See keyed_analysis.h for why this is enough.
#include "models/keyed_analysis.h"

#include <algorithm>

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;

std::string alias_of(size_t source) {
  return fmt::format("_source_{}", source);
}

std::string written(const Expression& expression) {
  return expression.sql([](const ExpressionPiece& piece) {
    return alias_of(piece.source) + "." + quote_identifier(piece.text);
  });
}

std::string nth(size_t number) {
  return fmt::format("_{}", number);
}

}  // namespace

bool KeyedAnalysis::touches(TokenRange range, const std::vector<Expression>& wanted, bool top,
                            std::vector<Touch>& found) {
  auto selects = branches(range, top);
  if (!selects) return false;
  const SelectScope* named = nullptr;
  for (TokenRange branch : *selects) {
    const SelectScope* scope = open(branch, top);
    if (scope == nullptr) return false;
    if (named == nullptr) named = scope;
    // Without FROM: constants, which do not change.
    if (scope->joins.sources.empty()) continue;
    std::vector<Expression> mapped;
    for (const auto& one : wanted) {
      auto expression = inside(*scope, *named, one, true);
      if (!expression) return false;
      mapped.push_back(std::move(*expression));
    }
    if (!check_aligned(*scope, mapped) || !check_nearest(*scope, mapped)) return false;
    for (size_t index = 0; index < scope->joins.sources.size(); ++index) {
      std::vector<Expression> here;
      for (const auto& one : mapped)
        if (auto expression = carried(*scope, index, one)) here.push_back(std::move(*expression));
      bool good = here.size() == mapped.size() ? touches_of(*scope, index, here, found)
                                               : touches_through(*scope, index, mapped, found);
      if (!good) return false;
    }
  }
  return true;
}

bool KeyedAnalysis::touches_of(const SelectScope& scope, size_t index, const std::vector<Expression>& wanted,
                               std::vector<Touch>& found) {
  const JoinedSource& source = scope.joins.sources[index];
  if (source.subquery) return touches(source.place, wanted, false, found);
  found.push_back({.table = table_of(source), .direct = wanted});
  return true;
}

std::string KeyedAnalysis::changed_rows(const Touch& touch, const std::vector<std::string>& names) {
  std::vector<std::string> items;
  if (!touch.select.empty()) {
    for (size_t index = 0; index < names.size(); ++index)
      items.push_back(nth(index) + " AS " + quote_identifier(names[index]));
    return "SELECT " + joined(items) + " FROM (" + touch.select + ")";
  }
  // Columns with their table's name: an alias of the same name would be taken for them.
  auto& read = deltas_[touch.table];
  for (size_t index = 0; index < names.size(); ++index) {
    const Expression& expression = touch.direct[index];
    for (size_t source : expression.sources()) {
      auto columns = expression.columns_of(source);
      read.insert(columns.begin(), columns.end());
    }
    items.push_back(expression.sql([](const ExpressionPiece& piece) {
      return "_delta." + quote_identifier(piece.text);
    }) + " AS " + quote_identifier(names[index]));
  }
  return "SELECT DISTINCT " + joined(items) + " FROM " + delta_placeholder(*touch.table) +
         " AS _delta WHERE _delta._cut = {cut:UInt64}";
}

bool KeyedAnalysis::touches_through(const SelectScope& scope, size_t changed,
                                    const std::vector<Expression>& wanted, std::vector<Touch>& found) {
  const auto& sources = scope.joins.sources;
  std::vector<std::vector<Condition>> joins;
  for (size_t index = 0; index < sources.size(); ++index) joins.push_back(conditions(scope, index));
  // What the conditions of `from` lean on, to the left.
  auto with_support = [&](std::set<size_t> from) {
    for (size_t index = sources.size(); index-- > 1;)
      if (from.contains(index))
        for (const auto& condition : joins[index])
          for (size_t other : condition.whole.sources()) from.insert(other);
    from.insert(0);
    return from;
  };
  std::set<size_t> key_sources;
  for (const auto& expression : wanted)
    for (size_t source : expression.sources()) key_sources.insert(source);
  key_sources = with_support(std::move(key_sources));
  std::set<size_t> needed = key_sources;
  needed.insert(changed);
  needed = with_support(std::move(needed));

  // The columns of a source that anything here uses.
  auto used = [&](size_t source) {
    std::set<std::string> names;
    auto add = [&](const Expression& expression) {
      auto columns = expression.columns_of(source);
      names.insert(columns.begin(), columns.end());
    };
    for (const auto& expression : wanted) add(expression);
    for (size_t index : needed)
      for (const auto& condition : joins[index]) add(condition.whole);
    return std::vector<std::string>(names.begin(), names.end());
  };
  auto changes_of = [&](size_t source, std::vector<Touch>& changes) {
    std::vector<Expression> columns;
    for (const auto& name : used(source)) columns.push_back(Expression::of_column(name));
    return touches_of(scope, source, columns, changes);
  };
  std::vector<Touch> changes;
  if (!changes_of(changed, changes)) return false;
  if (changes.empty()) return true;

  for (size_t index : key_sources)
    if (sources[index].kind != JoinKind::first && sources[index].kind != JoinKind::inner)
      return refuse(sources[index].words.first,
                    fmt::format("the key depends on the right side of {}, which may be empty, while a change "
                                "of {} does not carry the key",
                                text_.text(sources[index].words), text_.text(sources[changed].place)),
                    "take the key from the left side, use INNER JOIN, or use `-- kind: view`");
  if (used(changed).empty())
    return refuse(sources[changed].place.first,
                  fmt::format("nothing joins {} to the key", text_.text(sources[changed].place)),
                  "join it ON columns of the tables before it");

  std::vector<std::string> keys;
  for (size_t index = 0; index < wanted.size(); ++index)
    keys.push_back(written(wanted[index]) + " AS " + nth(index));
  auto conditions_of = [&](size_t index, const std::string& stand_in) {
    std::vector<std::string> all;
    for (const auto& condition : joins[index])
      all.push_back(condition.whole.sql([&](const ExpressionPiece& piece) {
        bool own = piece.source == index && !stand_in.empty();
        return (own ? stand_in : alias_of(piece.source)) + "." + quote_identifier(piece.text);
      }));
    return all.empty() ? std::string("1") : joined(all, " AND ");
  };
  auto listed = [&](const std::vector<std::string>& names) {
    std::vector<std::string> quoted;
    for (const auto& name : names) quoted.push_back(quote_identifier(name));
    return joined(quoted);
  };

  for (const auto& change : changes) {
    std::vector<std::string> names = used(changed);
    std::string delta = changed_rows(change, names);
    std::string from, where;
    for (size_t index : needed) {
      bool nearest = sources[index].strictness == "ASOF";
      if (index == changed) {
        from += index == 0 ? "" : nearest ? " ASOF INNER JOIN " : " INNER JOIN ";
        from += "(" + delta + ") AS " + alias_of(index);
        if (index > 0) from += " ON " + conditions_of(index, "");
        if (!nearest) continue;
        for (const auto& condition : joins[index]) {
          if (condition.comparison.empty() || condition.comparison == "=") continue;
          std::string kept = listed(names);
          from += " ASOF LEFT JOIN (SELECT " + kept + ", 1 AS _found FROM " +
                  current(scope, index, {}, false) + ") AS _nearest ON " + conditions_of(index, "_nearest");
          where = " WHERE _nearest._found = 0 OR " + written(condition.own) +
                  (condition.comparison[0] == '>' ? " >= " : " <= ") +
                  condition.own.sql([](const ExpressionPiece& piece) {
                    return "_nearest." + quote_identifier(piece.text);
                  });
        }
        continue;
      }
      // Rows that can match a changed row: those with its values.
      Conditions narrowed;
      bool of_key = key_sources.contains(index);
      Wanted own;
      std::vector<std::string> theirs;
      for (const auto& condition : joins[std::max(index, changed)]) {
        if (condition.comparison != "=") continue;
        bool later = index > changed;
        const Expression& mine = later ? condition.own : condition.other;
        const Expression& its = later ? condition.other : condition.own;
        if (mine.sources() != std::set<size_t>{index} || its.sources() != std::set<size_t>{changed}) continue;
        own.push_back(mine);
        theirs.push_back(its.sql());
      }
      if (of_key && !own.empty()) {
        bool done = restrict_source(scope, index, own, [&](size_t offset, Restriction restriction) {
          std::vector<std::string> left, right;
          for (size_t number = 0; number < restriction.keys.size(); ++number) {
            left.push_back(restriction.expressions[number].sql());
            right.push_back(theirs[restriction.keys[number]]);
          }
          narrowed[offset] = {"(" + joined(left) + ") IN (SELECT " + joined(right) + " FROM (" + delta + "))",
                              restriction.columns()};
        });
        if (!done) return false;
      }
      std::string rows = current(scope, index, narrowed, of_key);
      if (index > changed) {
        std::vector<Touch> also;
        if (!changes_of(index, also)) return false;
        std::vector<std::string> columns = used(index);
        std::string list = columns.empty() ? "1 AS _one" : listed(columns);
        rows = "(SELECT " + list + " FROM " + rows;
        for (const auto& one : also)
          rows += " UNION ALL SELECT " + list + " FROM (" + changed_rows(one, columns) + ")";
        rows += ")";
      }
      if (index == *needed.begin())
        from += rows + " AS " + alias_of(index);
      else
        from += " " + (index > changed ? "INNER JOIN" : std::string(text_.text(sources[index].words))) + " " +
                rows + " AS " + alias_of(index) + " ON " + conditions_of(index, "");
    }
    found.push_back(
        {.table = change.table, .select = "SELECT DISTINCT " + joined(keys) + " FROM " + from + where});
  }
  return true;
}

}  // namespace tidemark::models
