#include "models/keyed.h"

#include "models/incremental_traps.h"
#include "models/references.h"

#include <set>

namespace tidemark::models {
namespace {

using clickhouse::ColumnDescription;
using clickhouse::quote_identifier;
using clickhouse::quote_string;

std::string bare_type(std::string type) {
  for (std::string_view wrapper : {"LowCardinality(", "Nullable("})
    if (type.starts_with(wrapper)) type = type.substr(wrapper.size(), type.size() - wrapper.size() - 1);
  return type;
}

// A key column. NULL is a key value of its own, but NULL IN (...) is never true, so a Nullable key travels as
// two columns: whether it is NULL, and its value or the type's default.
struct KeyColumn {
  size_t number = 0;
  std::string name;
  std::string type;  // without Nullable
  bool nullable = false;

  // Names no source column has: an alias like the column's own name would be taken for it in expressions.
  std::string null_flag() const { return fmt::format("_null_{}", number); }
  std::string value() const { return fmt::format("_key_{}", number); }
  std::string default_value() const { return "defaultValueOfTypeName(" + quote_string(type) + ")"; }
  std::string value_of(const std::string& expression) const {
    return "ifNull(CAST((" + expression + ") AS Nullable(" + type + ")), " + default_value() + ")";
  }
};

// A mirrored table where the model reads it, with the key's expressions over its columns.
struct Leaf {
  size_t offset;  // of the reference
  const MirroredTable* table;
  std::vector<std::string> keys;
};

class Analyser {
 public:
  Analyser(const ModelSource& source, const SqlText& text, bool inlined)
      : source_(source), text_(text), inlined_(inlined) {
    for (const auto& reference : find_references(text.tokens))
      if (!reference.column) references_[reference.token] = reference;
  }

  bool run() {
    for (size_t index = 0; index < text_.tokens.size(); ++index)
      if (text_.call(index)) {
        size_t close = text_.partner[index + 1];
        if (close != std::string::npos && close + 1 < text_.tokens.size() &&
            text_.tokens[close + 1].keyword("OVER"))
          return refuse(index,
                        "a window function reaches over keys, so a change of one key would change others",
                        "use `-- kind: view`");
      }
    return query({0, text_.tokens.size()}, source_.file.key, true);
  }

  const std::vector<Leaf>& leaves() const { return leaves_; }

 private:
  bool refuse(size_t token, std::string message, std::string remedy) {
    if (inlined_)
      source_.complaints.at(0, "with the models it reads put in: " + message, std::move(remedy));
    else
      source_.complaints.at(text_.tokens[std::min(token, text_.tokens.size() - 1)].offset, std::move(message),
                            std::move(remedy));
    return false;
  }

  bool query(TokenRange range, const std::vector<std::string>& keys, bool top) {
    range = without_brackets(text_, range);
    std::optional<size_t> set_operation;
    auto branches = union_branches(text_, range, set_operation);
    if (set_operation && !text_.tokens[*set_operation].keyword("UNION"))
      return refuse(*set_operation,
                    fmt::format("{} is not supported in a keyed model", text_.tokens[*set_operation].text),
                    "use `-- kind: view`");
    if (set_operation && top)
      return refuse(*set_operation, "UNION at the top of a keyed model can give a key several rows",
                    "put it into FROM (...) and group by the key");
    for (TokenRange branch : branches)
      if (!select(without_brackets(text_, branch), keys, top)) return false;
    return true;
  }

  bool has_aggregate(TokenRange range) const {
    for (size_t index = range.first; index < range.last; ++index)
      if (text_.call(index) && source_.functions.aggregate(text_.tokens[index].name)) return true;
    return false;
  }

  // column, t.column, d.t.column -> "column"
  std::string plain_column(TokenRange expression) const {
    if (expression.size() % 2 == 0) return {};
    for (size_t index = expression.first; index < expression.last; ++index)
      if ((index - expression.first) % 2 == 0 ? !text_.tokens[index].identifier()
                                              : !text_.tokens[index].is("."))
        return {};
    return text_.tokens[expression.last - 1].name;
  }

  bool grouped_by(const SelectShape& shape, const SelectItem& item) const {
    if (shape.group_by_all) return true;
    for (const auto& group : shape.groups) {
      if (group.size() == 1 && text_.tokens[group.first].identifier() &&
          text_.tokens[group.first].name == item.alias)
        return true;
      if (text_.normalised(group) == text_.normalised(item.expression)) return true;
      if (std::string column = plain_column(group);
          !column.empty() && column == plain_column(item.expression))
        return true;
    }
    return false;
  }

