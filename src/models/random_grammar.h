// For property tests: what all kinds of random models are made of - the tables and models that a SELECT
// reads, SELECTs with GROUP BY in the ways people write them, joins with dimensions.
#pragma once

#include "config/model_file.h"
#include "models/random_expression.h"

#include <functional>
#include <map>
#include <set>

namespace tidemark::models {

class Grammar {
 protected:
  Grammar(const std::vector<RandomTable>& tables, uint64_t seed)
      : tables_(tables), random_(seed), expressions_(random_) {}

  struct Draft {
    std::string kind, sql;
    std::vector<OutputColumn> outputs;
    std::vector<std::string> key;
    std::vector<std::string> order_by;
    std::string partition_by, ttl;
    int depth = 0;
    bool projection = false;  // one row for each row of one table
  };
  struct Made {
    std::string name, kind;
    std::vector<OutputColumn> outputs;
    std::vector<std::string> key;
    int depth = 0;
    bool projection = false, refreshed = false;  // refreshed: a refresh model is in it
  };

  // --- what a SELECT reads

  Source table_source(size_t index, bool alias) {
    const RandomTable& table = tables_[index];
    Source source{.from = "bronze." + table.name};
    std::string prefix;
    if (alias) {
      std::string name(1, table.name[0]);
      source.from += (random_.one_in(2) ? " AS " : " ") + name;
      prefix = random_.one_in(3) ? "" : name + ".";
    }
    for (const auto& column : table.columns) source.scope.push_back({prefix + column.name, column.family});
    for (size_t key = 0; key < table.key_columns; ++key)
      source.key.push_back(prefix + table.columns[key].name);
    return source;
  }
  // Every name with its alias: what joins need, where names are in several tables.
  Source fact(size_t index, const std::string& alias) {
    const RandomTable& table = tables_[index];
    Source source{.from = "bronze." + table.name + " AS " + alias};
    for (const auto& column : table.columns)
      source.scope.push_back({alias + "." + column.name, column.family});
    for (size_t key = 0; key < table.key_columns; ++key)
      source.key.push_back(alias + "." + table.columns[key].name);
    return source;
  }
  Source any_table() {
    return table_source(random_.pick(std::vector<size_t>{0, 0, 0, 1, 1, 2, 3, 4}), random_.one_in(2));
  }

  const Made* model_where(const std::function<bool(const Made&)>& wanted) {
    std::vector<const Made*> fit;
    for (const auto& made : made_)
      if (made.depth < 3 && !made.outputs.empty() && wanted(made)) fit.push_back(&made);
    return fit.empty() ? nullptr : random_.pick(fit);
  }
  const Made* any_model() {
    return model_where([](const Made&) { return true; });
  }
  // One that what is kept by the cuts may read.
  const Made* followed_model(bool stored) {
    return model_where([&](const Made& made) { return !made.refreshed && (!stored || made.kind != "view"); });
  }
  Source model_source(const Made& made, bool alias) {
    Source source{.from = made.name, .depth = made.depth};
    if (alias) source.from += " AS up";
    std::string prefix = alias && random_.one_in(2) ? "up." : "";
    for (const auto& column : made.outputs)
      source.scope.push_back({prefix + column.name, column.family, column.exact});
    for (const auto& key : made.key) source.key.push_back(prefix + key);
    return source;
  }

  // --- models

  struct Grouped {
    std::string sql;
    std::vector<OutputColumn> outputs;
    std::vector<std::string> key;
  };

  // Writes an aggregate and says what it gives.
  using Aggregate = std::function<OutputColumn(std::string& sql)>;
  Aggregate any_aggregate(const Source& source) {
    return [this, &source](std::string& sql) { return expressions_.aggregate(source, sql); };
  }
  Aggregate sums_of(const Source& source) {
    return [this, &source](std::string& sql) { return expressions_.additive(source.scope, sql); };
  }

