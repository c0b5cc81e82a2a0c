// For property tests: random expressions over the columns of a SELECT - conditions, what can be grouped by,
// what can be added up, aggregates. Each has one answer only: no ties, no sums of floats that depend on the
// order of rows.
#pragma once

#include "models/random_tables.h"

#include <algorithm>

namespace tidemark::models {

// A column that expressions may use.
struct ScopeColumn {
  std::string sql;
  Family family;
  bool exact = true;  // its sum is the same in any order
};
using Scope = std::vector<ScopeColumn>;

struct OutputColumn {
  std::string name;
  Family family;
  bool exact = true;
};

struct Source {
  std::string from;  // "bronze.orders AS o"
  Scope scope;
  std::vector<std::string> key;  // columns that are unique together, as SQL
  int depth = 0;
};

class ExpressionGenerator {
 public:
  explicit ExpressionGenerator(Random& random) : random_(random) {}

  static Scope of(const Scope& scope, std::initializer_list<Family> families) {
    Scope found;
    for (const auto& column : scope)
      if (std::find(families.begin(), families.end(), column.family) != families.end())
        found.push_back(column);
    return found;
  }
  static Scope exact(const Scope& scope) {
    Scope found;
    for (const auto& column : scope)
      if (column.exact) found.push_back(column);
    return found;
  }

  std::string text_literal() {
    return random_.pick_text({"'red'", "'blue'", "'new'", "'paid'", "''", "'it''s'", "'日本'"});
  }
  std::string day_literal() {
    return fmt::format("'2026-0{}-{:02}'", random_.between(1, 4), random_.between(1, 28));
  }

  std::string zone() {
    return random_.pick_text({"'Europe/Berlin'", "'America/New_York'", "'Asia/Kolkata'", "'UTC'"});
  }

  std::string condition(const Scope& scope, int depth = 1) {
    if (depth > 0 && random_.one_in(3)) {
      switch (random_.below(4)) {
        case 0:
          return "(" + condition(scope, depth - 1) + " AND " + condition(scope, depth - 1) + ")";
        case 1:
          return "(" + condition(scope, depth - 1) + " OR " + condition(scope, depth - 1) + ")";
        case 2:
          return "NOT (" + condition(scope, depth - 1) + ")";
        default:
          return "if(" + condition(scope, 0) + ", " + condition(scope, 0) + ", " + condition(scope, 0) + ")";
      }
    }
    const ScopeColumn& column = random_.pick(scope);
    const std::string& x = column.sql;
    if (random_.one_in(8)) return x + random_.pick_text({" IS NULL", " IS NOT NULL"});
    std::string compare = random_.pick_text({" = ", " != ", " < ", " >= ", " > ", " <= "});
    switch (column.family) {
      case Family::integer:
        if (random_.one_in(3))
          return fmt::format("{} IN ({}, {}, {})", x, random_.below(6), random_.below(20),
                             random_.below(100));
        if (random_.one_in(3)) return fmt::format("{} % {} = {}", x, 2 + random_.below(4), random_.below(2));
        return x + compare + std::to_string(random_.between(-10, 200));
      case Family::decimal:
      case Family::real:
        if (random_.one_in(4))
          return fmt::format("{} BETWEEN {} AND {}", x, random_.between(-500, 0), random_.between(1, 500));
        return x + compare + fmt::format("{}.5", random_.between(-20, 300));
      case Family::boolean:
        return random_.one_in(3) ? "NOT " + x : random_.one_in(3) ? x + " = true" : x;
      case Family::text:
        switch (random_.below(5)) {
          case 0:
            return x + " LIKE '%e%'";
          case 1:
            return fmt::format("{} IN ({}, {})", x, text_literal(), text_literal());
          case 2:
            return fmt::format("length({}) > {}", x, random_.below(5));
          case 3:
            return "startsWith(ifNull(" + x + ", ''), 'b')";
          default:
            return x + compare + text_literal();
        }
      case Family::date:
        return x + compare + day_literal();
      case Family::moment:
        return random_.one_in(2) ? x + compare + day_literal()
                                 : fmt::format("toHour({}) < {}", x, random_.between(1, 23));
      case Family::uuid:
        return x + compare + "toUUID('00000000-0000-4000-8000-000000000002')";
      case Family::list:
        return random_.one_in(2) ? "has(" + x + ", 'red')"
                                 : fmt::format("length({}) >= {}", x, random_.below(3));
      case Family::opaque:
        break;
    }
    return "toString(" + x + ") != ''";
  }