  bool select(TokenRange range, const std::vector<std::string>& keys, bool top) {
    SelectShape shape = shape_of(text_, range);
    for (const auto& extra : shape.extras)
      if (extra.what != "DISTINCT" && extra.what != "ORDER BY")
        return refuse(
            extra.token, fmt::format("{} is not supported in a keyed model", extra.what),
            "write subqueries in FROM, and leave limits and totals to `-- kind: view` models on top");
    if (shape.star) return refuse(*shape.star, "`*` hides where the key comes from", "name the columns");
    std::vector<const SelectItem*> carriers;
    for (const auto& key : keys) {
      const SelectItem* item = shape.find(key);
      if (item == nullptr)
        return refuse(range.first, fmt::format("this SELECT does not carry the key column `{}`", key),
                      "select it here, under this name");
      carriers.push_back(item);
    }
    bool aggregated = shape.grouped;
    std::vector<TokenRange> parts{shape.where, shape.prewhere, shape.having, shape.group_by};
    for (const auto& item : shape.items) {
      aggregated |= has_aggregate(item.expression);
      parts.push_back(item.expression);
    }
    for (TokenRange part : parts)
      for (size_t index = part.first; index + 1 < part.last; ++index)
        if (text_.tokens[index].is("(") && text_.tokens[index + 1].keyword("SELECT"))
          return refuse(index + 1,
                        "a subquery outside of FROM can see rows of other keys, so a change of one key "
                        "would change others",
                        "join it in FROM by the key, or use `-- kind: view`");
    if (aggregated) {
      for (const SelectItem* item : carriers)
        if (!grouped_by(shape, *item))
          return refuse(item->expression.first,
                        fmt::format("an aggregate that is not grouped by the key column `{}` "
                                    "mixes keys",
                                    item->alias),
                        "add it to GROUP BY");
      size_t groups = shape.group_by_all ? keys.size() : shape.groups.size();
      if (top && groups > keys.size())
        return refuse(shape.group_by.first,
                      "GROUP BY has more columns than the key, so a key would have several rows",
                      "name every GROUP BY column in `-- key:`");
    }
    return from(shape, carriers);
  }

  bool from(const SelectShape& shape, const std::vector<const SelectItem*>& carriers) {
    if (shape.from.empty())
      return refuse(shape.items.front().expression.first, "a keyed model reads mirrored tables", "add FROM");
    std::vector<size_t> sources;  // token of a reference or of an opening bracket
    std::set<std::string> joined_by;
    bool joined = false, arrays = false;
    for (size_t index = shape.from.first; index < shape.from.last && !arrays; ++index) {
      const Token& token = text_.tokens[index];
      if (token.keyword("ARRAY")) {
        arrays = true;
      } else if (token.is(",") || token.keyword("CROSS")) {
        return refuse(index, "a cross join mixes keys", "join USING the key");
      } else if (token.keyword("ON")) {
        return refuse(index, "a join in a keyed model must be by the key alone, which ON does not show",
                      fmt::format("write USING ({})", joined_names(source_.file.key)));
      } else if (token.keyword("USING")) {
        joined = true;
        std::set<std::string> names;
        for (++index; index < shape.from.last; ++index) {
          const Token& column = text_.tokens[index];
          if (column.is("(") || column.is(",") || column.is(")")) continue;
          if (!column.identifier() || (!text_.tokens[index - 1].is("(") && !text_.tokens[index - 1].is(",") &&
                                       !text_.tokens[index - 1].keyword("USING")))
            break;
          names.insert(column.name);
        }
        --index;
        for (const SelectItem* item : carriers)
          if (!names.contains(plain_column(item->expression)))
            return refuse(index, fmt::format("the join is not by the key column `{}`", item->alias),
                          "join USING every key column, or use `-- kind: view`");
      } else if (references_.contains(index)) {
        sources.push_back(index);
        index += 2;
      } else if (token.is("(")) {
        sources.push_back(index);
        index = text_.partner[index];
      }
    }
    if (sources.empty())
      return refuse(shape.from.first, "a keyed model reads mirrored tables: FROM bronze.<table>",
                    "name them so");
    if (sources.size() > 1 && !joined)
      return refuse(shape.from.first, "a join without USING the key mixes keys", "join USING the key");
    for (size_t token : sources) {
      if (text_.tokens[token].is("(")) {
        std::vector<std::string> names;
        for (const SelectItem* item : carriers) {
          names.push_back(plain_column(item->expression));
          if (names.back().empty())
            return refuse(item->expression.first,
                          fmt::format("the key column `{}` must be a plain column of the "
                                      "subquery",
                                      item->alias),
                          "compute it in the subquery");
        }
        if (!query({token, text_.partner[token] + 1}, names, false)) return false;
      } else if (!leaf(references_.at(token), carriers, shape, sources.size() > 1)) {
        return false;
      }
    }
    return true;
  }

