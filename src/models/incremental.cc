#include "models/incremental.h"

#include "models/incremental_traps.h"
#include "models/references.h"

#include <set>

namespace tidemark::models {
namespace {

using clickhouse::ColumnDescription;
using clickhouse::quote_identifier;

std::string without_nullable(std::string type) {
  for (std::string_view wrapper : {"LowCardinality(", "Nullable("})
    if (type.starts_with(wrapper)) type = type.substr(wrapper.size(), type.size() - wrapper.size() - 1);
  return type;
}

bool nullable(const std::string& type) {
  return type.starts_with("Nullable(") || type.starts_with("LowCardinality(Nullable(");
}

// The type of sum() over `type` as ClickHouse gives it; empty when the sum would not be exact or not exist.
std::string sum_type(const std::string& type) {
  if (type == "Bool" || type == "UInt8" || type == "UInt16" || type == "UInt32" || type == "UInt64")
    return "UInt64";
  if (type == "Int8" || type == "Int16" || type == "Int32" || type == "Int64") return "Int64";
  if (type == "Int128" || type == "Int256" || type == "UInt128" || type == "UInt256") return type;
  if (type.starts_with("Decimal(")) {
    int precision = std::atoi(type.c_str() + 8);
    std::string scale = type.substr(type.find(',') + 1);
    scale = scale.substr(scale.find_first_not_of(' '));
    return fmt::format("Decimal({}, {}", precision <= 38 ? 38 : 76, scale);
  }
  return {};
}

// Deltas go below zero; sums of unsigned numbers wrap back on the way out, modulo the same power of two.
std::string signed_type(const std::string& type) {
  return type.starts_with("UInt") ? type.substr(1) : type;
}

// Lines of generated text say nothing about the file.
constexpr int generated_text = 1'000'000;

struct Aggregate {
  std::string written;  // normalised call
  size_t token = 0;     // in the text it was found in
  std::string function;
  std::vector<std::string> arguments;
  std::string argument_type;

  std::vector<std::pair<std::string, std::string>> sums;  // store column -> delta expression
  std::string finished;                                   // over _total_<store column>
};

class Compiler {
 public:
  Compiler(const ModelSource& source, const SqlText& original, const MirroredTable& table,
           const std::vector<ColumnDescription>& columns)
      : source_(source), original_(original), table_(table), columns_(columns) {}

  std::optional<IncrementalModel> run() {
    auto rewritten =
        replace_references(original_.sql, [&](const TableReference&) { return table_.changes(); });
    if (!rewritten) return internal(rewritten.error());
    auto read = SqlText::read(std::move(*rewritten));
    if (!read) return internal(read.error());
    text_ = std::move(*read);
    shape_ = shape_of(*text_, {0, text_->tokens.size()});
    // FROM `bronze`.`t__changes` AS alias
    alias_ = text_->tokens[shape_.from.last - 1].name;
    if (!check_names()) return std::nullopt;
    bool aggregated = shape_.grouped;
    for (const auto& item : shape_.items) aggregated |= has_aggregate(item.expression);
    return aggregated ? groups() : rows();
  }

 private:
  std::nullopt_t internal(const Error& error) {
    source_.complaints.refused(error, "cannot be compiled");
    return std::nullopt;
  }

  std::nullopt_t complain(TokenRange place, std::string message, std::string remedy) {
    // Ranges are of the rewritten text; lines are the same in both.
    TextPosition position = position_of(text_->sql, text_->tokens[place.first].offset);
    source_.complaints.at_line(position.line, 0, std::move(message), std::move(remedy));
    return std::nullopt;
  }

  bool check_names() {
    if (shape_.items.size() != columns_.size()) {
      complain(shape_.items.empty() ? TokenRange{0, 1} : shape_.items.front().expression,
               fmt::format("the server sees {} columns where {} are written", columns_.size(),
                           shape_.items.size()),
               "write each column as expression AS name");
      return false;
    }
    for (size_t index = 0; index < columns_.size(); ++index) {
      const auto& item = shape_.items[index];
      if (columns_[index].name != item.alias) {
        complain(item.expression,
                 fmt::format("the server calls this column `{}`, not `{}`", columns_[index].name, item.alias),
                 "write expression AS name");
        return false;
      }
      if (item.alias.starts_with('_')) {
        complain(item.expression, fmt::format("`{}`: names that start with _ are Tidemark's own", item.alias),
                 "choose another name");
        return false;
      }
    }
    return true;
  }

