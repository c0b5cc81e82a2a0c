#include "models/row_origin.h"

#include "base/limits.h"
#include "config/diagnostic.h"
#include "models/model_source.h"
#include "models/query_tree.h"
#include "models/refresh_run.h"

#include <set>

namespace tidemark::models {
namespace {

using clickhouse::quote_identifier;
using clickhouse::quote_string;

// An expression over columns of table expressions, by their numbers in the tree.
struct TreeExpression {
  enum class Kind { column, call, text };
  Kind kind = Kind::text;
  int source = -1;   // column: number of the table, subquery or union
  std::string name;  // column, function, or SQL of a constant
  std::string type;  // column
  std::vector<TreeExpression> arguments;

  bool operator==(const TreeExpression&) const = default;
};

struct Condition {
  TreeExpression expression;
  bool of_row = false;  // comes from the condition on the output row
  bool operator==(const Condition&) const = default;
};

// Type prefixes of a printed constant ("UInt64_1", "Array_[UInt64_4]", "Tuple_('a', UInt64_1)") outside
// quotes.
std::string without_prefixes(std::string_view printed) {
  std::string text;
  for (size_t at = 0; at < printed.size();) {
    if (printed[at] == '\'') {
      size_t end = at + 1;
      while (end < printed.size() && printed[end] != '\'') end += printed[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, printed.size());
      text += printed.substr(at, end - at);
      at = end;
      continue;
    }
    size_t end = at;
    while (end < printed.size() && std::isalnum(static_cast<unsigned char>(printed[end])) != 0) ++end;
    bool prefix = end > at && std::isalpha(static_cast<unsigned char>(printed[at])) != 0 &&
                  end < printed.size() && printed[end] == '_';
    if (prefix) {
      at = end + 1;
      continue;
    }
    end = std::max(end, at + 1);
    text += printed.substr(at, end - at);
    at = end;
  }
  return text;
}

std::string print(const TreeExpression& expression) {
  if (expression.kind == TreeExpression::Kind::text) return expression.name;
  if (expression.kind == TreeExpression::Kind::column) return quote_identifier(expression.name);
  std::vector<std::string> arguments;
  for (const auto& argument : expression.arguments) arguments.push_back(print(argument));
  static const std::map<std::string, std::string> signs = {
      {"equals", "="},   {"notEquals", "!="},       {"less", "<"},  {"lessOrEquals", "<="},
      {"greater", ">"},  {"greaterOrEquals", ">="}, {"and", "AND"}, {"or", "OR"},
      {"in", "IN"},      {"notIn", "NOT IN"},       {"plus", "+"},  {"minus", "-"},
      {"multiply", "*"}, {"like", "LIKE"}};
  if (auto sign = signs.find(expression.name); sign != signs.end() && arguments.size() >= 2)
    return "(" + joined(arguments, " " + sign->second + " ") + ")";
  std::string name = expression.name == "_CAST" ? "CAST" : expression.name;
  return name + "(" + joined(arguments) + ")";
}

class Tracer {
 public:
  explicit Tracer(const QueryTree& tree) : tree_(tree) {}

  // The root is SELECT * FROM (model) WHERE condition: its WHERE is the condition on the row.
  void run() {
    const TreeNode& root = tree_.root();
    row_condition_ = true;
    visit(root, {});
  }

  struct Reading {
    std::string table;
    std::vector<Condition> conditions;
  };
  std::vector<Reading> readings;
  std::vector<std::string> left_out;

 private:
  struct Equality {
    TreeExpression left, right;  // columns
  };

  std::optional<TreeExpression> read(const TreeNode& given) {
    const TreeNode* known = tree_.node(given.id);
    const TreeNode& node = known != nullptr && given.sections.empty() ? *known : given;
    if (node.kind == "COLUMN") return column(node);
    if (node.kind == "CONSTANT") return constant(node);
    if (node.kind != "FUNCTION" || node.attribute("function_type") != "ordinary") return std::nullopt;
    if (node.section("PARAMETERS") != nullptr) return std::nullopt;
    TreeExpression call{.kind = TreeExpression::Kind::call, .name = node.attribute("function_name")};
    for (const TreeNode* argument : node.list("ARGUMENTS")) {
      auto inner = read(*argument);
      if (!inner) return std::nullopt;
      call.arguments.push_back(std::move(*inner));
    }
    return call;
  }

  std::optional<TreeExpression> column(const TreeNode& node) {
    const TreeNode* source = tree_.source(node);
    if (source == nullptr || source->kind == "LAMBDA") return std::nullopt;
    // USING: the same on both sides. Anything else with an expression is what it stands for.
    if (auto own = node.list("EXPRESSION"); !own.empty() && source->kind != "ARRAY_JOIN")
      return read(*own.front());
    if (source->kind != "TABLE" && source->kind != "QUERY" && source->kind != "UNION") return std::nullopt;
    return TreeExpression{.kind = TreeExpression::Kind::column,
                          .source = source->id,
                          .name = node.attribute("column_name"),
                          .type = node.attribute("result_type")};
  }