  // SELECT groups, aggregates FROM ... WHERE ... GROUP BY ... HAVING, written in the ways people write it.
  Grouped grouped(const Source& source, const Aggregate& aggregate, uint64_t groups_min, bool may_order) {
    Grouped made;
    std::vector<std::string> items, groups;
    uint64_t group_count = groups_min + random_.below(4 - groups_min);
    uint64_t style = random_.below(10);  // how groups are written
    for (uint64_t index = 0; index < group_count; ++index) {
      ScopeColumn group = expressions_.scalar(source.scope);
      if (index == 0 && random_.one_in(2)) group = random_.pick(source.scope);
      if (!lists_as_keys_ && group.family == Family::list)
        group = {"length(" + group.sql + ")", Family::integer};
      std::string name = fmt::format("g{}_{}", number_, index + 1);
      bool bare = group.sql.find_first_of("(. '%<>=!") == std::string::npos;
      if (bare && random_.one_in(2)) name = group.sql;
      if (std::find(made.key.begin(), made.key.end(), name) != made.key.end())
        name = fmt::format("g{}_{}", number_, index + 1);
      items.push_back(bare && name == group.sql && random_.one_in(2) ? name : group.sql + " AS " + name);
      groups.push_back(style == 0 ? std::to_string(items.size()) : style < 4 ? group.sql : name);
      made.key.push_back(name);
      made.outputs.push_back({name, group.family, group.exact});
    }
    std::vector<std::string> aggregates;
    for (uint64_t index = 0, count = 1 + random_.below(4); index < count; ++index) {
      std::string sql;
      OutputColumn output = aggregate(sql);
      output.name = fmt::format("a{}_{}", number_, index + 1);
      items.push_back(sql + (random_.one_in(5) ? " as " : " AS ") + output.name);
      aggregates.push_back(output.name);
      made.outputs.push_back(output);
    }
    made.sql = "SELECT " + list(items) + "\nFROM " + source.from;
    if (random_.one_in(3)) made.sql += "\nWHERE " + expressions_.condition(source.scope, 2);
    if (!groups.empty()) {
      if (style == 9 && !random_.one_in(2))
        made.sql += "\nGROUP BY ALL";
      else
        made.sql += "\nGROUP BY " + list(groups);
    }
    if (!groups.empty() && random_.one_in(5)) {
      std::string having = random_.one_in(2) ? "count() > 1" : fmt::format("a{}_1 IS NOT NULL", number_);
      if (random_.one_in(3)) having += " AND countIf(" + expressions_.condition(source.scope, 0) + ") < 20";
      made.sql += "\nHAVING " + having;
    }
    if (may_order && !made.key.empty() && random_.one_in(4)) {
      made.sql += "\nORDER BY " + list(made.key);
      if (random_.one_in(2)) made.sql += fmt::format(" LIMIT {}", 1 + random_.below(20));
    }
    return made;
  }

  static std::string list(const std::vector<std::string>& parts) {
    std::string text;
    for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
    return text;
  }

  // One row for each row of a table: its key and some expressions.
  Draft rows_of(const std::string& kind, const Source& source) {
    Draft draft{.kind = kind, .depth = source.depth + 1};
    std::vector<std::string> items;
    for (const auto& key : source.key) {
      std::string name = key.substr(key.find('.') == std::string::npos ? 0 : key.find('.') + 1);
      std::string alias = random_.one_in(3) ? fmt::format("k{}", items.size() + 1) : name;
      items.push_back(alias == name ? key : key + " AS " + alias);
      if (alias == name && key != name) items.back() = key + " AS " + alias;
      draft.key.push_back(alias);
      draft.outputs.push_back({alias, Family::integer});
    }
    for (const auto& column : source.scope)
      if (std::find(source.key.begin(), source.key.end(), column.sql) != source.key.end())
        for (size_t index = 0; index < source.key.size(); ++index)
          if (source.key[index] == column.sql) draft.outputs[index].family = column.family;
    for (uint64_t index = 0, count = 1 + random_.below(4); index < count; ++index) {
      ScopeColumn x =
          random_.one_in(3) ? expressions_.addend(source.scope) : expressions_.scalar(source.scope);
      draft.outputs.push_back({fmt::format("x{}", index + 1), x.family, x.exact});
      items.push_back(x.sql + " AS " + draft.outputs.back().name);
    }
    draft.sql = "SELECT " + list(items) + "\nFROM " + source.from;
    if (random_.one_in(2)) draft.sql += "\nWHERE " + expressions_.condition(source.scope, 2);
    draft.projection = true;
    return draft;
  }

  // --- joins

  struct Joined {
    Source source;            // all columns
    Scope facts, dimensions;  // of the left-most table; of the others
  };

