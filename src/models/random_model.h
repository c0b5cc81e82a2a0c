// For property tests: random models from a grammar of the SQL that people write. Whatever it makes is valid
// for ClickHouse and gives one answer only (no ties, no sums of floats that depend on the order); the
// compiler may refuse a model, but what it takes must stay equal to its recompute.
#pragma once

#include "config/project.h"
#include "models/random_expression.h"

namespace tidemark::models {

class ModelGenerator {
 public:
  ModelGenerator(const std::vector<RandomTable>& tables, uint64_t seed)
      : tables_(tables), random_(seed), expressions_(random_) {}

  config::ModelFile next() {
    ++number_;
    uint64_t kind = random_.below(20);
    Draft draft = kind < 7 ? incremental() : kind < 15 ? keyed() : view();
    config::ModelFile file;
    file.database = random_.pick_text({"silver", "analytics", "gold"});
    file.name = fmt::format("m{}", number_);
    file.file = "models/" + file.database + "/" + file.name + ".sql";
    file.kind = draft.kind;
    file.sql = draft.sql;
    file.key = draft.key;
    file.order_by = draft.order_by;
    file.partition_by = draft.partition_by;
    made_.push_back({file.full_name(), draft.kind, draft.outputs, draft.key, draft.depth});
    return file;
  }

 private:
  struct Draft {
    std::string kind, sql;
    std::vector<OutputColumn> outputs;
    std::vector<std::string> key;
    std::vector<std::string> order_by;
    std::string partition_by;
    int depth = 0;
  };
  struct Made {
    std::string name, kind;
    std::vector<OutputColumn> outputs;
    std::vector<std::string> key;
    int depth = 0;
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
  Source any_table() {
    return table_source(random_.pick(std::vector<size_t>{0, 0, 0, 1, 1, 2, 3, 4}), random_.one_in(2));
  }

  const Made* any_model(bool stored) {
    std::vector<const Made*> fit;
    for (const auto& made : made_)
      if (made.depth < 3 && (!stored || made.kind != "view") && !made.outputs.empty()) fit.push_back(&made);
    return fit.empty() ? nullptr : random_.pick(fit);
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

  // SELECT groups, aggregates FROM ... WHERE ... GROUP BY ... HAVING, written in the ways people write it.
  // `additive_only`: for what is kept by adding up.
  Grouped grouped(const Source& source, bool additive_only, uint64_t groups_min, bool may_order) {
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
      OutputColumn output =
          additive_only ? expressions_.additive(source.scope, sql) : expressions_.aggregate(source, sql);
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
    return draft;
  }

  Draft incremental() {
    Source source = any_table();
    if (random_.one_in(5)) {
      Draft draft = rows_of("incremental", source);
      if (random_.one_in(3) && draft.outputs.size() > draft.key.size()) {
        const auto& extra = draft.outputs[draft.key.size()];
        if (extra.family != Family::list) draft.order_by = {extra.name};
      }
      for (const auto& output : draft.outputs)
        if (output.family == Family::date && random_.one_in(3))
          draft.partition_by = "toYYYYMM(" + output.name + ")";
      return draft;
    }
    // Floats are refused on purpose; now and then that is tried.
    if (!random_.one_in(12))
      std::erase_if(source.scope, [](const auto& column) { return column.family == Family::real; });
    Grouped made = grouped(source, true, random_.one_in(6) ? 0 : 1, false);
    return {.kind = "incremental", .sql = made.sql, .outputs = made.outputs, .key = {}, .depth = 1};
  }

  Draft keyed() {
    lists_as_keys_ = false;
    Draft draft = any_keyed();
    lists_as_keys_ = true;
    return draft;
  }
  Draft any_keyed() {
    switch (random_.below(13)) {
      case 0:
        return rows_of("keyed", table_source(random_.below(4), random_.one_in(2)));
      case 1:
      case 2:
        if (const Made* made = any_model(true)) {
          Source source = model_source(*made, random_.one_in(3));
          Grouped keyed = grouped(source, false, 1, false);
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
      default:
        break;
    }
    Grouped made = grouped(any_table(), false, 1, false);
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
    Grouped made = grouped(facts, false, kind == "view" ? 0 : 1, false);
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

  Draft view() {
    const Made* made = any_model(false);
    switch (random_.below(9)) {
      case 0:
        return two_levels("view");
      case 1:
        return joined_by_key("view");
      case 2:
        return both_tables("view");
      case 3:
        return windowed();
      case 4:
        return with_dimensions("view");
      case 5:
      case 6:
      case 7:
        if (made != nullptr) {
          Grouped over = grouped(model_source(*made, random_.one_in(3)), false, random_.below(2), true);
          Draft draft{.kind = "view", .sql = over.sql, .outputs = over.outputs, .depth = made->depth + 1};
          if (random_.one_in(3)) {
            draft.sql = "WITH up_rows AS (SELECT * FROM " + made->name +
                        ")\nSELECT count() AS n, 'x' AS mark FROM up_rows";
            draft.outputs = {{"n", Family::integer}, {"mark", Family::text}};
          }
          return draft;
        }
        break;
      default:
        break;
    }
    Grouped plain = grouped(any_table(), false, random_.below(2), true);
    return {.kind = "view", .sql = plain.sql, .outputs = plain.outputs, .depth = 1};
  }

  Draft windowed() {
    Source source = table_source(random_.below(2), false);
    Draft draft{.kind = "view", .depth = 1};
    std::string key = list(source.key);
    draft.sql = fmt::format(
        "SELECT {}, row_number() OVER (PARTITION BY shop ORDER BY {}) AS place, {} AS x\nFROM {}\nWHERE {}",
        key, key, expressions_.scalar(source.scope).sql, source.from, expressions_.condition(source.scope));
    for (const auto& name : source.key) draft.outputs.push_back({name, Family::integer});
    draft.outputs.push_back({"place", Family::integer});
    return draft;
  }

  const std::vector<RandomTable>& tables_;
  Random random_;
  ExpressionGenerator expressions_;
  int number_ = 0;
  bool lists_as_keys_ = true;
  std::vector<Made> made_;
};

}  // namespace tidemark::models
