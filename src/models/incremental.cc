#include "models/incremental.h"

#include "models/incremental_store.h"
#include "models/incremental_traps.h"
#include "models/references.h"

#include <set>

namespace tidemark::models {
namespace {

using clickhouse::ColumnDescription;
using clickhouse::quote_identifier;

// Lines of generated text say nothing about the file.
constexpr int generated_text = 1'000'000;

std::string replaced(std::string text, std::string_view mark, const std::string& instead) {
  for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += instead.size())
    text.replace(at, mark.size(), instead);
  return text;
}

std::string declare(const std::vector<ColumnDescription>& columns) {
  std::vector<std::string> list;
  for (const auto& column : columns) list.push_back(quote_identifier(column.name) + " " + column.type);
  return joined(list);
}

class Compiler {
 public:
  Compiler(const ModelSource& source, const SqlText& original, const std::vector<ColumnDescription>& columns)
      : source_(source), original_(original), columns_(columns) {}

  std::optional<IncrementalModel> run() {
    auto form = check_incremental(source_, original_);
    if (!form) return std::nullopt;
    place_ = form->from;
    // A union's own items are those of its first branch.
    if (!form->united)
      written_ = shape_of(original_, without_brackets(original_, {0, original_.tokens.size()}));
    query_ = ResolvedQuery::of(source_, original_, form->feeding,
                               form->united ? columns_ : std::vector<ColumnDescription>{});
    if (!query_ || !check_lookups()) return std::nullopt;
    shape_ = shape_of(query_->text(), {0, query_->tokens().size()});
    if (!check_names()) return std::nullopt;
    auto fact = find_fact(source_, *query_, shape_.from, place_);
    if (!fact) return std::nullopt;
    fact_ = std::move(*fact);
    split_where();
    bool aggregated = shape_.grouped || !shape_.having.empty();
    for (const auto& item : shape_.items) aggregated |= has_aggregate(item.expression);
    auto model = aggregated ? groups() : rows();
    if (model) find_read_tables(*model);
    return model;
  }

 private:
  // Where the file has item `index`.
  size_t place_of_item(size_t index) const {
    if (!written_ || index >= written_->items.size()) return place_;
    return original_.tokens[written_->items[index].expression.first].offset;
  }

  // Where the file first calls `function`, which the server may have renamed.
  size_t place_of_call(std::string_view function) const {
    std::string wanted = lower_case(function);
    for (bool exactly : {true, false})
      for (size_t index = 0; index < original_.tokens.size(); ++index) {
        if (!original_.call(index) || !source_.functions.aggregate(original_.tokens[index].name)) continue;
        std::string found = lower_case(original_.tokens[index].name);
        if (exactly ? found == wanted : (wanted.starts_with(found) || wanted == "uniqexact"))
          return original_.tokens[index].offset;
      }
    return place_;
  }

  std::nullopt_t complain(size_t place, std::string message, std::string remedy) {
    source_.complaints.at(place, std::move(message), std::move(remedy));
    return std::nullopt;
  }

  // The server has computed a look-up of a constant key by now, and its answer would stay.
  bool check_lookups() {
    auto lookups = [](const SqlText& text) {
      std::vector<size_t> places;
      for (size_t index = 0; index + 1 < text.tokens.size(); ++index)
        if (text.call(index) && lower_case(text.tokens[index].name).starts_with("dict"))
          places.push_back(text.tokens[index].offset);
      return places;
    };
    auto written = lookups(original_);
    if (written.size() <= lookups(query_->text()).size()) return true;
    complain(written.front(), "a look-up of a constant key is answered once, when the model is made",
             "look up by a column, or in a `-- kind: view` model on top of this one");
    return false;
  }

  bool check_names() {
    for (size_t index = 0; index < shape_.items.size(); ++index) {
      const auto& item = shape_.items[index];
      if (shape_.items.size() != columns_.size() || columns_[index].name != item.alias) {
        complain(place_of_item(index),
                 fmt::format("the server calls this column `{}`, not `{}`",
                             index < columns_.size() ? columns_[index].name : "", item.alias),
                 "write expression AS name");
        return false;
      }
      if (item.alias.starts_with('_')) {
        complain(place_of_item(index),
                 fmt::format("`{}`: names that start with _ are Tidemark's own", item.alias),
                 "choose another name");
        return false;
      }
    }
    return true;
  }

