// For property tests: random models from a grammar of the SQL that people write. Whatever it makes is valid
// for ClickHouse and gives one answer only (no ties, no sums of floats that depend on the order); the
// compiler may refuse a model, but what it takes must stay equal to its recompute.
#pragma once

#include "models/random_keyed.h"

namespace tidemark::models {

class ModelGenerator : private KeyedGrammar {
 public:
  // `dictionaries`: geo.shops is one, over bronze.shops by shop.
  ModelGenerator(const std::vector<RandomTable>& tables, uint64_t seed, bool dictionaries = false)
      : KeyedGrammar(tables, seed) {
    dictionaries_ = dictionaries;
    chains_ = random_.one_in(3);
  }

  config::ModelFile next() {
    ++number_;
    constructs_.clear();
    Draft draft = made_.empty() && chains_ ? first_of_chain() : any();
    config::ModelFile file;
    file.database = random_.pick_text({"silver", "analytics", "gold"});
    file.name = fmt::format("m{}", number_);
    file.file = "models/" + file.database + "/" + file.name + ".sql";
    file.kind = draft.kind;
    file.sql = draft.sql;
    if (draft.kind != "view" && draft.kind != "refresh") file.key = draft.key;
    file.order_by = draft.order_by;
    file.partition_by = draft.partition_by;
    file.ttl = draft.ttl;
    file.on_change = draft.kind == "refresh";
    file.not_more_often_seconds = 0;
    bool refreshed = draft.kind == "refresh";
    for (const auto& made : made_) refreshed |= made.refreshed && mentions(file.sql, made.name);
    made_.push_back(
        {file.full_name(), draft.kind, draft.outputs, draft.key, draft.depth, draft.projection, refreshed});
    constructs_of_[file.full_name()] = std::move(constructs_);
    return file;
  }

  bool has_dictionaries() const { return dictionaries_; }
  // What a model was made of, as far as its text does not say it: random_constructs.h.
  const std::map<std::string, std::set<std::string>>& constructs() const { return constructs_of_; }

 private:
  Draft any() {
    uint64_t kind = random_.below(22);
    return kind < 8 ? incremental() : kind < 15 ? keyed() : kind < 20 ? view() : refresh();
  }

  // Something that models of every kind may build on.
  Draft first_of_chain() {
    switch (random_.below(6)) {
      case 0:
        return refresh();
      case 1:
      case 2:
        note("view: rows");
        return rows_of("view", any_table());
      default:
        return stored_rows();
    }
  }

  // Names end where their digits end.
  static bool mentions(const std::string& sql, const std::string& name) {
    for (size_t at = 0; (at = sql.find(name, at)) != std::string::npos; at += name.size())
      if (at + name.size() == sql.size() || std::isdigit(sql[at + name.size()]) == 0) return true;
    return false;
  }

  Draft view() {
    const Made* made = any_model();
    switch (over_a_model() ? 5 : random_.below(13)) {
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
          Source source = model_source(*made, random_.one_in(3));
          Grouped over = grouped(source, any_aggregate(source), random_.below(2), true);
          Draft draft{.kind = "view", .sql = over.sql, .outputs = over.outputs, .depth = made->depth + 1};
          if (random_.one_in(3)) {
            draft.sql = "WITH up_rows AS (SELECT * FROM " + made->name +
                        ")\nSELECT count() AS n, 'x' AS mark FROM up_rows";
            draft.outputs = {{"n", Family::integer}, {"mark", Family::text}};
          }
          return draft;
        }
        break;
      case 8:
        note("view: rows");
        return rows_of("view", any_table());
      case 9:
        return joined("view");
      case 10:
      case 11:
        if (dictionaries_) return looked_up();
        break;
      default:
        break;
    }
    Source source = any_table();
    Grouped plain = grouped(source, any_aggregate(source), random_.below(2), true);
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

  // Names come from a dictionary, and may be missing there.
  Draft looked_up() {
    note("view: dictionary");
    Source source = table_source(random_.pick(std::vector<size_t>{0, 1, 4}), false);
    Scope looked = looked_up_columns();
    for (const auto& column : looked) source.scope.push_back(column);
    Grouped made = grouped(source, any_aggregate(source), 0, true);
    if (made.sql.find("dictGet") == std::string::npos) {
      made.sql = "SELECT " + looked[0].sql + " AS shop_name, count() AS n, sum(" + looked[1].sql +
                 ") AS fees\nFROM " + source.from + "\nGROUP BY shop_name";
      made.outputs = {{"shop_name", Family::text}, {"n", Family::integer}, {"fees", Family::decimal}};
      made.key = {"shop_name"};
    }
    return {.kind = "view", .sql = made.sql, .outputs = made.outputs, .depth = 1};
  }

  Draft refresh() {
    Draft draft = random_.one_in(4) ? windowed() : view();
    if (random_.one_in(4)) {
      Source source = any_table();
      Grouped made = grouped(source, any_aggregate(source), 1, false);
      draft = {.kind = "refresh", .sql = made.sql, .outputs = made.outputs, .depth = 1};
      draft.sql += "\nORDER BY " + list(made.key) + " LIMIT 5";
    }
    draft.kind = "refresh";
    draft.projection = false;
    return draft;
  }

  std::map<std::string, std::set<std::string>> constructs_of_;
};

}  // namespace tidemark::models