  // A table with many changes and one or two others by their keys, or the newest rate at a time, every name
  // with its alias.
  Joined joined_facts(std::initializer_list<const char*> ways, bool incremental) {
    size_t index = random_.pick(std::vector<size_t>{0, 0, 1, 4});
    std::string alias(1, tables_[index].name[0]);
    Joined made{.source = fact(index, alias)};
    if (incremental)
      std::erase_if(made.source.scope, [](const auto& column) { return column.family == Family::real; });
    made.facts = made.source.scope;
    auto join = [&](const std::string& right, const std::string& name, Scope scope, const std::string& on) {
      std::string way = random_.pick_text(ways);
      made.source.from += "\n" + way + " " + right + " AS " + name + " ON " + on;
      if (random_.one_in(4)) made.source.from += " AND " + expressions_.condition(scope, 0);
      // Of no row there is nothing to read.
      if (way.find("SEMI") != std::string::npos || way.find("ANTI") != std::string::npos) return;
      for (auto& column : scope) made.dimensions.push_back(std::move(column));
    };
    auto table = [&](size_t dimension, const std::string& name, const std::string& by) {
      Scope scope;
      for (const auto& column : tables_[dimension].columns)
        scope.push_back({name + "." + column.name, column.family});
      std::string on = fmt::format("{}.{} = {}.{}", name, by, alias, by);
      if (random_.one_in(3)) on = fmt::format("{}.{} = {}.{}", alias, by, name, by);
      join("bronze." + tables_[dimension].name, name, std::move(scope), on);
    };
    std::vector<int> sorts{0, 2, 3, 4};
    if (index != 1) sorts.insert(sorts.end(), {1, 5, 5});
    if (incremental) sorts.push_back(6);
    for (uint64_t left = 1 + random_.below(2); left > 0; --left) {
      int sort = random_.pick(sorts);
      std::erase(sorts, sort);
      switch (sort) {
        case 0:
          table(2, "sh", "shop");
          break;
        case 1:
          table(3, "cu", "customer");
          break;
        case 2:
          join("(SELECT shop, count() AS n, max(fee) AS highest FROM bronze.shops GROUP BY shop)", "su",
               {{"su.n", Family::integer}, {"su.highest", Family::decimal}}, "su.shop = " + alias + ".shop");
          note("join: a subquery");
          break;
        case 3:
          table(2, "sh2", "shop");
          break;
        case 4: {
          const Made* model = model_where([](const Made& one) {
            return !one.refreshed && one.kind == "keyed" && one.key.size() == 1 &&
                   one.outputs[0].family == Family::integer;
          });
          if (model == nullptr) break;
          Scope scope;
          for (const auto& column : model->outputs)
            if (column.family != Family::real && column.exact)
              scope.push_back({"mo." + column.name, column.family});
          made.source.depth = model->depth;
          join(model->name, "mo", std::move(scope), "mo." + model->key[0] + " = " + alias + ".shop");
          note("join: a model");
          break;
        }
        case 5:
          made.source.from +=
              fmt::format("\nASOF {}JOIN bronze.rates AS ra ON ra.shop = {}.shop AND {}.at >= ra.since",
                          random_.one_in(2) ? "LEFT " : "", alias, alias);
          made.dimensions.push_back({"ra.rate", Family::decimal});
          made.dimensions.push_back({"ra.since", Family::moment});
          break;
        default:
          made.source.from +=
              "\nCROSS JOIN (SELECT max(fee) AS top, count() AS shops FROM bronze.shops) AS al";
          made.dimensions.push_back({"al.top", Family::decimal});
          made.dimensions.push_back({"al.shops", Family::integer});
          break;
      }
    }
    for (const auto& column : made.dimensions) made.source.scope.push_back(column);
    return made;
  }

  // In some projects most models build on others.
  bool over_a_model() { return chains_ && random_.one_in(2); }

  // Of a table with a column `shop`.
  static Scope looked_up_columns() {
    return {{"dictGetOrNull('geo.shops', 'name', shop)", Family::text},
            {"dictGetOrDefault('geo.shops', 'fee', shop, toDecimal64(1, 3))", Family::decimal}};
  }

  void note(const char* construct) { constructs_.insert(construct); }

  const std::vector<RandomTable>& tables_;
  Random random_;
  ExpressionGenerator expressions_;
  int number_ = 0;
  bool lists_as_keys_ = true;
  bool chains_ = false;
  bool dictionaries_ = false;  // geo.shops and geo.customers are there
  std::vector<Made> made_;
  std::set<std::string> constructs_;  // of the model being made
};

}  // namespace tidemark::models
