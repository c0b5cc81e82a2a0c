// For property tests: models of kind incremental - sums over one table, over a projection, a union or another
// model; joins that are read when the model is; states over logs; rows one by one; rows that grow old.
#pragma once

#include "models/random_grammar.h"

namespace tidemark::models {

class IncrementalGrammar : public Grammar {
 protected:
  using Grammar::Grammar;

  Draft incremental() {
    Draft draft = any_incremental();
    if (random_.one_in(4)) add_retention(draft);
    return draft;
  }

 protected:
  static void without_floats(Scope& scope) {
    std::erase_if(scope, [](const auto& column) { return column.family == Family::real; });
  }

  Draft any_incremental() {
    switch (over_a_model() ? 12 : random_.below(16)) {
      case 0:
      case 1:
        return stored_rows();
      case 2:
      case 3:
      case 4:
      case 5:
        return joined_sums();
      case 6:
        return joined_rows();
      case 7:
      case 8:
        return states();
      case 9:
        return over_projection();
      case 10:
        return over_union();
      case 11:
        return united();
      case 12:
        if (const Made* made = model_where(
                [](const Made& one) { return one.projection && !one.refreshed && one.kind != "keyed"; })) {
          note(made->kind == "view" ? "incremental: over a view" : "incremental: over an incremental model");
          return sums(model_source(*made, random_.one_in(3)), made->depth + 1);
        }
        break;
      default:
        break;
    }
    if (dictionaries_ && random_.one_in(2)) return looked_up_sums();
    Source source = any_table();
    // Floats are refused on purpose; now and then that is tried.
    if (!random_.one_in(30)) without_floats(source.scope);
    return sums(source, 1);
  }

  Draft sums(Source source, int depth) {
    std::erase_if(source.scope, [](const auto& column) { return !column.exact; });
    if (source.scope.empty()) source.scope.push_back({"1", Family::integer});
    Grouped made = grouped(source, sums_of(source), random_.one_in(6) ? 0 : 1, false);
    return {.kind = "incremental", .sql = made.sql, .outputs = made.outputs, .key = {}, .depth = depth};
  }

  // What a dictionary says about a row is looked up when the model is read.
  Draft looked_up_sums() {
    note("incremental: dictionary");
    Source source = table_source(random_.pick(std::vector<size_t>{0, 1, 4}), false);
    without_floats(source.scope);
    Scope looked = looked_up_columns();
    for (const auto& column : looked) source.scope.push_back(column);
    auto aggregate = [&](std::string& sql) -> OutputColumn {
      if (random_.one_in(2)) return expressions_.additive(source.scope, sql);
      sql = fmt::format("sumIf({}, {})", expressions_.addend(source.scope).sql,
                        expressions_.condition(looked, 0));
      return {"", Family::decimal};
    };
    Grouped made = grouped(source, aggregate, 0, false);
    if (made.sql.find("dictGet") == std::string::npos) {
      made.sql = "SELECT " + looked[0].sql + " AS shop_name, count() AS n, sum(" + looked[1].sql +
                 ") AS fees\nFROM " + source.from + "\nGROUP BY shop_name";
      made.outputs = {{"shop_name", Family::text}, {"n", Family::integer}, {"fees", Family::decimal}};
    }
    return {.kind = "incremental", .sql = made.sql, .outputs = made.outputs, .key = {}, .depth = 1};
  }

  Draft stored_rows() {
    note("incremental: rows");
    Draft draft = rows_of("incremental", any_table());
    if (random_.one_in(3) && draft.outputs.size() > draft.key.size()) {
      const auto& extra = draft.outputs[draft.key.size()];
      if (extra.family != Family::list) draft.order_by = {extra.name};
    }
    for (const auto& output : draft.outputs)
      if (output.family == Family::date && random_.one_in(3))
        draft.partition_by = "toYYYYMM(" + output.name + ")";
    return draft;
  }

  static constexpr std::initializer_list<const char*> ways{
      "INNER JOIN", "LEFT JOIN", "LEFT JOIN", "LEFT ANY JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"};