  std::optional<TreeExpression> constant(const TreeNode& node) {
    // As it was written, where it was folded from something.
    if (auto own = node.list("EXPRESSION"); !own.empty())
      if (auto written = read(*own.front())) return written;
    std::string value = node.attribute("constant_value"), type = node.attribute("constant_value_type");
    std::string text = value == "NULL" ? value : without_prefixes(value);
    static const std::set<std::string> plain = {"String", "UInt8", "UInt16", "UInt32", "UInt64",
                                                "Int8",   "Int16", "Int32",  "Int64",  "Float64"};
    bool whole = value == "NULL" || plain.contains(type) || type.starts_with("Tuple(");
    return TreeExpression{.name = whole ? text : "CAST(" + text + ", " + quote_string(type) + ")"};
  }

  static void conjuncts(const TreeNode& node, std::vector<const TreeNode*>& out) {
    if (node.kind == "FUNCTION" && node.attribute("function_name") == "and") {
      for (const TreeNode* argument : node.list("ARGUMENTS")) conjuncts(*argument, out);
      return;
    }
    out.push_back(&node);
  }

  // The columns of `query` in `expression` become what the query says they are. False: one cannot be said.
  bool resolve(TreeExpression& expression, const TreeNode& query, const std::vector<std::string>& names) {
    if (expression.kind == TreeExpression::Kind::column) {
      auto items = query.list("PROJECTION");
      for (size_t index = 0; index < names.size() && index < items.size(); ++index) {
        if (names[index] != expression.name) continue;
        auto inner = read(*items[index]);
        if (!inner) return false;
        expression = std::move(*inner);
        return true;
      }
      return false;
    }
    return std::all_of(expression.arguments.begin(), expression.arguments.end(),
                       [&](auto& argument) { return resolve(argument, query, names); });
  }

  static void sources(const TreeExpression& expression, std::set<int>& out) {
    if (expression.kind == TreeExpression::Kind::column) out.insert(expression.source);
    for (const auto& argument : expression.arguments) sources(argument, out);
  }

  // Table expressions of a FROM, and what their joins say is equal.
  void join_tree(const TreeNode& node, std::vector<const TreeNode*>& tables, std::vector<Equality>& equal) {
    if (node.kind == "TABLE" || node.kind == "QUERY" || node.kind == "UNION") {
      const TreeNode* known = tree_.node(node.id);
      tables.push_back(known != nullptr ? known : &node);
      return;
    }
    for (const auto& section : node.sections) {
      if (section.name == "JOIN EXPRESSION") continue;
      if (section.name != "JOIN EXPRESSIONS" && section.name != "ARGUMENTS")
        for (const auto& child : section.nodes) join_tree(*child, tables, equal);
    }
    for (const TreeNode* on : node.list("JOIN EXPRESSION")) {
      std::vector<const TreeNode*> parts;
      conjuncts(*on, parts);
      for (const TreeNode* part : parts) {
        auto pair = part->kind == "COLUMN"                         ? part->list("EXPRESSION")
                    : part->attribute("function_name") == "equals" ? part->list("ARGUMENTS")
                                                                   : std::vector<const TreeNode*>();
        if (pair.size() != 2) continue;
        auto left = read(*pair[0]), right = read(*pair[1]);
        if (left && right && left->kind == TreeExpression::Kind::column &&
            right->kind == TreeExpression::Kind::column)
          equal.push_back({std::move(*left), std::move(*right)});
      }
    }
  }

  // The condition with columns of its table replaced by their equals in table `other`; false when one has
  // none.
  static bool carry(TreeExpression& expression, int other, const std::vector<Equality>& equal) {
    if (expression.kind == TreeExpression::Kind::column) {
      for (const auto& [left, right] : equal) {
        bool from_left =
            left.source == expression.source && left.name == expression.name && right.source == other;
        bool from_right =
            right.source == expression.source && right.name == expression.name && left.source == other;
        if (!from_left && !from_right) continue;
        expression = from_left ? right : left;
        return true;
      }
      return false;
    }
    return std::all_of(expression.arguments.begin(), expression.arguments.end(),
                       [&](auto& argument) { return carry(argument, other, equal); });
  }

  void leave_out(const Condition& condition) {
    if (!condition.of_row) return;
    std::string text = print(condition.expression);
    if (std::find(left_out.begin(), left_out.end(), text) == left_out.end()) left_out.push_back(text);
  }