  bool has_aggregate(TokenRange range) const {
    for (size_t index = range.first; index < range.last; ++index)
      if (query_->call_end(index) != 0 && source_.functions.aggregate(query_->tokens()[index].name))
        return true;
    return false;
  }

  bool joins() const { return !fact_.joins.empty(); }

  // Conditions on the fact alone keep change rows out; the others wait for what is joined.
  void split_where() {
    for (TokenRange part : query_->conjuncts(shape_.where)) {
      if (query_->reads_elsewhere(part, fact_.alias))
        read_where_.push_back(part);
      else
        delta_where_.push_back("(" + query_->text().normalised(part) + ")");
    }
  }

  void find_read_tables(IncrementalModel& model) const {
    for (size_t index = fact_.joins.first; index < fact_.joins.last; ++index)
      if (const auto* table = query_->table_at(index)) {
        std::string name = table->mirrored != nullptr ? "bronze." + table->mirrored->name : table->read;
        if (std::find(model.read_time.begin(), model.read_time.end(), name) == model.read_time.end())
          model.read_time.push_back(name);
      }
  }

  std::optional<std::vector<ColumnDescription>> describe(const std::string& select, std::string_view what) {
    auto described = clickhouse::describe_select(source_.client, select);
    if (described) return std::move(*described);
    source_.complaints.refused(described.error(), what, generated_text);
    return std::nullopt;
  }

  // What the header's expressions may use: the store's columns.
  // `stored`: a SELECT of what the store holds.
  bool check_header(const std::string& stored, const char* key, const std::string& expression) {
    if (expression.empty()) return true;
    auto described =
        clickhouse::describe_select(source_.client, "SELECT (" + expression + ") FROM (" + stored + ")");
    if (described) return true;
    source_.complaints.in_header(
        key,
        fmt::format("`{}` cannot be computed from what the store holds: {}", expression,
                    described.error().message),
        joins() ? "use columns that come from the left-most table and are in GROUP BY or in the SELECT"
                : "use the model's own columns that are not aggregates");
    return false;
  }

  bool check_headers(const std::string& stored) {
    for (const auto& expression : source_.file.order_by)
      if (!check_header(stored, "order_by", expression)) return false;
    return check_header(stored, "partition_by", source_.file.partition_by) &&
           check_header(stored, "ttl", source_.file.ttl);
  }

  // The sorting key: what the header asks for first, then the rest of `needed`.
  std::string sorting_key(const std::vector<std::string>& needed) const {
    std::vector<std::string> key;
    std::set<std::string> used;
    for (const auto& expression : source_.file.order_by) {
      key.push_back(expression);
      used.insert(expression);
    }
    for (const auto& name : needed)
      if (!used.contains(name)) key.push_back(quote_identifier(name));
    return key.empty() ? "tuple()" : "(" + joined(key) + ")";
  }

  std::string partition() const {
    return source_.file.partition_by.empty() ? "" : " PARTITION BY (" + source_.file.partition_by + ")";
  }

  std::string from_feed(const Feed& feed) const {
    return " FROM " + feed.from + " AS " + fact_.alias +
           (delta_where_.empty() ? "" : " WHERE " + joined(delta_where_, " AND "));
  }