  Draft joined_sums() {
    Joined joined = joined_facts(ways, true);
    if (random_.one_in(3)) without_floats(joined.source.scope);
    bool log = joined.source.key.empty();
    Source facts = joined.source;
    facts.scope = joined.facts;
    auto aggregate = [&](std::string& sql) -> OutputColumn {
      uint64_t sort = random_.below(joined.dimensions.empty() ? 1 : 5);
      if (sort == 0) {
        if (log && random_.one_in(2)) {
          note("incremental: states and joins");
          return expressions_.aggregate(facts, sql);
        }
        return expressions_.additive(joined.facts, sql);
      }
      if (sort == 1) return expressions_.additive(joined.source.scope, sql);
      if (sort == 2) {
        note("incremental: aggregate of a joined column");
        const ScopeColumn& x = random_.pick(joined.dimensions);
        std::string call = random_.pick_text({"min", "max", "uniqExact", "groupUniqArray"});
        sql = call + "(" + x.sql + ")";
        if (call == "groupUniqArray") sql = "arraySort(" + sql + ")";
        return call == "uniqExact"        ? OutputColumn{"", Family::integer}
               : call == "groupUniqArray" ? OutputColumn{"", Family::opaque}
                                          : OutputColumn{"", x.family, x.exact};
      }
      if (sort == 3) {
        note("incremental: condition over both sides");
        sql = fmt::format("sumIf({}, {} AND {})", expressions_.addend(joined.facts).sql,
                          expressions_.condition(joined.facts, 0),
                          expressions_.condition(joined.dimensions, 0));
        return {"", Family::decimal};
      }
      note("incremental: product of both sides");
      sql = fmt::format("sum({} * {})", expressions_.addend(joined.facts).sql,
                        expressions_.addend(joined.dimensions).sql);
      return {"", Family::decimal};
    };
    Grouped made = grouped(joined.source, aggregate, random_.one_in(6) ? 0 : 1, false);
    return {.kind = "incremental",
            .sql = made.sql,
            .outputs = made.outputs,
            .key = {},
            .depth = joined.source.depth + 1};
  }

  Draft joined_rows() {
    note("incremental: joined rows");
    Joined joined = joined_facts(ways, true);
    return rows_of("incremental", joined.source);
  }

  // Over a log every aggregate can be kept.
  Draft states() {
    note("incremental: states");
    Source source = table_source(4, random_.one_in(2));
    Grouped made = grouped(source, any_aggregate(source), random_.one_in(6) ? 0 : 1, false);
    return {.kind = "incremental", .sql = made.sql, .outputs = made.outputs, .key = {}, .depth = 1};
  }

  Draft over_projection() {
    note("incremental: over a subquery");
    Source inner = any_table();
    without_floats(inner.scope);
    Source outer;
    std::vector<std::string> items;
    for (uint64_t index = 0, count = 2 + random_.below(3); index < count; ++index) {
      ScopeColumn x = random_.one_in(2) ? expressions_.scalar(inner.scope) : random_.pick(inner.scope);
      outer.scope.push_back({fmt::format("p{}", index + 1), x.family, x.exact});
      items.push_back(x.sql + " AS " + outer.scope.back().sql);
    }
    outer.from = "(SELECT " + list(items) + " FROM " + inner.from;
    if (random_.one_in(2)) outer.from += " WHERE " + expressions_.condition(inner.scope);
    outer.from += ")";
    if (random_.one_in(2)) outer.from += " AS part";
    return sums(outer, 1);
  }

  // Two tables feed one store.
  std::string union_of_tables() {
    Source orders = table_source(0, false), other = table_source(random_.one_in(2) ? 1 : 4, false);
    return fmt::format(
        "SELECT shop, toDecimal64({}, 4) AS value, {} AS flag, 1 AS part FROM {} WHERE {}\n  "
        "UNION ALL\n  SELECT shop, toDecimal64({}, 4), {}, 2 FROM {}",
        random_.pick_text({"price", "units", "price * 2"}), random_.pick_text({"paid", "shop > 2"}),
        orders.from, expressions_.condition(orders.scope), random_.pick_text({"amount", "-amount", "0"}),
        "shop < 4", other.from);
  }

  Draft over_union() {
    note("incremental: over a union");
    Source source{.from = "(\n  " + union_of_tables() + "\n)",
                  .scope = {{"shop", Family::integer},
                            {"value", Family::decimal},
                            {"flag", Family::boolean},
                            {"part", Family::integer}}};
    return sums(source, 1);
  }

  // A UNION ALL at the top: one row for each row of either part.
  Draft united() {
    note("incremental: a union of rows");
    Source source = table_source(0, false);
    Draft draft{.kind = "incremental", .depth = 1};
    draft.sql = fmt::format(
        "SELECT id, 'price' AS part, shop, price AS value FROM bronze.orders WHERE {}\nUNION ALL\nSELECT id, "
        "'units' AS part, shop, toDecimal64(units, 2) AS value FROM bronze.orders WHERE {}",
        expressions_.condition(source.scope), expressions_.condition(source.scope));
    draft.key = {"id", "part"};
    draft.outputs = {{"id", Family::integer},
                     {"part", Family::text},
                     {"shop", Family::integer},
                     {"value", Family::decimal}};
    return draft;
  }

 private:
  // Times lie around the beginning of 2026; some of them are over, whenever the test runs.
  void add_retention(Draft& draft) {
    for (const auto& output : draft.outputs) {
      bool aggregate = output.name.starts_with("a");
      if ((output.family != Family::date && output.family != Family::moment) || aggregate) continue;
      draft.ttl = fmt::format("{} + INTERVAL {} DAY", output.name,
                              random_.one_in(4) ? 36500 : random_.between(200, 330));
      return;
    }
  }
};

}  // namespace tidemark::models
