#include "models/incremental_traps.h"

#include "models/references.h"

namespace tidemark::models {

bool additive_aggregate(std::string_view function) {
  std::string lower = lower_case(function);
  static constexpr std::string_view additive[] = {"count", "countif", "sum", "sumif", "avg", "avgif"};
  return std::find(std::begin(additive), std::end(additive), lower) != std::end(additive);
}

std::optional<size_t> find_subquery(const SqlText& text, size_t from) {
  for (size_t index = from; index + 1 < text.tokens.size(); ++index)
    if (text.tokens[index].is("(") &&
        (text.tokens[index + 1].keyword("SELECT") || text.tokens[index + 1].keyword("WITH")))
      return index + 1;
  return std::nullopt;
}

void refuse_changing_functions(const ModelSource& source, const SqlText& text, std::string_view kind) {
  for (size_t index = 0; index < text.tokens.size(); ++index) {
    if (!text.call(index)) continue;
    const Token& token = text.tokens[index];
    // COUNT, arrayJoin and the like are known to repeat themselves; only what the server marks is refused.
    if (source.functions.changes_by_itself(token.name) && !source.functions.aggregate(token.name))
      source.complaints.at(
          token.offset,
          fmt::format(
              "{}() gives another answer each time, so a stored result would go stale or be impossible to "
              "take back",
              token.text),
          fmt::format("leave it out of this {} model and apply it in a `-- kind: view` model on top", kind));
  }
}

const MirroredTable* check_incremental(const ModelSource& source, const SqlText& text) {
  const auto& tokens = text.tokens;
  Complaints& complaints = source.complaints;
  auto refuse = [&](size_t token, std::string message, std::string remedy) {
    complaints.at(tokens[token].offset, std::move(message), std::move(remedy));
  };

  std::optional<size_t> set_operation;
  union_branches(text, {0, tokens.size()}, set_operation);
  if (set_operation) {
    refuse(*set_operation,
           fmt::format("{} cannot be in an incremental model: it hangs on the rows of one table",
                       tokens[*set_operation].text),
           "make one incremental model of each SELECT and a `-- kind: view` model that combines them");
    return nullptr;
  }
  if (auto subquery = find_subquery(text, 0)) {
    refuse(*subquery, "a subquery in an incremental model would see only the rows of the current change",
           "write one SELECT over bronze.<table>, or use `-- kind: keyed` or `-- kind: view`");
    return nullptr;
  }
  SelectShape shape = shape_of(text, {0, tokens.size()});
  for (const auto& extra : shape.extras) {
    if (extra.what == "DISTINCT")
      refuse(extra.token,
             "DISTINCT cannot be kept by adding change rows up: a delete must not hide a duplicate",
             "use GROUP BY, or `-- kind: keyed` or `-- kind: view`");
    else if (extra.what == "ORDER BY" || extra.what == "LIMIT")
      refuse(extra.token,
             fmt::format("{} in an incremental model would apply to each change alone", extra.what),
             "put it into the query that reads the model, or use `-- kind: view`");
    else if (extra.what == "WINDOW" || extra.what == "QUALIFY")
      refuse(
          extra.token,
          fmt::format("{} in an incremental model would see only the rows of the current change", extra.what),
          "use `-- kind: view`");
    else
      refuse(extra.token, fmt::format("{} is not supported in an incremental model", extra.what),
             "leave it out, or use `-- kind: view`");
  }
  if (!shape.prewhere.empty())
    refuse(shape.prewhere.first - 1, "PREWHERE does not apply to change rows", "write WHERE");
  if (shape.star)
    refuse(*shape.star, "`*` would change the model whenever the source gets a column", "name the columns");
  for (const auto& item : shape.items)
    if (!item.named && !shape.star)
      refuse(item.expression.first,
             fmt::format("the expression `{}` has no name", text.text(item.expression)), "add AS <name>");
  for (size_t index = 0; index < tokens.size(); ++index) {
    if (!text.call(index)) continue;
    std::string function = lower_case(tokens[index].name);
    size_t close = text.partner[index + 1];
    if (close == std::string::npos) continue;
    bool over = close + 1 < tokens.size() && tokens[close + 1].keyword("OVER");
    if (function == "arrayjoin")
      refuse(index, "arrayJoin() makes several rows of one, which have no key to take them back by",
             "use `-- kind: view`");
    if (over) {
      refuse(index, "a window function in an incremental model would see only the rows of the current change",
             "use `-- kind: view`");
    } else if (source.functions.aggregate(function)) {
      std::string groups =
          shape.group_by.empty() ? "<the GROUP BY columns>" : std::string(text.text(shape.group_by));
      std::string remedy = fmt::format("use `-- kind: keyed` with `-- key: {}`, or `-- kind: view`", groups);
      if (!additive_aggregate(function))
        refuse(index,
               fmt::format("{}() cannot be kept exact by adding change rows up: when a row is updated or "
                           "deleted, its part of the result cannot be taken back",
                           tokens[index].text),
               remedy);
      else if (index + 2 < tokens.size() && tokens[index + 2].keyword("DISTINCT"))
        refuse(index, fmt::format("{}(DISTINCT ...) does not add up", tokens[index].text), remedy);
      else if (close + 1 < tokens.size() && tokens[close + 1].keyword("FILTER"))
        refuse(close + 1, "FILTER is not supported in an incremental model",
               fmt::format("write {}If(..., condition)", lower_case(function)));
      else if (close + 1 < tokens.size() && tokens[close + 1].is("("))
        refuse(index, fmt::format("{} with parameters does not add up", tokens[index].text), remedy);
    }
  }
  refuse_changing_functions(source, text, "incremental");

  // FROM bronze.t [AS a] and nothing else.
  auto references = find_references(tokens);
  const TableReference* table = nullptr;
  for (const auto& reference : references) {
    if (reference.column) continue;
    if (table != nullptr || reference.in_set) {
      complaints.at(
          reference.offset,
          fmt::format("an incremental model hangs on the changes of one table; changes of {} would not "
                      "reach it",
                      reference.name()),
          "join in a `-- kind: view` model on top of this one, or use `-- kind: keyed`");
      return nullptr;
    }
    table = &reference;
  }
  if (table == nullptr || shape.from.empty()) {
    complaints.at(0, "an incremental model reads one mirrored table: FROM bronze.<table>",
                  "add it, or use `-- kind: view`");
    return nullptr;
  }
  auto mirrored = source.tables.find(table->name());
  if (mirrored == source.tables.end()) {
    complaints.at(table->offset,
                  fmt::format("an incremental model reads a mirrored table; {} is a model", table->name()),
                  "read bronze.<table>, or use `-- kind: keyed` or `-- kind: view`");
    return nullptr;
  }
  if (table->final) {
    complaints.at(table->end,
                  "FINAL and SAMPLE have no place here: the rows of bronze." + mirrored->second.name +
                      " are the current ones",
                  "leave it out");
    return nullptr;
  }
  size_t expected = 3;
  if (table->aliased) expected += tokens[shape.from.first + 3].keyword("AS") ? 2 : 1;
  if (shape.from.size() != expected) {
    size_t place = std::min(shape.from.first + expected, tokens.size() - 1);
    refuse(place, "an incremental model hangs on the changes of one table, without joins",
           "join in a `-- kind: view` model on top of this one, or use `-- kind: keyed`");
    return nullptr;
  }
  return complaints.any() ? nullptr : &mirrored->second;
}

}  // namespace tidemark::models