  // Joins as a reader of the store writes them. `reading`: from the real tables, else from tables without
  // rows that need not exist.
  std::optional<std::string> joins_over(IncrementalStore& store, bool reading) {
    const auto& tokens = query_->tokens();
    const SqlText& text = query_->text();
    std::string out;
    std::vector<std::string> aliases;
    bool asof = false;
    auto text_of = [&](TokenRange range) {
      return reading ? query_->reading(range) : text.normalised(range);
    };
    for (size_t index = fact_.joins.first; index < fact_.joins.last; ++index) {
      const Token& token = tokens[index];
      if (!token.is(",")) out += ' ';
      if (query_->table_at(index) != nullptr) {
        out += text_of({index, index + 4});
        index += 3;
      } else if (token.is("(")) {
        out += text_of({index, text.partner[index] + 1});
        index = text.partner[index];
      } else if (token.keyword("AS")) {
        aliases.push_back(tokens[index + 1].name);
        out += "AS " + aliases.back();
        ++index;
      } else if (token.keyword("ON")) {
        TokenRange condition{index + 1, end_of_condition(index + 1)};
        out += "ON " + store.over_store(condition);
        index = condition.last - 1;
      } else if (token.keyword("USING")) {
        auto condition = using_condition(store, index + 1, aliases, asof);
        if (!condition) return std::nullopt;
        out += "ON " + *condition;
        while (index + 1 < fact_.joins.last && !join_word(tokens[index + 1])) {
          ++index;
          if (tokens[index].is("(")) index = text.partner[index];
        }
      } else {
        if (token.keyword("ASOF")) asof = true;
        if (token.keyword("JOIN") || token.is(",")) asof = asof && token.keyword("JOIN");
        out += token.text;
      }
    }
    return out;
  }

  static bool join_word(const Token& token) {
    for (std::string_view word :
         {"ALL", "ANY", "ASOF", "SEMI", "ANTI", "LEFT", "INNER", "CROSS", "JOIN", "GLOBAL"})
      if (token.keyword(word)) return true;
    return token.is(",");
  }

  size_t end_of_condition(size_t index) const {
    for (; index < fact_.joins.last; ++index) {
      if (query_->tokens()[index].is("(") || query_->tokens()[index].is("["))
        index = query_->text().partner[index];
      else if (join_word(query_->tokens()[index]))
        break;
    }
    return index;
  }

  // USING (a, b) by name; the store's columns have names of their own.
  std::optional<std::string> using_condition(IncrementalStore& store, size_t index,
                                             const std::vector<std::string>& aliases, bool asof) {
    const auto& tokens = query_->tokens();
    std::vector<std::string> names;
    for (bool bracket = tokens[index].is("("); index < fact_.joins.last; ++index) {
      if (tokens[index].identifier()) names.push_back(tokens[index].name);
      if (!bracket || tokens[index].is(")")) break;
    }
    auto fact_columns = clickhouse::describe_select(
        source_.client, "SELECT " + fact_.alias + ".* FROM " +
                            query_->text().normalised({shape_.from.first, fact_.joins.first}));
    if (!fact_columns) {
      source_.complaints.refused(fact_columns.error(), "the table that feeds the model", generated_text);
      return std::nullopt;
    }
    std::vector<std::string> terms;
    for (size_t position = 0; position < names.size(); ++position) {
      const std::string& name = names[position];
      bool of_fact = std::any_of(fact_columns->begin(), fact_columns->end(),
                                 [&](const auto& column) { return column.name == name; });
      if (!of_fact)
        return complain(
            place_,
            fmt::format("USING ({}) takes the column from a joined table, not from the one that feeds "
                        "the model",
                        name),
            "write the condition with ON");
      std::string mark = asof && position + 1 == names.size() ? " >= " : " = ";
      terms.push_back("(" + store.group_column(name) + mark + aliases.back() + "." + quote_identifier(name) +
                      ")");
    }
    return joined(terms, " AND ");
  }

  // --- one row for each source row

  // Adds the columns that carry the key of every table that feeds the model to `key`.
  bool find_row_key(std::vector<std::string>& key) {
    for (const Feed& feed : fact_.feeds) {
      if (feed.table->log) continue;
      for (const auto& column : feed.table->key) {
        const SelectItem* carrier = nullptr;
        auto exposed = feed.keys.find(column);
        for (const auto& item : shape_.items) {
          if (exposed == feed.keys.end() || item.expression.size() != 3 ||
              !query_->column(item.expression.first) ||
              query_->tokens()[item.expression.first].name != fact_.alias ||
              query_->tokens()[item.expression.last - 1].name != exposed->second)
            continue;
          bool named = std::find(source_.file.key.begin(), source_.file.key.end(), item.alias) !=
                       source_.file.key.end();
          if (carrier == nullptr || named) carrier = &item;
        }
        if (carrier == nullptr) {
          complain(0,
                   fmt::format("without the key of bronze.{} (`{}`) rows cannot be followed when they "
                               "are updated or deleted",
                               feed.table->name, column),
                   fmt::format("select `{}` and name it in `-- key:`", column));
          return false;
        }
        if (std::find(key.begin(), key.end(), carrier->alias) != key.end()) continue;
        if (!source_.file.key.empty()) {
          source_.complaints.in_header(
              "key",
              fmt::format("`{}`, the key of bronze.{}, is missing: two rows would fall into one",
                          carrier->alias, feed.table->name),
              "add it to `-- key:`");
          return false;
        }
        key.push_back(carrier->alias);
      }
    }
    for (const auto& column : key)
      if (shape_.find(column) == nullptr) {
        source_.complaints.in_header("key", fmt::format("the model has no column `{}`", column),
                                     "name output columns in `-- key:`");
        return false;
      }
    return true;
  }