  void visit(const TreeNode& query, std::vector<Condition> conditions) {
    if (query.kind == "UNION") {
      for (const TreeNode* branch : query.list("QUERIES")) visit(*branch, rename(query, *branch, conditions));
      return;
    }
    std::vector<Condition> here;
    auto names = names_of(query);
    for (auto& condition : conditions) {
      Condition resolved = condition;
      if (resolve(resolved.expression, query, names))
        here.push_back(std::move(resolved));
      else
        leave_out(condition);
    }
    bool of_row = std::exchange(row_condition_, false);
    for (const char* part : {"PREWHERE", "WHERE"})
      for (const TreeNode* where : query.list(part)) {
        std::vector<const TreeNode*> parts;
        conjuncts(*where, parts);
        for (const TreeNode* one : parts) {
          auto expression = read(*one);
          if (expression)
            here.push_back({std::move(*expression), of_row});
          else if (of_row)
            left_out.emplace_back("a part of the condition");
        }
      }
    std::vector<const TreeNode*> tables;
    std::vector<Equality> equal;
    for (const TreeNode* from : query.list("JOIN TREE")) join_tree(*from, tables, equal);
    for (size_t round = 0; round < tables.size(); ++round) {
      std::vector<Condition> carried;
      for (const auto& condition : here) {
        std::set<int> of;
        sources(condition.expression, of);
        if (of.size() != 1) continue;
        for (const TreeNode* table : tables) {
          Condition copy = condition;
          if (table->id == *of.begin() || !carry(copy.expression, table->id, equal)) continue;
          if (std::find(here.begin(), here.end(), copy) == here.end() &&
              std::find(carried.begin(), carried.end(), copy) == carried.end())
            carried.push_back(std::move(copy));
        }
      }
      if (carried.empty()) break;
      here.insert(here.end(), carried.begin(), carried.end());
    }
    for (const auto& condition : here) {
      std::set<int> of;
      sources(condition.expression, of);
      if (of.size() != 1) leave_out(condition);
    }
    for (const TreeNode* table : tables) {
      std::vector<Condition> below;
      for (const auto& condition : here) {
        std::set<int> of;
        sources(condition.expression, of);
        if (of == std::set<int>{table->id}) below.push_back(condition);
      }
      if (table->kind != "TABLE") {
        visit(*table, std::move(below));
        continue;
      }
      std::string name = table->attribute("table_name");
      std::erase(name, '`');
      if (name.starts_with("bronze.") && name.ends_with("__current")) name = name.substr(0, name.size() - 9);
      readings.push_back({name, std::move(below)});
    }
  }

  // Columns of a union are columns of each of its branches, by place.
  std::vector<Condition> rename(const TreeNode& query, const TreeNode& branch,
                                std::vector<Condition> conditions) {
    auto from = names_of(query), to = names_of(branch);
    std::function<void(TreeExpression&)> change = [&](TreeExpression& expression) {
      if (expression.kind == TreeExpression::Kind::column)
        for (size_t index = 0; index < from.size() && index < to.size(); ++index)
          if (from[index] == expression.name) {
            expression.name = to[index];
            break;
          }
      for (auto& argument : expression.arguments) change(argument);
    };
    for (auto& condition : conditions) change(condition.expression);
    return conditions;
  }

  // Names of PROJECTION COLUMNS: the lines without their types, which are those of the projected nodes.
  std::vector<std::string> names_of(const TreeNode& query) {
    if (query.kind == "UNION") {
      auto branches = query.list("QUERIES");
      return branches.empty() ? std::vector<std::string>() : names_of(*branches.front());
    }
    std::vector<std::string> names;
    const TreeSection* lines = query.section("PROJECTION COLUMNS");
    auto items = query.list("PROJECTION");
    for (size_t index = 0; lines != nullptr && index < lines->lines.size(); ++index) {
      std::string line = lines->lines[index], type;
      if (index < items.size()) {
        type = items[index]->attribute("result_type");
        if (type.empty()) type = items[index]->attribute("constant_value_type");
      }
      if (!type.empty() && line.ends_with(" " + type))
        line.resize(line.size() - type.size() - 1);
      else
        line = line.substr(0, line.find(' '));
      names.push_back(line);
    }
    return names;
  }