  // What can be added up: no float whose sum would depend on the order.
  ScopeColumn addend(const Scope& scope) {
    Scope numbers = exact(of(scope, {Family::integer, Family::decimal, Family::real, Family::boolean}));
    if (numbers.empty()) return {"1", Family::integer};
    ScopeColumn x = random_.pick(numbers);
    if (x.family == Family::boolean) return x;
    switch (random_.below(9)) {
      case 0:
        return {x.sql + " * " + std::to_string(random_.between(-3, 5)), x.family};
      case 1:
        return {fmt::format("if({}, {}, 0)", condition(scope), x.sql), x.family};
      case 2:
        return {"ifNull(" + x.sql + ", 0)", x.family};
      case 3:
        return {"-" + x.sql, x.family};
      case 4:
        return {"abs(" + x.sql + ")", x.family};
      case 5:
        return {fmt::format("CASE WHEN {} THEN {} ELSE NULL END", condition(scope), x.sql), x.family};
      case 6: {
        Scope whole = of(scope, {Family::integer, Family::boolean});
        if (whole.empty() || x.family == Family::real) return x;
        const ScopeColumn& other = random_.pick(whole);
        return {fmt::format("{} * ({} % 7)", x.sql,
                            other.family == Family::boolean ? "toUInt8(" + other.sql + ")" : other.sql),
                x.family};
      }
      default:
        return x;
    }
  }

  // What rows may be grouped by, or a plain expression of a row.
  ScopeColumn scalar(const Scope& scope) {
    const ScopeColumn& column = random_.pick(scope);
    const std::string& x = column.sql;
    if (random_.one_in(12)) return {condition(scope), Family::boolean};
    if (random_.one_in(12))
      return {fmt::format("multiIf({}, 'a', {}, 'b', 'c')", condition(scope), condition(scope)),
              Family::text};
    switch (column.family) {
      case Family::integer:
        switch (random_.below(6)) {
          case 0:
            return {fmt::format("{} % {}", x, 2 + random_.below(5)), Family::integer};
          case 1:
            return {fmt::format("intDiv({}, {})", x, 2 + random_.below(50)), Family::integer};
          case 2:
            return {"toString(" + x + ")", Family::text};
          case 3:
            return {fmt::format("if({} > {}, 'many', 'few')", x, random_.below(50)), Family::text};
          default:
            return column;
        }
      case Family::decimal:
        return random_.one_in(3)   ? ScopeColumn{"round(" + x + ", 0)", Family::decimal}
               : random_.one_in(2) ? ScopeColumn{"sign(" + x + ")", Family::integer}
                                   : column;
      case Family::real:
        return random_.one_in(2) ? ScopeColumn{x + " > 0", Family::boolean} : column;
      case Family::boolean:
        return random_.one_in(3) ? ScopeColumn{"NOT " + x, Family::boolean} : column;
      case Family::text:
        switch (random_.below(6)) {
          case 0:
            return {"upper(" + x + ")", Family::text};
          case 1:
            return {"coalesce(" + x + ", 'none')", Family::text};
          case 2:
            return {"length(" + x + ")", Family::integer};
          case 3:
            return {"concat(" + x + ", '/', " + x + ")", Family::text};
          default:
            return column;
        }
      case Family::date:
        switch (random_.below(5)) {
          case 0:
            return {"toStartOfMonth(" + x + ")", Family::date};
          case 1:
            return {"toYYYYMM(" + x + ")", Family::integer};
          case 2:
            return {"toMonday(" + x + ")", Family::date};
          default:
            return column;
        }
      case Family::moment:
        switch (random_.below(9)) {
          case 6:
            return {"toDate32(" + x + ", " + zone() + ")", Family::date};
          case 7:
            return random_.one_in(2)
                       ? ScopeColumn{"toStartOfDay(" + x + ", " + zone() + ")", Family::moment}
                       : ScopeColumn{"toStartOfInterval(" + x + ", INTERVAL 15 MINUTE, " + zone() + ")",
                                     Family::moment};
          case 8:
            return random_.one_in(2) ? ScopeColumn{"toHour(" + x + ", " + zone() + ")", Family::integer}
                                     : ScopeColumn{"formatDateTime(" + x + ", '%Y-%m-%d %H', " + zone() + ")",
                                                   Family::text};
          case 0:
            return {"toDate32(" + x + ")", Family::date};
          case 1:
            return {"toStartOfHour(" + x + ")", Family::moment};
          case 2:
            return {"toStartOfDay(" + x + ")", Family::moment};
          case 3:
            return {"toHour(" + x + ")", Family::integer};
          case 4:
            return {"toDate(" + x + ")", Family::date};
          default:
            return column;
        }
      case Family::uuid:
        return random_.one_in(3) ? ScopeColumn{"toString(" + x + ")", Family::text} : column;
      case Family::list:
        return random_.one_in(2) ? ScopeColumn{"length(" + x + ")", Family::integer} : column;
      case Family::opaque:
        break;
    }
    return {"toString(" + x + ")", Family::text};
  }