  std::optional<IncrementalModel> rows() {
    std::vector<std::string> key = source_.file.key;
    if (!find_row_key(key)) return std::nullopt;
    bool log = fact_.log();
    IncrementalStore store(source_, *query_, fact_.alias, log, from_without_rows(), [](auto) { return 0; });
    std::vector<std::string> items, names;
    for (const auto& item : shape_.items) {
      names.push_back(quote_identifier(item.alias));
      std::string read;
      if (!query_->reads_elsewhere(item.expression, fact_.alias)) {
        // Also constants: a row's own column, so that the store reads like the model.
        store.item_column(item.expression, item.alias);
        read = fact_.alias + "." + names.back();
      } else {
        read = store.over_store(item.expression);
      }
      items.push_back(read + " AS " + names.back());
    }
    for (const auto& column : key)
      if (std::none_of(store.groups().begin(), store.groups().end(),
                       [&](const auto& group) { return group.name == column; })) {
        source_.complaints.in_header("key",
                                     fmt::format("`{}` is not a column of the left-most table", column),
                                     "rows are followed by the key of the table that feeds the model");
        return std::nullopt;
      }
    auto joins = joins_over(store, true);
    std::vector<std::string> conditions;
    for (TokenRange part : read_where_) conditions.push_back("(" + store.over_store(part) + ")");
    if (!joins) return std::nullopt;

    IncrementalModel model{.form = StoreForm::rows};
    for (size_t branch = 0; branch < fact_.feeds.size(); ++branch) {
      std::vector<std::string> columns;
      for (const auto& group : store.groups())
        columns.push_back(group.expression + " AS " + quote_identifier(group.name));
      if (fact_.feeds.size() > 1) columns.push_back(fmt::format("toUInt8({}) AS _branch", branch));
      columns.push_back(fact_.alias + "._version AS _version");
      if (!log) columns.push_back("toUInt8(" + fact_.alias + "._sign < 0) AS _deleted");
      model.feeds.push_back(
          {fact_.feeds[branch].table, "SELECT " + joined(columns) + from_feed(fact_.feeds[branch])});
    }
    if (!log &&
        std::any_of(fact_.feeds.begin(), fact_.feeds.end(), [](const auto& f) { return f.table->log; }))
      return complain(place_, "a UNION ALL of a log and a table with a key has rows without a key to follow",
                      "make one model of each and a `-- kind: view` model that combines them");
    if (fact_.feeds.size() > 1) key.push_back("_branch");
    if (!store_from(model)) return std::nullopt;
    model.engine = (log ? "MergeTree" : "ReplacingMergeTree(_version, _deleted)") + partition() +
                   " ORDER BY " + sorting_key(key);
    std::string kept = std::string(store_placeholder) + (log ? "" : " FINAL WHERE _deleted = 0");
    bool plain = joins->empty() && conditions.empty() && read_at_once(store);
    if (plain) {
      model.view_select = "SELECT " + joined(names) + " FROM " + kept;
      return model;
    }
    std::vector<std::string> columns;
    for (const auto& group : store.groups()) columns.push_back(quote_identifier(group.name));
    for (size_t index = 0; index < items.size(); ++index)
      if (query_->reads_elsewhere(shape_.items[index].expression, fact_.alias))
        items[index] = typed(items[index], index);
    model.view_select = "SELECT " + joined(items) + " FROM (SELECT " + joined(columns) + " FROM " + kept +
                        ") AS " + fact_.alias + *joins +
                        (conditions.empty() ? "" : " WHERE " + joined(conditions, " AND "));
    return model;
  }

