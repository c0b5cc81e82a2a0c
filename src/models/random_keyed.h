// For property tests: models of kind keyed, and the SELECTs they share with views: joins of every kind, two
// levels of GROUP BY, unions, other models.
#pragma once

#include "models/random_incremental.h"

namespace tidemark::models {

class KeyedGrammar : public IncrementalGrammar {
 protected:
  using IncrementalGrammar::IncrementalGrammar;

  Draft keyed() {
    lists_as_keys_ = false;
    Draft draft = any_keyed();
    lists_as_keys_ = true;
    return draft;
  }
  Draft any_keyed() {
    switch (over_a_model() ? (random_.one_in(3) ? 11 : 1) : random_.below(16)) {
      case 0:
        return rows_of("keyed", table_source(random_.below(4), random_.one_in(2)));
      case 1:
      case 2:
        if (const Made* made = followed_model(true)) {
          note(made->projection && made->kind == "incremental" ? "keyed: over a store of rows"
                                                               : "keyed: over a model");
          Source source = model_source(*made, random_.one_in(3));
          Grouped keyed = grouped(source, any_aggregate(source), 1, false);
          return {.kind = "keyed",
                  .sql = keyed.sql,
                  .outputs = keyed.outputs,
                  .key = keyed.key,
                  .depth = made->depth + 1};
        }
        break;
      case 3:
        return two_levels("keyed");
      case 4:
      case 5:
        return joined_by_key("keyed");
      case 6:
        return both_tables("keyed");
      case 7:
      case 8:
        return with_dimensions("keyed");
      case 9:
      case 10:
        return joined("keyed");
      case 11:
        return over_store_and_dimension();
      default:
        break;
    }
    Source source = any_table();
    Grouped made = grouped(source, any_aggregate(source), 1, false);
    return {.kind = "keyed", .sql = made.sql, .outputs = made.outputs, .key = made.key, .depth = 1};
  }

  // GROUP BY over a finer GROUP BY.
  Draft two_levels(const std::string& kind) {
    Source source = any_table();
    ScopeColumn outer = expressions_.scalar(source.scope), inner = expressions_.scalar(source.scope);
    std::string sum;
    OutputColumn output = expressions_.additive(source.scope, sum, 0);
    Draft draft{.kind = kind, .key = {"g1"}, .depth = 1};
    draft.sql = fmt::format(
        "SELECT g1, max(part) AS most, count() AS parts, min(fine) AS least\nFROM (\n  SELECT {} AS g1, {} "
        "AS fine, {} AS part\n  "
        "FROM {}\n  GROUP BY g1, fine\n)\nGROUP BY g1",
        outer.sql, inner.sql, sum, source.from);
    draft.outputs = {{"g1", outer.family, outer.exact},
                     {"most", output.family, output.exact},
                     {"parts", Family::integer},
                     {"least", inner.family, inner.exact}};
    return draft;
  }

  // Tables that share `shop`, or orders and customers by `customer`, joined by it.
  Draft joined_by_key(const std::string& kind) {
    bool by_shop = !random_.one_in(3);
    std::vector<size_t> facts = by_shop ? std::vector<size_t>{0, 1, 4} : std::vector<size_t>{0, 4};
    Source left = table_source(random_.pick(facts), false), right = table_source(by_shop ? 2 : 3, false);
    std::string key = by_shop ? "shop" : "customer";
    if (random_.one_in(3)) std::swap(left, right);
    std::string join =
        random_.pick_text({" JOIN ", " LEFT JOIN ", " INNER JOIN ", " FULL JOIN ", " RIGHT JOIN "});
    Source both{.from = left.from + join + right.from + " USING (" + key + ")"};
    for (const auto& column : left.scope) both.scope.push_back(column);
    for (const auto& column : right.scope) {
      bool twice = std::any_of(left.scope.begin(), left.scope.end(),
                               [&](const auto& other) { return other.sql == column.sql; });
      if (!twice) both.scope.push_back(column);
    }
    std::vector<std::string> items{key};
    Draft draft{.kind = kind, .key = {key}, .depth = 1};
    draft.outputs = {{key, Family::integer}};
    for (uint64_t index = 0, count = 1 + random_.below(3); index < count; ++index) {
      std::string sql;
      OutputColumn output = expressions_.aggregate(both, sql);
      output.name = fmt::format("a{}_{}", number_, index + 1);
      items.push_back(sql + " AS " + output.name);
      draft.outputs.push_back(output);
    }
    draft.sql = "SELECT " + list(items) + "\nFROM " + both.from;
    if (random_.one_in(3)) draft.sql += "\nWHERE " + expressions_.condition(both.scope);
    draft.sql += "\nGROUP BY " + key;
    return draft;
  }