  static std::string joined_names(const std::vector<std::string>& names) {
    return tidemark::models::joined(names);
  }

  bool leaf(const TableReference& reference, const std::vector<const SelectItem*>& carriers,
            const SelectShape& shape, bool joined) {
    auto table = source_.tables.find(reference.name());
    if (table == source_.tables.end())
      return refuse(reference.token, fmt::format("{} is not a mirrored table", reference.name()), "");
    Leaf leaf{.offset = reference.offset, .table = &table->second};
    for (const SelectItem* item : carriers) {
      std::string column = plain_column(item->expression);
      if (!column.empty() && table->second.has_column(column)) {
        leaf.keys.push_back(quote_identifier(column));
        continue;
      }
      if (joined || !column.empty())
        return refuse(
            reference.token,
            fmt::format("{} has no column `{}`, so a change of it does not say which keys it touches",
                        reference.name(), column.empty() ? item->alias : column),
            "every table of a keyed model must carry the key; join others in a `-- kind: view` model on top");
      // An expression over the table's own columns.
      std::string expression;
      for (size_t index = item->expression.first; index < item->expression.last; ++index) {
        const Token& token = text_.tokens[index];
        bool qualifier = token.identifier() && index + 2 < item->expression.last &&
                         text_.tokens[index + 1].is(".") && text_.tokens[index + 2].identifier();
        if (qualifier) {
          ++index;
          continue;
        }
        if (token.identifier() && !text_.call(index) && !table->second.has_column(token.name) &&
            shape.find(token.name) != nullptr)
          return refuse(index,
                        fmt::format("the key column `{}` is computed from `{}`, which is itself computed",
                                    item->alias, token.name),
                        "write it out over the table's columns");
        expression += (expression.empty() ? "" : " ") + std::string(token.text);
      }
      leaf.keys.push_back(std::move(expression));
    }
    leaves_.push_back(std::move(leaf));
    return true;
  }