  // "x AS `a`" with the type the model has.
  std::string typed(const std::string& item, size_t index) const {
    std::string name = " AS " + quote_identifier(shape_.items[index].alias);
    return "CAST(" + item.substr(0, item.size() - name.size()) + ", " +
           clickhouse::quote_string(columns_[index].type) + ")" + name;
  }

  // Every item is a column of the store under its own name.
  bool read_at_once(const IncrementalStore& store) const {
    return std::all_of(shape_.items.begin(), shape_.items.end(), [&](const auto& item) {
      return std::any_of(store.groups().begin(), store.groups().end(),
                         [&](const auto& group) { return group.name == item.alias; });
    });
  }

  // --- sums by group
  std::string from_without_rows() const { return query_->text().normalised(shape_.from); }

  bool store_from(IncrementalModel& model) {
    const auto& feed = model.feeds.front();
    std::string select = over_rows(feed.delta_select, feed.table->rows_as_changes());
    auto stored = describe(select, "as change rows");
    if (!stored) return false;
    model.stored = std::move(*stored);
    model.store_columns = declare(model.stored);
    return check_headers(select);
  }

  // The name a group gets in the store: the model's own column when there is one.
  std::string name_for(TokenRange expression) const {
    std::string written = query_->text().normalised(value_without_brackets(query_->text(), expression));
    for (const auto& item : shape_.items)
      if (query_->text().normalised(value_without_brackets(query_->text(), item.expression)) == written)
        return item.alias;
    if (expression.size() == 3 && query_->column(expression.first)) {
      const std::string& name = query_->tokens()[expression.last - 1].name;
      if (shape_.find(name) == nullptr && !name.starts_with('_')) return name;
    }
    return {};
  }