  const QueryTree& tree_;
  bool row_condition_ = false;
};

clickhouse::QueryOptions bounded() {
  clickhouse::QueryOptions options;
  options.settings = {
      {"output_format_json_quote_64bit_integers", "1"},
      {"output_format_json_quote_decimals", "1"},
      {"max_bytes_before_external_sort", std::to_string(limits::model_query_memory_bytes)},
      {"max_bytes_before_external_group_by", std::to_string(limits::model_query_memory_bytes)}};
  options.timeout = std::chrono::seconds(limits::audit_query_seconds_max);
  return options;
}

Result<OriginRows> read_rows(clickhouse::Client& client, const std::string& table,
                             const std::vector<Condition>& conditions, size_t limit) {
  OriginRows origin{.table = table};
  std::vector<std::string> texts;
  for (const auto& condition : conditions) {
    std::string text = print(condition.expression);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(text);
    origin.narrowed |= condition.of_row;
  }
  origin.condition = joined(texts, " AND ");
  // Every row may have had a part in it: nothing to show that would say more.
  if (!origin.narrowed) return origin;
  std::string name = clickhouse::quote_table("bronze", table.substr(7));
  auto columns = TRY(clickhouse::table_columns(client, "bronze", table.substr(7)));
  bool keeps_versions = std::any_of(columns.begin(), columns.end(),
                                    [](const auto& column) { return column.name == "_deleted"; });
  std::string from = keeps_versions ? name + " FINAL WHERE _deleted = 0" : name + " WHERE 1";
  if (!origin.condition.empty()) from += " AND " + origin.condition;
  Block count = TRY_IN(client.query("SELECT count() FROM " + from, bounded()), table);
  origin.total = count.columns[0].get<uint64_t>(0);
  std::string selected;
  for (const auto& column : columns)
    if (column.name != "_deleted") selected += (selected.empty() ? "" : ", ") + quote_identifier(column.name);
  origin.rows =
      TRY_IN(client.query_text(fmt::format("SELECT {} FROM {} ORDER BY _version DESC LIMIT {} FORMAT "
                                           "JSONEachRow",
                                           selected, from, limit),
                               bounded()),
             table);
  return origin;
}

}  // namespace

Result<std::string> condition_of_row(const CompiledModel& model,
                                     const std::vector<std::pair<std::string, std::string>>& values) {
  std::vector<std::string> names, conditions;
  for (const auto& column : model.columns) names.push_back(column.name);
  for (const auto& [name, value] : values) {
    auto column = std::find_if(model.columns.begin(), model.columns.end(),
                               [&](const auto& one) { return one.name == name; });
    if (column == model.columns.end())
      return fail(ErrorKind::usage,
                  fmt::format("{} has no column `{}`{}", model.name, name, config::did_you_mean(name, names)),
                  "its columns: " + joined(names));
    conditions.push_back(value == "NULL" ? quote_identifier(name) + " IS NULL"
                                         : fmt::format("{} = CAST({}, {})", quote_identifier(name),
                                                       quote_string(value), quote_string(column->type)));
  }
  return joined(conditions, " AND ");
}

Result<RowOrigin> row_origin(clickhouse::Client& client, const CompiledModels& models,
                             const CompiledModel& model, const std::string& condition, size_t limit) {
  RowOrigin origin{.condition = condition};
  std::string view = clickhouse::quote_table(model.file.database, model.file.name);
  Block count =
      TRY_IN(client.query(fmt::format("SELECT count() FROM {} WHERE {}", view, condition), bounded()),
             "the row of " + model.name);
  origin.rows = count.columns[0].get<uint64_t>(0);
  origin.row = TRY(client.query_text(
      fmt::format("SELECT * FROM {} WHERE {} LIMIT {} FORMAT JSONEachRow", view, condition, limit),
      bounded()));
  int64_t instant = model.kind == ModelKind::refresh ? TRY(instant_of_result(client, model)) : 0;
  QueryTree tree =
      TRY_IN(QueryTree::read(client, "SELECT * FROM (" + model.recompute + "\n) WHERE " + condition, instant),
             model.name);
  Tracer tracer(tree);
  tracer.run();
  std::set<std::string> seen;
  for (const auto& reading : tracer.readings) {
    std::vector<std::string> texts;
    bool narrowed = false;
    for (const auto& one : reading.conditions) {
      texts.push_back(print(one.expression));
      narrowed |= one.of_row;
    }
    // A table that is read twice the same way is shown once.
    if (!seen.insert(reading.table + "\n" + joined(texts, "\n")).second) continue;
    if (reading.table.starts_with("bronze.")) {
      origin.tables.push_back(TRY(read_rows(client, reading.table, reading.conditions, limit)));
      continue;
    }
    // A refresh model is read as it is; its rows came from somewhere, too.
    const CompiledModel* upstream = models.find(reading.table);
    if (upstream == nullptr) continue;
    if (!narrowed) {
      for (const auto& table : upstream->tables_in_depth) origin.tables.push_back({.table = table});
      continue;
    }
    RowOrigin deeper = TRY(row_origin(client, models, *upstream, joined(texts, " AND "), limit));
    for (auto& table : deeper.tables) origin.tables.push_back(std::move(table));
    for (auto& text : deeper.left_out) origin.left_out.push_back(std::move(text));
  }
  for (auto& text : tracer.left_out) origin.left_out.push_back(std::move(text));
  return origin;
}

}  // namespace tidemark::models