  // Sums, counts and averages, alone and combined.
  OutputColumn additive(const Scope& scope, std::string& sql, int depth = 1) {
    auto call = [&]() -> OutputColumn {
      std::string a = addend(scope).sql;
      switch (random_.below(10)) {
        case 9:
          sql = fmt::format("sum({}) FILTER (WHERE {})", a, condition(scope));
          return {"", Family::decimal};
        case 0:
        case 1:
          sql = random_.one_in(2) ? "count()" : "count(*)";
          return {"", Family::integer};
        case 2:
          sql = "count(" + random_.pick(scope).sql + ")";
          return {"", Family::integer};
        case 3:
          sql = "countIf(" + condition(scope) + ")";
          return {"", Family::integer};
        case 4:
          sql = "avg(" + a + ")";
          return {"", Family::real, false};
        case 5:
          sql = fmt::format("avgIf({}, {})", a, condition(scope));
          return {"", Family::real, false};
        case 6:
          sql = fmt::format("sumIf({}, {})", a, condition(scope));
          return {"", Family::decimal};
        default:
          sql = "sum(" + a + ")";
          return {"", Family::decimal};
      }
    };
    if (depth == 0 || !random_.one_in(4)) return call();
    std::string left, right;
    switch (random_.below(5)) {
      case 0:
        additive(scope, left, 0);
        sql = "round(toFloat64(" + left + ") / count(), 2)";
        return {"", Family::real, false};
      case 1:
        additive(scope, left, 0);
        sql = "toFloat64(" + left + ") / nullIf(countIf(" + condition(scope) + "), 0)";
        return {"", Family::real, false};
      case 2:
        sql = fmt::format("count() - countIf({})", condition(scope));
        return {"", Family::integer};
      case 3:
        additive(scope, left, 0);
        sql = "ifNull(" + left + ", 0) > 10";
        return {"", Family::boolean};
      default:
        additive(scope, left, 0);
        sql = "if(count() > 2, toString(" + left + "), 'few')";
        return {"", Family::text};
    }
  }

  // Any aggregate with one answer.
  OutputColumn aggregate(const Source& source, std::string& sql) {
    const Scope& scope = source.scope;
    if (random_.one_in(3)) return additive(scope, sql);
    const ScopeColumn x = random_.pick(scope);
    bool list = x.family == Family::list || x.family == Family::opaque;
    // NULL in a tuple compares with nothing.
    std::string order = "ifNull(toString(" + x.sql + "), '')";
    for (const auto& key : source.key) order += ", " + key;
    switch (random_.below(12)) {
      case 0:
        sql = "min(" + x.sql + ")";
        return {"", x.family, x.exact};
      case 1:
        sql = "max(" + x.sql + ")";
        return {"", x.family, x.exact};
      case 2:
        sql = "uniqExact(" + x.sql + ")";
        return {"", Family::integer};
      case 3:
        sql = "count(DISTINCT " + x.sql + ")";
        return {"", Family::integer};
      case 4:
        sql = fmt::format("maxIf({}, {})", x.sql, condition(scope));
        return {"", x.family, x.exact};
      case 5:
        if (source.key.empty() || list) break;
        sql = fmt::format("argMax({}, ({}))", random_.pick(scope).sql, order);
        return {"", Family::opaque};
      case 6:
        if (source.key.empty() || list) break;
        sql = fmt::format("argMin({}, ({}))", source.key[0], order);
        return {"", Family::integer};
      case 7:
        sql = "arraySort(groupArray(" + x.sql + "))";
        return {"", Family::opaque};
      case 8:
        sql = "arraySort(groupUniqArray(" + x.sql + "))";
        return {"", Family::opaque};
      case 9: {
        Scope numbers = of(scope, {Family::integer, Family::decimal, Family::real});
        if (numbers.empty()) break;
        sql = fmt::format("quantileExact({})({})", random_.pick_text({"0.5", "0.9", "0.1"}),
                          random_.pick(numbers).sql);
        return {"", Family::real, false};
      }
      case 10:
        sql = fmt::format("uniqExactIf({}, {})", x.sql, condition(scope));
        return {"", Family::integer};
      default:
        sql = fmt::format("minIf({}, {})", x.sql, condition(scope));
        return {"", x.family, x.exact};
    }
    sql = "count()";
    return {"", Family::integer};
  }

 private:
  Random& random_;
};

}  // namespace tidemark::models