  std::optional<IncrementalModel> groups() {
    IncrementalStore store(source_, *query_, fact_.alias, fact_.log(), from_without_rows(),
                           [this](std::string_view function) { return place_of_call(function); });
    std::map<std::string, std::string> grouped;  // normalised GROUP BY expression -> over the store
    std::vector<std::string> read_groups;
    for (TokenRange element : shape_.groups) {
      TokenRange expression = value_without_brackets(query_->text(), element);
      if (store.only_fact(expression)) store.group(expression, name_for(expression));
      std::string over = store.over_store(expression);
      grouped[query_->text().normalised(expression)] = over;
      read_groups.push_back(over);
    }
    auto collect = [&](TokenRange range) {
      for (size_t index = range.first; index < range.last; ++index) {
        size_t end = query_->call_end(index);
        if (end == 0 || !source_.functions.aggregate(query_->tokens()[index].name)) continue;
        if (!store.add({index, end})) return false;
        index = end - 1;
      }
      return true;
    };
    for (const auto& item : shape_.items)
      if (!collect(item.expression)) return std::nullopt;
    if (!collect(shape_.having)) return std::nullopt;

    // Outside of aggregates only what GROUP BY names has a value.
    auto finish = [&](TokenRange range) {
      return query_->rewrite(range, [&](TokenRange part) -> std::optional<std::string> {
        size_t end = query_->call_end(part.first);
        if (end == part.last)
          if (auto aggregate = store.finished(part)) return aggregate;
        auto found = grouped.find(query_->text().normalised(value_without_brackets(query_->text(), part)));
        return found == grouped.end() ? std::nullopt : std::optional(found->second);
      });
    };
    std::vector<std::string> items;
    for (size_t index = 0; index < shape_.items.size(); ++index) {
      const auto& item = shape_.items[index];
      std::string finished = finish(item.expression);
      bool group = grouped.contains(
          query_->text().normalised(value_without_brackets(query_->text(), item.expression)));
      std::string name = " AS " + quote_identifier(item.alias);
      items.push_back(group ? finished + name : typed(finished + name, index));
    }
    std::vector<std::string> conditions, having;
    for (TokenRange part : read_where_) conditions.push_back("(" + store.over_store(part) + ")");
    if (!shape_.having.empty()) having.push_back("(" + finish(shape_.having) + ")");
    auto joins = joins_over(store, true);
    auto trial_joins = joins_over(store, false);
    if (!joins || !trial_joins) return std::nullopt;
    // Without GROUP BY there is one row, whatever there is to add up.
    if (joins->empty() && !read_groups.empty())
      having.insert(having.begin(), "sum(" + fact_.alias + "._rows) != 0");
    if (joins->empty() && !conditions.empty()) joins = trial_joins = " ";

    IncrementalModel model{.form = StoreForm::groups};
    std::vector<std::string> columns, expressions, summed, names;
    for (const auto& group : store.groups()) {
      names.push_back(group.name);
      columns.push_back(group.expression + " AS " + quote_identifier(group.name));
      expressions.push_back(group.expression);
    }
    for (const auto& sum : store.sums()) {
      columns.push_back(sum.delta + " AS " + sum.name);
      if (!sum.state) summed.push_back(sum.name);
    }
    for (const Feed& feed : fact_.feeds)
      model.feeds.push_back(
          {feed.table, "SELECT " + joined(columns) + from_feed(feed) +
                           (expressions.empty() ? "" : " GROUP BY " + joined(expressions))});
    if (!store_from(model)) return std::nullopt;
    if (store.has_states()) {
      for (auto& column : model.stored)
        if (std::find(summed.begin(), summed.end(), column.name) != summed.end())
          column.type = "SimpleAggregateFunction(sum, " + column.type + ")";
      model.store_columns = declare(model.stored);
    }
    model.engine =
        (store.has_states() ? "AggregatingMergeTree" : "SummingMergeTree((" + joined(summed) + "))") +
        partition() + " ORDER BY " + sorting_key(names);

    auto view = [&](const std::string& kept, const std::string& joined_text) {
      // Joined groups are added up first: one without rows must neither be joined nor looked at.
      std::string fact = kept + " AS " + fact_.alias;
      if (!joined_text.empty()) {
        std::vector<std::string> merged, group_by;
        for (const auto& name : names) {
          merged.push_back("_store." + quote_identifier(name) + " AS " + quote_identifier(name));
          group_by.push_back("_store." + quote_identifier(name));
        }
        for (const auto& sum : store.sums())
          merged.push_back(sum.merged + "(_store." + sum.name + ") AS " + sum.name);
        fact = "(SELECT " + joined(merged) + " FROM " + kept + " AS _store" +
               (group_by.empty() ? "" : " GROUP BY " + joined(group_by)) +
               " HAVING sum(_store._rows) != 0) AS " + fact_.alias;
      }
      return "SELECT " + joined(items) + " FROM " + fact + joined_text +
             (conditions.empty() ? "" : " WHERE " + joined(conditions, " AND ")) +
             (read_groups.empty() ? "" : " GROUP BY " + joined(read_groups)) +
             (having.empty() ? "" : " HAVING " + joined(having, " AND "));
    };
    model.view_select = view(std::string(store_placeholder), *joins);
    const auto& feed = model.feeds.front();
    std::string trial =
        view("(" + over_rows(feed.delta_select, feed.table->rows_as_changes()) + ")", *trial_joins);
    auto types = describe(trial, "as the view that adds the deltas up");
    if (!types) return std::nullopt;
    for (size_t index = 0; index < types->size(); ++index)
      if ((*types)[index].type != columns_[index].type)
        return complain(place_of_item(index),
                        fmt::format("the store gives `{}` as {}, the query as {}", columns_[index].name,
                                    (*types)[index].type, columns_[index].type),
                        fmt::format("write CAST(... AS {})", columns_[index].type));
    return model;
  }

  const ModelSource& source_;
  const SqlText& original_;
  const std::vector<ColumnDescription>& columns_;
  size_t place_ = 0;
  std::optional<SelectShape> written_;
  std::unique_ptr<ResolvedQuery> query_;
  SelectShape shape_;
  Fact fact_;
  std::vector<std::string> delta_where_;
  std::vector<TokenRange> read_where_;
};

}  // namespace

std::string over_rows(std::string select, const std::string& rows) {
  return replaced(std::move(select), rows_placeholder, rows);
}

std::optional<IncrementalModel> compile_incremental(const ModelSource& source, const SqlText& text,
                                                    const std::vector<ColumnDescription>& columns) {
  return Compiler(source, text, columns).run();
}

}  // namespace tidemark::models