  bool has_aggregate(TokenRange range) const {
    for (size_t index = range.first; index < range.last; ++index)
      if (text_->call(index) && source_.functions.aggregate(text_->tokens[index].name)) return true;
    return false;
  }

  std::string from(const std::string& table) const {
    return " FROM " + table + " AS " + quote_identifier(alias_);
  }
  std::string where() const {
    return shape_.where.empty() ? "" : " WHERE " + std::string(text_->text(shape_.where));
  }

  // Columns and types of a SELECT; complaints when the server refuses it.
  std::optional<std::vector<ColumnDescription>> describe(const std::string& select, std::string_view what) {
    auto described = clickhouse::describe_select(source_.client, select);
    if (described) return std::move(*described);
    source_.complaints.refused(described.error(), what, generated_text);
    return std::nullopt;
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

  static std::string declare(const std::vector<ColumnDescription>& columns) {
    std::vector<std::string> list;
    for (const auto& column : columns) list.push_back(quote_identifier(column.name) + " " + column.type);
    return joined(list);
  }

  // --- one row for each source row
  std::optional<IncrementalModel> rows() {
    std::vector<std::string> key = source_.file.key;
    if (!table_.log) {
      for (const auto& column : table_.key) {
        const SelectItem* carrier = nullptr;
        for (const auto& item : shape_.items) {
          const auto& last = text_->tokens[item.expression.last - 1];
          bool plain = text_->split(item.expression, ".").size() * 2 - 1 == item.expression.size();
          if (plain && last.identifier() && last.name == column) {
            bool named = std::find(key.begin(), key.end(), item.alias) != key.end();
            if (carrier == nullptr || named) carrier = &item;
          }
        }
        if (carrier == nullptr) {
          source_.complaints.at(
              0,
              fmt::format("without the key of bronze.{} (`{}`) rows cannot be followed when they "
                          "are updated or deleted",
                          table_.name, column),
              fmt::format("select `{}` and name it in `-- key:`", column));
          return std::nullopt;
        }
        if (source_.file.key.empty())
          key.push_back(carrier->alias);
        else if (std::find(key.begin(), key.end(), carrier->alias) == key.end()) {
          source_.complaints.in_header(
              "key",
              fmt::format("`{}`, the key of bronze.{}, is missing: two rows would fall into one",
                          carrier->alias, table_.name),
              "add it to `-- key:`");
          return std::nullopt;
        }
      }
    }
    for (const auto& column : key)
      if (shape_.find(column) == nullptr) {
        source_.complaints.in_header("key", fmt::format("the model has no column `{}`", column),
                                     "name output columns in `-- key:`");
        return std::nullopt;
      }

    std::vector<std::string> items, names;
    for (const auto& item : shape_.items) {
      items.push_back(std::string(text_->text(item.expression)) + " AS " + quote_identifier(item.alias));
      names.push_back(quote_identifier(item.alias));
    }
    auto select = [&](const std::string& table) {
      std::string qualifier = quote_identifier(alias_) + ".";
      return "SELECT " + joined(items) + ", " + qualifier + "_version AS _version" +
             (table_.log ? "" : ", toUInt8(" + qualifier + "_sign < 0) AS _deleted") + from(table) + where();
    };
    IncrementalModel model{.form = StoreForm::rows};
    auto stored = describe(select(table_.rows_as_changes()), "as change rows");
    if (!stored) return std::nullopt;
    model.store_columns = declare(*stored);
    model.engine = (table_.log ? "MergeTree" : "ReplacingMergeTree(_version, _deleted)") + partition() +
                   " ORDER BY " + sorting_key(key);
    model.delta_select = select(table_.changes());
    model.backfill_select = select(table_.rows_as_changes());
    model.view_select = "SELECT " + joined(names) + " FROM " + std::string(store_placeholder) +
                        (table_.log ? "" : " FINAL WHERE _deleted = 0");
    return model;
  }

  // --- sums by group
  struct Group {
    std::string name;  // store column
    std::string expression;
  };

  std::optional<std::vector<Group>> find_groups() {
    std::vector<Group> groups;
    std::vector<TokenRange> elements = shape_.groups;
    if (shape_.group_by_all)
      for (const auto& item : shape_.items)
        if (!has_aggregate(item.expression)) elements.push_back(item.expression);
    for (const auto& element : elements) {
      const Token& first = text_->tokens[element.first];
      const SelectItem* item = nullptr;
      if (element.size() == 1 && first.kind == TokenKind::number) {
        size_t position = std::strtoull(std::string(first.text).c_str(), nullptr, 10);
        if (position >= 1 && position <= shape_.items.size()) item = &shape_.items[position - 1];
      } else if (element.size() == 1 && first.identifier()) {
        item = shape_.find(first.name);
      }
      for (const auto& candidate : shape_.items)
        if (item == nullptr && text_->normalised(candidate.expression) == text_->normalised(element))
          item = &candidate;
      if (item != nullptr) {
        groups.push_back({item->alias, std::string(text_->text(item->expression))});
      } else {
        const Token& last = text_->tokens[element.last - 1];
        bool plain = element.size() == 1 && last.identifier();
        groups.push_back(
            {plain ? last.name : fmt::format("_group_{}", groups.size()), std::string(text_->text(element))});
      }
    }
    return groups;
  }

  // Finds the aggregate calls of `range`, each distinct one once.
  void collect(TokenRange range) {
    for (size_t index = range.first; index < range.last; ++index) {
      const Token& token = text_->tokens[index];
      if (!text_->call(index) || !source_.functions.aggregate(token.name)) continue;
      size_t close = text_->partner[index + 1];
      Aggregate aggregate{.written = text_->normalised({index, close + 1}), .token = index};
      aggregate.function = lower_case(token.name);
      for (TokenRange argument : text_->split({index + 2, close}, ","))
        if (!argument.empty()) aggregate.arguments.push_back(std::string(text_->text(argument)));
      if (aggregate.function == "count" && aggregate.arguments == std::vector<std::string>{"*"})
        aggregate.arguments.clear();
      bool known = std::any_of(aggregates_.begin(), aggregates_.end(),
                               [&](const auto& other) { return other.written == aggregate.written; });
      if (!known) aggregates_.push_back(std::move(aggregate));
      index = close;
    }
  }

  // `range` with every aggregate call replaced by its finished form; columns lose their qualifier's meaning,
  // which the view's alias keeps.
  std::string finish(TokenRange range) const {
    std::string out;
    size_t copied = text_->tokens[range.first].offset;
    for (size_t index = range.first; index < range.last; ++index) {
      const Token& token = text_->tokens[index];
      if (!text_->call(index) || !source_.functions.aggregate(token.name)) continue;
      size_t close = text_->partner[index + 1];
      std::string written = text_->normalised({index, close + 1});
      out += std::string_view(text_->sql).substr(copied, token.offset - copied);
      for (const auto& aggregate : aggregates_)
        if (aggregate.written == written) out += aggregate.finished;
      copied = text_->tokens[close].end();
      index = close;
    }
    out += std::string_view(text_->sql).substr(copied, text_->tokens[range.last - 1].end() - copied);
    return out;
  }

  bool find_argument_types(const std::vector<Group>& groups) {
    std::vector<std::string> items;
    for (const auto& group : groups)
      items.push_back(group.expression + " AS " + quote_identifier(group.name));
    size_t first = items.size();
    std::vector<Aggregate*> asked;
    for (auto& aggregate : aggregates_) {
      if (aggregate.arguments.empty() || aggregate.function == "countif") continue;
      items.push_back(fmt::format("({}) AS _argument_{}", aggregate.arguments[0], asked.size()));
      asked.push_back(&aggregate);
    }
    if (asked.empty()) return true;
    auto described =
        describe("SELECT " + joined(items) + from(table_.rows_as_changes()), "arguments of aggregates");
    if (!described) return false;
    for (size_t index = 0; index < asked.size(); ++index)
      asked[index]->argument_type = (*described)[first + index].type;
    return true;
  }

  bool make_sums(Aggregate& aggregate, size_t number) {
    const std::string& function = aggregate.function;
    const std::string sign = quote_identifier(alias_) + "._sign";
    auto counted = [&](const std::string& condition) {
      return condition.empty() ? "sum(toInt64(" + sign + "))"
                               : "sum(if(" + condition + ", toInt64(" + sign + "), toInt64(0)))";
    };
    std::string condition;
    if (function.ends_with("if")) {
      if (aggregate.arguments.empty()) return false;
      condition = "(" + aggregate.arguments.back() + ")";
    }
    bool may_be_null = nullable(aggregate.argument_type);
    std::string argument = aggregate.arguments.empty() ? "" : "(" + aggregate.arguments[0] + ")";
    std::string present = may_be_null ? argument + " IS NOT NULL" : "";
    std::string matching = condition;
    if (!present.empty()) matching = condition.empty() ? present : "(" + condition + " AND " + present + ")";

    // How many rows or values: the rows of the group when nothing narrows it.
    std::string count = "CAST(_total__rows AS UInt64)";
    bool is_count = function == "count" || function == "countif";
    if (function == "countif") matching = condition;
    bool needs_count = !matching.empty() && (is_count || may_be_null || function.starts_with("avg"));
    if (needs_count) {
      std::string column = fmt::format("_count_{}", number);
      aggregate.sums.emplace_back(column, counted(matching));
      count = fmt::format("CAST(_total_{} AS UInt64)", column);
    }
    if (is_count) {
      aggregate.finished = count;
      return true;
    }
    std::string result = sum_type(without_nullable(aggregate.argument_type));
    if (result.empty()) {
      bool floating = without_nullable(aggregate.argument_type).starts_with("Float") ||
                      without_nullable(aggregate.argument_type) == "BFloat16";
      complain(
          {aggregate.token, aggregate.token + 1},
          floating
              ? fmt::format("{}() of {} drifts when rows are taken back: adding and subtracting floats does "
                            "not give back the same number",
                            function, aggregate.argument_type)
              : fmt::format("{}() of {} cannot be kept by adding change rows up", function,
                            aggregate.argument_type),
          floating ? "cast to Decimal first (toDecimal64(x, 4)), or use `-- kind: keyed`"
                   : "use `-- kind: keyed` or `-- kind: view`");
      return false;
    }
    std::string kept = signed_type(result);
    std::string zero = "CAST(0 AS " + kept + ")";
    std::string value = may_be_null ? "ifNull(CAST(" + argument + " AS Nullable(" + kept + ")), " + zero + ")"
                                    : "CAST(" + argument + " AS " + kept + ")";
    std::string delta = "if(" + sign + " > 0, " + value + ", -" + value + ")";
    if (!condition.empty()) delta = "if(" + condition + ", " + delta + ", " + zero + ")";
    std::string column = fmt::format("_sum_{}", number);
    aggregate.sums.emplace_back(column, "sum(" + delta + ")");
    std::string total = fmt::format("CAST(_total_{} AS {})", column, result);
    if (function.starts_with("avg")) total = "toFloat64(" + total + ") / toFloat64(" + count + ")";
    aggregate.finished = may_be_null ? "if(" + count + " = 0, NULL, " + total + ")" : "(" + total + ")";
    return true;
  }

  // A column that is neither grouped nor added up has no value in a group.
  bool check_items(const std::vector<Group>& groups) {
    for (const auto& item : shape_.items) {
      bool group =
          std::any_of(groups.begin(), groups.end(), [&](const auto& one) { return one.name == item.alias; });
      if (group) continue;
      for (size_t index = item.expression.first; index < item.expression.last; ++index) {
        const Token& token = text_->tokens[index];
        if (text_->call(index) && source_.functions.aggregate(token.name)) {
          index = text_->partner[index + 1];
          continue;
        }
        if (!token.identifier() || text_->call(index)) continue;
        bool known = std::any_of(groups.begin(), groups.end(),
                                 [&](const auto& one) { return one.name == token.name; });
        if (known || shape_.find(token.name) != nullptr || !table_.has_column(token.name)) continue;
        complain(
            {index, index + 1},
            fmt::format("`{}` is neither in GROUP BY under its own name nor inside an aggregate", token.name),
            "add it, or the whole expression under its alias, to GROUP BY");
        return false;
      }
    }
    return true;
  }

  std::optional<IncrementalModel> groups() {
    auto groups = find_groups();
    if (!groups) return std::nullopt;
    for (const auto& item : shape_.items) collect(item.expression);
    if (!shape_.having.empty()) collect(shape_.having);
    if (!check_items(*groups) || !find_argument_types(*groups)) return std::nullopt;
    for (size_t index = 0; index < aggregates_.size(); ++index)
      if (!make_sums(aggregates_[index], index)) return std::nullopt;

    std::vector<std::string> deltas, names, quoted, sums{"_rows"}, totals;
    for (const auto& group : *groups) {
      names.push_back(group.name);
      quoted.push_back(quote_identifier(group.name));
      deltas.push_back(group.expression + " AS " + quoted.back());
      totals.push_back(quoted.back());
    }
    deltas.push_back("sum(toInt64(" + quote_identifier(alias_) + "._sign)) AS _rows");
    for (const auto& aggregate : aggregates_)
      for (const auto& [column, delta] : aggregate.sums) {
        sums.push_back(column);
        deltas.push_back(delta + " AS " + column);
      }
    for (const auto& column : sums) totals.push_back("sum(" + column + ") AS _total_" + column);
    std::string group_by = quoted.empty() ? "" : " GROUP BY " + joined(quoted);
    auto select = [&](const std::string& table) {
      return "SELECT " + joined(deltas) + from(table) + where() + group_by;
    };

    IncrementalModel model{.form = StoreForm::groups};
    auto stored = describe(select(table_.rows_as_changes()), "as signed deltas");
    if (!stored) return std::nullopt;
    model.store_columns = declare(*stored);
    model.engine =
        "SummingMergeTree((" + joined(sums) + "))" + partition() + " ORDER BY " + sorting_key(names);
    model.delta_select = select(table_.changes());
    model.backfill_select = select(table_.rows_as_changes());

    std::vector<std::string> finished;
    for (size_t index = 0; index < shape_.items.size(); ++index) {
      const auto& item = shape_.items[index];
      bool group = std::find(names.begin(), names.end(), item.alias) != names.end();
      std::string name = quote_identifier(item.alias);
      finished.push_back(
          group ? name : "CAST(" + finish(item.expression) + " AS " + columns_[index].type + ") AS " + name);
    }
    std::string condition = quoted.empty() ? "" : "_total__rows != 0";
    if (!shape_.having.empty())
      condition += (condition.empty() ? "" : " AND ") + ("(" + finish(shape_.having) + ")");
    model.view_select = "SELECT " + joined(finished) + " FROM (SELECT " + joined(totals) + " FROM " +
                        std::string(store_placeholder) + group_by + ") AS " + quote_identifier(alias_) +
                        (condition.empty() ? "" : " WHERE " + condition);
    std::string trial = model.view_select;
    trial.replace(trial.find(store_placeholder), store_placeholder.size(), "(" + model.backfill_select + ")");
    if (!describe(trial, "as the view that adds the deltas up")) return std::nullopt;
    return model;
  }

  const ModelSource& source_;
  const SqlText& original_;
  const MirroredTable& table_;
  const std::vector<ColumnDescription>& columns_;
  std::unique_ptr<SqlText> text_;  // over the change rows
  SelectShape shape_;
  std::string alias_;
  std::vector<Aggregate> aggregates_;
};

}  // namespace

std::optional<IncrementalModel> compile_incremental(const ModelSource& source, const SqlText& text,
                                                    const std::vector<ColumnDescription>& columns) {
  const MirroredTable* table = check_incremental(source, text);
  if (table == nullptr) return std::nullopt;
  return Compiler(source, text, *table, columns).run();
}

}  // namespace tidemark::models