  // Facts with one or two dimensions by ON: a change of a dimension touches keys it does not carry.
  Draft with_dimensions(const std::string& kind) {
    bool orders = !random_.one_in(3);
    Source facts = table_source(orders ? 0 : 4, true);
    // Every name is qualified: some are in both tables.
    std::string alias = orders ? "o" : "e";
    for (auto& column : facts.scope)
      if (column.sql.find('.') == std::string::npos) column.sql = alias + "." + column.sql;
    for (auto& column : facts.key)
      if (column.find('.') == std::string::npos) column = alias + "." + column;
    auto join = [&](size_t index, const std::string& name, const std::string& by) {
      const RandomTable& dimension = tables_[index];
      facts.from += fmt::format("\n{} JOIN bronze.{} AS {} ON {}.{} = {}.{}",
                                random_.pick_text({"LEFT", "LEFT", "INNER"}), dimension.name, name, name, by,
                                alias, by);
      for (const auto& column : dimension.columns)
        facts.scope.push_back({name + "." + column.name, column.family});
    };
    uint64_t which = random_.below(3);
    if (which != 1) join(2, "sh", "shop");
    if (which != 0) join(3, "cu", "customer");
    Grouped made = grouped(facts, any_aggregate(facts), kind == "view" ? 0 : 1, false);
    return {.kind = kind, .sql = made.sql, .outputs = made.outputs, .key = made.key, .depth = 1};
  }

  // UNION ALL of two tables, grouped.
  Draft both_tables(const std::string& kind) {
    Source orders = table_source(0, false), events = table_source(4, false);
    Draft draft{.kind = kind, .key = {"shop"}, .depth = 1};
    draft.sql = fmt::format(
        "SELECT shop, sum(value) AS total, countIf(source = 1) AS first, max(moment) AS last\nFROM (\n  "
        "SELECT shop, {} AS value, 1 "
        "AS source, toDate32(at) AS moment FROM bronze.orders WHERE {}\n  UNION ALL\n  SELECT shop, {}, 2, "
        "toDate32(at) FROM "
        "bronze.events\n)\nGROUP BY shop",
        random_.pick_text({"price", "toDecimal64(units, 2)", "price * 2"}),
        expressions_.condition(orders.scope), random_.pick_text({"amount", "-amount", "toDecimal64(0, 2)"}));
    draft.outputs = {{"shop", Family::integer},
                     {"total", Family::decimal},
                     {"first", Family::integer},
                     {"last", Family::date}};
    return draft;
  }

  // Joins that pick one row or only ask whether there is one.
  Draft joined(const std::string& kind) {
    Joined joined =
        joined_facts({"LEFT JOIN", "INNER JOIN", "LEFT ANY JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"}, false);
    Grouped made = grouped(joined.source, any_aggregate(joined.source), kind == "view" ? 0 : 1, false);
    return {.kind = kind,
            .sql = made.sql,
            .outputs = made.outputs,
            .key = made.key,
            .depth = joined.source.depth + 1};
  }

  // The store of a model with one row a source row, and what a key of it leads to.
  Draft over_store_and_dimension() {
    const Made* made = model_where([](const Made& one) {
      return one.projection && one.kind == "incremental" && !one.refreshed &&
             std::any_of(one.outputs.begin(), one.outputs.end(),
                         [](const auto& column) { return column.family == Family::integer; });
    });
    if (made == nullptr) return joined("keyed");
    note("keyed: a store joined with a table");
    Source source{.from = made->name + " AS st", .depth = made->depth + 1};
    std::vector<std::string> numbers;
    for (const auto& column : made->outputs) {
      source.scope.push_back({"st." + column.name, column.family, column.exact});
      if (column.family == Family::integer) numbers.push_back(column.name);
    }
    for (const auto& key : made->key) source.key.push_back("st." + key);
    source.from += fmt::format("\n{} JOIN bronze.shops AS sh ON sh.shop = st.{}",
                               random_.pick_text({"LEFT", "INNER"}), random_.pick(numbers));
    for (const auto& column : tables_[2].columns)
      source.scope.push_back({"sh." + column.name, column.family});
    Grouped keyed = grouped(source, any_aggregate(source), 1, false);
    return {
        .kind = "keyed", .sql = keyed.sql, .outputs = keyed.outputs, .key = keyed.key, .depth = source.depth};
  }
};

}  // namespace tidemark::models