  const ModelSource& source_;
  const SqlText& text_;
  bool inlined_;
  std::map<size_t, TableReference> references_;  // by token
  std::vector<Leaf> leaves_;
};

bool check_header(const ModelSource& source, const std::vector<ColumnDescription>& columns) {
  const auto& file = source.file;
  if (file.key.empty()) {
    source.complaints.at(0, "a keyed model needs to know its key",
                         "add a header line `-- key: <column>, ...`");
    return false;
  }
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(column.name);
  for (const auto& key : file.key)
    if (std::find(names.begin(), names.end(), key) == names.end()) {
      source.complaints.in_header(
          "key", fmt::format("the model has no column `{}`{}", key, config::did_you_mean(key, names)),
          "name output columns in `-- key:`");
      return false;
    }
  auto only_keys = [&](const std::string& header, const std::string& expression) {
    auto tokens = tokenize(expression);
    if (!tokens) return true;
    for (const auto& token : *tokens) {
      bool column = token.identifier() && std::find(names.begin(), names.end(), token.name) != names.end();
      if (!column || std::find(file.key.begin(), file.key.end(), token.name) != file.key.end()) continue;
      source.complaints.in_header(header,
                                  fmt::format("`{}` is not a key column; a row that is recomputed would not "
                                              "replace the one before",
                                              token.name),
                                  "use key columns only");
      return false;
    }
    return true;
  };
  for (const auto& expression : file.order_by)
    if (!only_keys("order_by", expression)) return false;
  return only_keys("partition_by", file.partition_by);
}

}  // namespace

std::optional<KeyedModel> compile_keyed(const ModelSource& source, const SqlText& text, bool inlined,
                                        const std::vector<ColumnDescription>& columns) {
  if (!check_header(source, columns)) return std::nullopt;
  refuse_changing_functions(source, text, "keyed");
  if (source.complaints.any()) return std::nullopt;
  Analyser analyser(source, text, inlined);
  if (!analyser.run()) return std::nullopt;

  std::vector<KeyColumn> keys;
  for (const auto& name : source.file.key)
    for (const auto& column : columns)
      if (column.name == name)
        keys.push_back(
            {keys.size(), name, bare_type(column.type), column.type.find("Nullable(") != std::string::npos});

  KeyedModel model;
  std::vector<std::string> declared, touched_names, restored, sorting;
  for (const auto& key : keys) {
    if (key.nullable) {
      declared.push_back(key.null_flag() + " UInt8");
      touched_names.push_back(key.null_flag());
    }
    declared.push_back(key.value() + " " + key.type);
    touched_names.push_back(key.value());
    restored.push_back(key.nullable ? "if(" + key.null_flag() + " = 1, NULL, " + key.value() + ")"
                                    : key.value());
    model.key_names.push_back(quote_identifier(key.name));
  }
  declared.push_back("_table LowCardinality(String)");
  declared.push_back("_cut UInt64");
  model.touched_columns = joined(declared);
  const std::string touched_rows = "(SELECT DISTINCT " + joined(touched_names) + " FROM " +
                                   std::string(touched_placeholder) + " WHERE _cut = {cut:UInt64})";
  model.touched_keys = "SELECT " + joined(restored) + " FROM " + touched_rows;

  std::map<size_t, std::string> restricted;  // reference offset -> its rows of touched keys
  std::set<std::string> selects;
  for (const auto& leaf : analyser.leaves()) {
    auto types = clickhouse::describe_select(
        source.client, "SELECT " + joined(leaf.keys) + " FROM " + leaf.table->current());
    if (!types) {
      source.complaints.refused(types.error(), "the key's expression");
      return std::nullopt;
    }
    std::vector<std::string> values, written;
    for (size_t index = 0; index < keys.size(); ++index) {
      const auto& key = keys[index];
      const auto& expression = leaf.keys[index];
      bool nullable_here = (*types)[index].type.find("Nullable(") != std::string::npos;
      std::string value = nullable_here || key.nullable ? key.value_of(expression) : "(" + expression + ")";
      if (key.nullable) {
        values.push_back("isNull(" + expression + ")");
        written.push_back(values.back() + " AS " + key.null_flag());
      }
      values.push_back(value);
      written.push_back(key.value_of(expression) + " AS " + key.value());
    }
    restricted[leaf.offset] = leaf.table->rows("(" + joined(values) + ") IN " + touched_rows);
    // The initial copy (cut 0) is followed by a rebuild, not key by key.
    std::string select = "SELECT DISTINCT " + joined(written) + ", " +
                         quote_string("bronze." + leaf.table->name) + " AS _table, _cut FROM " +
                         leaf.table->changes() + " WHERE _cut > 0";
    if (selects.insert(select).second) model.touch_selects.emplace_back("bronze." + leaf.table->name, select);
  }
  auto restricted_select =
      replace_references(text.sql, [&](const TableReference& reference) -> std::optional<std::string> {
        if (reference.column) return "";
        auto found = restricted.find(reference.offset);
        if (found == restricted.end()) return std::nullopt;
        return found->second;
      });
  if (!restricted_select) {
    source.complaints.refused(restricted_select.error(), "cannot be compiled");
    return std::nullopt;
  }
  model.restricted_select = std::move(*restricted_select);

  std::vector<std::string> stored;
  for (const auto& column : columns) {
    stored.push_back(quote_identifier(column.name) + " " + column.type);
    model.column_names.push_back(quote_identifier(column.name));
  }
  model.store_columns = joined(stored) + ", _version UInt128, _deleted UInt8";
  std::set<std::string> used;
  for (const auto& expression : source.file.order_by) {
    sorting.push_back(expression);
    used.insert(expression);
  }
  for (const auto& key : keys)
    if (!used.contains(key.name)) sorting.push_back(quote_identifier(key.name));
  model.engine =
      "ReplacingMergeTree(_version, _deleted)" +
      (source.file.partition_by.empty() ? "" : " PARTITION BY (" + source.file.partition_by + ")") +
      " ORDER BY (" + joined(sorting) + ")";
  return model;
}

}  // namespace tidemark::models
